"""A role's process: what it tells whoever started it, and how it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zerog.runtime.files import FileLock, is_ending

Start = Callable[..., "subprocess.Popen[bytes]"]


def start(folder: Path, *flags: str) -> "subprocess.Popen[bytes]":
    return start_alone(folder, "--supervised", *flags)


def start_alone(folder: Path, *flags: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.unit.devnet.tiny_role", "--dir", str(folder), *flags]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def first_event(process: "subprocess.Popen[bytes]") -> dict[str, object]:
    assert process.stdout is not None
    event = json.loads(process.stdout.readline())
    assert isinstance(event, dict)
    return event


def test_it_says_where_it_is_and_stops_when_its_supervisor_is_gone(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        assert str(first_event(process)["ready"]).startswith("http://127.0.0.1:")
        run = tmp_path / ".zerog" / "run"
        assert FileLock.is_held(run / "chain.lock")
        assert (run / "chain.sock").is_socket()
        assert process.stdin is not None
        process.stdin.close()  # As when the supervisor dies.
        assert process.wait(20) == 0
    assert not FileLock.is_held(run / "chain.lock")
    assert not (run / "chain.sock").exists()


def test_its_lock_is_free_only_when_nothing_that_it_had_is_in_use(tmp_path: Path) -> None:
    """Whoever takes the lock binds the same ports, and libraries keep theirs until the process is gone."""
    with start(tmp_path) as process:
        first_event(process)
        assert process.stdin is not None
        process.stdin.close()
        while FileLock.is_held(tmp_path / ".zerog" / "run" / "chain.lock"):
            assert process.returncode is None
        assert is_ending(process.pid)
        assert process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path) as process:
        first_event(process)
        process.send_signal(number)
        assert process.wait(20) == 0
    assert not (tmp_path / ".zerog" / "run" / "chain.sock").exists()


def test_an_expected_error_is_reported_and_ends_it_with_1(tmp_path: Path) -> None:
    with start(tmp_path, "--fail", "refuse") as process:
        assert first_event(process)["error"] == {"code": "tiny_refused", "cause": "tiny was told to refuse", "remedy": "do not ask for it"}
        assert process.communicate(timeout=20)[1] == b""
    assert process.returncode == 1


def test_a_bug_is_reported_with_its_traceback_and_ends_it_with_70(tmp_path: Path) -> None:
    with start(tmp_path, "--fail", "crash") as process:
        error = first_event(process)["error"]
        assert isinstance(error, dict)
        assert error["code"] == "bug"
        assert "ZeroDivisionError: tiny was told to crash" in error["cause"]
        assert b"ZeroDivisionError" in process.communicate(timeout=20)[1]
    assert process.returncode == 70


def test_a_role_by_itself_ends_when_its_folder_is_renamed_and_says_so_in_the_log(tmp_path: Path) -> None:
    with start_alone(tmp_path) as process:
        first_event(process)
        (tmp_path / ".zerog").rename(tmp_path / "elsewhere")
        printed, _ = process.communicate(timeout=20)
    assert json.loads(printed)["error"]["code"] == "folder_gone"
    assert process.returncode == 1
    logged = (tmp_path / "elsewhere" / "logs" / "chain.jsonl").read_text().splitlines()
    assert json.loads(logged[-1])["code"] == "folder_gone"
    assert not (tmp_path / ".zerog").exists()


def test_a_second_one_in_the_folder_is_refused_by_name(tmp_path: Path) -> None:
    with start(tmp_path) as first, start(tmp_path) as second:
        events = sorted((first_event(first), first_event(second)), key=lambda event: "error" in event)
        assert "ready" in events[0]
        error = events[1]["error"]
        assert isinstance(error, dict)
        assert error["code"] == "lock_held"
        assert str(first.pid) in error["cause"] or str(second.pid) in error["cause"]
        for process in (first, second):
            process.communicate(timeout=20)
