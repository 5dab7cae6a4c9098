"""A provider and its contract: the service that it offers, its users' accounts as they stand, and the transactions that it sends.

The chain may be away, go back or begin anew: whatever is remembered follows it, and what must be said to it is said again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from zerog.chain.client import AnswerError, AsyncChainClient, BlockReference, Heads, NodeUnreachableError, ReceiptTimeoutError, RpcError
from zerog.chain.client.level import wait_until_level
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer, ReceiptAnswer
from zerog.compute.protocol.errors import ComputeError
from zerog.compute.provider.chain_views import Views
from zerog.contracts.compute import INFERENCE_SERVING, InferenceAccount, InferenceService, ServiceParams
from zerog.contracts.compute_refusals import ComputeCallRefusedError, compute_refusal
from zerog.primitives import Account, Address, Data, DecodeError, Hash32, encode_data
from zerog.runtime.clock import Clock

__all__ = ["AccountView", "ChainUnavailableError", "ProviderChain", "TransactionRevertedError"]

log = structlog.get_logger(__name__)

AGE_S_MAX: Final = 120.0
"""How long a view holds that no event has contradicted. Source: 0gfoundation/0g-serving-broker (its cache of accounts)."""
MISSING_S_MAX: Final = 0.5
"""How long it holds that a user has no account."""
STALE_S_MAX: Final = 1_800.0
"""How long a provider goes on with what it knew while the chain does not answer: half of the shortest time for which the contract holds a
refund back, so that no money that was locked can have gone."""
VIEWS_MAX: Final = 20_000
LOG_BLOCKS_MAX: Final = 1_000
"""Beyond so many blocks at once all views are read again, which costs less than to read the log."""
BATCH_USERS_MAX: Final = 500
"""Users in one call of `getBatchAccountsByUsers`. Source: 0gfoundation/0g-serving-contract, `contracts/inference`."""
CALL_S_MAX: Final = 20.0
RETRY_S_MIN, RETRY_S_MAX = 0.2, 5.0
RECEIPT_S_MAX: Final = 60.0
ACCOUNT_EVENTS: Final = tuple(
    INFERENCE_SERVING.event(name).topic
    for name in ("BalanceUpdated", "RefundRequested", "AccountDeleted", "TokenRevoked", "TokensRevoked", "AllTokensRevoked")
)
"""What tells of a change of one user's account with one provider, who are their first two topics."""
SERVICE_EVENTS: Final = tuple(
    INFERENCE_SERVING.event(name).topic for name in ("ServiceUpdated", "ServiceRemoved", "ProviderTEESignerAcknowledged", "ProviderStaked")
)
"""What tells of a change of one provider's service; the provider is their first topic."""
CHAIN_FAILURES: Final = (NodeUnreachableError, AnswerError, RpcError, ReceiptTimeoutError, DecodeError, TimeoutError)


@dataclass(eq=False)
class ChainUnavailableError(ComputeError):
    """The chain does not answer, and what was known of it is too old."""

    cause: str

    code = "chain_unavailable"
    remedy = "try again later; the provider needs its chain node to see what is paid"
    http_status = 503

    def __str__(self) -> str:
        return f"the chain does not answer: {self.cause}"


