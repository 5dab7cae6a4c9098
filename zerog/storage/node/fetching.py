"""What one peer is asked for in one turn: which of its segments are taken, in which portions, and how it is seen that they are true."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from zerog.primitives import Hash32
from zerog.storage.client import NodeClient, PeerAnswerError, PeerError, PeerRefusedError, PeerStatusError, PeerUnreachableError, Segment
from zerog.storage.node.standing import Fault
from zerog.storage.node.store import SegmentWrite, StoredSubmission
from zerog.storage.node.wanted import FileWish
from zerog.storage.protocol.merkle import ProvedSegment, faulty_segment
from zerog.storage.wire.files import Availability

__all__ = ["Claims", "Job", "Offer", "SegmentFaultError", "fault_of", "fetch", "jobs_of"]

DATA_MISMATCH: Final = "data hash mismatch"
"""Of a segment whose proof is right and whose bytes are not."""
CLAIM_S_MAX: Final = 5.0
"""A peer that takes longer for a request is left to it, and others are asked as well."""
SPAN_SEGMENTS_MAX: Final = 64
"""Of one request, also those that are passed over."""


@dataclass(eq=False)
class SegmentFaultError(PeerAnswerError):
    """A peer sent a segment that is not what the file's root says, or did not send what it says it has."""

    fault: Fault = Fault.WRONG_BYTES


@dataclass(frozen=True, slots=True)
class Offer:
    """What a peer says that it has of what is missing of a file."""

    wish: FileWish
    submission: StoredSubmission
    indexes: Sequence[int]
    """Ascending."""
    availability: Availability | None
    """All that it says it has; `None` of an official node, which gives one segment a request."""

    def is_held(self, index: int) -> bool:
        """Whether the peer would send a segment that lies between two wanted ones."""
        return self.availability is not None and self.availability.holds(index)


@dataclass(frozen=True, slots=True)
class Job:
    """Segments of one request."""

    offer: Offer
    indexes: Sequence[int]

    @property
    def root(self) -> Hash32:
        return self.offer.submission.root


@dataclass(slots=True)
class Claims:
    """Segments that are on their way from some peer, so that no other is asked for them, unless it takes long."""

    _by_root: dict[Hash32, dict[int, tuple[Job, float]]] = field(default_factory=dict)

    def has(self, root: Hash32, index: int, now_s: float) -> bool:
        """Whether some peer is asked for a segment, and not for too long."""
        claim = self._by_root.get(root, {}).get(index)
        return claim is not None and now_s - claim[1] < CLAIM_S_MAX

    def take(self, job: Job, now_s: float) -> None:
        self._by_root.setdefault(job.root, {}).update(dict.fromkeys(job.indexes, (job, now_s)))

    def release(self, job: Job) -> None:
        """What another has taken over meanwhile stays its own."""
        claimed = self._by_root.get(job.root, {})
        for index in job.indexes:
            if index in claimed and claimed[index][0] is job:
                del claimed[index]
        if not claimed:
            self._by_root.pop(job.root, None)


def jobs_of(offer: Offer, window: Callable[[], int]) -> Iterator[Job]:
    """Portions of what is offered, of at most `window()` segments: neighbours, or such that not more comes besides than is wanted."""
    portion: list[int] = []
    others = 0
    for index in offer.indexes:
        if portion:
            between = sum(map(offer.is_held, range(portion[-1] + 1, index))) if index - portion[0] < SPAN_SEGMENTS_MAX else 0
            fits = (
                offer.availability is not None
                and index - portion[0] < SPAN_SEGMENTS_MAX
                and len(portion) + 1 + others + between <= window()
                and others + between <= len(portion)
            )
            if fits:
                portion.append(index)
                others += between
                continue
            yield Job(offer, portion)
        portion, others = [index], 0
    if portion:
        yield Job(offer, portion)


def fetch(client: NodeClient, job: Job) -> tuple[list[SegmentWrite], SegmentFaultError | None]:
    """The segments before the first that is not true, as they may be stored, and what is wrong with it. Blocks. Raises `PeerError`."""
    submission, first = job.offer.submission, job.indexes[0]
    root, size_bytes = submission.root, submission.submission.size_bytes
    sent = client.segments(root, size_bytes=size_bytes, first=first, count=job.indexes[-1] - first + 1, tx_seq=submission.seq, verify=False)
    wanted = set(job.indexes)
    segments = [segment for segment in sent if segment.index in wanted]
    if not segments:
        cause = f"it says that it has segment {first} of {root}, and does not send it"
        return [], SegmentFaultError(client.url, cause, fault=Fault.WITHHELD)
    proved = [ProvedSegment(segment.index, segment.data, segment.proof) for segment in segments]
    found = faulty_segment(root, size_bytes=size_bytes, segments=proved)
    if found is None:
        return [_write(submission, segment) for segment in segments], None
    place, refusal = found
    cause = f"segment {segments[place].index} of {root} is not what its root says: {refusal}"
    fault = Fault.WRONG_BYTES if str(refusal) == DATA_MISMATCH else Fault.WRONG_PROOF
    return [_write(submission, segment) for segment in segments[:place]], SegmentFaultError(client.url, cause, fault=fault)


def _write(submission: StoredSubmission, segment: Segment) -> SegmentWrite:
    lemma = segment.proof.lemma
    return SegmentWrite(
        root=submission.root,
        size_bytes=submission.submission.size_bytes,
        index=segment.index,
        data=segment.data,
        segment_root=lemma[0],
        siblings=lemma[1:-1],
    )


def fault_of(error: PeerError | TimeoutError) -> Fault:
    """What a failure says of the peer."""
    match error:
        case SegmentFaultError():
            return error.fault
        case PeerAnswerError():
            return Fault.MALFORMED
        case PeerRefusedError() | PeerStatusError():
            return Fault.REFUSED
        case PeerUnreachableError() if not isinstance(error.__cause__, TimeoutError):
            return Fault.UNREACHABLE
    return Fault.TIMEOUT
