"""The same client for programs with an event loop: each call runs in a thread."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from anyio import CancelScope, to_thread

from zerog.chain.client import ChainClient, Payer
from zerog.chain.client.wallet import Wallet
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.compute.client.chatting import ChatOptions, ChatStream, Message
from zerog.compute.client.client import DEFAULT_OPTIONS, ComputeClient
from zerog.compute.client.exchange import Answer
from zerog.compute.client.funding import Retrieval
from zerog.compute.client.keys import ApiKey
from zerog.compute.client.market import Contracts
from zerog.compute.client.money import Money
from zerog.compute.client.verifying import Replayer, Verdict
from zerog.compute.client.verifying.kinds import JSON_TYPE
from zerog.compute.protocol.evidence import Assurance, QuoteVerifier
from zerog.compute.protocol.receipts import Receipt
from zerog.compute.wire.answer_file import AnswerFile
from zerog.compute.wire.provider import ModelInfo
from zerog.contracts.compute import InferenceService
from zerog.primitives import Account, Address, Wei

if TYPE_CHECKING:
    from zerog.compute.client.publications import Publication

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
        self.close()

    def close(self) -> None:
        """Let go of all connections to providers; chats that are under way fail."""
        self.blocking.close()

    @property
    def account(self) -> Account:
        """See `ComputeClient.account`."""
        return self.blocking.account

    async def services(self, *, unusable: bool = False) -> list[InferenceService]:
        """See `ComputeClient.services`."""
        return await to_thread.run_sync(partial(self.blocking.services, unusable=unusable))

    async def service(self, provider: Address) -> InferenceService:
        """See `ComputeClient.service`."""
        return await to_thread.run_sync(self.blocking.service, provider)

    async def models(self, provider: Address) -> list[ModelInfo]:
        """See `ComputeClient.models`."""
        return await to_thread.run_sync(self.blocking.models, provider)

    async def money(self, address: Address | None = None, *, ask_providers: bool = True) -> Money:
        """See `ComputeClient.money`."""
        return await to_thread.run_sync(partial(self.blocking.money, address, ask_providers=ask_providers))

    async def deposit(self, amount_wei: int) -> ReceiptAnswer:
        """See `ComputeClient.deposit`."""
        return await to_thread.run_sync(self.blocking.deposit, amount_wei)

    async def transfer(self, provider: Address, amount_wei: int) -> ReceiptAnswer:
        """See `ComputeClient.transfer`."""
        return await to_thread.run_sync(self.blocking.transfer, provider, amount_wei)

    async def retrieve(self, providers: Sequence[Address] | None = None) -> Retrieval:
        """See `ComputeClient.retrieve`."""
        return await to_thread.run_sync(self.blocking.retrieve, providers)

    async def refund(self, amount_wei: int | None = None) -> Wei:
        """See `ComputeClient.refund`."""
        return await to_thread.run_sync(self.blocking.refund, amount_wei)

    async def create_key(self, provider: Address, *, token_id: int | None = None, lifetime_s: float | None = None) -> ApiKey:
        """See `ComputeClient.create_key`."""
        return await to_thread.run_sync(partial(self.blocking.create_key, provider, token_id=token_id, lifetime_s=lifetime_s))

    async def revoke_key(self, provider: Address, token_id: int) -> ReceiptAnswer:
        """See `ComputeClient.revoke_key`."""
        return await to_thread.run_sync(self.blocking.revoke_key, provider, token_id)

    async def revoke_all_keys(self, provider: Address) -> ReceiptAnswer:
        """See `ComputeClient.revoke_all_keys`."""
        return await to_thread.run_sync(self.blocking.revoke_all_keys, provider)

    async def ask(
        self,
        prompt: str | Sequence[Message],
        *,
        model: str | None = None,
        provider: Address | None = None,
        options: ChatOptions = DEFAULT_OPTIONS,
        encrypted: bool = False,
        fund: bool = True,
    ) -> Answer:
        """See `ComputeClient.ask`."""
        return await to_thread.run_sync(
            partial(self.blocking.ask, prompt, model=model, provider=provider, options=options, encrypted=encrypted, fund=fund),
            abandon_on_cancel=True,
        )

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
    ) -> AsyncIterator[AsyncChatStream]:
        """See `ComputeClient.chat`."""
        manager = self.blocking.chat(prompt, model=model, provider=provider, options=options, encrypted=encrypted, fund=fund)
        stream = await to_thread.run_sync(manager.__enter__)
        try:
            yield AsyncChatStream(stream)
        except BaseException as error:
            with CancelScope(shield=True):
                await to_thread.run_sync(manager.__exit__, type(error), error, error.__traceback__)
            raise
        else:
            await to_thread.run_sync(manager.__exit__, None, None, None)

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        content_type: str = JSON_TYPE,
        model: str | None = None,
        provider: Address | None = None,
        encrypted: bool = False,
        fund: bool = True,
    ) -> Answer:
        """See `ComputeClient.post`."""
        send = partial(self.blocking.post, path, body, content_type=content_type, model=model, provider=provider)
        return await to_thread.run_sync(partial(send, encrypted=encrypted, fund=fund), abandon_on_cancel=True)

    async def receipts(self, provider: Address) -> list[Receipt]:
        """See `ComputeClient.receipts`; all at once."""
        return await to_thread.run_sync(lambda: list(self.blocking.receipts(provider)), abandon_on_cancel=True)

    async def settled(self, file: AnswerFile, *, wait_s: float = 0.0) -> AnswerFile:
        """See `ComputeClient.settled`."""
        return await to_thread.run_sync(partial(self.blocking.settled, file, wait_s=wait_s), abandon_on_cancel=True)

    async def published(self, file: AnswerFile, *, wait_s: float = 0.0) -> "Publication":
        """See `ComputeClient.published`."""
        return await to_thread.run_sync(partial(self.blocking.published, file, wait_s=wait_s), abandon_on_cancel=True)

    async def verify(
        self,
        answer: bytes | AnswerFile,
        *,
        quote_verifier: QuoteVerifier | None = None,
        replayer: Replayer | None = None,
        replay: bool = False,
        data: bytes | None = None,
    ) -> Verdict:
        """See `ComputeClient.verify`."""
        check = partial(self.blocking.verify, quote_verifier=quote_verifier, replayer=replayer, replay=replay, data=data)
        return await to_thread.run_sync(check, answer)
