"""What other roles of this folder say of where they are: asked over their control sockets, so that all may start at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from zerog.networks import RoleName
from zerog.primitives.errors import RefusalError
from zerog.runtime.control import ControlFaultError, RoleNotRunningError, connect
from zerog.runtime.report import ReportedError

__all__ = ["RoleNotFoundError", "find_endpoint"]

ROLE_S_MAX: Final = 120.0
"""Roles that check what they hold take their time."""
ASK_S_MAX: Final = 5.0
LOOK_S: Final = 0.02
"""Between two looks for a role that is starting."""


@dataclass(eq=False)
class RoleNotFoundError(RefusalError):
    """A role that does not run in this folder."""

    role: str
    folder: Path
    waited_s: float

    code = "role_not_found"
    remedy = "start it with `zerog up`"
    http_status = 503

    def __str__(self) -> str:
        return f"no {self.role} answered in {self.folder} within {self.waited_s:g} seconds"


async def find_endpoint(state_folder: Path, role: RoleName, name: str, *, timeout_s: float = ROLE_S_MAX) -> str:
    """Where the part `name` of a role is whose control socket lies in `state_folder`, once it serves. Raises `RoleNotFoundError`."""
    with anyio.move_on_after(timeout_s):
        while True:
            try:
                async with connect(state_folder / "run" / f"{role}.sock") as control:
                    status = await control.ask("status", timeout_s=ASK_S_MAX)
            except (RoleNotRunningError, ReportedError, ControlFaultError, TimeoutError):
                status = {}  # It is still starting, or again.
            endpoints = status.get("endpoints")
            if isinstance(endpoints, Mapping) and isinstance(found := endpoints.get(name), str):
                return found
            await anyio.sleep(LOOK_S)
    raise RoleNotFoundError(role, state_folder, timeout_s)
