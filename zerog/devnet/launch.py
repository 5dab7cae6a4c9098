"""Two ways to run a role: as a process of its own, or in the supervisor's own loop. Both end when the role ends."""

import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import msgspec
import structlog
from anyio.abc import ByteReceiveStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

from zerog.devnet.errors import RoleFailedError
from zerog.devnet.role_process import RoleProcess
from zerog.runtime.control import LINE_BYTES_MAX
from zerog.runtime.process import RoleEvent, serve_role
from zerog.runtime.report import ErrorReport
from zerog.runtime.role import Role

__all__ = ["run_as_process", "run_in_loop"]

log = structlog.get_logger(__name__)

STOP_S_MAX: Final = 15.0
"""A role that has not stopped by then is killed; what it has acknowledged is on disk."""
LAST_WORDS_S_MAX: Final = 2.0
"""What a process has written is there when it has ended, unless another one holds the pipe."""
LINES_KEPT: Final = 10
"""Lines of a failing role that are shown."""


async def run_in_loop(make_role: Callable[[], Role], run_folder: Path, *, task_status: TaskStatus[str]) -> None:
    """Run a role here until it is cancelled or asked to stop."""
    await serve_role(make_role(), run_folder, announce=task_status.started)


async def run_as_process(role: str, command: list[str], *, ready_s_max: float, task_status: TaskStatus[str]) -> None:
    """Run `command` as the process of `role` until it ends. Raises `RoleFailedError` when it does so by itself."""
    last_lines: deque[str] = deque(maxlen=LINES_KEPT)
    async with RoleProcess(command) as process:
        try:
            async with anyio.create_task_group() as readers:
                readers.start_soon(_capture, role, process.stderr, last_lines, name=f"{role}.stderr")
                events = BufferedByteReceiveStream(process.stdout)
                url = await _first_event(role, events, ready_s_max)
                if url is not None:
                    task_status.started(url)
                code = await process.wait()
                report = await _last_event(events)
            raise RoleFailedError(role, report or ErrorReport(code="role_ended", cause=_manner_of_death(code)), tuple(last_lines))
        finally:
            await _stop(process)


async def _first_event(role: str, events: BufferedByteReceiveStream, ready_s_max: float) -> str | None:
    """The URL of a role that is ready; `None` if it ended without a word. Raises `RoleFailedError` with what it reports."""
    try:
        with anyio.fail_after(ready_s_max):
            line = await events.receive_until(b"\n", LINE_BYTES_MAX)
    except (anyio.EndOfStream, anyio.IncompleteRead):
        return None
    except TimeoutError:
        report = ErrorReport(code="role_not_ready", cause=f"it did not answer within {ready_s_max:g} seconds")
        raise RoleFailedError(role, report) from None
    event = msgspec.json.decode(line, type=RoleEvent)
    if event.error is not None:
        raise RoleFailedError(role, event.error)
    return event.ready


async def _last_event(events: BufferedByteReceiveStream) -> ErrorReport | None:
    """What a role that was ready has said of its end; `None` if it ended without a word."""
    with anyio.move_on_after(LAST_WORDS_S_MAX), suppress(anyio.EndOfStream, anyio.IncompleteRead):
        return msgspec.json.decode(await events.receive_until(b"\n", LINE_BYTES_MAX), type=RoleEvent).error
    return None


async def _capture(role: str, stream: ByteReceiveStream, last_lines: deque[str]) -> None:
    """Keep what a role writes to stderr: its logs go to its own file, so this is what nobody expected."""
    unfinished = ""
    async for chunk in stream:
        *lines, unfinished = (unfinished + chunk.decode(errors="replace")).split("\n")
        for line in lines:
            last_lines.append(line)
            log.warning("role_wrote", of=role, line=line)
    if unfinished:
        last_lines.append(unfinished)
        log.warning("role_wrote", of=role, line=unfinished)


async def _stop(process: RoleProcess) -> None:
    """End a role gently by ending its stdin, then by force."""
    with anyio.CancelScope(shield=True):
        process.end_input()
        with anyio.move_on_after(STOP_S_MAX):
            await process.wait()
        if process.is_running:
            log.error("role_killed", pid=process.pid, waited_s=STOP_S_MAX)
            process.kill()
            await process.wait()


def _manner_of_death(code: int) -> str:
    if code < 0:
        return f"its process was ended by signal {-code}"
    return f"its process ended with exit code {code}"


def role_command(words: tuple[str, ...], working_folder: Path, flags: list[str], *, ephemeral: bool) -> list[str]:
    """The command line of a supervised role: this Python, this package, nothing from the working folder."""
    command = [sys.executable, "-P", "-m", *words, "--dir", os.fspath(working_folder), "--supervised", *flags]
    return [*command, "--ephemeral"] if ephemeral else command
