"""The control socket: verbs, errors, bad input, deep folders."""

import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.unit.devnet.tiny_role import TinyRole
from zerog.runtime.control import ControlFaultError, RoleNotRunningError, connect, serve_control
from zerog.runtime.line_socket import accept_line, connect_lines, listen_lines
from zerog.runtime.report import ReportedError


@asynccontextmanager
async def serving(path: Path, role: TinyRole) -> AsyncIterator[anyio.Event]:
    """Yields the event that a request to stop sets."""
    stop = anyio.Event()
    path.parent.mkdir(parents=True, exist_ok=True)
    async with anyio.create_task_group() as parts:
        await parts.start(partial(serve_control, role, path, stop=stop.set))
        yield stop
        parts.cancel_scope.cancel()


async def test_a_conversation_of_all_verbs(tmp_path: Path) -> None:
    role = TinyRole(tmp_path, 0)
    async with serving(tmp_path / "tiny.sock", role) as stop, connect(tmp_path / "tiny.sock") as client:
        assert stat.S_IMODE((tmp_path / "tiny.sock").stat().st_mode) == 0o600
        assert (await client.ask("probe", timeout_s=5))["count"] == 1
        assert (await client.ask("status", timeout_s=5))["role"] == "chain"
        await client.ask("quiesce", timeout_s=5, block=3)
        assert role.quiesced_at == 3
        await client.ask("checkpoint", timeout_s=5, directory=tmp_path / "copy")
        assert (tmp_path / "copy" / "count").exists()
        await client.ask("resume", timeout_s=5)
        assert (await client.ask("status", timeout_s=5))["quiesced_at"] is None
        assert not stop.is_set()
        assert await client.ask("stop", timeout_s=5) == {"stopping": True}
        with anyio.fail_after(5):
            await stop.wait()


async def test_a_refusal_arrives_with_code_and_remedy_and_the_role_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path / "tiny.sock", TinyRole(tmp_path, 0, "probe")), connect(tmp_path / "tiny.sock") as client:
        with pytest.raises(ReportedError, match="never ready") as caught:
            await client.ask("probe", timeout_s=5)
        assert caught.value.code == "tiny_refused"
        assert await client.ask("status", timeout_s=5)


class Bookkeeper(TinyRole):
    """A role with books, which are read as a test wants it."""

    reading: Callable[[], Awaitable[Mapping[str, object]]]

    async def books(self) -> Mapping[str, object]:
        return await self.reading()


async def test_a_status_has_the_books_and_is_told_without_them_where_they_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerog.runtime.control.BOOKS_S_MAX", 0.05)
    role = Bookkeeper(tmp_path, 0)

    async def three() -> Mapping[str, object]:
        return {"entries": 3}

    async def refused() -> Mapping[str, object]:
        raise RoleNotRunningError(tmp_path)

    async def never() -> Mapping[str, object]:
        await anyio.sleep_forever()
        return {}

    async with serving(tmp_path / "tiny.sock", role) as _, connect(tmp_path / "tiny.sock") as client:
        role.reading = three
        assert (await client.ask("status", timeout_s=5))["books"] == {"entries": 3}
        for reading, words in ((refused, "runs in"), (never, "not read within")):
            role.reading = reading
            status = await client.ask("status", timeout_s=5)
            assert status["books"] is None
            assert words in str(status["books_trouble"])
            assert status["role"] == "chain"


async def test_a_bug_in_a_verb_is_told_and_the_role_goes_on(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "run" / "tiny.sock", TinyRole(tmp_path / "missing", 0)),
        connect(tmp_path / "run" / "tiny.sock") as client,
    ):
        with pytest.raises(ReportedError, match="FileNotFoundError") as caught:
            await client.ask("checkpoint", timeout_s=5, directory=tmp_path / "copy")
        assert caught.value.code == "bug"
        assert await client.ask("status", timeout_s=5)


@pytest.mark.parametrize(
    "line", [b"not json", b'{"id": 1}', b'{"id": 1, "verb": "dance"}', b'{"id": 1, "verb": "quiesce"}', b"[]", b"{\xff}"]
)
async def test_bad_requests_are_answered_and_harm_nobody(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "tiny.sock"
    async with serving(path, TinyRole(tmp_path, 0)):
        with connect_lines(path, line_bytes_max=1000) as connection, anyio.fail_after(5):
            await connection.send(line)
            assert b"control_fault" in (await connection.receive() or b"")
        async with connect(path) as client:
            assert await client.ask("status", timeout_s=5)


async def test_a_line_without_an_end_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "tiny.sock"
    async with serving(path, TinyRole(tmp_path, 0)):
        with connect_lines(path, line_bytes_max=1000) as connection, anyio.fail_after(10), pytest.raises(ConnectionError):
            await connection.send(b"x" * (1 << 24))
        async with connect(path) as client:
            assert await client.ask("status", timeout_s=5)


async def test_a_folder_deeper_than_a_socket_address_works(tmp_path: Path) -> None:
    path = tmp_path / ("deep" * 20) / ("deeper" * 20) / "tiny.sock"
    async with serving(path, TinyRole(tmp_path, 0)), connect(path) as client:
        assert path.is_socket()
        assert await client.ask("status", timeout_s=5)


async def test_nobody_there_is_said_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(RoleNotRunningError, match="no chain runs in") as caught:
        async with connect(tmp_path / ".zerog" / "run" / "chain.sock"):
            pytest.fail("there is nobody")
    assert "zerog up" in caught.value.remedy


async def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "tiny.sock"
    listen_lines(path).close()
    assert path.is_socket()
    async with serving(path, TinyRole(tmp_path, 0)), connect(path) as client:
        assert await client.ask("status", timeout_s=5)
    assert not path.exists()


async def test_a_role_that_goes_away_is_a_fault_not_a_hang(tmp_path: Path) -> None:
    with listen_lines(tmp_path / "tiny.sock") as listener:
        async with connect(tmp_path / "tiny.sock") as client:
            (await accept_line(listener, line_bytes_max=1000)).close()
            with pytest.raises(ControlFaultError, match="went away"):
                await client.ask("status", timeout_s=5)
