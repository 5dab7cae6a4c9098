"""What the chain refuses, in geth's words, because every library recognises those.

ChainError
├── HeaderNotFoundError, UnknownLogsBlockError, FutureBlockError   there is no such block or state
├── ProofWindowError                 a proof of a block that lies too far back
├── ExecutionRevertedError, ExecutionHaltedError, CallRefusedError, GasRequiredError, CallTimeoutError   a call failed
├── TraceOptionsError, TraceSubjectError, TraceTooCostlyError   a trace that cannot be made
├── TransactionRefusedError          the pool did not take a transaction
├── NoProducerError                  nobody makes blocks for this chain here
├── TransactionPendingError          the pool took it, but no block did in time
├── LimitExceededError               more than this node answers at once
├── FilterNotFoundError, UnknownSubscriptionError
├── UnknownAccountError              no key for that address here
├── TimestampTooLowError             a block may not be older than its parent
├── NonceLoweredError, AlreadyMinedError   an edit that Hardhat refuses, asked for under its name
├── RolesBehindError                 storage, DA or compute do not follow the chain
└── StateDumpError                   not a dump that we can load
"""

from dataclasses import dataclass

from zerog.chain.protocol.reverts import revert_message
from zerog.primitives import Address, Hash32, encode_data
from zerog.primitives.errors import RefusalError

__all__ = [
    "AlreadyMinedError",
    "CallRefusedError",
    "ChainError",
    "ExecutionHaltedError",
    "ExecutionRevertedError",
    "FilterNotFoundError",
    "FutureBlockError",
    "GasRequiredError",
    "HeaderNotFoundError",
    "LimitExceededError",
    "NoProducerError",
    "NonceLoweredError",
    "ProofWindowError",
    "RolesBehindError",
    "RollbackTooDeepError",
    "StateDumpError",
    "TimestampTooLowError",
    "TraceOptionsError",
    "TraceSubjectError",
    "TraceTooCostlyError",
    "TransactionPendingError",
    "TransactionRefusedError",
    "UnknownAccountError",
    "UnknownLogsBlockError",
    "UnknownSubscriptionError",
]


class ChainError(RefusalError):
    """A refusal of the chain."""


@dataclass(eq=False)
class HeaderNotFoundError(ChainError):
    """A block parameter names no block of this chain, or one whose state is not kept."""

    code = "header_not_found"
    remedy = "ask for a block that exists; `latest` always does"
    http_status = 404

    def __str__(self) -> str:
        return "header not found"


@dataclass(eq=False)
class NoProducerError(ChainError):
    """A transaction for a chain that was imported: it is served as it is."""

    code = "no_producer"
    remedy = "send it to a node of that chain"
    http_status = 409

    def __str__(self) -> str:
        return "this chain was imported and nobody makes blocks for it here, so no transaction can be taken"


@dataclass(eq=False)
class UnknownLogsBlockError(ChainError):
    """The `blockHash` of a log query is not a block of this chain."""

    code = "unknown_block"
    remedy = "ask for a block that exists"
    http_status = 404

    def __str__(self) -> str:
        return "unknown block"


@dataclass(eq=False)
class ProofWindowError(ChainError):
    """`eth_getProof` of a block whose state can be read, but whose tries would have to be made anew over too many blocks."""

    number: int
    oldest: int

    code = "proof_window"
    remedy = "ask for a later block"

    def __str__(self) -> str:
        return f"distance to target block exceeds maximum proof window: block {self.number} is before {self.oldest}"


@dataclass(eq=False)
class FutureBlockError(ChainError):
    """`eth_feeHistory` was asked for a block that does not exist yet."""

    requested: int
    head: int

    code = "future_block"
    remedy = "ask for a block that exists; `latest` always does"

    def __str__(self) -> str:
        return f"request beyond head block: requested {self.requested}, head {self.head}"


@dataclass(eq=False)
class ExecutionRevertedError(ChainError):
    """The called contract reverted (JSON-RPC code 3, the revert data in `error.data`)."""

    data: bytes

    code = "execution_reverted"
    remedy = "decode the data with the contract's ABI; it says what the contract refused"
    rpc_code = 3

    @property
    def rpc_data(self) -> object | None:
        return encode_data(self.data)

    def __str__(self) -> str:
        return revert_message(self.data)


@dataclass(eq=False)
class ExecutionHaltedError(ChainError):
    """The EVM stopped the call: out of gas, an invalid opcode, …"""

    cause: str

    code = "execution_halted"
    remedy = "give the call more gas, or look at the code that it runs"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class CallRefusedError(ChainError):
    """A call that could not begin, for the reasons that a transaction could not either."""

    cause: str

    code = "call_refused"
    remedy = "change what the message names: funds, nonce, gas or fees"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class GasRequiredError(ChainError):
    """No gas limit that the caller can pay or the block can hold lets the call succeed."""

    allowance: int

    code = "gas_required_exceeds_allowance"
    remedy = "fund the sender, or ask without a gas price and a gas limit"

    def __str__(self) -> str:
        return f"gas required exceeds allowance ({self.allowance})"


