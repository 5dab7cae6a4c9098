"""A client of the marketplace: services, money, keys, chats and what proves them, for programs without an event loop."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, Self

from zerog.chain.client import ChainClient
from zerog.chain.client.signer import Payer
from zerog.chain.client.wallet import Wallet
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.compute.client.chatting import ChatOptions, ChatStream, Message
from zerog.compute.client.errors import (
    AnswerRefutedError,
    ProviderError,
    ServiceUnknownError,
    ServiceUnusableError,
)
from zerog.compute.client.exchange import Answer, Exchange
from zerog.compute.client.funding import Retrieval
from zerog.compute.client.keys import ApiKey
from zerog.compute.client.market import Contracts, Market
from zerog.compute.client.money import LedgerMoney, Money, ProviderMoney, WaitingRefund
from zerog.compute.client.providers import Providers
from zerog.compute.client.purchases import Purchases
from zerog.compute.client.purse import Purse
from zerog.compute.client.requests import Request, chat_with, named_model
from zerog.compute.client.settlement_look import SettlementLook
from zerog.compute.client.verifying import Replayer, Verdict, verify_answer
from zerog.compute.client.verifying.kinds import EVENTS_TYPE, JSON_TYPE, KINDS
from zerog.compute.client.verifying.offline import check_receipt_of
from zerog.compute.client.waiting import late, within
from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.errors import InsufficientBalanceError
from zerog.compute.protocol.evidence import Assurance, QuoteVerifier
from zerog.compute.protocol.receipts import Receipt
from zerog.compute.protocol.sealed_proof import event_payloads
from zerog.compute.wire.answer_file import AnswerFile, read_answer_file
from zerog.compute.wire.forms import boundary_of, form_type
from zerog.compute.wire.provider import ModelInfo, ModelsAnswer, ReceiptsAnswer
from zerog.contracts.compute import InferenceAccount, InferenceService
from zerog.primitives import Account, Address, Wei
from zerog.runtime.deadlines import ONE_LOOK_S, each_in_time, rest_before_end, time_limit

if TYPE_CHECKING:
    from zerog.compute.client.publications import Publication

__all__ = ["ComputeClient"]

SETTLED_S_MAX: Final = 60.0
PUBLISHED_S_MAX: Final = 60.0
RECEIPTS_PAGE: Final = 50
SETTLED_LOOK_S: Final = 0.5
"""Between two looks for a settlement."""
DEFAULT_OPTIONS: Final = ChatOptions()


class ComputeClient:
    """Talks to the market on one chain and to its providers, from any number of threads. Close it, or use it in a `with` block.

    What it does not get it says with a `ComputeError`; what the chain refuses, with a `ChainClientError` or `ComputeCallRefusedError`.

    `timeout_s` is how long a method may take as a whole, and ends it with a `ComputeTimeoutError` that tells what was done until then.
    Without it, chain and providers have 30 s for each answer; methods that take longer say what they have.
    """

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
        """`account` pays and signs; without it there is nothing but looking and verifying. A `Signer` is held to its limits, a bare account
        to those that are set in `wallet`, where the numbers of keys are remembered too. `chain` stays the caller's to close. `contracts` if
        they stand elsewhere than the chain id says. `least_assurance` is what an enclave's evidence has to show before anything is
        encrypted to it, and `quote_verifier` what makes it show more than its form."""
        self.market: Final = Market(chain, contracts)
        self._providers: Final = Providers(self.market)
        self._purse: Final = Purse(self.market, account, wallet)
        self.wallet: Final = self._purse.wallet
        self.least_assurance: Final = least_assurance
        self.quote_verifier: Final = quote_verifier
        self._purchases: Final = Purchases(
            self.market, self._providers, self._purse, least_assurance=least_assurance, quote_verifier=quote_verifier
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections to providers."""
        self._providers.close()

    @property
    def account(self) -> Account:
        """Who pays and signs. Raises `KeyMissingError`."""
        return self._purse.account

    # ---- what there is -------------------------------------------------------------------------------------------

    def services(self, *, unusable: bool = False, timeout_s: float | None = None) -> list[InferenceService]:
        """Services that can be paid; with `unusable` also those whose signer the contract's owner has not acknowledged."""
        with within(timeout_s, "the services are not listed"):
            return [service for service in self.market.services() if unusable or service.is_signer_acknowledged]

    def service(self, provider: Address, *, timeout_s: float | None = None) -> InferenceService:
        """Raises `ServiceUnknownError`."""
        with within(timeout_s, "the service is not known"):
            return self.market.service(provider)

    def models(self, provider: Address, *, timeout_s: float | None = None) -> list[ModelInfo]:
        """What the provider itself says that it offers. Raises `ProviderError`."""
        with within(timeout_s, "the provider has not told its models"):
            return self._providers.of(self.service(provider)).get("/v1/models", ModelsAnswer).data

    # ---- money ---------------------------------------------------------------------------------------------------

    def money(self, address: Address | None = None, *, ask_providers: bool = True, timeout_s: float | None = None) -> Money:
        """Where the money of an address is. What is owed and not settled the providers say, to its owner alone."""
        with within(timeout_s, "not everybody has told of the money"):
            return self._money(address, ask_providers=ask_providers)

    def _money(self, address: Address | None, *, ask_providers: bool) -> Money:
        owner = self.account.address if address is None else address
        chain = self.market.chain
        head, ledger = chain.block("latest"), self.market.ledger(owner)
        ask = ask_providers and self._purse.is_of(owner)
        return Money(
            address=owner,
            wallet_wei=Wei(chain.balance(owner)),
            ledger=None
            if ledger is None
            else LedgerMoney(total_wei=ledger.total_wei, available_wei=ledger.available_wei, locked_wei=ledger.locked_wei),
            providers=tuple(self._money_with(account, ask=ask) for account in self.market.accounts(owner)),
            chain_time_s=0 if head is None else head.timestamp,
        )

    def _money_with(self, account: InferenceAccount, *, ask: bool) -> ProviderMoney:
        service = self.market.find_service(account.provider)
        unsettled = None
        if ask and service is not None:
            try:
                unsettled = self._purchases.unsettled_wei(service, account)
            except ProviderError:
                unsettled = None  # The chain's figures are the ones that count.
        return ProviderMoney(
            provider=account.provider,
            model=None if service is None else service.params.model,
            balance_wei=account.balance_wei,
            locked_wei=Wei(account.balance_wei - account.pending_refund_wei),
            pending_refund_wei=account.pending_refund_wei,
            refunds=tuple(
                WaitingRefund(amount_wei=refund.amount_wei, refundable_at_s=refund.created_at + self.market.lock_time_s)
                for refund in account.refunds
            ),
            unsettled_wei=unsettled,
            acknowledged=account.is_acknowledged,
        )

    def deposit(self, amount_wei: int, *, timeout_s: float | None = None) -> ReceiptAnswer:
        """Move an amount from the account into the ledger, which is made with the first deposit, of the contract's least amount or more.

        Waits for the block, up to 120 s by default, as all that sends transactions. Raises `ComputeCallRefusedError`,
        `SigningRefusedError`, `ReceiptTimeoutError`.
        """
        with within(timeout_s, "the deposit is in no block"):
            return self._purse.funds().deposit(amount_wei)

    def transfer(self, provider: Address, amount_wei: int, *, timeout_s: float | None = None) -> ReceiptAnswer:
        """Move an amount from the ledger to the account with a provider, whose signer is acknowledged with it.

        What was asked back from the provider and waits is taken back first. Raises `SpendLimitError`, `ProviderNotAllowedError`, and as
        `deposit`.
        """
        with within(timeout_s, "the transfer is in no block"):
            return self._purse.funds().transfer(provider, amount_wei)

    def retrieve(self, providers: Sequence[Address] | None = None, *, timeout_s: float | None = None) -> Retrieval:
        """Ask money back from some providers, or from all; and take into the ledger what was asked back a lock time ago.

        Raises as `deposit`.
        """
        with within(timeout_s, "not all of the money is asked back"):
            return self._purse.funds().retrieve(providers)

    def refund(self, amount_wei: int | None = None, *, timeout_s: float | None = None) -> Wei:
        """Move an amount, or all that is available, from the ledger back to the account; returns what was moved. Raises as `deposit`."""
        with within(timeout_s, "the refund is in no block"):
            return self._purse.funds().refund(amount_wei)

    # ---- keys ----------------------------------------------------------------------------------------------------

    def create_key(
        self, provider: Address, *, token_id: int | None = None, lifetime_s: float | None = None, timeout_s: float | None = None
    ) -> ApiKey:
        """An API key for OpenAI's clients, whose base URL is the service's with `/v1/proxy`. It can be revoked by its number.

        Raises `KeyNumberError`, `InsufficientBalanceError` without money with the provider, `ProviderNotAllowedError`.
        """
        self._purse.check_provider(provider)
        with within(timeout_s, "the chain has not told of the account with the provider"):
            account = self.market.account(self.account.address, provider)
            if account is None:
                raise InsufficientBalanceError(self.account.address, Wei(0), self.market.transfer_min_wei)
            return self._purse.keys().create(account, token_id=token_id, lifetime_s=lifetime_s)

    def revoke_key(self, provider: Address, token_id: int, *, timeout_s: float | None = None) -> ReceiptAnswer:
        """Make one API key worthless, by its number. Raises as `deposit`."""
        with within(timeout_s, "the revocation is in no block"):
            return self._purse.funds().revoke_key(provider, token_id)

    def revoke_all_keys(self, provider: Address, *, timeout_s: float | None = None) -> ReceiptAnswer:
        """Make all API keys and sessions with a provider worthless. Raises as `deposit`."""
        with within(timeout_s, "the revocation is in no block"):
            return self._purse.funds().revoke_all_keys(provider)

    # ---- chats ---------------------------------------------------------------------------------------------------

    def ask(
        self,
        prompt: str | Sequence[Message],
        *,
        model: str | None = None,
        provider: Address | None = None,
        options: ChatOptions = DEFAULT_OPTIONS,
        encrypted: bool = False,
        fund: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Chat and wait for the whole answer, with its proofs. See `chat`.

        `timeout_s` is for all of it, from the first look at the chain on. By default it takes as long as the provider is never silent for
        300 s. An answer that is not waited for is paid for all the same.
        """
        with (
            within(timeout_s, "there is no answer"),
            self.chat(prompt, model=model, provider=provider, options=options, encrypted=encrypted, fund=fund) as stream,
        ):
            return stream.answer

    @contextmanager
    def chat(
        self,
        prompt: str | Sequence[Message],
        *,
        model: str | None = None,
        provider: Address | None = None,
        options: ChatOptions = DEFAULT_OPTIONS,
        encrypted: bool = False,
        fund: bool = True,
        timeout_s: float | None = None,
    ) -> Iterator[ChatStream]:
        """Ask a provider, or the cheapest one that offers the model; words come as they are made, and then the answer with its proofs.

        With `encrypted`, prompt and answer are sealed between here and the provider's enclave, which has to show `least_assurance`.
        With `fund`, what the request needs is moved first: from the wallet into the ledger, and from there to the provider. Raises
        `ServiceUnknownError`, `ServiceUnusableError`, `InsufficientBalanceError`, `SpendLimitError`, `ProviderError`; encrypted also
        `EnclaveUnprovenError` and `EvidenceError`, before anything is sent or paid.

        `timeout_s` is for each step that the caller waits for: until the provider begins to answer (money is moved before that), from words
        to words, and in the end for the proofs. A long answer that goes on is never cut; `ask` has a limit for the whole. By default a
        provider may be silent for 300 s.
        """
        with ExitStack() as stack:
            with within(timeout_s, "no provider has begun to answer"):
                service = self.choose(model=model, provider=provider)
                request = chat_with(service, prompt, model, options, encrypted=encrypted)
                asked, spending = stack.enter_context(self._purchases.begin(service, request, fund=fund))
                stream = stack.enter_context(ChatStream(self._providers.of(service), asked, spending, timeout_s))
            yield stream

    def post(
        self,
        path: str,
        body: bytes,
        *,
        content_type: str = JSON_TYPE,
        model: str | None = None,
        provider: Address | None = None,
        encrypted: bool = False,
        fund: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send any other request that providers charge for, as it is, and keep what proves the answer: pictures, sound, embeddings.

        `path` is one of OpenAI's below `/v1`, such as `/images/generations`; `body` is JSON, or a form with its `content_type`
        (`encode_form` makes one). Without `provider` the cheapest service of the kind is asked, for `model` if the body names it.
        `timeout_s` is for all of it, as with `ask`. Raises as `chat`, and `FormError`.
        """
        kind = KINDS.get(f"/v1/proxy{path}")
        if kind is None:
            raise ServiceUnknownError(f"that answers {path}; there are {', '.join(known.removeprefix('/v1/proxy') for known in KINDS)}")
        if content_type != JSON_TYPE:
            content_type = form_type(boundary_of(content_type))
        with within(timeout_s, "there is no answer"):
            service = self.choose(model=model, provider=provider, service_type=kind.service_type)
            named = model or named_model(body, content_type) or service.params.model
            return self._post(service, Request(kind, named, body, content_type, encrypted=encrypted), fund=fund)

    def _post(self, service: InferenceService, request: Request, *, fund: bool) -> Answer:
        with (
            self._purchases.begin(service, request, fund=fund) as (asked, spending),
            Exchange(self._providers.of(service), asked, spending) as exchange,
        ):
            received = b"".join(exchange.pieces())
            if asked.talk is not None:
                for payload in event_payloads(received) if exchange.media_type == EVENTS_TYPE else [received]:
                    asked.talk.opened(payload)
            return exchange.proven()

    def choose(
        self,
        *,
        model: str | None = None,
        provider: Address | None = None,
        service_type: ServiceType = ServiceType.CHATBOT,
        timeout_s: float | None = None,
    ) -> InferenceService:
        """The service to ask: the provider's, or the cheapest that offers the model, or the cheapest of all.

        Raises `ServiceUnknownError`, `ServiceUnusableError`, `ProviderNotAllowedError`.
        """
        with within(timeout_s, "no service is chosen"):
            return self._choose(model, provider, service_type)

    def _choose(self, model: str | None, provider: Address | None, service_type: ServiceType) -> InferenceService:
        if provider is not None:
            service = self.service(provider)
            if not service.is_signer_acknowledged:
                raise ServiceUnusableError(provider)
            self._purse.check_provider(provider)
            return service
        allowed = self._purse.allowed
        found = [
            service
            for service in self.services()
            if service.params.service_type == service_type
            and (not allowed or service.provider in allowed)
            and (model is None or service.params.model == model)
        ]
        if not found:
            what = f"of the kind {service_type.value}" if model is None else f"with the model {model!r}"
            raise ServiceUnknownError(f"{what} that can be paid")
        return min(found, key=lambda service: (service.params.output_price_wei + service.params.input_price_wei, service.provider))

    def receipts(self, provider: Address, *, timeout_s: float | None = None) -> Iterator[Receipt]:
        """What a provider says that it has charged this account for, newest first; each is signed by the key that it names.

        Raises `InsufficientBalanceError` where this user has no account, `AnswerRefutedError` for a receipt that is not what
        it says, or not this user's, and `ProviderError`. `timeout_s` is how long each receipt may take to come.
        """
        return each_in_time(self._receipts(provider), timeout_s, late("the provider has not shown its next receipt"))

    def _receipts(self, provider: Address) -> Iterator[Receipt]:
        service, user = self.service(provider), self.account.address
        account = self.market.account(user, provider)
        if account is None:
            raise InsufficientBalanceError(user, Wei(0), Wei(self.market.transfer_min_wei))
        key = self._purse.keys().session(provider, account.generation)
        cursor: int | None = None
        while True:
            query = f"?limit={RECEIPTS_PAGE}" + ("" if cursor is None else f"&cursor={cursor}")
            page = self._providers.of(service).get(f"/v1/receipts{query}", ReceiptsAnswer, key=key)
            for signed in page.receipts:
                check_receipt_of(signed, user, provider, self.market.chain_id)
                yield signed.receipt
            if page.next_cursor is None or not page.receipts or (cursor is not None and page.next_cursor >= cursor):
                return
            cursor = page.next_cursor

    # ---- proofs --------------------------------------------------------------------------------------------------

    def settled(self, file: AnswerFile, *, timeout_s: float | None = None) -> AnswerFile:
        """The same answer with the settlement that its receipt is part of, and the way there; asks for it for up to 60 s by default.

        Where the provider is gone, or has lost its books, the proof is looked for in what it has published. With a `timeout_s` of 0
        everybody is asked once. Raises `NotSettledError`, `ProofUnavailableError` where the provider is gone and has published none,
        `AnswerRefutedError` when it shows another receipt, `ProviderError`.
        """
        if file.receipt is None:
            raise AnswerRefutedError("receipt", "there is none, so no settlement can hold it")
        allowed_s = SETTLED_S_MAX if timeout_s is None else timeout_s
        look = SettlementLook(self._providers.at, file, file.receipt, self.market)
        with time_limit(allowed_s or ONE_LOOK_S, look.late):
            while (found := look.take()) is None:
                if not allowed_s:
                    raise look.late()
                rest_before_end(SETTLED_LOOK_S)
            return found

    def published(self, file: AnswerFile, *, timeout_s: float | None = None) -> "Publication":
        """Where the receipts of a settled answer's settlement are published, for which it waits up to 60 s by default.

        Found on chain and held against the root that the contract was called with; the provider is not asked. Raises `NotSettledError`,
        `NotPublishedError`.
        """
        from zerog.compute.client.publications import find_publication  # It loads the client of storage.

        return find_publication(file, self.market, timeout_s=PUBLISHED_S_MAX if timeout_s is None else timeout_s)

    def verify(
        self,
        answer: bytes | AnswerFile,
        *,
        quote_verifier: QuoteVerifier | None = None,
        replayer: Replayer | None = None,
        replay: bool = False,
        data: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Verdict:
        """Check a saved answer by itself and against the chain; no provider is asked.

        `quote_verifier`, by default the client's, takes the bytes of a TDX quote and raises `EvidenceError` unless a processor signed it:
        with it the grade can be `tdx`. `replayer` runs the model again: with it, `replayed`; with `replay` it is the exact engine on a
        model of the cache. `data` is a file that the request has to quote, with its root, and the chain to know. `timeout_s` is for all
        that is asked of others; what is computed here takes its time. Raises `AnswerFileError`, `AnswerRefutedError`.
        """
        if replay and replayer is None:
            from zerog.compute.client.replaying import ExactReplayer, ModelPlaces  # They load the engine.

            replayer = ExactReplayer(ModelPlaces())
        file = read_answer_file(answer) if isinstance(answer, bytes) else answer
        with within(timeout_s, "the answer is not verified"):
            return verify_answer(file, self.market, quote_verifier=quote_verifier or self.quote_verifier, replayer=replayer, data=data)
