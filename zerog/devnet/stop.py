"""Stopping what runs in a folder, and knowing that it has stopped."""

from typing import Final

import anyio

from zerog.devnet.folder import NetworkFolder
from zerog.runtime.control import ControlFaultError, RoleNotRunningError, connect
from zerog.runtime.files import FileLock

__all__ = ["stop_network"]

STOP_S_MAX: Final = 60.0
"""A role gets 15 seconds from its supervisor, one after the other."""
ANSWER_S_MAX: Final = 5.0
LOOK_S: Final = 0.02
"""Between two looks at the lock."""


def stop_network(folder: NetworkFolder) -> bool:
    """Stop the supervisor and every role that runs without one. Returns whether there was anything. Raises `LockHeldError`."""
    return anyio.run(_stop_all, folder)


async def _stop_all(folder: NetworkFolder) -> bool:
    stopped = await _stop_one(folder, "supervisor")
    for path in sorted(folder.run.glob("*.lock")):
        if path.stem != "supervisor":
            stopped |= await _stop_one(folder, path.stem)
    return stopped


async def _stop_one(folder: NetworkFolder, role: str) -> bool:
    """Ask a role to stop and wait until it holds its lock no more."""
    path = folder.run / f"{role}.lock"
    if not FileLock.is_held(path):
        return False
    deadline = anyio.current_time() + STOP_S_MAX
    asked = False
    while FileLock.is_held(path):
        if anyio.current_time() > deadline:
            FileLock.acquire(path, command="zerog down").release()  # Raises with the name of the holder.
        asked = asked or await _ask_to_stop(folder, role)
        await anyio.sleep(LOOK_S)
    return True


async def _ask_to_stop(folder: NetworkFolder, role: str) -> bool:
    """Whether the role has heard it. One that is just starting does not listen yet, one that is stopping no more."""
    try:
        async with connect(folder.control(role)) as client:
            await client.ask("stop", timeout_s=ANSWER_S_MAX)
            await client.wait_closed(timeout_s=STOP_S_MAX)
    except (RoleNotRunningError, ControlFaultError, TimeoutError):
        return False
    return True
