"""What runs in a folder, found out by asking it."""

from collections.abc import Mapping
from typing import Final

import anyio
import msgspec

from zerog.devnet.folder import NetworkFolder
from zerog.primitives.errors import ZerogError
from zerog.runtime.control import RoleNotRunningError, connect
from zerog.runtime.report import report_of

__all__ = ["NetworkStatus", "network_status"]

ASK_S_MAX: Final = 5.0


class NetworkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One network as it is now."""

    running: bool
    data_dir: str
    network: str | None = None
    pid: int | None = None
    """Process of the supervisor; `None` if only single roles run."""
    roles: dict[str, Mapping[str, object]] = msgspec.field(default_factory=dict)
    """What each role says of itself, or the error with which it answered."""


def network_status(folder: NetworkFolder) -> NetworkStatus:
    """Ask the supervisor and every role with a control socket."""
    return anyio.run(_ask_all, folder)


async def _ask_all(folder: NetworkFolder) -> NetworkStatus:
    supervisor = await _ask(folder, "supervisor")
    roles: dict[str, Mapping[str, object]] = {}
    for path in sorted(folder.run.glob("*.sock")):
        if path.stem != "supervisor" and (status := await _ask(folder, path.stem)) is not None:
            roles[path.stem] = status
    record = folder.read_record()
    pid = None if supervisor is None else supervisor.get("pid")
    return NetworkStatus(
        running=supervisor is not None or bool(roles),
        data_dir=str(folder.path),
        network=None if record is None else record.network,
        pid=pid if isinstance(pid, int) else None,
        roles=roles,
    )


async def _ask(folder: NetworkFolder, role: str) -> Mapping[str, object] | None:
    """A role's status; `None` if it does not run."""
    try:
        async with connect(folder.control(role)) as client:
            return await client.ask("status", timeout_s=ASK_S_MAX)
    except RoleNotRunningError:
        return None
    except TimeoutError:
        return {"error": "no_answer", "cause": f"it did not answer within {ASK_S_MAX:g} seconds"}
    except ZerogError as error:
        report = report_of(error)
        return {"error": report.code, "cause": report.cause}
