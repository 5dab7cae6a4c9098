"""Private folders, atomic writes and locks."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from zerog.runtime.files import FileLock, LockHeldError, make_private_folder, write_atomically

HOLD_THE_LOCK = """
import sys
from pathlib import Path
from zerog.runtime.files import FileLock
lock = FileLock.acquire(Path(sys.argv[1]), command="zerog test")
memory = bytearray(int(sys.argv[2])) if len(sys.argv) > 2 else None
for page in range(0, len(memory or b""), 4096):
    memory[page] = 1
print("held", flush=True)
sys.stdin.read()
"""


def test_a_held_lock_names_its_holder_and_a_killed_holder_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD_THE_LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeldError) as caught:
            FileLock.acquire(path, command="zerog other")
        assert f"zerog test (pid {holder.pid})" in str(caught.value)
        assert FileLock.is_held(path)
        holder.send_signal(signal.SIGKILL)
    FileLock.acquire(path, command="zerog other").release()
    assert not FileLock.is_held(path)


def test_a_killed_holder_is_waited_for_while_the_system_takes_its_memory_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(tmp_path / "lock"), str(400 << 20)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
        FileLock.acquire(tmp_path / "lock", command="zerog other").release()  # Nobody has waited for the end of the process.


def test_a_lock_is_exclusive_within_a_process_too(tmp_path: Path) -> None:
    with FileLock.acquire(tmp_path / "lock", command="first"), pytest.raises(LockHeldError, match=rf"first \(pid {os.getpid()}\)"):
        FileLock.acquire(tmp_path / "lock", command="second")


def test_whoever_asks_whether_a_lock_is_held_stands_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("xb") as probe:
        fcntl.flock(probe, fcntl.LOCK_SH)
        end_of_probe = Timer(0.05, lambda: fcntl.flock(probe, fcntl.LOCK_UN))
        end_of_probe.start()
        FileLock.acquire(path, command="zerog test").release()
        end_of_probe.join()


def test_an_atomic_write_replaces_the_whole_file_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write_atomically(path, b"long content")
    write_atomically(path, b"short")
    assert path.read_bytes() == b"short"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_old_content_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.mkdir()  # A folder cannot be replaced by a file.
    with pytest.raises(OSError, match="record"):
        write_atomically(path, b"content")
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_private_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_lock_knows_whether_its_file_is_where_others_look_for_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lock"
    path.parent.mkdir()
    with FileLock.acquire(path, command="test") as lock:
        assert lock.is_in_place()
        path.parent.rename(tmp_path / "elsewhere")
        assert not lock.is_in_place()
        path.parent.write_bytes(b"")  # A file where the folder was.
        assert not lock.is_in_place()
        path.parent.unlink()
        path.parent.mkdir()
        with FileLock.acquire(path, command="somebody else"):
            assert not lock.is_in_place()


def test_a_lock_that_is_shared_is_held_until_both_have_let_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock.acquire(path, command="test")
    with lock.shared():
        lock.release()
        assert FileLock.is_held(path)
    assert not FileLock.is_held(path)
