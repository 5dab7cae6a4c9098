"""A client of the marketplace: services, money, keys, chats and what proves them, for programs without an event loop."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Self

import msgspec

from zerog.chain.client import ChainClient
from zerog.chain.client.signer import Payer, Signer, account_of_payer
from zerog.chain.client.wallet import Spending, Wallet
from zerog.chain.wire.answers import ReceiptAnswer
from zerog.compute.client.chatting import CHAT_PATH, ChatOptions, ChatStream, Message, chat_request
from zerog.compute.client.connection import ProviderConnection
from zerog.compute.client.errors import (
    AnswerRefutedError,
    KeyMissingError,
    ProviderError,
    ServiceUnknownError,
    ServiceUnusableError,
)
from zerog.compute.client.exchange import Answer, Asked, Exchange
from zerog.compute.client.funding import Funding, Retrieval
from zerog.compute.client.keys import ApiKey, Keys
from zerog.compute.client.market import Contracts, Market, weights_of
from zerog.compute.client.money import LedgerMoney, Money, ProviderMoney, WaitingRefund
from zerog.compute.client.pricing import highest_fee_wei
from zerog.compute.client.sealing import SealedTalk, recipient_of, shown_evidence
from zerog.compute.client.sending import Sender
from zerog.compute.client.settlement_look import SettlementLook
from zerog.compute.client.verifying import Replayer, Verdict, verify_answer
from zerog.compute.client.verifying.kinds import EVENTS_TYPE, JSON_TYPE, KINDS, Kind, json_object
from zerog.compute.client.verifying.offline import check_receipt_of
from zerog.compute.client.waiting import late, within
from zerog.compute.protocol.constants import LOCKED_BALANCE_WEI_MIN, ServiceType
from zerog.compute.protocol.envelope import load_object
from zerog.compute.protocol.errors import InsufficientBalanceError
from zerog.compute.protocol.evidence import Assurance, QuoteVerifier
from zerog.compute.protocol.profiles import profile_of
from zerog.compute.protocol.receipts import Receipt
from zerog.compute.protocol.sealed_proof import event_payloads
from zerog.compute.wire.answer_file import AnswerFile, read_answer_file
from zerog.compute.wire.forms import boundary_of, form_type, read_fields
from zerog.compute.wire.provider import ModelInfo, ModelsAnswer, ReceiptsAnswer, UnsettledFeeAnswer
from zerog.contracts.compute import InferenceAccount, InferenceService
from zerog.primitives import Account, Address, Wei
from zerog.runtime.deadlines import ONE_LOOK_S, each_in_time, rest_before_end, time_limit

if TYPE_CHECKING:
    from zerog.compute.client.publications import Publication

__all__ = ["ComputeClient"]

SETTLED_S_MAX: Final = 60.0
PUBLISHED_S_MAX: Final = 60.0
ROOM_WEI: Final = 10**18
"""What is moved to a provider beyond the need, so that not every request moves money. No public ledger wants more."""
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
        self.wallet: Final = account.wallet if isinstance(account, Signer) else wallet
        self._key_records: Final = wallet
        self._payer: Final = account
        self._lock: Final = threading.Lock()
        self._connections: dict[str, ProviderConnection] = {}
        self._evidence: dict[tuple[str, Address], bytes | None] = {}
        self.least_assurance: Final = least_assurance
        self.quote_verifier: Final = quote_verifier
        self._keys: Keys | None = None
        self._funding: Funding | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections to providers."""
        with self._lock:
            connections, self._connections = self._connections, {}
        for connection in connections.values():
            connection.close()

    @property
    def account(self) -> Account:
        """Who pays and signs. Raises `KeyMissingError`."""
        return account_of_payer(self._known_payer)

    @property
    def _known_payer(self) -> Payer:
        if self._payer is None:
            raise KeyMissingError
        return self._payer

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
            return self._connection(self.service(provider)).get("/v1/models", ModelsAnswer).data

    # ---- money ---------------------------------------------------------------------------------------------------

    def money(self, address: Address | None = None, *, ask_providers: bool = True, timeout_s: float | None = None) -> Money:
        """Where the money of an address is. What is owed and not settled the providers say, to its owner alone."""
        with within(timeout_s, "not everybody has told of the money"):
            return self._money(address, ask_providers=ask_providers)

    def _money(self, address: Address | None, *, ask_providers: bool) -> Money:
        owner = self.account.address if address is None else address
        chain = self.market.chain
        head, ledger = chain.block("latest"), self.market.ledger(owner)
        ask = ask_providers and self._payer is not None and self._payer.address == owner
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
                unsettled = self._unsettled(service, account)
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
            return self._funds().deposit(amount_wei)

    def transfer(self, provider: Address, amount_wei: int, *, timeout_s: float | None = None) -> ReceiptAnswer:
        """Move an amount from the ledger to the account with a provider, whose signer is acknowledged with it.

        What was asked back from the provider and waits is taken back first. Raises `SpendLimitError`, `ProviderNotAllowedError`, and as
        `deposit`.
        """
        with within(timeout_s, "the transfer is in no block"):
            return self._funds().transfer(provider, amount_wei)

    def retrieve(self, providers: Sequence[Address] | None = None, *, timeout_s: float | None = None) -> Retrieval:
        """Ask money back from some providers, or from all; and take into the ledger what was asked back a lock time ago.

        Raises as `deposit`.
        """
        with within(timeout_s, "not all of the money is asked back"):
            return self._funds().retrieve(providers)

    def refund(self, amount_wei: int | None = None, *, timeout_s: float | None = None) -> Wei:
        """Move an amount, or all that is available, from the ledger back to the account; returns what was moved. Raises as `deposit`."""
        with within(timeout_s, "the refund is in no block"):
            return self._funds().refund(amount_wei)

    # ---- keys ----------------------------------------------------------------------------------------------------

    def create_key(
        self, provider: Address, *, token_id: int | None = None, lifetime_s: float | None = None, timeout_s: float | None = None
    ) -> ApiKey:
        """An API key for OpenAI's clients, whose base URL is the service's with `/v1/proxy`. It can be revoked by its number.

        Raises `KeyNumberError`, `InsufficientBalanceError` without money with the provider, `ProviderNotAllowedError`.
        """
        if self.wallet is not None:
            self.wallet.check_provider(provider)
        with within(timeout_s, "the chain has not told of the account with the provider"):
            account = self.market.account(self.account.address, provider)
            if account is None:
                raise InsufficientBalanceError(self.account.address, Wei(0), self.market.transfer_min_wei)
            return self._signing_keys().create(account, token_id=token_id, lifetime_s=lifetime_s)

    def revoke_key(self, provider: Address, token_id: int, *, timeout_s: float | None = None) -> ReceiptAnswer:
        """Make one API key worthless, by its number. Raises as `deposit`."""
        with within(timeout_s, "the revocation is in no block"):
            return self._funds().revoke_key(provider, token_id)

    def revoke_all_keys(self, provider: Address, *, timeout_s: float | None = None) -> ReceiptAnswer:
        """Make all API keys and sessions with a provider worthless. Raises as `deposit`."""
        with within(timeout_s, "the revocation is in no block"):
            return self._funds().revoke_all_keys(provider)

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
                request = _chat_request(service, prompt, model, options, encrypted=encrypted)
                asked, spending = stack.enter_context(self._paying(service, request, fund=fund))
                stream = stack.enter_context(ChatStream(self._connection(service), asked, spending, timeout_s))
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
            named = model or _named_model(body, content_type) or service.params.model
            return self._post(service, _Request(kind, named, body, content_type, encrypted=encrypted), fund=fund)

    def _post(self, service: InferenceService, request: "_Request", *, fund: bool) -> Answer:
        with (
            self._paying(service, request, fund=fund) as (asked, spending),
            Exchange(self._connection(service), asked, spending) as exchange,
        ):
            received = b"".join(exchange.pieces())
            if asked.talk is not None:
                for payload in event_payloads(received) if exchange.media_type == EVENTS_TYPE else [received]:
                    asked.talk.opened(payload)
            return exchange.proven()

    @contextmanager
    def _paying(self, service: InferenceService, request: "_Request", *, fund: bool) -> Iterator[tuple[Asked, Spending]]:
        """Everything that has to be there before a request is sent: a wallet that allows it, money with the provider, a token."""
        highest_wei = highest_fee_wei(service, request.kind, request.body, request.content_type)
        with self._spending(service.provider, highest_wei) as spending:
            try:
                body, talk, evidence = self._sealed(service, request)
                account = self._prepare(service, highest_wei, fund=fund)
            except BaseException:
                spending.wei = 0  # Nothing was asked yet.
                raise
            asked = Asked(
                service=service,
                contracts=self.market.contracts,
                chain_id=self.market.chain_id,
                kind=request.kind,
                model=request.model,
                body=body,
                content_type=request.content_type,
                key=self._signing_keys().session(service.provider, account.generation),
                evidence=evidence,
                talk=talk,
            )
            yield asked, spending

    def _sealed(self, service: InferenceService, request: "_Request") -> tuple[bytes, SealedTalk | None, bytes | None]:
        """The bytes to send; where they are encrypted, what opens the answer; and the provider's evidence."""
        connection, signer = self._connection(service), service.params.signer
        if not request.encrypted:
            return request.body, None, self._shown_evidence(connection, signer)
        profile = profile_of(request.kind.path.removeprefix("/v1/proxy"))
        recipient = recipient_of(connection, service.provider, signer, least=self.least_assurance, quote_verifier=self.quote_verifier)
        talk = SealedTalk.begin(load_object(request.body, "the request"), profile, recipient, connection.url)
        return talk.sealed.body, talk, recipient.evidence

    def _shown_evidence(self, connection: ProviderConnection, signer: Address) -> bytes | None:
        """Asked for once."""
        known = (connection.url, signer)
        with self._lock:
            if known in self._evidence:
                return self._evidence[known]
        evidence = shown_evidence(connection, signer)
        with self._lock:
            self._evidence[known] = evidence
        return evidence

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
            if self.wallet is not None:
                self.wallet.check_provider(provider)
            return service
        allowed = self.wallet.limits().providers if self.wallet is not None else ()
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

    @contextmanager
    def _spending(self, provider: Address, highest_wei: int) -> Iterator[Spending]:
        if self.wallet is None:
            yield Spending(highest_wei)
            return
        with self.wallet.spending("request", provider, highest_wei) as spending:
            yield spending

    def _prepare(self, service: InferenceService, highest_wei: int, *, fund: bool) -> InferenceAccount:
        """The account with the provider, with what the request needs in it."""
        user, provider = self.account.address, service.provider
        account = self.market.account(user, provider)
        unsettled_wei = 0 if account is None else self._unsettled(service, account)
        locked_wei = 0 if account is None else account.balance_wei - account.pending_refund_wei
        needed_wei = LOCKED_BALANCE_WEI_MIN + unsettled_wei + highest_wei
        if account is not None and locked_wei >= needed_wei:
            return account
        if not fund:
            raise InsufficientBalanceError(user, Wei(locked_wei), Wei(needed_wei))
        self._top_up(provider, max(needed_wei + ROOM_WEI - locked_wei, ROOM_WEI))
        account = self.market.account(user, provider)
        if account is None:
            raise InsufficientBalanceError(user, Wei(0), Wei(needed_wei))
        return account

    def _top_up(self, provider: Address, amount_wei: int) -> None:
        """Move money to the provider, and into the ledger before where it lacks."""
        if self.wallet is not None:
            self.wallet.check_provider(provider)
        ledger = self.market.ledger(self.account.address)
        if ledger is None:
            self.deposit(max(self.market.ledger_min_wei, amount_wei))
        elif ledger.available_wei < amount_wei:
            self.deposit(amount_wei - ledger.available_wei)
        self.transfer(provider, amount_wei)

    def _unsettled(self, service: InferenceService, account: InferenceAccount) -> Wei:
        key = self._signing_keys().session(account.provider, account.generation)
        answer = self._connection(service).get(f"/v1/user/{account.user}/unsettledfee", UnsettledFeeAnswer, key=key)
        return Wei(int(answer.unsettled_fee))

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
        key = self._signing_keys().session(provider, account.generation)
        cursor: int | None = None
        while True:
            query = f"?limit={RECEIPTS_PAGE}" + ("" if cursor is None else f"&cursor={cursor}")
            page = self._connection(service).get(f"/v1/receipts{query}", ReceiptsAnswer, key=key)
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
        look = SettlementLook(self._connection_to, file, file.receipt, self.market)
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

    # ---- what they share -----------------------------------------------------------------------------------------

    def _connection(self, service: InferenceService) -> ProviderConnection:
        return self._connection_to(service.params.url)

    def _connection_to(self, url: str) -> ProviderConnection:
        with self._lock:
            connection = self._connections.get(url)
            if connection is None:
                connection = self._connections[url] = ProviderConnection(url, self.market.chain.url, self.market.chain_id)
            return connection

    def _signing_keys(self) -> Keys:
        account, chain_id = self.account, self.market.chain_id
        with self._lock:
            if self._keys is None:
                self._keys = Keys(account, chain_id, self._key_records)
            return self._keys

    def _funds(self) -> Funding:
        payer = self._known_payer
        with self._lock:
            if self._funding is None:
                self._funding = Funding(self.market, Sender(self.market.chain, payer), self.wallet)
            return self._funding


def _chat_request(
    service: InferenceService, prompt: str | Sequence[Message], model: str | None, options: ChatOptions, *, encrypted: bool
) -> "_Request":
    messages = [Message("user", prompt)] if isinstance(prompt, str) else list(prompt)
    named = model or service.params.model
    if options.token_ids is None:
        options = replace(options, token_ids=weights_of(service) is not None)
    body = msgspec.json.encode(chat_request(messages, named, options))
    return _Request(KINDS[CHAT_PATH], named, body, JSON_TYPE, encrypted=encrypted)


@dataclass(frozen=True, slots=True)
class _Request:
    """What is to be asked, in clear."""

    kind: Kind
    model: str
    body: bytes = field(repr=False)
    content_type: str
    encrypted: bool = field(kw_only=True)


def _named_model(body: bytes, content_type: str) -> str | None:
    """The model that a request names. Raises `FormError`."""
    if content_type == JSON_TYPE:
        named = (json_object(body) or {}).get("model")
        return named if isinstance(named, str) else None
    value = read_fields(body, content_type).get("model")
    return None if value is None else value.decode(errors="replace")
