"""The control socket: how a supervisor and the command line talk to one role, in JSON lines over a Unix socket.

A request is `{"id": 1, "verb": "probe"}`, an answer `{"id": 1, "result": {…}}` or `{"id": 1, "error": {"code", "cause", "remedy"}}`.
Whoever may open the socket's folder (mode 0700) may ask; nobody else can.
"""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from zerog.primitives.errors import RefusalError, ZerogError
from zerog.runtime.line_socket import LineConnection, LineTooLongError, accept_line, connect_lines, listen_lines
from zerog.runtime.report import ErrorReport, ReportedError, report_of
from zerog.runtime.role import FollowsChain, KeepsBooks, Role

__all__ = ["ControlClient", "ControlFaultError", "RoleNotRunningError", "Verb", "connect", "serve_control"]

Verb = Literal["probe", "status", "follow", "quiesce", "checkpoint", "resume", "stop"]

LINE_BYTES_MAX: Final = 1 << 20
"""Bound of one request or answer."""
CONNECTIONS_MAX: Final = 32
"""Conversations at once; more wait."""
BOOKS_S_MAX: Final = 2.0
"""How long a status waits for the role's books."""


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a role is asked."""

    id: int
    verb: Verb
    block: int | None = None
    directory: str | None = None


class ControlAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What it says."""

    id: int
    result: dict[str, object] | None = None
    error: ErrorReport | None = None


@dataclass(eq=False)
class RoleNotRunningError(RefusalError):
    """Nobody answers on a role's control socket."""

    path: Path

    code = "not_running"
    remedy = "start it with `zerog up`"
    http_status = 503

    def __str__(self) -> str:
        return f"no {self.path.stem} runs in {self.path.parent.parent}"


@dataclass(eq=False)
class ControlFaultError(RefusalError):
    """A request or an answer on the control socket does not follow the protocol."""

    cause: str

    code = "control_fault"
    remedy = "use the same version of zerog on both sides"

    def __str__(self) -> str:
        return self.cause


class ControlClient:
    """One conversation with one role. Requests are answered in order."""

    def __init__(self, connection: LineConnection) -> None:
        self._connection = connection
        self._last_id = 0

    async def ask(self, verb: Verb, *, timeout_s: float, block: int | None = None, directory: Path | None = None) -> Mapping[str, object]:
        """Ask and wait for the answer.

        Raises what the role reports (`ReportedError`), `TimeoutError`, or `ControlFaultError` when the role goes away.
        """
        self._last_id += 1
        where = None if directory is None else str(directory)
        request = ControlRequest(id=self._last_id, verb=verb, block=block, directory=where)
        with anyio.fail_after(timeout_s):
            try:
                await self._connection.send(msgspec.json.encode(request))
                line = await self._connection.receive()
            except (BrokenPipeError, ConnectionError) as error:
                raise ControlFaultError(f"the role went away before it was asked to {verb}") from error
        if line is None:
            raise ControlFaultError(f"the role went away while it was asked to {verb}")
        answer = msgspec.json.decode(line, type=ControlAnswer)
        if answer.error is not None:
            raise ReportedError(answer.error)
        return answer.result or {}

    async def wait_closed(self, *, timeout_s: float) -> None:
        """Return once the role has closed the conversation. Raises `TimeoutError`."""
        with anyio.fail_after(timeout_s):
            while await self._connection.receive() is not None:
                pass


@asynccontextmanager
async def connect(path: Path) -> AsyncIterator[ControlClient]:
    """A conversation with the role whose socket is `path`. Raises `RoleNotRunningError`."""
    try:
        connection = connect_lines(path, line_bytes_max=LINE_BYTES_MAX)
    except OSError as error:
        raise RoleNotRunningError(path) from error
    with connection:
        yield ControlClient(connection)


async def serve_control(role: Role, path: Path, *, stop: Callable[[], None], task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
    """Answer on `path` until cancelled. `stop` is called when somebody asks the role to stop.

    The caller holds the role's lock, so a socket that lies there already is a dead one and is replaced.
    """
    verbs = _Verbs(role, stop)
    limiter = anyio.CapacityLimiter(CONNECTIONS_MAX)
    try:
        with listen_lines(path) as listener:
            async with anyio.create_task_group() as conversations:
                task_status.started()
                while True:
                    connection = await accept_line(listener, line_bytes_max=LINE_BYTES_MAX)
                    conversations.start_soon(_converse, verbs, connection, limiter, name=f"{role.name}.control.conversation")
    finally:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Verbs:
    """From a request to the role's method."""

    role: Role
    stop: Callable[[], None]

    async def perform(self, request: ControlRequest) -> Mapping[str, object]:
        match request:
            case ControlRequest(verb="probe"):
                return await self.role.probe()
            case ControlRequest(verb="status"):
                return {"role": self.role.name, "pid": os.getpid(), **self.role.status(), **await self._books()}
            case ControlRequest(verb="follow"):
                if isinstance(self.role, FollowsChain):
                    await self.role.follow()
            case ControlRequest(verb="quiesce", block=int(block)):
                await self.role.quiesce(block)
            case ControlRequest(verb="checkpoint", directory=str(directory)):
                await self.role.checkpoint(Path(directory))
            case ControlRequest(verb="resume"):
                await self.role.resume()
            case ControlRequest(verb="stop"):
                return {"stopping": True}
            case _:
                raise ControlFaultError(f"{request.verb} needs another argument")
        return {}

    async def _books(self) -> Mapping[str, object]:
        """A role says how it is also when its books are slow, or cannot be read."""
        if not isinstance(self.role, KeepsBooks):
            return {}
        try:
            with anyio.fail_after(BOOKS_S_MAX):
                return {"books": await self.role.books()}
        except TimeoutError:
            return {"books": None, "books_trouble": f"the books were not read within {BOOKS_S_MAX:g} seconds"}
        except ZerogError as error:
            return {"books": None, "books_trouble": report_of(error).cause}


async def _converse(verbs: _Verbs, connection: LineConnection, limiter: anyio.CapacityLimiter) -> None:
    """Answer one conversation until the other side leaves."""
    with connection, suppress(OSError, LineTooLongError):
        async with limiter:
            while (line := await connection.receive()) is not None:
                request, answer = await _answer(verbs, line)
                await connection.send(msgspec.json.encode(answer))
                if request is not None and request.verb == "stop":
                    verbs.stop()


async def _answer(verbs: _Verbs, line: bytes) -> tuple[ControlRequest | None, ControlAnswer]:
    try:
        request = msgspec.json.decode(line, type=ControlRequest)
    except msgspec.DecodeError as error:
        return None, ControlAnswer(id=0, error=report_of(ControlFaultError(f"not a control request: {error}")))
    try:
        return request, ControlAnswer(id=request.id, result=dict(await verbs.perform(request)))
    except ZerogError as error:
        return request, ControlAnswer(id=request.id, error=report_of(error))
    except Exception as error:  # noqa: BLE001 - a bug in one verb is told to who asked and logged; the role goes on serving.
        import structlog  # Whoever only asks, such as `zerog status`, does not wait for it.

        structlog.get_logger(__name__).exception("control_request_failed", verb=request.verb)
        return request, ControlAnswer(id=request.id, error=report_of(error))
