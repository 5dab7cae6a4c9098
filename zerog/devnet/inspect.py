"""What runs in a folder, found out by asking it: all roles at once, each for itself."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, TypeVar

import anyio
import msgspec

from zerog.devnet.endpoints import Endpoints
from zerog.devnet.folder import NetworkFolder
from zerog.devnet.troubles import Trouble, find_troubles
from zerog.primitives.errors import ZerogError
from zerog.runtime.control import RoleNotRunningError, connect
from zerog.runtime.memory import memory_bytes
from zerog.runtime.report import report_of

__all__ = ["NetworkStatus", "network_status"]

T = TypeVar("T")

ASK_S_MAX: Final = 5.0
SUPERVISOR: Final = "supervisor"


class NetworkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One network as it is now."""

    running: bool
    data_dir: str
    network: str | None = None
    chain_id: int | None = None
    pid: int | None = None
    """Process of the supervisor; `None` if only single roles run."""
    troubles: tuple[Trouble, ...] = ()
    """What is wrong, and what helps; empty where all is well."""
    roles: dict[str, Mapping[str, object]] = msgspec.field(default_factory=dict)
    """What each role says of itself, or the error with which it answered."""
    supervised: dict[str, Mapping[str, object]] = msgspec.field(default_factory=dict)
    """What the supervisor knows of each role: whether it is ready, how often it was brought back, what its last proof was."""
    memory_bytes: dict[str, int] = msgspec.field(default_factory=dict)
    """Proportional set size of each process, by the role; of roles in one process together under `supervisor`. Linux only."""
    endpoints: Endpoints | None = None
    """`endpoints.json` of a network that has been ready; without the keys of its accounts."""


def network_status(folder: NetworkFolder) -> NetworkStatus:
    """Ask the supervisor and every role with a control socket."""
    return anyio.run(_inspect, folder)


async def _inspect(folder: NetworkFolder) -> NetworkStatus:
    answers = await _ask_all(folder)
    supervisor = answers.pop(SUPERVISOR, None)
    supervised = {} if supervisor is None else _roles_of(supervisor)
    record = folder.read_record()
    pid = None if supervisor is None else supervisor.get("pid")
    processes = ({} if supervisor is None else {SUPERVISOR: supervisor}) | answers
    return NetworkStatus(
        running=bool(processes),
        data_dir=str(folder.path),
        network=_first(str, processes.values(), "network") or (None if record is None else record.network),
        chain_id=_first(int, answers.values(), "chain_id") or (None if record is None else record.chain_id),
        pid=pid if isinstance(pid, int) else None,
        troubles=tuple(find_troubles(answers, supervised)),
        roles=dict(sorted(answers.items())),
        supervised=supervised,
        memory_bytes=_memory(processes),
        endpoints=None if supervisor is None else _read_endpoints(folder),
    )


async def _ask_all(folder: NetworkFolder) -> dict[str, Mapping[str, object]]:
    """The answers of those that run."""
    answers: dict[str, Mapping[str, object]] = {}

    async def ask(role: str) -> None:
        answer = await _ask(folder, role)
        if answer is not None:
            answers[role] = answer

    async with anyio.create_task_group() as questions:
        for path in folder.run.glob("*.sock"):
            questions.start_soon(ask, path.stem, name=f"status.{path.stem}")
    return answers


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
        return {"error": report.code, "cause": report.cause, "remedy": report.remedy}


def _roles_of(supervisor: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    roles = supervisor.get("roles")
    return {str(name): role for name, role in roles.items() if isinstance(role, Mapping)} if isinstance(roles, Mapping) else {}


def _first(kind: type[T], answers: Iterable[Mapping[str, object]], name: str) -> T | None:
    """What the first of those says who says it."""
    values = (answer.get(name) for answer in answers)
    return next((value for value in values if isinstance(value, kind)), None)


def _memory(processes: Mapping[str, Mapping[str, object]]) -> dict[str, int]:
    """Each process once, under the first of the roles in it."""
    owners: dict[int, str] = {}
    for role, answer in processes.items():
        if isinstance(pid := answer.get("pid"), int):
            owners.setdefault(pid, role)
    sizes = {role: memory_bytes(pid) for pid, role in owners.items()}
    return {role: size for role, size in sizes.items() if size is not None}


def _read_endpoints(folder: NetworkFolder) -> Endpoints | None:
    """Keys have no business in a status, which people pass on."""
    with suppress(OSError, msgspec.DecodeError):  # A start that is not over has none; nor has one that was interrupted.
        return msgspec.structs.replace(msgspec.json.decode(folder.endpoints.read_bytes(), type=Endpoints), accounts=[])
    return None
