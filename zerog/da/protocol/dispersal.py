"""One blob on its way to a quorum: events in, what to do next out. No clock, no socket, no dice.

received → encoding → encoded → submitted → signing → signed → confirming → confirmed → finalized; failed from anywhere before confirmed.

Whoever carries a blob does what `next_action` says, feeds the machine what came of it, and keeps `state` after every event: what is kept is
all that a new process needs to go on. Signatures under way are not kept. They are asked for again, and signers give the same ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias

from zerog.da.protocol.constants import ROWS_FOR_QUORUM
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobState, BlobStatus
from zerog.primitives import Address, Hash32

__all__ = [
    "Action",
    "Announced",
    "BlockPlace",
    "ConfirmationSent",
    "Confirmed",
    "Dispersal",
    "DispersalState",
    "Encoded",
    "EncodingBegan",
    "Event",
    "Finalized",
    "Resumed",
    "SignaturesGathered",
    "SignerSigned",
    "SigningBegan",
    "Step",
    "StepFailed",
    "StepLimits",
    "TakenBack",
]

RESTARTS_MAX: Final = 3
"""How often a blob begins anew with its announcement, because the chain no longer has what it was signed for."""


class Step(StrEnum):
    """Where a blob is."""

    RECEIVED = "received"
    ENCODING = "encoding"
    ENCODED = "encoded"
    SUBMITTED = "submitted"
    """The chain has announced it, and drawn a quorum."""
    SIGNING = "signing"
    SIGNED = "signed"
    """Two thirds of the rows are signed."""
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"
    FAILED = "failed"

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self in (Step.FINALIZED, Step.FAILED)

    @property
    def status(self) -> BlobStatus:
        """What clients are told."""
        return STATUSES.get(self, BlobStatus.PROCESSING)


STATUSES: Final = {Step.CONFIRMED: BlobStatus.CONFIRMED, Step.FINALIZED: BlobStatus.FINALIZED, Step.FAILED: BlobStatus.FAILED}


class Action(StrEnum):
    """What is to be done next."""

    ENCODE = "encode"
    ANNOUNCE = "announce"
    """Send the root to the entrance contract."""
    SIGN = "sign"
    """Hand the signers their rows, and gather signatures."""
    CONFIRM = "confirm"
    """Send the certificate to the entrance contract."""
    WATCH = "watch"
    """Wait until the block that has it is final."""
    NOTHING = "nothing"
    """It has ended."""


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """A block that something is in, and the transaction that put it there."""

    number: int
    hash: Hash32
    transaction: Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLimits:
    """Seconds that a blob may spend at a step, tries together; then it fails. To become final has no limit."""

    encode_s: float = 300.0
    announce_s: float = 300.0
    sign_s: float = 90.0
    confirm_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DispersalState:
    """All of a blob's way that is kept."""

    step: Step = Step.RECEIVED
    since_s: float
    """When the present part of the way began, in seconds since 1970; tries do not move it."""
    root: Hash32 | None = None
    commitment: bytes | None = None
    """64 flagless bytes."""
    name: BlobName | None = None
    announced: BlockPlace | None = None
    certificate: bytes | None = None
    """What confirms the blob, as the carrier writes it."""
    confirmed: BlockPlace | None = None
    restarts: int = 0
    reason: str = ""
    """Why it failed, or what the last try came to."""

    @property
    def shown(self) -> BlobState:
        """What a client is told."""
        status = self.step.status
        has_name = status in (BlobStatus.CONFIRMED, BlobStatus.FINALIZED)
        return BlobState(
            status=status,
            name=self.name if has_name else None,
            reason=self.reason if status is BlobStatus.FAILED else "",
            step=str(self.step) if status is BlobStatus.PROCESSING else "",
        )


# Events.


@dataclass(frozen=True, slots=True)
class Resumed:
    """A new process goes on. The time in which nobody worked on the blob does not count."""


@dataclass(frozen=True, slots=True)
class EncodingBegan:
    """The encoder works on it, after it has waited for its turn."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The encoder has told root and commitment."""

    root: Hash32
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Announced:
    """A block has the announcement, with the epoch and the quorum that were drawn."""

    name: BlobName
    place: BlockPlace


@dataclass(frozen=True, slots=True)
class SigningBegan:
    """Signers are asked, out of so many rows."""

    rows_needed: int = ROWS_FOR_QUORUM


@dataclass(frozen=True, slots=True)
class SignerSigned:
    """A signer's signature was verified. It has so many rows."""

    signer: Address
    rows: int


@dataclass(frozen=True, slots=True)
class SignaturesGathered:
    """The signatures were added up to what the contract asks for."""

    certificate: bytes


@dataclass(frozen=True, slots=True)
class ConfirmationSent:
    """The certificate is on its way."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A block has it, or one before did."""

    place: BlockPlace


@dataclass(frozen=True, slots=True)
class Finalized:
    """That block cannot go back any more."""


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A try did not succeed."""

    reason: str
    is_hopeless: bool = False
    """Whether another try would end the same way."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The chain took back what it had said: the confirmation alone, or the announcement too."""

    is_announced: bool
    """Whether the announcement still stands, or does not matter: the signatures are there."""


Event: TypeAlias = (
    Resumed
    | EncodingBegan
    | Encoded
    | Announced
    | SigningBegan
    | SignerSigned
    | SignaturesGathered
    | ConfirmationSent
    | Confirmed
    | Finalized
    | StepFailed
    | TakenBack
)


