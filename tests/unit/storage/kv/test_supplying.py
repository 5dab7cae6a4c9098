"""Items that have arrived go into the store in groups, one alone at once; and what a page of the log brings is all looked for."""

import threading
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tests.unit.storage.kv.network import Item, KvNetwork, put, stream
from tests.unit.storage.node.network import WAIT_S, Chain, Node
from zerog._kernel import keccak256
from zerog.primitives import Hash32
from zerog.runtime.gate import Gate
from zerog.storage.kv import fetch
from zerog.storage.kv.records import Supply
from zerog.storage.kv.store import KvStore, StoreFailedError
from zerog.storage.kv.store.errors import StoreFullError
from zerog.storage.kv.supplying import GROUP_BYTES_MAX, GROUP_ITEMS_MAX, WAITING_ITEMS_MAX, Supplies

numbers = count()


class Slow(KvStore):
    """A store that notes the groups it is given, holds each until `go_on`, and refuses those with a seq of `refused`."""

    groups: list[list[int]]
    refused: set[int]
    go_on: threading.Semaphore

    def supply_many(self, supplies: Sequence[Supply]) -> None:
        self.groups.append([supply.seq for supply in supplies])
        assert self.go_on.acquire(timeout=WAIT_S)
        if self.refused.intersection(self.groups[-1]):
            raise StoreFullError("no space left on device")
        super().supply_many(supplies)


def supply(seq: int, data: bytes | Path = b"item") -> Supply:
    return Supply(seq, Hash32(keccak256(b"%d" % next(numbers))), data)


def with_supplies(work: Callable[[Supplies, Slow], Coroutine[Any, Any, None]]) -> Slow:
    """Run `work` beside the writer of a slow store; returns the store, closed."""

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            supplies = Supplies(store, Gate())
            tasks.start_soon(supplies.run)
            with anyio.fail_after(WAIT_S):
                await work(supplies, store)
            tasks.cancel_scope.cancel()

    with Slow.open(None, follow_all=True) as store:
        store.groups, store.refused, store.go_on = [], set(), threading.Semaphore(0)
        anyio.run(run)
    return store


async def first_is_being_written(store: Slow) -> None:
    while not store.groups:
        await checkpoint()


def test_what_arrives_during_a_write_is_written_together() -> None:
    async def work(supplies: Supplies, store: Slow) -> None:
        first = await supplies.hand_over(supply(0))
        await first_is_being_written(store)
        handed = [await supplies.hand_over(supply(seq)) for seq in range(1, 6)]
        store.go_on.release(2)
        for each in (first, *handed):
            await each.kept()

    assert with_supplies(work).groups == [[0], [1, 2, 3, 4, 5]]


def test_groups_are_bounded_and_a_file_is_alone(tmp_path: Path) -> None:
    half = bytes(GROUP_BYTES_MAX // 2)

    async def work(supplies: Supplies, store: Slow) -> None:
        store.go_on.release(100)
        handed = [await supplies.hand_over(supply(0))]
        datas: list[bytes | Path] = [b"small", half, half, bytes(GROUP_BYTES_MAX + 1), b"small", tmp_path / "file", b"small"]
        handed += [await supplies.hand_over(supply(seq, data)) for seq, data in enumerate(datas, start=1)]
        handed += [await supplies.hand_over(supply(seq)) for seq in range(8, 8 + GROUP_ITEMS_MAX)]
        for each in handed:
            await each.kept()

    groups = with_supplies(work).groups
    assert groups[-2:] == [list(range(7, 7 + GROUP_ITEMS_MAX)), [7 + GROUP_ITEMS_MAX]]
    assert [group for group in groups if set(group) & {3, 4, 5, 6}] == [[3], [4], [5], [6]]


def test_whoever_has_too_much_waits_for_room() -> None:
    async def work(supplies: Supplies, store: Slow) -> None:
        for seq in range(WAITING_ITEMS_MAX):
            await supplies.hand_over(supply(seq))
        with anyio.move_on_after(0.01) as waited:
            await supplies.hand_over(supply(WAITING_ITEMS_MAX))
        assert waited.cancelled_caught
        store.go_on.release(100)
        last = await supplies.hand_over(supply(WAITING_ITEMS_MAX))
        await last.kept()

    assert sum(map(len, with_supplies(work).groups)) == WAITING_ITEMS_MAX + 1


def test_a_refusal_is_told_to_each_of_its_group_and_to_no_other() -> None:
    async def work(supplies: Supplies, store: Slow) -> None:
        store.refused = {2}
        first = await supplies.hand_over(supply(0))
        await first_is_being_written(store)
        handed = [await supplies.hand_over(supply(seq)) for seq in (1, 2)]
        store.go_on.release(2)
        await first.kept()
        for each in handed:
            with pytest.raises(StoreFailedError, match="no space left"):
                await each.kept()
        store.go_on.release()
        await (await supplies.hand_over(supply(3))).kept()

    assert with_supplies(work).groups == [[0], [1, 2], [3]]


def test_more_missing_items_than_one_look_takes_are_fetched_without_a_pause(
    network: KvNetwork, chain: Chain, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next way round is a day away."""
    monkeypatch.setattr(fetch, "SCAN_SUBMISSIONS", 3)
    monkeypatch.setattr(fetch, "SCAN_S", 86_400.0)
    first = stream()
    seqs = [put(chain, node, Item.of((first, b"key %d" % number, b"value"))) for number in range(20)]
    with network.running_kv(chain, node) as kv:
        assert [kv.wait_for_result(seq) for seq in seqs] == ["Commit"] * 20
        assert kv.get(first, b"key 19") == b"value"
