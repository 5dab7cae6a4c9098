"""What can go wrong between a client and a node.

ChainClientError
├── NodeUnreachableError   no connection
│   └── NodeSilentError    no answer in time
├── AnswerError            an answer that is no JSON-RPC; the node's fault
├── RpcError               the node refused, in its own words
├── NoKeyError             a transaction needs a key that signs it
├── ReceiptTimeoutError    the transaction is not in a block yet
├── RevertedError          a contract refused a call, or a transaction failed
├── AbiMismatchError       an ABI that has no such member, or other types
├── NoFaucetError          a network where nobody gives tokens away
└── SigningRefusedError    our own side does not sign
    ├── SpendLimitError            more than the limit that was set
    ├── RecipientNotAllowedError   a transaction to somebody who is not on the list
    ├── ProviderNotAllowedError    a payment for compute to somebody who is not on the list
    └── WalletError                a file of the wallet that cannot be used
"""

from dataclasses import dataclass
from pathlib import Path

from zerog.primitives import Address, Hash32
from zerog.primitives.errors import DeadlineError, RefusalError

__all__ = [
    "AbiMismatchError",
    "AnswerError",
    "ChainClientError",
    "NoFaucetError",
    "NoKeyError",
    "NodeSilentError",
    "NodeUnreachableError",
    "ProviderNotAllowedError",
    "ReceiptTimeoutError",
    "RecipientNotAllowedError",
    "RevertedError",
    "RpcError",
    "SigningRefusedError",
    "SpendLimitError",
    "WalletError",
]


class ChainClientError(RefusalError):
    """A call to a node that did not succeed."""


@dataclass(eq=False)
class NodeUnreachableError(ChainClientError):
    """Nobody answers at the URL."""

    url: str
    cause: str

    code = "node_unreachable"
    remedy = "start the network with `zerog up`, or check the URL"
    http_status = 502

    def __str__(self) -> str:
        return f"no answer from {self.url}: {self.cause}"


@dataclass(eq=False)
class NodeSilentError(DeadlineError, NodeUnreachableError):
    """A node has not answered within the time that the caller, or the client, gave it."""

    timeout_s: float
    known: tuple[str, ...] = ()
    """What was done until then, such as a transaction that was sent."""

    code = "node_silent"
    remedy = "wait longer (`timeout_s`) or ask another node; a transaction that was sent is found by its hash (`wait_for_receipt`)"
    http_status = 504

    def __str__(self) -> str:
        return "; ".join((f"{self.url} has not answered within {self.timeout_s:g} s ({self.cause})", *self.known))


@dataclass(eq=False)
class AnswerError(ChainClientError):
    """What came back is not what a node answers."""

    url: str
    cause: str

    code = "answer_invalid"
    remedy = "check that the URL is that of an Ethereum JSON-RPC"
    http_status = 502

    def __str__(self) -> str:
        return f"{self.url} gave no JSON-RPC answer: {self.cause}"


@dataclass(eq=False)
class RpcError(ChainClientError):
    """The node answered with an error."""

    method: str
    number: int
    """The JSON-RPC error code."""
    message: str
    data: object = None

    code = "rpc_error"
    remedy = "read the node's message"

    def __post_init__(self) -> None:
        if "insufficient funds" in self.message:
            vars(self).update(remedy="give the account 0G; on a network of your own `zerog faucet ADDRESS` does")  # Not of the type.

    def __str__(self) -> str:
        return f"{self.method}: {self.message} ({self.number})"


class NoKeyError(ChainClientError):
    """A transaction is to be sent, and nobody is there to sign it."""

    code = "no_key"
    remedy = "connect with a key: `zerog.connect(…, key=…)`; or name an `account`"
    http_status = 401

    def __str__(self) -> str:
        return "no key is known that could sign the transaction"


@dataclass(eq=False)
class ReceiptTimeoutError(DeadlineError, ChainClientError):
    """A transaction was accepted, but is in no block within the time that the caller gave."""

    transaction_hash: Hash32
    timeout_s: float

    code = "receipt_timeout"
    remedy = "wait longer (`timeout_s`, or `wait_for_receipt` with the hash), or replace the transaction by one that pays more"
    http_status = 504

    def __str__(self) -> str:
        return f"transaction {self.transaction_hash} is in no block after {self.timeout_s:g} s"


