"""The network's folder `.zerog`: which file lies where, and what the network remembers between two starts."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from zerog.devnet.errors import FolderUnusableError, NetworkRunningError, NetworkUpError, RecordBrokenError
from zerog.runtime.files import FileLock, LockHeldError, make_private_folder, write_atomically

__all__ = ["STATE_FOLDER", "NetworkFolder", "NetworkRecord"]

STATE_FOLDER: Final = ".zerog"

KEPT_AT_RESET: Final = ("zerog.toml", ".gitignore", "run")

UP: Final = "zerog up"
"""How those call themselves who want to be the supervisor."""
FIRST_SETTINGS: Final = """\
# Settings of this network. A flag comes first, then the environment (ZEROG_UP_BLOCK_TIME, ...), then this file, then the default.
# Names are those of the flags; a table is a command.
[up]
# block-time = 2.0
# hardfork = "prague"
# rules = "zero-gravity"
# chain-id = 424242
# nodes = 4

[chain.run]
"""


class _Chain(msgspec.Struct):
    http: str


class _Endpoints(msgspec.Struct):
    """What is read of `endpoints.json` here."""

    pid: int
    chain: _Chain | None = None


class NetworkRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a network keeps: which one it is and where it listens."""

    version: int = 1
    network: str
    chain_id: int | None = None
    """Of its chain; unknown in what earlier versions wrote."""
    genesis_hash: str | None = None
    """Hash of the chain's block 0, from the first start on."""
    port_base: int | None = None
    """What the ports were chosen by."""
    ports: dict[str, int] = msgspec.field(default_factory=dict)
    """Ports of all roles, by names such as `storage.rpc`."""
    nodes: int | None = None
    """Shards of storage, from the first start on."""
    replicas: int | None = None
    """Nodes that hold each of them."""


@dataclass(frozen=True, slots=True)
class NetworkFolder:
    """One `.zerog`. Nothing is made or read before it is asked for."""

    path: Path

    @classmethod
    def of(cls, working_folder: Path) -> "NetworkFolder":
        """The network of a working folder."""
        return cls(working_folder.absolute() / STATE_FOLDER)

    @classmethod
    def running_above(cls, working_folder: Path) -> "NetworkFolder | None":
        """The nearest network that runs in a folder above."""
        for parent in working_folder.absolute().parents:
            with suppress(OSError):  # Not for us to read.
                if FileLock.is_held((network := cls.of(parent)).lock):
                    return network
        return None

    @property
    def run(self) -> Path:
        """Locks and control sockets."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """One file of JSON lines a role."""
        return self.path / "logs"

    @property
    def endpoints(self) -> Path:
        return self.path / "endpoints.json"

    @property
    def environment(self) -> Path:
        return self.path / ".env"

    @property
    def lock(self) -> Path:
        """Held by the supervisor, or by whoever must be sure that there is none."""
        return self.run / "supervisor.lock"

    def control(self, role: str) -> Path:
        """Control socket of a role."""
        return self.run / f"{role}.sock"

    def prepare(self) -> None:
        """Make the folder, for its owner alone and invisible to git. Run with the lock held or before taking it.

        Raises `FolderUnusableError`.
        """
        try:
            for folder in (self.path, self.run, self.logs):
                make_private_folder(folder)
            for name, content in ((".gitignore", "*\n"), ("zerog.toml", FIRST_SETTINGS)):
                if not (self.path / name).exists():
                    write_atomically(self.path / name, content.encode())
        except OSError as error:
            raise FolderUnusableError(self.path.parent, error.strerror or str(error)) from None

    def acquire(self, command: str) -> FileLock:
        """Take the network for one supervisor.

        Raises `LockHeldError`; `NetworkUpError` where two want to be that supervisor; `FolderUnusableError`.
        """
        try:
            make_private_folder(self.path)
            make_private_folder(self.run)
            return FileLock.acquire(self.lock, command=command)
        except OSError as error:
            raise FolderUnusableError(self.path.parent, error.strerror or str(error)) from None
        except LockHeldError as error:
            holder = error.holder
            if holder is None or not (command.startswith(UP) and holder.command.startswith(UP)):
                raise
            raise NetworkUpError(self.path.parent, holder.pid, self._rpc_url(holder.pid)) from None

    def _rpc_url(self, pid: int) -> str | None:
        """Of the network of that supervisor; a file that an earlier one has left says nothing of it."""
        with suppress(OSError, msgspec.DecodeError):
            told = msgspec.json.decode(self.endpoints.read_bytes(), type=_Endpoints)
            return told.chain.http if told.pid == pid and told.chain is not None else None
        return None

    def read_record(self) -> NetworkRecord | None:
        """What is remembered; `None` before the first start. Raises `RecordBrokenError`."""
        path = self.path / "network.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=NetworkRecord)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise RecordBrokenError(path, str(error)) from error

    def write_record(self, record: NetworkRecord) -> None:
        write_atomically(self.path / "network.json", msgspec.json.format(msgspec.json.encode(record)))

    def reset(self) -> list[str]:
        """Remove all state but the settings (and the locks); returns the names of what went. Raises `NetworkRunningError`."""
        if not self.path.exists():
            return []
        try:
            lock = self.acquire("zerog reset")
        except LockHeldError as error:
            raise NetworkRunningError(self.path) from error
        with lock:
            held = [self._orphan_lock(path) for path in sorted(self.run.glob("*.lock")) if path != self.lock]
            try:
                gone = [entry for entry in sorted(self.path.iterdir()) if entry.name not in KEPT_AT_RESET]
                for entry in gone:
                    shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            finally:
                for role_lock in held:
                    role_lock.release()
        return [entry.name for entry in gone]

    def _orphan_lock(self, path: Path) -> FileLock:
        """A role may outlive its supervisor for a moment, or be run by hand."""
        try:
            return FileLock.acquire(path, command="zerog reset")
        except LockHeldError as error:
            raise NetworkRunningError(self.path) from error
