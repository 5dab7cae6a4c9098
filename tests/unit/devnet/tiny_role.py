"""A role of a few lines that listens on a port and keeps a counter on disk, to test whoever starts and supervises roles.

Run as a program it takes what every role takes. `--fail WORD` makes it fail in one way:
`refuse` reports an expected error, `crash` raises at start, `mute` ends without a word, `probe` is never ready.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import SocketStream, TaskStatus

from zerog.devnet.settings import DevnetSettings
from zerog.devnet.subsystems import Ports, Subsystem
from zerog.networks import RoleName
from zerog.primitives.errors import RefusalError
from zerog.runtime.ports import listen
from zerog.runtime.process import EventHerald, RolePlace, run_role
from zerog.runtime.role import Role


class TinyRefusedError(RefusalError):
    """The expected way to fail."""

    code = "tiny_refused"
    remedy = "do not ask for it"


class TinyRole:
    """Answers every connection with its counter. The first probe of a folder counts one up, later ones read it back."""

    def __init__(self, folder: Path, port: int, fail: str = "", name: RoleName = "chain") -> None:
        self.name = name
        self.folder = folder
        self.port = port
        self.fail = fail
        self.quiesced_at: int | None = None

    @property
    def count_file(self) -> Path:
        return self.folder / "count"

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        if self.fail == "refuse":
            raise TinyRefusedError("tiny was told to refuse")
        if self.fail == "crash":
            raise ZeroDivisionError("tiny was told to crash")
        if self.fail == "mute":
            sys.stderr.write("tiny's last words\n")
            sys.stderr.flush()
            sys.stdout.close()
            raise SystemExit(9)
        self.folder.mkdir(parents=True, exist_ok=True)
        listener = listen("127.0.0.1", self.port)
        self.port = listener.getsockname()[1]
        async with await anyio.abc.SocketListener.from_socket(listener) as server:
            task_status.started(f"http://127.0.0.1:{self.port}")
            await server.serve(self._answer)

    async def _answer(self, stream: SocketStream) -> None:
        async with stream:
            await stream.send(self.count_file.read_bytes())

    async def probe(self) -> Mapping[str, object]:
        if self.fail == "probe":
            raise TinyRefusedError("tiny is never ready")
        if not self.count_file.exists():
            self.count_file.write_text("1", encoding="ascii")
        return {"count": int(self.count_file.read_text(encoding="ascii"))}

    def status(self) -> Mapping[str, object]:
        status: dict[str, object] = {"port": self.port, "quiesced_at": self.quiesced_at}
        if self.name == "chain":
            return {**status, "genesis": "0x01"}
        url = f"http://127.0.0.1:{self.port}"
        nodes = [{"rpc": url, "admin": url}]
        return {**status, "ports": {"indexer": self.port, "further": 7}, "endpoints": {"indexer": url, "kv": None, "nodes": nodes}}

    async def quiesce(self, block: int) -> None:
        self.quiesced_at = block

    async def checkpoint(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "count").write_bytes(self.count_file.read_bytes())

    async def resume(self) -> None:
        self.quiesced_at = None


def make_tiny(flags: Sequence[str], state_folder: Path, _ephemeral: bool) -> Role:
    """The role in this process."""
    return tiny(parser().parse_args(flags), state_folder)


def tiny(options: argparse.Namespace, state_folder: Path) -> TinyRole:
    """The role that flags ask for."""
    return TinyRole(state_folder / options.name, options.port, options.fail, options.name)


def subsystem(default_port: int = 0, *, name: RoleName = "chain", fail: str = "") -> Subsystem:
    """What the supervisor knows of it."""

    def flags(_settings: DevnetSettings, ports: Ports) -> list[str]:
        return ["--name", name, "--port", str(next(iter(ports.values()))), "--fail", fail]

    ports = {"rpc" if name == "chain" else "indexer": default_port}
    return Subsystem(name=name, default_ports=lambda _: ports, command=(__name__,), flags=flags, make=make_tiny)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser()
    options.add_argument("--dir", type=Path)
    options.add_argument("--supervised", action="store_true")
    options.add_argument("--ephemeral", action="store_true")
    options.add_argument("--name", default="chain")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--fail", default="")
    return options


if __name__ == "__main__":
    asked = parser().parse_args()
    state_folder = asked.dir / ".zerog"
    place = RolePlace(state_folder=state_folder, herald=EventHerald(1), supervised=asked.supervised, log_form="none")
    sys.exit(run_role(asked.name, lambda: tiny(asked, state_folder), place))