@dataclass(slots=True)
class Dispersal:
    """The machine of one blob. Events that do not belong to its step raise `ValueError`: they are faults of the carrier."""

    state: DispersalState
    limits: StepLimits
    rows_by_signer: dict[Address, int] = field(default_factory=dict)
    """Rows of those who have signed, since signing began."""
    rows_needed: int = ROWS_FOR_QUORUM

    @property
    def next_action(self) -> Action:
        """What to do, also after a restart."""
        return ACTIONS[self.state.step]

    @property
    def rows_signed(self) -> int:
        """A signer that repeats itself counts once."""
        return sum(self.rows_by_signer.values())

    @property
    def is_signed_enough(self) -> bool:
        """Whether the contract would take the signatures that are there."""
        return self.rows_signed >= self.rows_needed

    def seconds_left(self, now_s: float) -> float:
        """Until the present part of the way must be done; infinite where nothing ends it."""
        limit_s = _limit_s(self.state.step, self.limits)
        return float("inf") if limit_s is None else self.state.since_s + limit_s - now_s

    def receive(self, event: Event, now_s: float) -> Action:
        """Take an event; returns what to do next."""
        state = self.state
        match event:
            case Resumed():
                self.state = replace(state, since_s=now_s)
            case EncodingBegan() if state.step in (Step.RECEIVED, Step.ENCODING):
                self.state = replace(state, step=Step.ENCODING, since_s=state.since_s if state.reason else now_s)
            case Encoded(root, commitment) if state.step in (Step.RECEIVED, Step.ENCODING):
                self._enter(Step.ENCODED, now_s, root=root, commitment=commitment)
            case Announced(name, place) if state.step in (Step.ENCODED, Step.SUBMITTED, Step.SIGNING):
                self._enter(Step.SUBMITTED, now_s, name=name, announced=place)
            case SigningBegan(rows_needed) if state.step in (Step.SUBMITTED, Step.SIGNING):
                self.rows_by_signer.clear()
                self.rows_needed = rows_needed
                self.state = replace(state, step=Step.SIGNING)
            case SignerSigned(signer, rows) if state.step is Step.SIGNING:
                self.rows_by_signer[signer] = rows
            case SignaturesGathered(certificate) if state.step is Step.SIGNING and self.is_signed_enough:
                self._enter(Step.SIGNED, now_s, certificate=certificate)
            case ConfirmationSent() if state.step in (Step.SIGNED, Step.CONFIRMING):
                self.state = replace(state, step=Step.CONFIRMING)
            case Confirmed(place) if state.step in (Step.SUBMITTED, Step.SIGNING, Step.SIGNED, Step.CONFIRMING, Step.CONFIRMED):
                self._enter(Step.CONFIRMED, now_s, confirmed=place)
            case Finalized() if state.step is Step.CONFIRMED:
                self._enter(Step.FINALIZED, now_s)
            case StepFailed(reason, is_hopeless) if not state.step.is_last and state.step is not Step.CONFIRMED:
                self._fail(reason, now_s, is_hopeless=is_hopeless)
            case TakenBack(is_announced) if not state.step.is_last:
                self._take_back(now_s, is_announced=is_announced)
            case _:
                raise ValueError(f"{event} does not belong to the step {state.step}")
        return self.next_action

    def _enter(self, step: Step, now_s: float, **facts: object) -> None:
        self.state = replace(self.state, step=step, since_s=now_s, reason="", **facts)  # type: ignore[arg-type]

    def _fail(self, reason: str, now_s: float, *, is_hopeless: bool) -> None:
        """A try failed: the step begins again, unless that is hopeless or its time is over."""
        is_over = is_hopeless or self.seconds_left(now_s) <= 0
        step = Step.FAILED if is_over else RETRIES.get(self.state.step, self.state.step)
        self.state = replace(self.state, step=step, reason=reason, since_s=now_s if is_over else self.state.since_s)

    def _take_back(self, now_s: float, *, is_announced: bool) -> None:
        """Go back to what still stands. Encoding always does."""
        step = self.state.step
        if step in (Step.RECEIVED, Step.ENCODING, Step.ENCODED):
            return
        if is_announced:
            if step is Step.CONFIRMED:
                back = Step.SIGNED if self.state.certificate is not None else Step.SUBMITTED
                self._enter(back, now_s, confirmed=None)
            return
        if self.state.restarts >= RESTARTS_MAX:
            reason = f"the chain took back its announcement {RESTARTS_MAX + 1} times"
            self.state = replace(self.state, step=Step.FAILED, reason=reason, since_s=now_s)
            return
        self.rows_by_signer.clear()
        nothing: Mapping[str, object] = {"name": None, "announced": None, "certificate": None, "confirmed": None}
        self._enter(Step.ENCODED, now_s, **nothing, restarts=self.state.restarts + 1)


ACTIONS: Final[Mapping[Step, Action]] = {
    Step.RECEIVED: Action.ENCODE,
    Step.ENCODING: Action.ENCODE,
    Step.ENCODED: Action.ANNOUNCE,
    Step.SUBMITTED: Action.SIGN,
    Step.SIGNING: Action.SIGN,
    Step.SIGNED: Action.CONFIRM,
    Step.CONFIRMING: Action.CONFIRM,
    Step.CONFIRMED: Action.WATCH,
    Step.FINALIZED: Action.NOTHING,
    Step.FAILED: Action.NOTHING,
}
RETRIES: Final[Mapping[Step, Step]] = {Step.ENCODING: Step.RECEIVED, Step.SIGNING: Step.SUBMITTED, Step.CONFIRMING: Step.SIGNED}
"""Where a step stands again after a try that failed."""


def _limit_s(step: Step, limits: StepLimits) -> float | None:
    match step:
        case Step.RECEIVED | Step.ENCODING:
            return limits.encode_s
        case Step.ENCODED:
            return limits.announce_s
        case Step.SUBMITTED | Step.SIGNING:
            return limits.sign_s
        case Step.SIGNED | Step.CONFIRMING:
            return limits.confirm_s
    return None
