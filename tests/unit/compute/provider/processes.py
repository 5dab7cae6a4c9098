"""Providers in processes of their own, so that a test can kill them and see how much memory they take."""

import json
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import to_thread
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

START_S: Final = 60.0
END_S: Final = 60.0
LINE_BYTES_MAX: Final = 1 << 16


@dataclass
class Broker:
    """One provider's process."""

    url: str
    pid: int
    descriptor: int
    """Names the process, also when it has ended and its number is somebody else's."""

    def send(self, number: signal.Signals) -> None:
        signal.pidfd_send_signal(self.descriptor, number)

    async def ended(self) -> None:
        """Return once the process is gone. In a thread: whoever waits for it may be cancelled meanwhile, as its connections end too."""
        await to_thread.run_sync(self._wait)

    def _wait(self) -> None:
        end = select.poll()
        end.register(self.descriptor, select.POLLIN)
        assert end.poll(END_S * 1000), f"process {self.pid} goes on living"

    async def kill(self) -> None:
        """At once: nothing in it can do anything about it."""
        self.send(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> None:
        """As an operator does."""
        self.send(signal.SIGTERM)
        await self.ended()

    def forget_peak(self) -> None:
        """Let `VmHWM` begin from what it is now. Source: proc(5), clear_refs."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def memory_bytes(self, name: str = "VmHWM") -> int:
        """Of its memory in RAM: the most that it ever was, or with `VmRSS` what it is now."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{name} is not told")


class Nursery:
    """Where providers are born."""

    def __init__(self, process: Process, folder: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input: Final = process.stdin
        self._output: Final = BufferedByteReceiveStream(process.stdout)
        self._folder: Final = folder
        self._turn: Final = anyio.Lock()
        self._number = 0
        self._told: Final[dict[int, dict[str, Any]]] = {}
        self._born: Final[list[Broker]] = []

    async def start(self, *, ahead_s: float = 0.0, **settings: Any) -> Broker:
        """A provider that answers. Several can be started at once."""
        self._number += 1
        number = self._number
        asked = {"number": number, "settings": settings, "folder": str(self._folder / f"place-{number}"), "ahead_s": ahead_s}
        await self._input.send(json.dumps(asked, default=str).encode() + b"\n")
        with anyio.fail_after(START_S):
            while number not in self._told:
                async with self._turn:  # Whoever has it reads for all.
                    if number not in self._told:
                        event = json.loads(await self._output.receive_until(b"\n", LINE_BYTES_MAX))
                        self._told[event["number"]] = event
        told = self._told.pop(number)
        assert "ready" in told, told
        broker = Broker(told["ready"], told["pid"], os.pidfd_open(told["pid"]))
        self._born.append(broker)
        return broker

    def close(self) -> None:
        for broker in self._born:
            os.close(broker.descriptor)


@asynccontextmanager
async def open_nursery(folder: Path) -> AsyncIterator[Nursery]:
    """A nursery; what was born in it is killed when the block ends."""
    process = await anyio.open_process([sys.executable, "-m", "tests.unit.compute.provider.nursery"], stderr=sys.stderr)
    nursery = Nursery(process, folder)
    try:
        yield nursery
    finally:
        nursery.close()
        with anyio.CancelScope(shield=True):
            assert process.stdin is not None
            await process.stdin.aclose()
            await process.wait()
            await process.aclose()
