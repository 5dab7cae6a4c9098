"""Which files are asked for, of whom and when: values in, values out."""

from zerog.storage.node.wanted import PAUSE_S_MAX, FileState, Wanted


def seqs(wanted: Wanted, peer: str, now_s: float, count: int = 10) -> list[int]:
    return [wish.seq for wish in wanted.due(peer, now_s, count)]


def test_every_file_has_its_turn_at_every_peer() -> None:
    wanted = Wanted()
    for seq in range(5):
        wanted.add(seq, 0.0)
    assert [seqs(wanted, "a", 1.0, 2), seqs(wanted, "a", 1.0, 2), seqs(wanted, "a", 1.0, 2)] == [[0, 1], [2, 3], [4, 0]]
    assert sorted(seqs(wanted, "b", 1.0)) == [0, 1, 2, 3, 4]


def test_who_had_nothing_is_asked_later_and_later_and_others_at_their_own_time() -> None:
    wanted = Wanted()
    wanted.add(7, 0.0, due_s=5.0)
    assert (seqs(wanted, "a", 4.9), seqs(wanted, "a", 5.0)) == ([], [7])
    now_s, pauses = 5.0, []
    for _ in range(6):
        [wish] = wanted.due("a", now_s, 1)
        wanted.asked(wish, "a", now_s, 5.0, found=False)
        pauses.append(wish.looks["a"].due_s - now_s)
        assert seqs(wanted, "b", now_s) == [7]
        now_s = wish.looks["a"].due_s
    assert pauses == [5.0, 10.0, 20.0, 40.0, PAUSE_S_MAX, PAUSE_S_MAX]
    again = wanted.get(7)
    assert again is not None
    wanted.asked(again, "a", now_s, 5.0, found=True)
    assert seqs(wanted, "a", now_s) == [7]


def test_what_is_ordered_comes_first_and_at_once() -> None:
    wanted = Wanted()
    wanted.add(1, 0.0)
    wanted.add(2, 0.0, due_s=100.0)
    wanted.add(2, 0.0, ordered=True)
    assert seqs(wanted, "a", 0.0) == [2, 1]
    wish = wanted.get(2)
    assert wish is not None
    assert (wish.is_ordered, wish.state) == (True, FileState.FINDING)


def test_what_is_complete_is_remembered_and_what_was_stopped_is_not() -> None:
    wanted = Wanted()
    wanted.add(1, 0.0)
    wanted.add(2, 0.0)
    wanted.complete(1)
    assert (wanted.stop(2), wanted.stop(2), wanted.get(2)) == (True, False, None)
    done = wanted.get(1)
    assert done is not None
    assert (done.state, len(wanted)) == (FileState.COMPLETED, 0)
    wanted.add(1, 1.0)
    assert len(wanted) == 1
