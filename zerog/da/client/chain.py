"""DA's contracts as services see them: epochs, quorums, signers, what was announced and confirmed, and a signer's own transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import anyio

from zerog import networks
from zerog.chain.client import AnswerError, AsyncChainClient, NodeUnreachableError, ReceiptTimeoutError, RpcError
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer, ReceiptAnswer
from zerog.contracts.da import (
    DA_ENTRANCE,
    DA_SIGNERS,
    G1,
    DataUpload,
    ErasureCommitmentVerified,
    SignerDetail,
    SignersParams,
    decode_quorum,
    decode_signers,
    quorum_call,
    register_next_epoch_call,
    register_signer_call,
    signers_call,
    update_socket_call,
)
from zerog.contracts.interface import AbiValue, Function
from zerog.da.protocol.errors import DaError
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.quorum import Quorum
from zerog.primitives import Account, Address, DecodeError, Hash32

__all__ = [
    "CHAIN_FAILURES",
    "DA_REGISTRY_ADDRESS",
    "DA_SIGNERS_ADDRESS",
    "BlobEvent",
    "DaChain",
    "EntranceUnknownError",
    "EpochUnknownError",
    "QuorumUnknownError",
    "SignerUnknownError",
    "TransactionRevertedError",
    "blob_events",
]

DA_SIGNERS_ADDRESS: Final = Address(bytes.fromhex("0000000000000000000000000000000000001000"))
"""Source: 0glabs/0g-geth, `core/vm/contracts.go`."""
DA_REGISTRY_ADDRESS: Final = Address(bytes.fromhex("20f30b2584f3096ea0d6c18c3b5cacc0585e12fc"))
"""Hard-wired in the official node. Source: 0glabs/0g-da-node, `chain/`; 0glabs/0g-da-contract, `contracts/DARegistry.sol`."""
ENTRANCE: Final = "da_entrance"
"""Name of the entrance among the addresses of a network."""
CALL_S_MAX: Final = 20.0
RECEIPT_S_MAX: Final = 60.0
GAS_ROOM_NUMERATOR: Final = 3
GAS_ROOM_DENOMINATOR: Final = 2
CHAIN_FAILURES: Final = (NodeUnreachableError, AnswerError, RpcError, ReceiptTimeoutError, DecodeError, TimeoutError)
"""What a call to the chain may raise beside refusals of DA."""


@dataclass(eq=False)
class EntranceUnknownError(DaError):
    """Nobody said where the entrance contract is."""

    chain_id: int

    code = "da_entrance_unknown"
    remedy = "name the address of the entrance contract with --entrance"

    def __str__(self) -> str:
        return f"no entrance of DA is known on chain {self.chain_id}"


@dataclass(eq=False)
class EpochUnknownError(DaError):
    """An epoch that has not begun."""

    epoch: int
    current: int

    code = "da_epoch_unknown"
    remedy = "name an epoch that has begun"
    http_status = 404

    def __str__(self) -> str:
        return f"epoch {self.epoch} has not begun: the chain is in epoch {self.current}"


@dataclass(eq=False)
class QuorumUnknownError(DaError):
    """An epoch has fewer quorums."""

    epoch: int
    quorum_id: int
    count: int

    code = "da_quorum_unknown"
    remedy = "name a quorum that the epoch has"
    http_status = 404

    def __str__(self) -> str:
        return f"epoch {self.epoch} has {self.count} quorums, and no quorum {self.quorum_id}"


@dataclass(eq=False)
class SignerUnknownError(DaError):
    """Addresses that are no signers."""

    addresses: tuple[Address, ...]

    code = "da_signer_unknown"
    remedy = "name signers that are registered"
    http_status = 404
    grpc_status = "INVALID_ARGUMENT"

    def __str__(self) -> str:
        return f"unknown signer: {', '.join(map(str, self.addresses))}"


@dataclass(eq=False)
class TransactionRevertedError(DaError):
    """A transaction failed in its block."""

    transaction_hash: Hash32

    code = "da_transaction_reverted"
    remedy = "see what `debug_traceTransaction` or an explorer says of it"
    http_status = 502

    def __str__(self) -> str:
        return f"transaction {self.transaction_hash} reverted"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobEvent:
    """What a log of the entrance says of a blob."""

    blob: BlobName
    is_verified: bool
    """Whether it was confirmed by its quorum; otherwise it was announced."""
    block_number: int
    block_hash: Hash32
    transaction_hash: Hash32


class DaChain:
    """One node of the chain, and DA's contracts on it.

    All calls raise `NodeUnreachableError`, `AnswerError`, `RpcError`, `DecodeError`, or `TimeoutError` when the answer takes too long.
    """

    def __init__(self, client: AsyncChainClient, entrance: Address, *, chain_id: int, is_own: bool = False) -> None:
        """`is_own` says that the chain is one of our own, or a local copy, where signers may be on private addresses."""
        self.client: Final = client
        self.entrance: Final = entrance
        self.chain_id: Final = chain_id
        self.is_own: Final = is_own
        self._turn: Final = anyio.Lock()
        """Held while a transaction gets its number and is sent."""

    @classmethod
    async def find(cls, client: AsyncChainClient, entrance: Address | None = None) -> "DaChain":
        """The contracts of the network that the node is of, or with another entrance. Raises `EntranceUnknownError` beside the others."""
        with anyio.fail_after(CALL_S_MAX):
            chain_id = int(await client.chain_id())
            public = networks.public_name(chain_id)
            is_own = public is None or (await client.client_version()).endswith(networks.CLONE_SUFFIX)
        entrance = entrance or networks.load(public or "local").addresses.get(ENTRANCE)
        if entrance is None and is_own:
            entrance = networks.load("local").addresses.get(ENTRANCE)
        if entrance is None:
            raise EntranceUnknownError(chain_id)
        return cls(client, entrance, chain_id=chain_id, is_own=is_own)

    async def params(self) -> SignersParams:
        """What the chain's rules say of signers."""
        return SignersParams.decode(await self._call(DA_SIGNERS_ADDRESS, DA_SIGNERS.function("params").encode()))

    async def epoch_number(self) -> int:
        """The current epoch; 0 before the first was drawn."""
        return await self._number(DA_SIGNERS_ADDRESS, DA_SIGNERS.function("epochNumber"))

    async def epoch_window(self) -> int:
        """For how many epochs after its own a blob's rows are kept."""
        return await self._number(self.entrance, DA_ENTRANCE.function("epochWindowSize"))

    async def blob_price_wei(self) -> int:
        """What announcing a blob costs."""
        return await self._number(self.entrance, DA_ENTRANCE.function("blobPrice"))

    async def quorum_count(self, epoch: int) -> int:
        """How many quorums an epoch has; 0 for one that has not begun."""
        return await self._number(DA_SIGNERS_ADDRESS, DA_SIGNERS.function("quorumCount"), epoch)

    async def quorum(self, epoch: int, quorum_id: int) -> Quorum:
        """Who owns which row. It never changes, unless the chain goes back. Raises `EpochUnknownError`, `QuorumUnknownError`."""
        current = await self.epoch_number()
        if epoch > current:
            raise EpochUnknownError(epoch, current)
        count = await self.quorum_count(epoch)
        if quorum_id >= count:
            raise QuorumUnknownError(epoch, quorum_id, count)
        return Quorum(epoch, quorum_id, decode_quorum(await self._call(DA_SIGNERS_ADDRESS, quorum_call(epoch, quorum_id))))

    async def is_signer(self, address: Address) -> bool:
        """Whether an account has registered."""
        return await self._truth(DA_SIGNERS_ADDRESS, DA_SIGNERS.function("isSigner"), address)

    async def signers(self, addresses: Sequence[Address]) -> dict[Address, SignerDetail]:
        """Sockets and public keys. Raises `SignerUnknownError`."""
        if not addresses:
            return {}
        try:
            details = decode_signers(await self._call(DA_SIGNERS_ADDRESS, signers_call(addresses)))
        except RpcError:
            unknown = tuple([address for address in addresses if not await self.is_signer(address)])
            if unknown:
                raise SignerUnknownError(unknown) from None
            raise
        return {detail.signer: detail for detail in details}

    async def registered_epoch(self, address: Address, epoch: int) -> bool:
        """Whether a signer has registered for an epoch."""
        return await self._truth(DA_SIGNERS_ADDRESS, DA_SIGNERS.function("registeredEpoch"), address, epoch)

    async def is_confirmed(self, blob: BlobName) -> bool:
        """Whether the entrance has the commitment of a blob."""
        return await self._truth(self.entrance, DA_ENTRANCE.function("commitmentExists"), blob.root, blob.epoch, blob.quorum_id)

    async def register_signer(self, account: Account, detail: SignerDetail, signature: bytes) -> ReceiptAnswer:
        """Make an account a signer. `signature` (64 bytes, big-endian words) is over `ownership_digest`.

        As all that sends: raises `TransactionRevertedError` and `ReceiptTimeoutError` beside the others.
        """
        return await self.send(account, DA_REGISTRY_ADDRESS, register_signer_call(detail, G1.from_words(signature)))

    async def update_socket(self, account: Account, socket: str) -> ReceiptAnswer:
        """Say where a signer listens now."""
        return await self.send(account, DA_SIGNERS_ADDRESS, update_socket_call(socket))

    async def register_next_epoch(self, account: Account, signature: bytes) -> ReceiptAnswer:
        """Take part in the next epoch, with votes by the account's balance. `signature` is over `epoch_digest` of that epoch."""
        return await self.send(account, DA_REGISTRY_ADDRESS, register_next_epoch_call(G1.from_words(signature)))

    async def send(self, account: Account, to: Address, data: bytes, *, value_wei: int = 0, gas_limit: int | None = None) -> ReceiptAnswer:
        """Send a transaction and wait until it is in a block, one after another.

        Without a limit it has half as much gas again as it needs now: an epoch or a round of sampling may be due by the time it runs.
        """
        async with self._turn:
            with anyio.fail_after(CALL_S_MAX):
                if gas_limit is None:
                    needed = await self.client.estimate_gas(account.address, to, value_wei=value_wei, data=data)
                    gas_limit = needed * GAS_ROOM_NUMERATOR // GAS_ROOM_DENOMINATOR
                sent = await self.client.send(to, value_wei=value_wei, data=data, gas_limit=gas_limit, account=account)
            receipt = await self.client.wait_for_receipt(sent, timeout_s=RECEIPT_S_MAX)
        if not receipt.succeeded:
            raise TransactionRevertedError(sent)
        return receipt

    async def events(self, first: int, last: int) -> list[BlobEvent]:
        """What the entrance told in these blocks, in order. Logs that cannot be read are none."""
        criteria = LogCriteria((self.entrance,), ((DataUpload.TOPIC, ErasureCommitmentVerified.TOPIC),))
        with anyio.fail_after(CALL_S_MAX):
            logs = await self.client.logs(criteria, first, last)
        return blob_events(logs)

    async def _call(self, to: Address, data: bytes) -> bytes:
        with anyio.fail_after(CALL_S_MAX):
            return await self.client.call(to, data)

    async def _number(self, to: Address, function: Function, *arguments: AbiValue) -> int:
        [number] = function.decode_result(await self._call(to, function.encode(*arguments)))
        return int(number)

    async def _truth(self, to: Address, function: Function, *arguments: AbiValue) -> bool:
        [truth] = function.decode_result(await self._call(to, function.encode(*arguments)))
        return bool(truth)


def blob_events(logs: Sequence[LogAnswer]) -> list[BlobEvent]:
    """Announcements and confirmations among logs of the entrance, such as those of a receipt, in the order of the chain."""
    found = (_blob_event(log) for log in sorted(logs, key=lambda log: (log.block_number, log.log_index)))
    return [event for event in found if event is not None]


def _blob_event(log: LogAnswer) -> BlobEvent | None:
    topic = log.topics[0] if log.topics else None
    try:
        if topic == DataUpload.TOPIC:
            upload = DataUpload.decode(log.topics, log.data)
            blob = BlobName(upload.data_root, upload.epoch, upload.quorum_id)
        elif topic == ErasureCommitmentVerified.TOPIC:
            verified = ErasureCommitmentVerified.decode(log.topics, log.data)
            blob = BlobName(verified.data_root, verified.epoch, verified.quorum_id)
        else:
            return None
    except (DecodeError, ValueError):
        return None
    return BlobEvent(
        blob=blob,
        is_verified=topic == ErasureCommitmentVerified.TOPIC,
        block_number=int(log.block_number),
        block_hash=log.block_hash,
        transaction_hash=log.transaction_hash,
    )
