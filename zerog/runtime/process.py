"""The process of one role: its lock, its control socket, its signals, and what it tells the process that started it.

A supervised role writes one JSON line to stdout, `{"ready": URL}` or `{"error": {…}}`, and stops when its stdin ends: so a
supervisor that dies in whatever way takes its roles with it.
"""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, Protocol

import anyio
import msgspec
import structlog
from anyio.abc import TaskStatus

from zerog._kernel import answer_at_once
from zerog.primitives.errors import RefusalError, ZerogError
from zerog.runtime.control import serve_control
from zerog.runtime.files import FileLock, make_private_folder
from zerog.runtime.logs import LogForm, LogLevel, configure_logging
from zerog.runtime.memory import give_back_when_quiet, map_large_blocks
from zerog.runtime.report import ErrorReport, disk_full, report_of
from zerog.runtime.role import Role

__all__ = [
    "EXIT_BUG",
    "EXIT_EXPECTED",
    "EventHerald",
    "FolderGoneError",
    "Herald",
    "RoleEvent",
    "RolePlace",
    "TerminalHerald",
    "expected_error",
    "run_role",
    "serve_role",
]

log = structlog.get_logger(__name__)

EXIT_EXPECTED: Final = 1
"""Exit code after an error that is part of the contract."""
EXIT_BUG: Final = 70
"""Exit code after any other error. Source: sysexits.h, EX_SOFTWARE."""


LOOK_S: Final = 1.0
"""Between two looks at the folder of a process that nobody supervises; a look takes some microseconds."""


@dataclass(eq=False)
class FolderGoneError(RefusalError):
    """The folder that a process works in was removed or renamed, so no command finds the process there any more."""

    folder: Path

    code = "folder_gone"
    remedy = "stop a network with `zerog down` before its folder goes; begin again with `zerog up --wait`"
    http_status = 410

    def __str__(self) -> str:
        return f"{self.folder} was removed or renamed while a process worked in it, so it has ended, with all that it had started"


class RoleEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a supervised role writes to stdout, once."""

    ready: str | None = None
    """Its URL."""
    error: ErrorReport | None = None


class Herald(Protocol):
    """Who tells the world how a start went: exactly one of the two, once."""

    def ready(self, url: str) -> None:
        """The role answers at `url`."""

    def failed(self, report: ErrorReport) -> None:
        """The role does not run, or no more."""


@dataclass(frozen=True, slots=True)
class EventHerald:
    """Tells another process, as one JSON line into a descriptor."""

    descriptor: int

    def ready(self, url: str) -> None:
        self._write(RoleEvent(ready=url))

    def failed(self, report: ErrorReport) -> None:
        self._write(RoleEvent(error=report))

    def _write(self, event: RoleEvent) -> None:
        with suppress(BrokenPipeError):  # Nobody reads any more: whoever started us has gone.
            os.write(self.descriptor, msgspec.json.encode(event) + b"\n")


class TerminalHerald:
    """Tells a person: the URL on stdout, an error on stderr."""

    def ready(self, url: str) -> None:
        print(url, flush=True)  # noqa: T201

    def failed(self, report: ErrorReport) -> None:
        print("\n".join(report.lines()), file=sys.stderr, flush=True)  # noqa: T201


@dataclass(frozen=True, kw_only=True)
class RolePlace:
    """Where a role runs, and whom it tells."""

    state_folder: Path
    """The network's `.zerog`."""
    herald: Herald
    supervised: bool = False
    """Stop when stdin ends."""
    has_more_to_do: bool = False
    """When the role has ended, whoever runs it goes on in this process."""
    log_level: LogLevel = "info"
    log_form: LogForm = "console"
    lock: FileLock | None = None
    """The role's lock, if the caller has it already."""
    is_quick: bool = False
    """The role works for less than a millisecond at a time, and somebody waits for it: it is woken before those that compute."""

    @property
    def is_top(self) -> bool:
        """Whether no other role started this one."""
        return self.has_more_to_do or not self.supervised

    @property
    def ends_process(self) -> bool:
        """Whether the process ends with the role."""
        return self.supervised and not self.has_more_to_do

    @property
    def run_folder(self) -> Path:
        """Folder of locks and control sockets."""
        return self.state_folder / "run"


def run_role(name: str, make_role: Callable[[], Role | Awaitable[Role]], place: RolePlace) -> int:
    """Be the process of the role `name` until told to stop. Returns the exit code; the process of a supervised role ends with it here,
    unless the place says otherwise. `make_role` may have to wait for another machine."""
    map_large_blocks()
    if place.is_quick:
        answer_at_once()  # Before there are threads, which then have it too. Where the system refuses, all goes on without.
    configure_logging(name, folder=place.state_folder / "logs", level=place.log_level, form=place.log_form)
    try:
        anyio.run(_run, make_role, place, backend_options={"use_uvloop": sys.platform != "win32"})
        code = 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: whatever ends a process is told to whoever started it.
        code = _tell_failure(error, place.herald)
    if place.ends_process:
        _end_at_once(code)
    return code


