"""Files that must survive anything: private folders, atomic writes, and locks that a crash cannot leave behind."""

import fcntl
import os
import re
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

import msgspec

from zerog.primitives.errors import RefusalError

__all__ = [
    "FileLock",
    "FileUnreadableError",
    "LockHeldError",
    "LockHolder",
    "create_privately",
    "is_ending",
    "make_private_folder",
    "open_for_reading",
    "write_atomically",
]

PRIVATE_FOLDER_MODE: Final = 0o700
PRIVATE_FILE_MODE: Final = 0o600
HOLDER_BYTES_MAX: Final = 4096
"""More than the description of a lock's holder ever takes."""
PROBE_SECONDS_MAX: Final = 1.0
"""Far longer than a process that asks whether a lock is held ever shares it."""
PROBE_PAUSE_SECONDS: Final = 0.002
ENDING_SECONDS_MAX: Final = 20.0
"""Far longer than the system takes to clear away a process that was killed, whatever memory it had."""
EXITING: Final = 0x4
"""Flag of a process that is being cleared away. Source: PF_EXITING of include/linux/sched.h."""


class LockHolder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a lock, as written into the locked file by the holder."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid})"


@dataclass(eq=False)
class LockHeldError(RefusalError):
    """Another process works in this folder."""

    path: Path
    holder: LockHolder | None

    code = "lock_held"
    remedy = "stop it with `zerog down`, or choose another folder with --dir"
    http_status = 409

    def __str__(self) -> str:
        return f"{self.path} is held by {self.holder or 'another process'}"


@dataclass(eq=False)
class FileUnreadableError(RefusalError):
    """A file that somebody named cannot be opened."""

    path: Path
    cause: str

    code = "file_unreadable"
    remedy = "check the file's name and who may read it"
    http_status = 404

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


def open_for_reading(path: Path) -> BinaryIO:
    """Open a file that a person named. Raises `FileUnreadableError`."""
    try:
        return path.open("rb")
    except OSError as error:
        raise FileUnreadableError(path, error.strerror or str(error)) from None


class FileLock:
    """An exclusive `flock` on one file, held until released or until the process ends in whatever way."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, *, command: str) -> Self:
        """Take the lock at once. `command` says what for, to whoever comes next. Raises `LockHeldError`."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE_MODE)
        began = time.monotonic()
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            # Whoever only asks (`is_held`) shares the lock for a moment, and whoever was killed keeps it until all its memory
            # is given back: those are waited for, a holder is not.
            holder = read_holder(path)
            if _locking_pid(path) is None:
                seconds_max = PROBE_SECONDS_MAX
            else:
                seconds_max = ENDING_SECONDS_MAX if holder is not None and is_ending(holder.pid) else 0.0
            if time.monotonic() - began >= seconds_max:
                os.close(descriptor)
                raise LockHeldError(path, holder)
            time.sleep(PROBE_PAUSE_SECONDS)  # noqa: TID251 - flock has no wait with a limit.
        lock = cls(path, descriptor)
        lock.name_holder(command)
        return lock

    def name_holder(self, command: str) -> None:
        """Write down who holds the lock: this process, for `command`. A forked process does so again."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, msgspec.json.encode(LockHolder(pid=os.getpid(), command=command)), 0)

    @staticmethod
    def is_held(path: Path) -> bool:
        """Whether somebody holds the lock on `path` right now."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def is_in_place(self) -> bool:
        """Whether the locked file is the one that others find at its path; it is not once the folder was removed or renamed."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return os.path.samestat(found, os.fstat(self._descriptor))

    def shared(self) -> Self:
        """The same lock once more: it is held until both are released."""
        return type(self)(self.path, os.dup(self._descriptor))

    def release(self) -> None:
        """Let the next one in. The file stays: removing it could split the lock in two."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_holder(path: Path) -> LockHolder | None:
    """Who holds the lock on `path`: what the holder wrote, unless that is of one who is gone, else what the system knows."""
    with suppress(OSError, msgspec.DecodeError):
        written = msgspec.json.decode(path.read_bytes()[:HOLDER_BYTES_MAX], type=LockHolder)
        if _is_alive(written.pid):
            return written
    pid = _locking_pid(path)  # It has the lock and has not yet written who it is.
    return None if pid is None else LockHolder(pid=pid, command="zerog")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_ending(pid: int) -> bool:
    """Whether the process was killed, or has ended and is not all cleared away. Source: proc_pid_stat(5), proc_pid_status(5)."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        pending = re.findall(r"^(?:Sig|Shd)Pnd:\t([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # It is gone between the two looks.
        return True
    is_killed = any(int(signals, 16) >> (signal.SIGKILL - 1) & 1 for signals in pending)
    return state in "ZX" or bool(int(fields[5]) & EXITING) or is_killed


def _locking_pid(path: Path) -> int | None:
    """Process that holds an exclusive `flock` on `path`. Source: proc_locks(5)."""
    if sys.platform != "linux":
        return None
    with suppress(OSError):
        facts = path.stat()
        wanted = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = line.split()
            if len(fields) >= 6 and (fields[1], fields[3], fields[5]) == ("FLOCK", "WRITE", wanted):
                return int(fields[4])
    return None


def make_private_folder(path: Path) -> None:
    """Make `path` and its parents; the last folder is for its owner alone (mode 0700)."""
    path.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
    path.chmod(PRIVATE_FOLDER_MODE)


def write_atomically(path: Path, data: bytes, *, mode: int = PRIVATE_FILE_MODE) -> None:
    """Replace `path` by a file with `data`; after a crash it holds the old content or the new, never a mixture."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(mode)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def create_privately(path: Path, data: bytes) -> None:
    """Make a file that did not exist, for its owner alone. Raises `FileExistsError` and other `OSError`s; then nothing is left of it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    _sync_folder(path.absolute().parent)


def _sync_folder(path: Path) -> None:
    """Make a rename in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
