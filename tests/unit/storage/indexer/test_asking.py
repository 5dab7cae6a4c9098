"""One node is asked, another one beside it when it is slow, and the first good answer counts."""

import anyio

from zerog.storage.client.errors import PeerUnreachableError
from zerog.storage.indexer.asking import ask_all, first_good, in_order
from zerog.storage.indexer.nodes import Node


def nodes(count: int) -> list[Node]:
    return [Node(f"http://n{number}", trusted=True, since=0) for number in range(count)]


async def test_a_quick_node_is_asked_alone() -> None:
    first, second = nodes(2)
    asked: list[Node] = []

    async def ask(node: Node) -> str:
        asked.append(node)
        return "data"

    winner, others = await first_good([first, second], ask, bool, slow_s=5)
    assert winner is not None
    assert (winner.node, winner.answer, others, asked) == (first, "data", [], [first])


async def test_a_second_node_is_asked_beside_one_that_is_slower_than_usual() -> None:
    slow, quick = nodes(2)
    for _ in range(20):
        slow.took(0.001)
    given_up = anyio.Event()

    async def ask(node: Node) -> str:
        if node is quick:
            return "data"
        try:
            await anyio.sleep_forever()
        finally:
            given_up.set()
        return "never"

    with anyio.fail_after(5):
        winner, _ = await first_good([slow, quick], ask, bool, slow_s=60)
    assert winner is not None
    assert winner.node is quick
    assert given_up.is_set()
    assert slow.usual_s < slow.slow_s(60), "what it took counts, so next time it is known to be slow"
    assert in_order([slow, quick])[0] is quick


async def test_after_a_failure_or_a_bad_answer_the_next_is_asked_at_once() -> None:
    dead, empty, good = nodes(3)

    async def ask(node: Node) -> str:
        if node is dead:
            raise PeerUnreachableError(node.url, "dead")
        return "" if node is empty else "data"

    with anyio.fail_after(5):
        winner, others = await first_good([dead, empty, good], ask, bool, slow_s=60)
    assert winner is not None
    assert winner.node is good
    assert [other.node for other in others] == [dead, empty]


async def test_no_good_answer_is_none_with_every_outcome() -> None:
    asked = nodes(3)

    async def ask(node: Node) -> str:
        raise PeerUnreachableError(node.url, "dead")

    winner, others = await first_good(asked, ask, bool, slow_s=60)
    assert winner is None
    assert [type(other.error) for other in others] == [PeerUnreachableError] * 3


async def test_all_are_asked_together() -> None:
    asked = nodes(3)
    begun = 0
    everybody = anyio.Event()

    async def ask(node: Node) -> str:
        nonlocal begun
        begun += 1
        if begun == len(asked):
            everybody.set()
        await everybody.wait()
        return node.url

    with anyio.fail_after(5):
        outcomes = await ask_all(asked, ask)
    assert [outcome.answer for outcome in outcomes] == [node.url for node in asked]


async def test_who_failed_is_asked_last() -> None:
    failed, busy, idle = nodes(3)
    failed.failed("a test")
    busy.reads_under_way = 1
    assert in_order([failed, busy, idle]) == [idle, busy, failed]