@dataclass(eq=False)
class TransactionRevertedError(ComputeError):
    """A transaction of the provider failed in its block."""

    transaction_hash: Hash32

    code = "transaction_reverted"
    remedy = "see what `debug_traceTransaction` or an explorer says of it"
    http_status = 502

    def __str__(self) -> str:
        return f"transaction {self.transaction_hash} reverted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """What a user has with this provider. Amounts in wei."""

    balance_wei: int
    pending_refund_wei: int
    locked_wei: int
    """The balance without what the user wants back: what requests can be answered for."""
    nonce: int
    """Of the newest settlement."""
    acknowledged: bool
    generation: int
    revoked_bitmap: int

    @classmethod
    def of(cls, account: InferenceAccount) -> "AccountView":
        return cls(
            balance_wei=account.balance_wei,
            pending_refund_wei=account.pending_refund_wei,
            locked_wei=account.balance_wei - account.pending_refund_wei,
            nonce=account.nonce,
            acknowledged=account.is_acknowledged,
            generation=account.generation,
            revoked_bitmap=account.revoked_bitmap,
        )


class ProviderChain:
    """One provider's account, and the contract of inference on one chain."""

    def __init__(
        self, client: AsyncChainClient, account: Account, contract: Address, *, chain_id: int, clock: Clock, interval_s: float = 1.0
    ) -> None:
        """`account` is the provider, which pays for transactions. A node that cannot wait is asked for new blocks every `interval_s`."""
        self.client: Final = client
        self.provider: Final = account.address
        self.account_key: Final = account
        self.contract: Final = contract
        self.chain_id: Final = chain_id
        self.turn: Final = anyio.Lock()
        """Held while a transaction gets its number and is sent."""
        self._heads: Final = Heads(client, interval_s=interval_s, watched=[contract])
        self._accounts: Final[Views[Address, AccountView | None]] = Views(
            self._read_account, clock, size=VIEWS_MAX, retry_on=CHAIN_FAILURES
        )
        self._service: Final[Views[Address, InferenceService | None]] = Views(self._read_service, clock, size=1, retry_on=CHAIN_FAILURES)
        self._topics: Final = LogCriteria((contract,), ((*ACCOUNT_EVENTS, *SERVICE_EVENTS),))
        self._head: BlockReference | None = None
        self._is_registered = False
        self._moved = anyio.Event()
        self._watchers: Final[list[Callable[[Address], None]]] = []
        self.trouble: str | None = None
        """Why the chain is not followed at the moment."""
        self.registration_trouble: str | None = None
        """Why the service is not offered as it should be."""
        self.resets = 0
        """How often the chain went back or began anew."""

    async def run(self, offer: ServiceParams, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Offer a service and follow the contract until cancelled, through all failures of the chain. Is started at once.

        The stake is paid the first time; after that a transaction is sent only when something of the offer differs. To be acknowledged by
        the contract's owner takes as long as it takes: `status` says it.
        """
        task_status.started()
        pause_s = RETRY_S_MIN
        while True:
            try:
                if self._head is None:
                    await self._check_identity()
                if not self._is_registered:
                    await self._register(offer)
                await self._follow_once()
            except CHAIN_FAILURES as error:
                self.trouble = str(error) or type(error).__name__
                log.warning("chain_not_followed", cause=self.trouble, again_in_s=pause_s)
                self._wake()
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S_MAX)
            else:
                self.trouble = None
                pause_s = RETRY_S_MIN

    async def account(self, user: Address, *, max_age_s: float = AGE_S_MAX) -> AccountView | None:
        """A user's account with this provider, `None` if there is none.

        Events refresh it; before somebody is told that money is missing, it should be asked for again with a small `max_age_s`.
        Raises `ChainUnavailableError`.
        """
        try:
            view = await self._accounts.get(user, max_age_s=max_age_s, stale_s=STALE_S_MAX)
            if view is None and max_age_s > MISSING_S_MAX:
                view = await self._accounts.get(user, max_age_s=MISSING_S_MAX, stale_s=STALE_S_MAX)
        except CHAIN_FAILURES as error:
            raise ChainUnavailableError(str(error) or type(error).__name__) from error
        return view

    def drop(self, users: Iterable[Address]) -> None:
        """What is known of these users must not be used any more: they have paid, and will owe less."""
        for user in users:
            self._accounts.drop(user)

    async def accounts(self, users: Sequence[Address]) -> dict[Address, InferenceAccount]:
        """Accounts as they stand now, without those that do not exist. Raises the client's errors."""
        found: dict[Address, InferenceAccount] = {}
        function = INFERENCE_SERVING.function("getBatchAccountsByUsers")
        for at in range(0, len(users), BATCH_USERS_MAX):
            some = users[at : at + BATCH_USERS_MAX]
            answer = await self.call(function.encode([bytes(user) for user in some]))
            found |= {account.user: account for account in InferenceAccount.decode_batch(answer) if account is not None}
        return found

    async def service(self, *, max_age_s: float = AGE_S_MAX) -> InferenceService | None:
        """The service as it stands on chain, `None` before it does. Raises `ChainUnavailableError`."""
        try:
            return await self._service.get(self.provider, max_age_s=max_age_s, stale_s=STALE_S_MAX)
        except CHAIN_FAILURES as error:
            raise ChainUnavailableError(str(error) or type(error).__name__) from error

    def watch(self, changed: Callable[[Address], None]) -> None:
        """Have `changed` called with each user whose account an event tells of."""
        self._watchers.append(changed)

    async def wait_for_news(self) -> None:
        """Return when there is another newest block, or the chain has gone or come back."""
        await self._moved.wait()

    async def wait_until_level(self) -> None:
        """Return once the newest block has been seen. Raises `ChainBehindError`, and what asking the chain raises."""
        await wait_until_level(self, self.client.block)

    async def call(self, data: bytes) -> bytes:
        """What a call of the contract returns to the provider, on the newest block. Raises the client's errors."""
        message = {"from": encode_data(self.provider), "to": encode_data(self.contract), "input": encode_data(data)}
        with anyio.fail_after(CALL_S_MAX):
            return Data.from_json(await self.client.request("eth_call", message, "latest"))

    async def send(self, data: bytes, *, value_wei: int = 0) -> ReceiptAnswer:
        """Send a transaction to the contract and wait for it. Raises the client's errors, `TransactionRevertedError`."""
        async with self.turn:
            with anyio.fail_after(CALL_S_MAX):
                sent = await self.client.send(self.contract, value_wei=value_wei, data=data, account=self.account_key)
        receipt = await self.client.wait_for_receipt(sent, timeout_s=RECEIPT_S_MAX)
        if not receipt.succeeded:
            raise TransactionRevertedError(sent)
        return receipt

    @property
    def head(self) -> BlockReference | None:
        """The newest block that was seen."""
        return self._head

    @property
    def is_registered(self) -> bool:
        """Whether the service has been offered as it should be since the chain was seen first."""
        return self._is_registered

    async def status(self) -> dict[str, object]:
        """For the control socket and the status page."""
        try:
            service = await self.service()
        except ChainUnavailableError:
            service = None
        return {
            "provider": str(self.provider),
            "contract": str(self.contract),
            "chain_id": self.chain_id,
            "chain_head": None if self._head is None else self._head.number,
            "chain_trouble": self.trouble,
            "is_registered": self._is_registered,
            "registration_trouble": self.registration_trouble,
            "is_acknowledged": service is not None and service.is_signer_acknowledged,
            "url": None if service is None else service.params.url,
        }

    async def _check_identity(self) -> None:
        with anyio.fail_after(CALL_S_MAX):
            found = int(await self.client.chain_id())
        if found != self.chain_id:
            raise AnswerError(self.client.url, f"it is a node of chain {found}, and this provider serves on chain {self.chain_id}")

    async def _register(self, offer: ServiceParams) -> None:
        """Make the service on chain what it should be. A refusal is told, and tried again with the next block."""
        service = await self._read_service(self.provider)
        try:
            if service is None:
                log.info("service_registered_first", url=offer.url, model=offer.model)
                await self.send(offer.call(), value_wei=await self._stake_wei())
            elif service.params != offer:
                log.info("service_changed", url=offer.url, model=offer.model)
                await self.send(offer.call())
        except (RpcError, TransactionRevertedError) as error:
            self.registration_trouble = str(refusal_of(error) or error)
            log.warning("service_not_registered", cause=self.registration_trouble)
            return
        self._service.forget(self.provider)
        self.registration_trouble = None
        self._is_registered = True

    async def _stake_wei(self) -> int:
        function = INFERENCE_SERVING.function("MIN_PROVIDER_STAKE")
        [stake_wei] = function.decode_result(await self.call(function.encode()))
        return int(stake_wei)

    async def _read_account(self, user: Address) -> AccountView | None:
        try:
            answer = await self.call(INFERENCE_SERVING.function("getAccount").encode(user, self.provider))
        except RpcError as error:
            if _is_refusal(error, "AccountNotExists"):
                return None
            raise
        return AccountView.of(InferenceAccount.decode(answer))

    async def _read_service(self, provider: Address) -> InferenceService | None:
        try:
            answer = await self.call(INFERENCE_SERVING.function("getService").encode(provider))
        except RpcError as error:
            if _is_refusal(error, "ServiceNotExist"):
                return None
            raise
        return InferenceService.decode(answer)

    async def _follow_once(self) -> None:
        """Wait for another newest block than the one seen last, and look what it changed."""
        known = self._head
        # After trouble the chain is asked at once: to wait for another block would hide for long that it is back.
        head = await self._heads.next(known if self.trouble is None else None)
        if known is not None and head.hash == known.hash:
            return
        if known is None:
            self._accounts.forget_all()
            self._service.forget_all()
        elif await self._is_behind(known, head):
            await self._read_events(known.number + 1, head.number)
        else:
            await self._begin_anew(known, head)
        self._head = head
        self._wake()

    async def _is_behind(self, known: BlockReference, head: BlockReference) -> bool:
        """Whether `head` stands on the block that was seen last."""
        if head.number <= known.number:
            return False
        block = await self._heads.block(known.number)
        return block is not None and block.hash == known.hash

    async def _begin_anew(self, known: BlockReference, head: BlockReference) -> None:
        """The chain took blocks back, or is another one: nothing that is remembered holds, and the service may be gone."""
        log.warning("chain_went_back", from_block=known.number, to_block=head.number)
        self.resets += 1
        self._head = None
        self._accounts.clear()
        self._service.clear()
        self._is_registered = False
        await self._check_identity()

    async def _read_events(self, first: int, last: int) -> None:
        if last - first >= LOG_BLOCKS_MAX:
            self._accounts.forget_all()
            self._service.forget_all()
            return
        with anyio.fail_after(CALL_S_MAX):
            logs = await self.client.logs(self._topics, first, last)
        for entry in logs:
            self._take_event(entry)

    def _take_event(self, entry: LogAnswer) -> None:
        if entry.topics[0] in SERVICE_EVENTS:
            if len(entry.topics) > 1 and entry.topics[1][12:] == self.provider:
                self._service.forget(self.provider)
            return
        user = Address(entry.topics[1][12:]) if len(entry.topics) > 2 and entry.topics[2][12:] == self.provider else None
        if user is not None:
            self._accounts.forget(user)
            for changed in self._watchers:
                changed(user)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()


def refusal_of(error: Exception) -> ComputeCallRefusedError | None:
    """What the contract meant, if the node's error carries it."""
    data = error.data if isinstance(error, RpcError) else None
    data = data.get("data") if isinstance(data, dict) else data
    if not isinstance(data, str):
        return None
    try:
        return compute_refusal(Data.from_json(data))
    except (ValueError, DecodeError):
        return None  # The node's own words say more.


def _is_refusal(error: RpcError, name: str) -> bool:
    refusal = refusal_of(error)
    return refusal is not None and refusal.name == name
