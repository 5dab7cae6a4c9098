"""Why the contracts of 0G Compute refuse a call: their custom errors in words, with what to do."""

from dataclasses import dataclass
from typing import Any, Final

from zerog._kernel import DecodeError, abi_decode
from zerog.contracts.compute import FINE_TUNING_SERVING, INFERENCE_SERVING, LEDGER_MANAGER
from zerog.contracts.interface import CustomError
from zerog.primitives import Address
from zerog.primitives.errors import RefusalError

__all__ = ["ComputeCallRefusedError", "compute_refusal"]

ERRORS: Final[dict[bytes, CustomError]] = {
    error.selector: error for interface in (LEDGER_MANAGER, INFERENCE_SERVING, FINE_TUNING_SERVING) for error in interface.errors.values()
}
"""Of all three contracts, by their first 4 bytes."""
CALL_FAILED: Final = "CallFailed"

WORDS: Final[dict[str, tuple[str, str]]] = {
    # Of the ledger.
    "CallFailed": ("the serving contract refused", "look at its reason, which follows"),
    "CallerNotRegisteredService": ("{0} is no registered service", "let a registered serving contract call"),
    "InsufficientAvailableBalance": ("{0} wei are available in the ledger and {1} are needed", "deposit more into the ledger"),
    "InvalidServiceAddress": ("there can be no service at {0}", "give the address of a serving contract"),
    "InvalidServiceType": ("{0!r} is no type of service", "use a type that is registered"),
    "LedgerExists": ("{0} has a ledger already", "deposit into it instead"),
    "LedgerLocked": ("another call for this user is under way", "call again after it"),
    "LedgerNotExists": ("{0} has no ledger", "make one with a deposit of at least 3 0G"),
    "MinimumDepositRequired": ("{0} wei, where {1} are the least", "move or leave at least that much"),
    "MustWithdrawAllFundsFirst": ("{0} wei are still in the ledger or in sub-accounts", "take them back first"),
    "NoRecommendedService": ("no service of the type {0!r} is recommended", "name a service and its version"),
    "ServiceAlreadyRegistered": ("{0} is registered already", "register another contract"),
    "ServiceMustImplementIServing": ("the contract at {0} is no serving contract", "register one that is"),
    "ServiceNameExists": ("another contract is registered as {0!r}", "choose another version"),
    "ServiceNotFound": ("no service has this name", "ask `getAllActiveServices` for the names"),
    "ServiceNotRegistered": ("the service at {0} is not registered", "ask `getAllActiveServices` for those that are"),
    "ServiceRegistryLimitReached": ("{0} services are registered, which are the most", "use one that is registered"),
    "ServiceTypeRequired": ("a service needs a type", "name it"),
    "TooManyProviders": ("{0} providers in one call, where {1} are the most", "ask for fewer at a time"),
    "TooManyProvidersForService": ("{0} sub-accounts with this service, where {1} are the most", "use another account"),
    "VersionRequired": ("a service needs a version", "name it"),
    "ZeroAddressNotAllowed": ("zero is nobody's address", "give another address"),
    "ZeroAmountNotAllowed": ("nothing was sent", "send a value"),
    # Of both serving contracts.
    "AccountExists": ("{0} has a sub-account with {1} already", "deposit into it instead"),
    "AccountNotExists": ("{0} has no sub-account with {1}", "move money to this provider first"),
    "AdditionalInfoTooLong": ("the text has more than 4,096 bytes", "shorten it"),
    "AlreadyInitialized": ("the contract is set up already", "nothing is to be done"),
    "BatchSizeTooLarge": ("{0} users in one call, where {1} are the most", "ask for fewer at a time"),
    "CallerNotLedger": ("only the ledger may do this", "call the ledger instead"),
    "CannotAddStakeWhenUpdating": ("the stake is paid already", "send no value with a change of the service"),
    "CannotRevokeWithNonZeroBalance": ("{0} still has {2} wei with {1}", "take the money back first"),
    "DirectDepositsDisabled": ("money does not come by a plain transfer", "use the ledger's functions"),
    "InsufficientBalance": ("the balance of {0} is too low", "ask for less, or deposit more"),
    "InsufficientStake": ("{0} wei were sent, and a service begins with a stake of {1}", "send the whole stake with the first call"),
    "ReentrancyGuardReentrantCall": ("the contract called itself in a circle", "call it from an account that does not call back"),
    "ServiceNotExist": ("{0} offers no service here", "ask the contract for those who do"),
    "TooManyRefunds": ("five refunds of {0} from {1} wait already", "take back what has waited long enough first"),
    "TransferFailed": ("the receiver did not take its money", "use an account that takes native tokens"),
    "LimitTooLarge": ("a page of {0} entries is too long", "ask for at most 50 at a time"),
    "LockTimeOutOfRange": ("{0} seconds are out of range", "choose an hour to seven days"),
    # Of inference.
    "InvalidAddress": ("{0} is nobody's address", "give another address"),
    "InvalidTEESignature": ("the signature is wrong: {0}", "sign with the service's signer"),
    "NoSettlementsProvided": ("there is nothing to settle", "send at least one entry"),
    "ProviderCannotBeUser": ("nobody is their own provider", "choose another provider"),
    "TooManySettlements": ("{0} settlements in one call, where {1} are the most", "send them in several calls"),
    # Of fine-tuning.
    "CannotAbandonSettledDeliverable": ("{0!r} is settled", "nothing is to be done"),
    "CannotAcknowledgeSettledDeliverable": ("{0!r} was settled without an acknowledgement", "ask the provider to train it again"),
    "CannotEvictUnsettledDeliverable": ("all 20 places are taken, and {0!r} is not settled", "settle or abandon it first"),
    "DeliverableAlreadyExists": ("there is a model {0!r} already", "choose another id"),
    "DeliverableAlreadySettled": ("{0!r} is settled already", "nothing is to be done"),
    "DeliverableIdInvalidLength": ("an id of {0} bytes", "use 1 to 256 bytes"),
    "DeliverableNotExists": ("there is no model {0!r}", "ask for those there are"),
    "ETHTransferFailed": ("the provider did not take its money", "use an account that takes native tokens"),
    "InvalidLedgerAddress": ("there is no ledger at this address", "give the ledger's address"),
    "InvalidVerifierInput": ("{0}", "look at what the settlement lacks"),
    "PenaltyPercentageTooHigh": ("a penalty of {0} percent", "choose at most 100"),
    "PreviousDeliverableNotAcknowledged": ("{0!r} is neither acknowledged nor settled", "acknowledge, settle or abandon it first"),
    "SecretShouldBeEmpty": ("the user did not acknowledge the model, so there is no key for it", "send no key"),
    "SecretShouldNotBeEmpty": ("the user acknowledged the model and gets its key", "send the key"),
    "TransferToLedgerFailed": ("the ledger did not take its money", "use a contract that its ledger has registered"),
}
"""For each error what it says, with its arguments by number, and what to do."""