def _end_at_once(code: int) -> NoReturn:
    """End the process without taking the interpreter apart, which would take longer than all of the stop before it, and wait for threads
    that compute for nobody. The role has closed what it had open."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # Whoever read it has gone, or it is closed already.
            stream.flush()
    os._exit(code)


async def serve_role(
    role: Role,
    run_folder: Path,
    *,
    announce: Callable[[str], None],
    stop: anyio.Event | None = None,
    lock: FileLock | None = None,
    is_top: bool = False,
    ends_process: bool = False,
) -> None:
    """Run `role` with its lock and control socket until `stop` is set. `announce` gets its URL once it answers.

    Where the process ends with the role, `ends_process`, the lock is held until then.

    Raises `FolderGoneError` if `is_top`: nobody else would stop it then.
    """
    stop = stop or anyio.Event()
    make_private_folder(run_folder)
    with lock or FileLock.acquire(run_folder / f"{role.name}.lock", command=f"zerog {role.name}") as held:
        if ends_process:
            held.shared()  # Never released: libraries close their ports after us, and whoever has the lock next wants them.
        async with anyio.create_task_group() as parts:
            if is_top:
                parts.start_soon(_look_after_folder, held, run_folder.parent, name=f"{role.name}.folder")
            serve = partial(serve_control, role, run_folder / f"{role.name}.sock", stop=stop.set)
            await parts.start(serve, name=f"{role.name}.control")  # First, so that a role that takes long to start can be stopped.
            url: str = await parts.start(_run_named, role, name=f"{role.name}.run")
            announce(url)
            await stop.wait()
            parts.cancel_scope.cancel()


def expected_error(error: BaseException) -> ZerogError | None:
    """The `ZerogError` behind `error`, if nothing else is in it. A full disk is one."""
    if isinstance(error, ZerogError):
        return error
    if isinstance(error, BaseExceptionGroup):
        causes = [expected_error(inner) for inner in error.exceptions]
        if all(cause is not None for cause in causes):
            return causes[0]
    return disk_full(error)


async def _look_after_folder(lock: FileLock, folder: Path) -> None:
    """Raises `FolderGoneError` once the lock is no more where others look for it."""
    while True:
        if not lock.is_in_place():
            raise FolderGoneError(folder)
        await anyio.sleep(LOOK_S)


async def _run_named(role: Role, *, task_status: TaskStatus[str]) -> None:
    """A function of our own, so that the task's name is the role's."""
    await role.run(task_status=task_status)


async def _run(make_role: Callable[[], Role | Awaitable[Role]], place: RolePlace) -> None:
    stop = anyio.Event()
    async with anyio.create_task_group() as watchers:
        await watchers.start(_stop_on_signal, stop, name="process.signals")
        if place.supervised:
            watchers.start_soon(_stop_when_orphaned, stop, name="process.parent")
        watchers.start_soon(give_back_when_quiet, name="process.memory")

        def announce(url: str) -> None:
            log.info("role_ready", url=url)
            place.herald.ready(url)

        async def serve() -> None:
            made = make_role()
            role = await made if isinstance(made, Awaitable) else made
            await serve_role(
                role,
                place.run_folder,
                announce=announce,
                stop=stop,
                lock=place.lock,
                is_top=place.is_top,
                ends_process=place.ends_process,
            )

        await _serve_until(stop, serve)
        watchers.cancel_scope.cancel()


async def _serve_until(stop: anyio.Event, serve: Callable[[], Awaitable[None]]) -> None:
    """Run `serve`, and end it also while it is still starting when `stop` is set."""
    async with anyio.create_task_group() as race:

        async def cancel_at_stop() -> None:
            await stop.wait()
            race.cancel_scope.cancel()

        race.start_soon(cancel_at_stop, name="process.stop")
        await serve()
        race.cancel_scope.cancel()


async def _stop_on_signal(stop: anyio.Event, *, task_status: TaskStatus[None]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()


async def _stop_when_orphaned(stop: anyio.Event) -> None:
    """The supervisor never writes to our stdin, so that it becomes readable means that it lets us go or has died."""
    await anyio.wait_readable(sys.stdin.fileno())
    log.info("stdin_ended")
    stop.set()


def _tell_failure(error: Exception, herald: Herald) -> int:
    expected = expected_error(error)
    report = report_of(expected or error)
    log.error("role_failed", code=report.code, cause=report.cause)
    if expected is None:
        traceback.print_exception(error, file=sys.stderr)
    herald.failed(report)
    return EXIT_BUG if expected is None else EXIT_EXPECTED
