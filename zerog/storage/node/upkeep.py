"""What a node does for itself as long as it runs: it finds damage and heals it, forgets, splits its shard, and gives room back."""

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from zerog.storage.node.compacting import Compacting
from zerog.storage.node.duty import Duty
from zerog.storage.node.growth import Growth
from zerog.storage.node.pruning import Pruning
from zerog.storage.node.repair import Repair
from zerog.storage.node.scrubbing import Scrubbing
from zerog.storage.node.sync import FlowFollower

__all__ = ["Upkeep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """The parts of it."""

    pruning: Pruning
    growth: Growth
    compacting: Compacting
    scrubbing: Scrubbing
    repair: Repair
    duty: Duty

    async def run(self, follower: FlowFollower) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.pruning.run, follower, name="storage.pruning")
            tasks.start_soon(self.growth.run, follower, name="storage.growth")
            tasks.start_soon(self.compacting.run, name="storage.compacting")
            tasks.start_soon(self.scrubbing.run, name="storage.scrubbing")
            tasks.start_soon(self.repair.run, follower, name="storage.repair")
            tasks.start_soon(self.duty.run, name="storage.duty")

    def status(self) -> Mapping[str, object]:
        """For the control socket."""
        return {
            "duty": self.duty.status(),
            "scrub": self.scrubbing.status(),
            "repair": self.repair.status(),
            "expiry": self.pruning.status(),
            "growth": self.growth.status(),
            "compaction": self.compacting.status(),
        }
