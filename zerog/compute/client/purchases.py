"""All that has to be there before a request is sent: limits that allow it, money with the provider, a key, and what encrypts it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zerog.chain.client.wallet import Spending
from zerog.compute.client.exchange import Asked
from zerog.compute.client.market import Market
from zerog.compute.client.pricing import highest_fee_wei
from zerog.compute.client.providers import Providers
from zerog.compute.client.purse import Purse
from zerog.compute.client.requests import Request
from zerog.compute.client.sealing import SealedTalk, recipient_of
from zerog.compute.protocol.constants import LOCKED_BALANCE_WEI_MIN
from zerog.compute.protocol.envelope import load_object
from zerog.compute.protocol.errors import InsufficientBalanceError
from zerog.compute.protocol.evidence import Assurance, QuoteVerifier
from zerog.compute.protocol.profiles import profile_of
from zerog.compute.wire.provider import UnsettledFeeAnswer
from zerog.contracts.compute import InferenceAccount, InferenceService
from zerog.primitives import Address, Wei

__all__ = ["Purchases"]

ROOM_WEI: Final = 10**18
"""What is moved to a provider beyond the need, so that not every request moves money. No public ledger wants more."""


class Purchases:
    """Makes requests of a purse ready for providers."""

    def __init__(
        self, market: Market, providers: Providers, purse: Purse, *, least_assurance: Assurance, quote_verifier: QuoteVerifier | None
    ) -> None:
        self._market: Final = market
        self._providers: Final = providers
        self._purse: Final = purse
        self._least_assurance: Final = least_assurance
        self._quote_verifier: Final = quote_verifier

    @contextmanager
    def begin(self, service: InferenceService, request: Request, *, fund: bool) -> Iterator[tuple[Asked, Spending]]:
        """What to send, and where to say what it cost. Raises as `ComputeClient.chat`, before anything is sent."""
        highest_wei = highest_fee_wei(service, request.kind, request.body, request.content_type)
        with self._purse.spending(service.provider, highest_wei) as spending:
            try:
                body, talk, evidence = self._sealed(service, request)
                account = self._prepare(service, highest_wei, fund=fund)
            except BaseException:
                spending.wei = 0  # Nothing was asked yet.
                raise
            asked = Asked(
                service=service,
                contracts=self._market.contracts,
                chain_id=self._market.chain_id,
                kind=request.kind,
                model=request.model,
                body=body,
                content_type=request.content_type,
                key=self._purse.keys().session(service.provider, account.generation),
                evidence=evidence,
                talk=talk,
            )
            yield asked, spending

    def unsettled_wei(self, service: InferenceService, account: InferenceAccount) -> Wei:
        """What the provider says is owed and not settled. Raises `ProviderError`."""
        key = self._purse.keys().session(account.provider, account.generation)
        answer = self._providers.of(service).get(f"/v1/user/{account.user}/unsettledfee", UnsettledFeeAnswer, key=key)
        return Wei(int(answer.unsettled_fee))

    def _sealed(self, service: InferenceService, request: Request) -> tuple[bytes, SealedTalk | None, bytes | None]:
        """The bytes to send; where they are encrypted, what opens the answer; and the provider's evidence."""
        if not request.encrypted:
            return request.body, None, self._providers.evidence(service)
        connection, signer = self._providers.of(service), service.params.signer
        profile = profile_of(request.kind.path.removeprefix("/v1/proxy"))
        recipient = recipient_of(connection, service.provider, signer, least=self._least_assurance, quote_verifier=self._quote_verifier)
        talk = SealedTalk.begin(load_object(request.body, "the request"), profile, recipient, connection.url)
        return talk.sealed.body, talk, recipient.evidence

    def _prepare(self, service: InferenceService, highest_wei: int, *, fund: bool) -> InferenceAccount:
        """The account with the provider, with what the request needs in it."""
        user, provider = self._purse.account.address, service.provider
        account = self._market.account(user, provider)
        unsettled_wei = 0 if account is None else self.unsettled_wei(service, account)
        locked_wei = 0 if account is None else account.balance_wei - account.pending_refund_wei
        needed_wei = LOCKED_BALANCE_WEI_MIN + unsettled_wei + highest_wei
        if account is not None and locked_wei >= needed_wei:
            return account
        if not fund:
            raise InsufficientBalanceError(user, Wei(locked_wei), Wei(needed_wei))
        self._top_up(provider, max(needed_wei + ROOM_WEI - locked_wei, ROOM_WEI))
        account = self._market.account(user, provider)
        if account is None:
            raise InsufficientBalanceError(user, Wei(0), Wei(needed_wei))
        return account

    def _top_up(self, provider: Address, amount_wei: int) -> None:
        """Move money to the provider, and into the ledger before where it lacks."""
        self._purse.check_provider(provider)
        funds, ledger = self._purse.funds(), self._market.ledger(self._purse.account.address)
        if ledger is None:
            funds.deposit(max(self._market.ledger_min_wei, amount_wei))
        elif ledger.available_wei < amount_wei:
            funds.deposit(amount_wei - ledger.available_wei)
        funds.transfer(provider, amount_wei)