@dataclass(eq=False)
class RevertedError(ChainClientError):
    """A contract refused a call, or a transaction failed in its block."""

    what: str
    """The function that was called, or the transaction."""
    name: str | None
    """Of the contract's error, such as `InsufficientBalance`; `Error` for a text, `Panic` for a fault of the code, `None` for neither."""
    arguments: tuple[object, ...]
    """Of the error; addresses are `Address`. A text is the only argument of `Error`."""
    data: bytes
    """What the contract reverted with."""
    transaction_hash: Hash32 | None = None
    """`None` where nothing was sent."""
    message: str = ""
    """The node's own words, such as `out of gas`, where the contract said nothing."""

    code = "reverted"
    remedy = "read the contract's reason; give the ABI that has its errors to see their names"
    http_status = 409

    def __str__(self) -> str:
        match self.name:
            case None if self.message:
                reason = f": {self.message}"
            case None:
                reason = f"without a known reason (0x{self.data.hex()})" if self.data else "without a reason"
            case "Error":
                reason = f": {self.arguments[0]}"
            case _:
                reason = f"with {self.name}({', '.join(map(_shown, self.arguments))})"
        return f"{self.what} reverted{'' if reason.startswith(':') else ' '}{reason}"


@dataclass(eq=False)
class AbiMismatchError(ChainClientError):
    """What was asked of a contract is not in its ABI, or has other types there."""

    reason: str

    code = "abi_mismatch"
    remedy = (
        "compare the name and the arguments with the ABI; a function with several forms is named by its signature, such as `f(uint256)`"
    )

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class NoFaucetError(ChainClientError):
    """The node gives no tokens away: it is that of a public network, or one whose developer methods are off."""

    url: str

    code = "no_faucet"
    remedy = "on the public test network ask its own faucet; a network of your own has one on this machine (`zerog up`)"
    http_status = 403

    def __str__(self) -> str:
        return f"the node at {self.url} gives no tokens away"


class SigningRefusedError(ChainClientError):
    """What would cost more, or go elsewhere, than the owner of the key allows. Nothing was signed."""


@dataclass(eq=False)
class SpendLimitError(SigningRefusedError):
    """More than the owner of the key lets go out."""

    what: str
    """A transaction, a transfer to a provider, or a request."""
    amount_wei: int
    """The most that it can cost."""
    limit_wei: int
    spent_wei: int | None
    """Of today; `None` where one call alone is too much."""

    code = "spend_limit"
    remedy = "raise the limit (`limits=` of `zerog.connect`, or `zerog compute limit`), or spend less (`max_tokens` bounds a request)"
    http_status = 403

    def __str__(self) -> str:
        what, limit = f"{self.what} of up to {_in_0g(self.amount_wei)}", _in_0g(self.limit_wei)
        if self.spent_wei is None:
            return f"{what} is above the limit of {limit} a call"
        return f"{what} and today's {_in_0g(self.spent_wei)} are above the limit of {limit} a day"


@dataclass(eq=False)
class RecipientNotAllowedError(SigningRefusedError):
    """A transaction to an account or contract that the owner of the key did not put on the list."""

    recipient: Address | None
    """`None` for a contract that would be created."""

    code = "recipient_not_allowed"
    remedy = "put the address on the list (`recipients` of the limits), or send to one of it"
    http_status = 403

    def __str__(self) -> str:
        return "a new contract is not on the list of recipients" if self.recipient is None else f"{self.recipient} is not on the list"


@dataclass(eq=False)
class ProviderNotAllowedError(SigningRefusedError):
    """A provider that the owner of the key did not put on the list."""

    provider: Address

    code = "provider_not_allowed"
    remedy = "allow it (`providers` of the limits, or `zerog compute limit --allow`), or use one of the list"
    http_status = 403

    def __str__(self) -> str:
        return f"provider {self.provider} is not on the list"


@dataclass(eq=False)
class WalletError(SigningRefusedError):
    """A file of the wallet that cannot be read or written."""

    path: Path
    cause: str

    code = "wallet"
    remedy = "repair the file, or name another folder with the variable ZEROG_WALLET"

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


def _in_0g(wei: int) -> str:
    """Exactly."""
    whole, part = divmod(wei, 10**18)
    return f"{whole}.{part:018d}".rstrip("0").rstrip(".") + " 0G"


def _shown(argument: object) -> str:
    return f"0x{argument.hex()}" if type(argument) is bytes else str(argument)
