"""The process of a role, between whose supervisor and itself are three pipes."""

import os
import subprocess
from typing import IO, Final, Self

import anyio
from anyio import to_thread
from anyio.abc import ByteReceiveStream

__all__ = ["RoleProcess"]


class RoleProcess:
    """Runs from the beginning. Use it in an `async with` block, in which it has to end, since the block does not wait for it.

    It is in a process group of its own, so that a terminal's Ctrl-C is for the supervisor alone. A session of its own would do that too.
    But Linux shares the processors among sessions first (autogroup, sched(7)): a role that encodes would take as much as the chain, however
    low the priority of its threads. Neither anyio nor uvloop starts a process in a group, so this one is the standard library's.
    """

    def __init__(self, command: list[str]) -> None:
        pipe = subprocess.PIPE
        self._process: Final = subprocess.Popen(  # noqa: S603 - the command is the supervisor's.
            command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, process_group=0
        )
        self.stdout: Final = _Pipe(_opened(self._process.stdout))
        self.stderr: Final = _Pipe(_opened(self._process.stderr))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.end_input()
        await self.stdout.aclose()
        await self.stderr.aclose()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether nobody has seen its end yet."""
        return self._process.returncode is None

    def end_input(self) -> None:
        """Its stdin ends, which asks it to stop."""
        _opened(self._process.stdin).close()

    def kill(self) -> None:
        """End it by force, if it runs."""
        self._process.kill()

    async def wait(self) -> int:
        """Its exit code, or less than zero for the signal that ended it."""
        return await to_thread.run_sync(self._process.wait, abandon_on_cancel=True)


class _Pipe(ByteReceiveStream):
    """The end of a pipe from which we read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file: Final = file

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await anyio.wait_readable(self._file)
        data = os.read(self._file.fileno(), max_bytes)
        if not data:
            raise anyio.EndOfStream
        return data

    async def aclose(self) -> None:
        self._file.close()


def _opened(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the process was opened with pipes")
    return pipe