@dataclass(eq=False)
class TraceOptionsError(ChainError):
    """Options of a trace that cannot be understood (JSON-RPC -32602)."""

    cause: str

    code = "trace_options_invalid"
    remedy = "correct the option that the message names"
    rpc_code = -32602

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class TraceSubjectError(ChainError):
    """There is nothing that could be traced: no such transaction, parent or tracer."""

    cause: str

    code = "trace_subject_unknown"
    remedy = "trace a transaction or block of this chain, by one of the built-in tracers"
    http_status = 404

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class TraceTooCostlyError(ChainError):
    """A trace that takes more time or memory than one request may."""

    cause: str

    code = "trace_too_costly"
    remedy = "leave out memory and stack, set `limit`, ask for more time with `timeout`, or for less at once"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class TransactionRefusedError(ChainError):
    """The pool did not take a transaction."""

    kind: str
    cause: str

    code = "transaction_refused"
    remedy = "change what the message names and sign again"

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class TransactionPendingError(ChainError):
    """A transaction waits in the pool, but was in no block when the caller's time was up (JSON-RPC code 4, EIP-7966)."""

    transaction_hash: bytes
    timeout_s: float

    code = "transaction_pending"
    remedy = "ask for the receipt of the hash in the error's data later; do not send again"
    rpc_code = 4

    @property
    def rpc_data(self) -> object | None:
        return encode_data(self.transaction_hash)

    def __str__(self) -> str:
        return f"the transaction was added to the pool but was not in a block within {self.timeout_s:g}s"


@dataclass(eq=False)
class LimitExceededError(ChainError):
    """A request that asks for more than this node answers at once (JSON-RPC code -38026)."""

    cause: str

    code = "limit_exceeded"
    remedy = "ask for less at once"
    rpc_code = -38026

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class FilterNotFoundError(ChainError):
    """No filter with this id: never made, uninstalled, or not polled for five minutes."""

    code = "filter_not_found"
    remedy = "make the filter again"
    http_status = 404

    def __str__(self) -> str:
        return "filter not found"


@dataclass(eq=False)
class UnknownSubscriptionError(ChainError):
    """`eth_subscribe` for something that we do not push (JSON-RPC -32601)."""

    name: str

    code = "unknown_subscription"
    remedy = "subscribe to newHeads, logs, newPendingTransactions or syncing"
    rpc_code = -32601

    def __str__(self) -> str:
        return f'no "{self.name}" subscription in eth namespace'


@dataclass(eq=False)
class UnknownAccountError(ChainError):
    """We hold no key for this address and do not impersonate it."""

    address: Address

    code = "unknown_account"
    remedy = "sign in your wallet and send raw bytes, or call anvil_impersonateAccount first"
    http_status = 404

    def __str__(self) -> str:
        return f"unknown account {self.address}"


@dataclass(eq=False)
class TimestampTooLowError(ChainError):
    """The next block may not be older than the newest one (JSON-RPC -32602)."""

    timestamp: int
    minimum: int

    code = "timestamp_too_low"
    remedy = "choose a later time"
    rpc_code = -32602

    def __str__(self) -> str:
        return f"timestamp {self.timestamp} is lower than the earliest that the next block may have ({self.minimum})"


@dataclass(eq=False)
class NonceLoweredError(ChainError):
    """`hardhat_setNonce` below the present nonce, by which contracts would be created where there are some.

    Source: hardhat.org, Hardhat Network Reference.
    """

    nonce: int
    present: int

    code = "nonce_lowered"
    remedy = "give a higher nonce; anvil_setNonce takes any"

    def __str__(self) -> str:
        return f"New nonce ({self.nonce}) must not be smaller than the existing nonce ({self.present})"


@dataclass(eq=False)
class AlreadyMinedError(ChainError):
    """`hardhat_dropTransaction` of a transaction that is in a block (JSON-RPC -32602). Source: hardhat.org, Hardhat Network Reference."""

    transaction_hash: Hash32

    code = "already_mined"
    remedy = "take the block back: evm_revert, anvil_rollback"
    rpc_code = -32602

    def __str__(self) -> str:
        return f"Transaction {self.transaction_hash} cannot be dropped because it's already mined"


@dataclass(eq=False)
class StateDumpError(ChainError):
    """Bytes that are no dump of a chain's state (JSON-RPC -32602)."""

    cause: str

    code = "state_dump_invalid"
    remedy = "give what anvil_dumpState returned"
    rpc_code = -32602

    def __str__(self) -> str:
        return f"not a dump of a state: {self.cause}"


@dataclass(eq=False)
class RollbackTooDeepError(ChainError):
    """More blocks are to be taken back than there are (JSON-RPC -32602)."""

    depth: int
    height: int

    code = "rollback_too_deep"
    remedy = "take back fewer blocks"
    rpc_code = -32602

    def __str__(self) -> str:
        return f"{self.depth} blocks cannot be taken back at height {self.height}"


@dataclass(eq=False)
class RolesBehindError(ChainError):
    """Some role of the network does not follow the chain."""

    cause: str

    code = "roles_behind"
    remedy = "see with `zerog status` which role it is, and with `zerog logs` why"

    def __str__(self) -> str:
        return f"not every role has seen the newest block: {self.cause}"
