"""When a node looks for a missing item next: quickly at first, ever slower after that, and never so often that it floods the nodes."""

import itertools

from zerog.primitives import Address, Hash32
from zerog.storage.kv.records import StreamSubmission
from zerog.storage.kv.wishes import LOOKS_PER_S_MAX, PAUSE_S_MAX, PAUSE_S_MIN, Wishes


def submission(seq: int) -> StreamSubmission:
    return StreamSubmission(
        seq=seq,
        root=Hash32(seq.to_bytes(32)),
        size_bytes=100,
        start_sector=seq,
        sectors=1,
        streams=(Hash32(bytes(32)),),
        sender=Address(bytes(20)),
        transaction_hash=Hash32(bytes(32)),
        block_number=1,
    )


def taken(wishes: Wishes, now_s: float) -> list[int]:
    """All that are due."""
    found = []
    while (wish := wishes.next_due(now_s)) is not None:
        found.append(wish.submission.seq)
    return found


def test_new_items_are_due_at_once_in_their_order_and_come_once() -> None:
    wishes = Wishes()
    wishes.add([submission(seq) for seq in (3, 1, 2)], 5.0)
    wishes.add([submission(1)], 5.0)
    assert taken(wishes, 4.9) == []
    assert taken(wishes, 5.0) == [1, 2, 3]
    assert taken(wishes, 100.0) == []
    assert len(wishes) == 3


def test_pauses_grow_from_ten_milliseconds_to_two_seconds() -> None:
    wishes = Wishes()
    wishes.add([submission(1)], 0.0)
    now_s, pauses = 0.0, []
    for _ in range(20):
        wish = wishes.next_due(now_s)
        assert wish is not None
        wishes.put_off(wish, now_s, moved=False)
        due_s = wishes.next_due_s()
        assert due_s is not None
        pauses.append(due_s - now_s)
        now_s = due_s
    assert pauses[0] == PAUSE_S_MIN
    assert all(later >= earlier for earlier, later in itertools.pairwise(pauses))
    assert round(pauses[-1], 9) == PAUSE_S_MAX


def test_an_item_of_which_something_came_is_due_soon_again() -> None:
    wishes = Wishes()
    wishes.add([submission(1)], 0.0)
    for moved, expected_s in ((False, PAUSE_S_MIN), (False, 1.5 * PAUSE_S_MIN), (True, PAUSE_S_MIN)):
        wish = wishes.next_due(1_000.0)
        assert wish is not None
        wishes.put_off(wish, 1_000.0, moved=moved)
        assert wishes.next_due_s() == 1_000.0 + expected_s
        wish.due_s = 0.0
        wishes._queue = [(0.0, 1, wish)]


def test_thousands_of_items_that_nobody_uploads_are_looked_for_at_a_bounded_rate() -> None:
    wishes = Wishes()
    wishes.add([submission(seq) for seq in range(4_000)], 0.0)
    looks, now_s = 0, 0.0
    while now_s < 2_000.0:
        wish = wishes.next_due(now_s)
        if wish is None:
            due_s = wishes.next_due_s()
            assert due_s is not None
            now_s = due_s
            continue
        looks += now_s > 1_000.0
        wishes.put_off(wish, now_s, moved=False)
    assert looks <= 1.1 * 1_000.0 * LOOKS_PER_S_MAX


def test_where_there_are_too_many_the_most_hopeless_give_way_and_none_untried_or_under_way() -> None:
    wishes = Wishes(wishes_max=8)
    wishes.add([submission(seq) for seq in range(10)], 0.0)
    assert (len(wishes), wishes.room, wishes.make_room(3)) == (8, 0, [])
    found = [wishes.next_due(0.0) for _ in range(7)]
    for wish in found[:6]:
        assert wish is not None
        wishes.put_off(wish, 0.0, moved=False)
    for wish in found[:3]:
        assert wish is not None
        wishes.put_off(wish, 1.0, moved=False)
    assert {wish.submission.seq for wish in wishes.make_room(3)} == {0, 1, 2}
    assert {wish.submission.seq for wish in wishes.make_room(20)} == {3, 4, 5}
    assert all(wish is None or wish.is_gone == (wish.submission.seq < 6) for wish in found)
    wishes.add([submission(100), submission(0)], 2.0)
    assert taken(wishes, 2.0) == [7, 0, 100]


def test_what_is_removed_does_not_come_back() -> None:
    wishes = Wishes()
    wishes.add([submission(1), submission(2)], 0.0)
    first = wishes.next_due(0.0)
    assert first is not None
    wishes.remove(first)
    wishes.put_off(first, 0.0, moved=True)
    assert taken(wishes, 10.0) == [2]
    assert [wish.submission.seq for wish in wishes.clear()] == [2]
    assert wishes.next_due_s() is None
