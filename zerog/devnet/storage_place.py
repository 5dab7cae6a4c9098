"""The storage of this folder, as other roles find it: by its control socket, so that they may start before it does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from zerog.primitives.errors import RefusalError
from zerog.runtime.control import ControlFaultError, RoleNotRunningError, connect
from zerog.runtime.report import ReportedError

__all__ = ["StorageNotFoundError", "find_indexer"]

STORAGE_S_MAX: Final = 120.0
"""Nodes that check what they hold take their time."""
ASK_S_MAX: Final = 5.0
LOOK_S: Final = 0.02
"""Between two looks for a storage that is starting."""


@dataclass(eq=False)
class StorageNotFoundError(RefusalError):
    """No storage runs in this folder."""

    folder: Path
    waited_s: float

    code = "storage_not_found"
    remedy = "start it with `zerog up`, or name an indexer with the setting `receipts-indexer`"
    http_status = 503

    def __str__(self) -> str:
        return f"no storage answered in {self.folder} within {self.waited_s:g} seconds"


async def find_indexer(state_folder: Path, *, timeout_s: float = STORAGE_S_MAX) -> str:
    """URL of the indexer of the storage whose control socket lies in `state_folder`, once it serves. Raises `StorageNotFoundError`."""
    with anyio.move_on_after(timeout_s):
        while True:
            try:
                async with connect(state_folder / "run" / "storage.sock") as storage:
                    status = await storage.ask("status", timeout_s=ASK_S_MAX)
            except (RoleNotRunningError, ReportedError, ControlFaultError, TimeoutError):
                status = {}  # It is still starting, or again.
            endpoints = status.get("endpoints")
            if isinstance(endpoints, Mapping) and isinstance(found := endpoints.get("indexer"), str):
                return found
            await anyio.sleep(LOOK_S)
    raise StorageNotFoundError(state_folder, timeout_s)
