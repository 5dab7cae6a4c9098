"""A download into a file: a part file that grows beside its place, and goes on where it ended when it was broken off.

What is done stands in a state file: one line of JSON that says of what, then the place of each finished part in 8 bytes. It is not believed
blindly: after a download in several runs the root of the whole file is computed.
"""

import fcntl
import mmap
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from zerog.storage.client.downloading import Copy
from zerog.storage.client.errors import LocalFileError, TargetExistsError, reason_of
from zerog.storage.client.progress import Tally
from zerog.storage.client.remote_file import Part, RemoteFile
from zerog.storage.client.waiting import in_parallel
from zerog.storage.protocol.merkle import file_root

__all__ = ["save"]

PLACE_BYTES: Final = 8
RUNS_MAX: Final = 2
"""A part file of earlier runs that turns out to be wrong is begun anew, once."""


class _Whose(msgspec.Struct, frozen=True):
    """What a part file is a part of."""

    roots: list[str]
    size_bytes: int
    first_segments: list[int]
    """How each fragment is cut into parts."""


def save(file: RemoteFile, target: Path, *, start: int, end: int, threads: int, overwrite: bool, tally: Tally) -> None:
    """Bytes `start` to `end` of `file` become the file `target`, at once when all are there.

    A whole plain file goes on where an earlier run ended. Raises `TargetExistsError`, `LocalFileError`, and what reading raises.
    """
    if target.exists() and not overwrite:
        raise TargetExistsError(str(target))
    part_path = target.with_name(f"{target.name}.zerog-part")
    state_path = target.with_name(f"{target.name}.zerog-state")
    resumable = not file.is_encrypted and (start, end) == (0, file.size_bytes)
    with _local_faults(target), _locked(part_path) as part_file, _removed_on_failure(part_path, resumable=resumable):
        for _ in range(RUNS_MAX):
            resumed = _run(file, part_file, state_path if resumable else None, start=start, end=end, threads=threads, tally=tally)
            if not resumed or _is_whole(file.fragments, part_file):
                break
            state_path.unlink()
        else:
            raise LocalFileError(str(part_path), "what was written to it is not what is read from it")
        part_path.replace(target)
        state_path.unlink(missing_ok=True)


@contextmanager
def _removed_on_failure(path: Path, *, resumable: bool) -> Iterator[None]:
    """What nobody can go on with is of no use."""
    try:
        yield
    except BaseException:
        if not resumable:
            path.unlink(missing_ok=True)
        raise


def _run(file: RemoteFile, part_file: IO[bytes], state_path: Path | None, *, start: int, end: int, threads: int, tally: Tally) -> bool:
    """Fetch what is not there yet. Whether something was there."""
    whose = _Whose([str(root) for root in file.roots], file.size_bytes, [copy.window_segments for copy in file.fragments])
    done = set() if state_path is None else _finished(state_path, whose)
    if not done:
        part_file.truncate(0)
    part_file.truncate(end - start)
    parts = list(file.parts(start, end))
    tally.add(total_bytes=end - start, done_bytes=sum(part.end - part.start for part in parts if part.start in done))
    descriptor, lock = part_file.fileno(), threading.Lock()
    with _state(state_path, whose, keep=bool(done)) as state:

        def take(part: Part) -> None:
            pieces, position = file.part(part), part.start - start
            with lock:  # Threads that write to one file wait for each other anyway, and the system has them do so on the processor.
                for piece in pieces:
                    _write(descriptor, piece, position)
                    position += len(piece)
                if state is not None:
                    state.write(part.start.to_bytes(PLACE_BYTES, "big"))
            tally.add(done_bytes=part.end - part.start)

        in_parallel((part for part in parts if part.start not in done), take, threads=threads)
    return bool(done)


def _write(descriptor: int, piece: memoryview, position: int) -> None:
    while piece:
        written = os.pwrite(descriptor, piece, position)
        piece, position = piece[written:], position + written


def _finished(state_path: Path, whose: _Whose) -> set[int]:
    """Where the finished parts begin; nothing if the state is of another file."""
    try:
        head, _, places = state_path.read_bytes().partition(b"\n")
        known = msgspec.json.decode(head, type=_Whose)
    except (OSError, ValueError):
        return set()  # There is none, or none that can be read: begin anew.
    if known != whose:
        return set()
    whole = len(places) // PLACE_BYTES * PLACE_BYTES
    return {int.from_bytes(places[place : place + PLACE_BYTES], "big") for place in range(0, whole, PLACE_BYTES)}


@contextmanager
def _state(path: Path | None, whose: _Whose, *, keep: bool) -> Iterator[IO[bytes] | None]:
    if path is None:
        yield None
        return
    with path.open("r+b" if keep else "wb", buffering=0) as state:
        if keep:
            head = state.read().index(b"\n") + 1
            state.seek(0, os.SEEK_END)
            state.truncate(head + (state.tell() - head) // PLACE_BYTES * PLACE_BYTES)  # A kill may have left half a place.
            state.seek(0, os.SEEK_END)
        else:
            state.write(msgspec.json.encode(whose) + b"\n")
        yield state


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """The part file, for one process alone."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalFileError(str(path), "another download is writing it") from None
        yield file


@contextmanager
def _local_faults(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalFileError(str(error.filename or target), reason_of(error)) from error


def _is_whole(fragments: Sequence[Copy], part_file: IO[bytes]) -> bool:
    """Whether each fragment has its root."""
    mapped = memoryview(mmap.mmap(part_file.fileno(), 0, access=mmap.ACCESS_READ))
    position = 0
    for fragment in fragments:
        if file_root(mapped[position : position + fragment.size_bytes]) != fragment.root:
            return False
        position += fragment.size_bytes
    return True
