"""A node gives room back by itself, no faster than it may."""

from pathlib import Path

import anyio

from tests.unit.storage.node.store.test_compaction import FILES, OPTIONS, fill, require_held
from zerog.runtime.clock import SystemClock
from zerog.storage.node.compacting import STEPS_A_SECOND, Compacting
from zerog.storage.node.store import Store
from zerog.storage.protocol.units import SEGMENT_BYTES

RECORD_BYTES = SEGMENT_BYTES + 64
WAIT_S = 20.0


async def test_room_comes_back_at_the_rate_that_is_set(tmp_path: Path) -> None:
    """One segment a step, and so many steps a second."""
    clock = SystemClock()
    with Store.open(tmp_path, options=OPTIONS) as store:
        await fill(store, pruned=range(0, 9, 2))
        compacting = Compacting(store, clock, dead_share=0.3, bytes_s=STEPS_A_SECOND * RECORD_BYTES, interval_s=0.01)
        began_s = clock.monotonic_s()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(compacting.run)
            with anyio.fail_after(WAIT_S):
                while store.statistics()["data_files"] > 2 or compacting.is_working:  # noqa: ASYNC110 - it has no event.
                    await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()
        moved = store.statistics()["moved_segments"]
        assert moved >= 2
        assert clock.monotonic_s() - began_s >= (moved - 1) / STEPS_A_SECOND
        assert store.statistics()["given_back_bytes"] > 2 * RECORD_BYTES
        require_held(store, FILES[1::2])
