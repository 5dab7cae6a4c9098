"""The same client for programs with an event loop: each call runs in a thread."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

from anyio import CancelScope, to_thread

from zerog.chain.client import ChainClient, Payer
from zerog.chain.client.wallet import Wallet
from zerog.compute.client.chatting import ChatOptions, ChatStream, Message
from zerog.compute.client.client import DEFAULT_OPTIONS, ComputeClient
from zerog.compute.client.exchange import Answer
from zerog.compute.client.market import Contracts
from zerog.compute.protocol.evidence import Assurance, QuoteVerifier
from zerog.primitives import Account, Address
from zerog.runtime.faces import described_by, in_thread, in_thread_to_the_end, step_by_step

__all__ = ["AsyncChatStream", "AsyncComputeClient"]


class AsyncChatStream:
    """As `ChatStream`: iterate over the words with `async for`, then await `answer()`."""

    def __init__(self, blocking: ChatStream) -> None:
        self._blocking: Final = blocking

    @property
    def request_id(self) -> str:
        """See `ChatStream.request_id`."""
        return self._blocking.request_id

    async def __aiter__(self) -> AsyncIterator[str]:
        words = iter(self._blocking)
        while (word := await to_thread.run_sync(next, words, None)) is not None:
            yield word

    async def answer(self) -> Answer:
        """See `ChatStream.answer`."""
        return await to_thread.run_sync(lambda: self._blocking.answer)


class AsyncComputeClient:
    """As `ComputeClient`, whose methods it has."""

    def __init__(
        self,
        *,
        chain: ChainClient,
        account: Payer | None = None,
        wallet: Wallet | None = None,
        contracts: Contracts | None = None,
        least_assurance: Assurance = Assurance.TDX,
        quote_verifier: QuoteVerifier | None = None,
    ) -> None:
        self.blocking: Final = ComputeClient(
            chain=chain,
            account=account,
            wallet=wallet,
            contracts=contracts,
            least_assurance=least_assurance,
            quote_verifier=quote_verifier,
        )
        """The client that does the work."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of all connections to providers; chats that are under way fail."""
        await to_thread.run_sync(self.blocking.close)

    @property
    def account(self) -> Account:
        """Who pays and signs. Raises `KeyMissingError`."""
        return self.blocking.account

    services = in_thread(ComputeClient.services)
    service = in_thread(ComputeClient.service)
    choose = in_thread(ComputeClient.choose)
    models = in_thread(ComputeClient.models)
    money = in_thread(ComputeClient.money)
    deposit = in_thread_to_the_end(ComputeClient.deposit)
    transfer = in_thread_to_the_end(ComputeClient.transfer)
    retrieve = in_thread_to_the_end(ComputeClient.retrieve)
    refund = in_thread_to_the_end(ComputeClient.refund)
    create_key = in_thread_to_the_end(ComputeClient.create_key)
    revoke_key = in_thread_to_the_end(ComputeClient.revoke_key)
    revoke_all_keys = in_thread_to_the_end(ComputeClient.revoke_all_keys)
    ask = in_thread(ComputeClient.ask)
    post = in_thread(ComputeClient.post)
    receipts = step_by_step(ComputeClient.receipts)
    settled = in_thread(ComputeClient.settled)
    published = in_thread(ComputeClient.published)
    verify = in_thread_to_the_end(ComputeClient.verify)

    @described_by(ComputeClient.chat)
    @asynccontextmanager
    async def chat(
        self,
        prompt: str | Sequence[Message],
        *,
        model: str | None = None,
        provider: Address | None = None,
        options: ChatOptions = DEFAULT_OPTIONS,
        encrypted: bool = False,
        fund: bool = True,
        timeout_s: float | None = None,
    ) -> AsyncIterator[AsyncChatStream]:
        manager = self.blocking.chat(
            prompt, model=model, provider=provider, options=options, encrypted=encrypted, fund=fund, timeout_s=timeout_s
        )
        stream = await to_thread.run_sync(manager.__enter__)
        try:
            yield AsyncChatStream(stream)
        except BaseException as error:
            with CancelScope(shield=True):
                await to_thread.run_sync(manager.__exit__, type(error), error, error.__traceback__)
            raise
        else:
            await to_thread.run_sync(manager.__exit__, None, None, None)