@dataclass(eq=False)
class ComputeCallRefusedError(RefusalError):
    """A contract of compute refused a call."""

    name: str
    """Of the contract's error, such as `LedgerNotExists`."""
    arguments: tuple[Any, ...] = ()
    """In the order of the ABI; addresses are `Address`."""
    inner: "ComputeCallRefusedError | None" = None
    """Why the serving contract refused, where the ledger says `CallFailed` and its reason is a custom error."""

    code = "compute_call_refused"
    http_status = 409

    @property
    def remedy(self) -> str:  # type: ignore[override]  # It depends on the error.
        return self.inner.remedy if self.inner is not None else WORDS[self.name][1]

    def __str__(self) -> str:
        words = WORDS[self.name][0].format(*self.arguments)
        return f"{words} ({self.name})" if self.inner is None else f"{words}: {self.inner}"


def compute_refusal(data: bytes) -> ComputeCallRefusedError | None:
    """What a revert's data means; nothing if it is no error of these contracts. Raises `DecodeError` when its arguments are cut off."""
    error = ERRORS.get(data[:4])
    if error is None:
        return None
    name = error.signature.split("(", 1)[0]
    if name == CALL_FAILED:
        return ComputeCallRefusedError(name, inner=_inner(data[4:]))
    values = zip(error.inputs, error.decode(data), strict=True)
    return ComputeCallRefusedError(name, tuple(Address(value) if kind == "address" else value for kind, value in values))


def _inner(reason: bytes) -> ComputeCallRefusedError | None:
    """Our ledger writes the serving contract's answer behind the selector; the official one writes nothing."""
    if not reason:
        return None
    [answer] = abi_decode(["bytes"], reason)
    if not isinstance(answer, bytes):
        raise DecodeError("the reason of CallFailed is a byte string")
    return compute_refusal(answer)
