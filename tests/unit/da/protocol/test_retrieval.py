"""Whom a retrieval asks: every way through it ends with enough rows, or with the certainty that there are not enough."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from zerog.da.protocol.quorum import Quorum
from zerog.da.protocol.retrieval import Ask, RetrievalPlan
from zerog.primitives import Address

SIGNERS = [Address(bytes([number]) * 20) for number in range(1, 7)]
NEEDED = 10


def quorum_of(members: list[Address]) -> Quorum:
    return Quorum(0, 0, tuple(members))


def round_robin(signers: int, rows: int = 3 * NEEDED) -> Quorum:
    return quorum_of([SIGNERS[row % signers] for row in range(rows)])


def test_the_rows_of_the_blob_itself_are_asked_for_first() -> None:
    asks = RetrievalPlan(round_robin(3), rows_needed=NEEDED).begin()
    assert sorted(row for ask in asks for row in ask.rows) == list(range(NEEDED))
    assert [ask.signer for ask in asks] == SIGNERS[:3]


def test_a_signer_that_fails_is_replaced_by_rows_of_others() -> None:
    plan = RetrievalPlan(round_robin(3), rows_needed=NEEDED)
    first, *others = plan.begin()
    more = plan.failed(first.signer)
    assert first.signer not in {ask.signer for ask in more}
    assert sum(len(ask.rows) for ask in more) == len(first.rows)
    for ask in [*others, *more]:
        plan.came(ask.signer, ask.rows)
        assert plan.ended(ask) == []
    assert plan.is_complete


def test_what_comes_late_counts_and_others_are_asked_meanwhile() -> None:
    plan = RetrievalPlan(round_robin(3), rows_needed=NEEDED)
    first, *others = plan.begin()
    more = plan.late(first.signer)
    assert first.signer not in {ask.signer for ask in more}
    plan.came(first.signer, first.rows)
    for ask in others:
        plan.came(ask.signer, ask.rows)
    assert plan.is_complete


def test_rows_of_a_liar_do_not_count() -> None:
    plan = RetrievalPlan(round_robin(2), rows_needed=NEEDED)
    asks = plan.begin()
    for ask in asks:
        plan.came(ask.signer, ask.rows)
    assert plan.is_complete
    more = plan.lied(SIGNERS[0])
    assert {ask.signer for ask in more} == {SIGNERS[1]}
    assert plan.held_count == NEEDED // 2
    assert not plan.is_hopeless


def test_unasked_rows_do_not_count() -> None:
    plan = RetrievalPlan(round_robin(3), rows_needed=NEEDED)
    plan.begin()
    plan.came(SIGNERS[0], range(100))
    assert plan.held_count == 4


@given(st.lists(st.sampled_from(SIGNERS), min_size=NEEDED, max_size=40), st.data())
def test_every_retrieval_ends_complete_exactly_where_enough_rows_are_left(members: list[Address], data: st.DataObject) -> None:
    """Each row is there or lost, each signer true, silent or a liar, and things happen in any order."""
    quorum = quorum_of(members)
    lost = data.draw(st.sets(st.integers(0, len(members) - 1)))
    nature = {signer: data.draw(st.sampled_from(["true", "true", "silent", "liar"])) for signer in quorum.signers}
    plan = RetrievalPlan(quorum, rows_needed=NEEDED)
    under_way = plan.begin()
    asked: Counter[int] = Counter()
    asked.update(row for ask in under_way for row in ask.rows)
    out: set[Address] = set()
    while under_way and not plan.is_complete:
        ask = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
        if ask.signer in out:
            continue
        more: list[Ask] = []
        if data.draw(st.booleans()):
            more += plan.late(ask.signer)
        match nature[ask.signer]:
            case "true":
                plan.came(ask.signer, set(ask.rows) - lost)
                more += plan.ended(ask)
            case "silent":
                out.add(ask.signer)
                more += plan.failed(ask.signer)
            case "liar":
                out.add(ask.signer)
                plan.came(ask.signer, ask.rows[: len(ask.rows) // 2])
                more += plan.lied(ask.signer)
        asked.update(row for each in more for row in each.rows)
        under_way += more
    available = sum(nature[owner] == "true" and row not in lost for row, owner in enumerate(members))
    assert plan.is_complete == (available >= NEEDED)
    assert plan.is_complete or plan.is_hopeless
    assert max(asked.values(), default=1) == 1, "a row was asked for twice"
