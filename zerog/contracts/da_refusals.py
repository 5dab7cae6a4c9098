"""Why the contracts of 0G DA refuse a call: the texts of the entrance, and custom errors in words, with what to do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from zerog.contracts.da import DA_ENTRANCE, DA_REGISTRY
from zerog.contracts.interface import CustomError
from zerog.primitives import Address
from zerog.primitives.errors import RefusalError

__all__ = ["DaCallRefusedError", "EntranceRefusal", "RegistryRefusal", "da_refusal"]


class EntranceRefusal(StrEnum):
    """The texts by which the entrance refuses."""

    EPOCH_NOT_MADE = "DAEntrance: make epoch failed"
    FEE_TOO_LOW = "Not enough da blob fee"
    NO_SIGNERS = "DAEntrance: No DA Signers"
    PAIRING_FAILED = "DARegistry: pairing precompile call failed"
    WRONG_SIGNATURE = "DARegistry: signature is invalid"
    TOO_FEW_ROWS = "DARegistry: insufficient signed slices"
    REPEATED_SAMPLE = "Duplicated submission"
    NO_ROUND = "Sample round 0 cannot be mined"
    ROUND_FULL = "Too many submissions in one round"
    OTHER_SEED = "Unmatched sample seed"
    POOR_QUALITY = "Quality not reached"
    NOT_CONFIRMED = "Unrecorded commitment"
    EPOCH_OVER = "Epoch has stopped sampling"
    CURRENT_EPOCH = "Cannot sample current epoch"
    EMPTY_SEED = "Sample seed cannot be empty"
    WRONG_LINE = "Incorrect line index"
    WRONG_SUBLINE = "Incorrect sub-line index"
    QUALITY_OVERFLOW = "Quality overflow"
    WRONG_QUALITY = "Incorrect quality"
    WRONG_LENGTH = "Incorrect data length"
    OTHER_COSET_ROOT = "Incorrect blob Root"
    OTHER_DATA_ROOT = "Incorrect dataRoot"
    ROUND_GROWS_TOO_FAST = "Increase round submissions too large"
    ROUND_SHRINKS_TOO_FAST = "Decrease round submissions too large"
    EMPTY_ROUND = "Round submissions cannot be zero"
    NO_WINDOW = "Epoch window size cannot be zero"
    NO_RATIO = "Reward ratio must be non-zero"


class RegistryRefusal(StrEnum):
    """How the texts begin by which the registry passes on that the signers' contract failed, which gives no reason."""

    SIGNER_NOT_REGISTERED = "registerSigner call failed: "
    EPOCH_NOT_REGISTERED = "registerNextEpoch call failed: "


ERRORS: Final[dict[bytes, CustomError]] = {
    error.selector: error for interface in (DA_REGISTRY, DA_ENTRANCE) for error in interface.errors.values()
}
"""Of both contracts, by their first 4 bytes."""

WORDS: Final[dict[str, tuple[str, str]]] = {
    # Of the registry.
    "ErrSenderNotOrigin": ("a contract cannot be a signer", "call from the signer's own account"),
    "ErrSenderNotSigner": ("the sender is not the signer that it registers", "let the signer send it"),
    "ErrSenderNotEligibleToVote": ("the sender owns less than one vote costs", "fund it with at least 30 0G"),
    "OwnableInvalidOwner": ("{0} cannot be the owner", "give another address"),
    "OwnableUnauthorizedAccount": ("{0} is not the owner", "let the owner send it"),
    # Of the entrance.
    "AccessControlBadConfirmation": ("a role is given up only by who has it", "send it from that account"),
    "AccessControlUnauthorizedAccount": ("{0} has not the role 0x{1:hex}", "let an administrator send it, or grant the role"),
    "FailedCall": ("the receiver did not take its money", "use an account that takes native tokens"),
    "InsufficientBalance": ("the contract owns {0} wei, and {1} are needed", "ask for less"),
    "ModexpFailed": ("too little gas", "send at least what `eth_estimateGas` says"),
    "NoSamplePeriod": ("a round lasts at least a block", "give another period"),
    "NotOnCurve": ("a point is not on the curve", "look at signature and public key"),
    "TooHigh": ("{0} is above {1}", "give a lower number"),
    "ZeroCommitment": ("the commitment is that of an empty blob", "disperse at least one byte"),
    # Of both.
    "InvalidInitialization": ("the contract is set up already", "nothing is to be done"),
    "NotInitializing": ("the contract is not being set up", "nothing is to be done"),
}
"""For each error what it says, with its arguments by number, and what to do."""


class _Bytes(bytes):
    """Bytes that words can show in hexadecimal."""

    def __format__(self, spec: str) -> str:
        return self.hex() if spec == "hex" else super().__format__(spec)


@dataclass(eq=False)
class DaCallRefusedError(RefusalError):
    """A contract of DA refused a call by a custom error."""

    name: str
    """Of the contract's error, such as `ErrSenderNotEligibleToVote`."""
    arguments: tuple[Any, ...] = ()
    """In the order of the ABI; addresses are `Address`."""

    code = "da_call_refused"
    http_status = 409

    @property
    def remedy(self) -> str:  # type: ignore[override]  # It depends on the error.
        return WORDS[self.name][1]

    def __str__(self) -> str:
        return f"{WORDS[self.name][0].format(*self.arguments)} ({self.name})"


def da_refusal(data: bytes) -> DaCallRefusedError | None:
    """What a revert's data means; nothing if it is no custom error of these contracts. Raises `DecodeError` when arguments are cut off."""
    error = ERRORS.get(data[:4])
    if error is None:
        return None
    values = zip(error.inputs, error.decode(data), strict=True)
    return DaCallRefusedError(error.signature.split("(", 1)[0], tuple(_argument(kind, value) for kind, value in values))


def _argument(kind: str, value: Any) -> Any:
    if kind == "address":
        return Address(value)
    return _Bytes(value) if kind.startswith("bytes") else value
