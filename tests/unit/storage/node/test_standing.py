"""What is thought of peers, and in which portions they are asked: values in, values out."""

from zerog.primitives import Address, Hash32
from zerog.storage.node.fetching import CLAIM_S_MAX, Claims, Job, Offer, jobs_of
from zerog.storage.node.standing import ATONEMENT_SEGMENTS, BACKOFF_S_MAX, LANES_MAX, WINDOW_MAX, Fault, Standing
from zerog.storage.node.store import StoredSubmission
from zerog.storage.node.wanted import FileWish
from zerog.storage.protocol.shards import EVERYTHING
from zerog.storage.protocol.submission import Submission
from zerog.storage.wire.files import Availability
from zerog.storage.wire.nodes import ShardConfig

ROOT = Hash32(bytes(31) + b"\1")
SEGMENTS = 200
SUBMISSION = StoredSubmission(
    seq=3,
    submission=Submission(size_bytes=SEGMENTS * 262_144, nodes=()),
    root=ROOT,
    start_sector=1024,
    sender=Address(bytes(20)),
    transaction_hash=ROOT,
    block_number=1,
    block_hash=ROOT,
)


def offer(indexes: list[int], held: list[int] | None) -> Offer:
    """What a peer has of what is wanted; without `held` it is an official node."""
    if held is None:
        return Offer(FileWish(3, 0.0), SUBMISSION, indexes, None)
    availability = Availability(
        root=ROOT,
        tx_seq=3,
        segments=SEGMENTS,
        shard=ShardConfig.of(EVERYTHING),
        held=Availability.bitmap(held, SEGMENTS),
        held_count=len(held),
        required=SEGMENTS,
        finalized=True,
    )
    return Offer(FileWish(3, 0.0), SUBMISSION, indexes, availability)


def portions(asked: Offer, window: int) -> list[list[int]]:
    return [list(job.indexes) for job in jobs_of(asked, lambda: window)]


def test_each_lie_doubles_the_pause_whatever_else_is_answered() -> None:
    standing = Standing()
    pauses = []
    for _ in range(11):
        pauses.append(standing.blame(Fault.WRONG_BYTES, "rubbish", 100.0))
        standing.answered()
        assert standing.cause == "rubbish"
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, BACKOFF_S_MAX, BACKOFF_S_MAX]
    assert (standing.lies, standing.waits_until_s) == (11, 100.0 + BACKOFF_S_MAX)
    assert standing.score < 0.01


def test_an_outage_is_forgotten_with_the_next_answer_and_a_lie_only_for_true_segments() -> None:
    standing = Standing()
    assert [standing.blame(Fault.TIMEOUT, "slow", 0.0), standing.blame(Fault.UNREACHABLE, "gone", 0.0)] == [1, 2]
    standing.answered()
    assert (standing.outages, standing.cause, standing.blame(Fault.REFUSED, "busy", 0.0)) == (0, None, 1)
    standing.blame(Fault.WITHHELD, "nothing", 0.0)
    standing.delivered(ATONEMENT_SEGMENTS - 1)
    assert standing.lies == 1
    standing.delivered(1)
    assert (standing.lies, standing.cause) == (0, None)
    assert 0.5 < standing.score < 1.0
    assert sum(standing.faults.values()) == 4  # What is forgiven is still told.


def test_trust_grows_with_each_true_answer_and_ends_with_a_fault() -> None:
    standing = Standing()
    windows = []
    for _ in range(5):
        windows.append((standing.window, standing.lanes))
        standing.delivered(standing.window)
    assert windows == [(2, 1), (4, 1), (8, 1), (WINDOW_MAX, LANES_MAX), (WINDOW_MAX, LANES_MAX)]
    standing.blame(Fault.TIMEOUT, "slow", 0.0)
    assert (standing.window, standing.lanes) == (2, 1)


def test_neighbours_come_in_one_request() -> None:
    everything = list(range(SEGMENTS))
    assert portions(offer([0, 1, 2, 3, 4, 7], everything), 4) == [[0, 1, 2, 3], [4], [7]]
    assert portions(offer([0, 1, 2, 3, 4, 7], everything), 16) == [[0, 1, 2, 3, 4, 7]]  # Two more come, which is less than what is wanted.
    assert portions(offer([0, 1, 2], None), 16) == [[0], [1], [2]]


def test_a_shard_of_the_same_class_sends_what_lies_apart_in_one_request() -> None:
    own = list(range(1, SEGMENTS, 4))
    assert portions(offer(own, own), 16)[:2] == [own[:16], own[16:32]]
    assert portions(offer(own[:3], list(range(SEGMENTS))), 16) == [[1], [5], [9]]  # Of a whole node, four times as much would come.


def test_what_is_claimed_is_claimed_until_it_is_released() -> None:
    claims, asked = Claims(), offer([5, 6], [5, 6])
    job = Job(asked, [5, 6])
    claims.take(job, 10.0)
    assert [claims.has(ROOT, index, 10.0) for index in (4, 5, 6)] == [False, True, True]
    assert not claims.has(ROOT, 5, 10.0 + CLAIM_S_MAX)  # Whoever takes so long is not waited for.
    other = Job(asked, [5])
    claims.take(other, 20.0)
    claims.release(job)
    assert [claims.has(ROOT, index, 20.0) for index in (5, 6)] == [True, False]
    claims.release(other)
    assert not claims.has(ROOT, 5, 20.0)
