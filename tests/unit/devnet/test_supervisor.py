"""The supervisor, with a tiny role in place of the chain: start, proof of readiness, restart, order of stopping."""

import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from tests.unit.devnet import tiny_role
from zerog import networks
from zerog.devnet.errors import FewerNodesError, ForeignNetworkError, RoleFailedError
from zerog.devnet.folder import NetworkFolder
from zerog.devnet.settings import DevnetSettings
from zerog.devnet.subsystems import Subsystem
from zerog.devnet.supervisor import Supervisor
from zerog.runtime.control import connect
from zerog.runtime.files import FileLock
from zerog.runtime.ports import PortInUseError, listen
from zerog.runtime.process import expected_error

BOTH = pytest.mark.parametrize("one_process", [False, True], ids=["processes", "one-process"])


@asynccontextmanager
async def running(
    folder: NetworkFolder, *subsystems: Subsystem, one_process: bool = False, fail: str = "", port_base: int | None = 0, **settings: Any
) -> AsyncIterator[Supervisor]:
    """A network of `subsystems`, or of one tiny role; ready."""
    folder.prepare()
    asked = DevnetSettings(one_process=one_process, port_base=port_base, **settings)
    supervisor = Supervisor(asked, folder, networks.load("local"), subsystems or (tiny_role.subsystem(fail=fail),))
    async with anyio.create_task_group() as parts:
        await parts.start(start, supervisor)
        yield supervisor
        parts.cancel_scope.cancel()


async def start(supervisor: Supervisor, *, task_status: anyio.abc.TaskStatus[str]) -> None:
    await supervisor.run(task_status=task_status)


async def role_pid(folder: NetworkFolder) -> int:
    async with connect(folder.control("chain")) as role:
        pid = (await role.ask("status", timeout_s=5))["pid"]
    assert isinstance(pid, int)
    return pid


async def count_at(url: str) -> int:
    host, port = url.removeprefix("http://").split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        return int(await stream.receive())


async def until(condition: Callable[[], bool], *, timeout_s: float = 20) -> None:
    with anyio.fail_after(timeout_s):
        while not condition():  # noqa: ASYNC110 - the condition is another process'.
            await anyio.sleep(0.01)


@BOTH
async def test_a_ready_network_has_done_its_job_once_and_says_where_it_is(tmp_path: Path, one_process: bool) -> None:
    folder = NetworkFolder.of(tmp_path)
    async with running(folder, one_process=one_process) as supervisor:
        assert supervisor.endpoints is not None
        assert supervisor.endpoints.chain is not None
        assert await count_at(supervisor.endpoints.chain.http) == 1
        written = msgspec.json.decode(folder.endpoints.read_bytes())
        assert written["chain"] == {"http": supervisor.endpoints.chain.http, "ws": supervisor.endpoints.chain.ws}
        assert written["storage"] is None
        assert written["pid"] == os.getpid()
        assert (await role_pid(folder) == os.getpid()) is one_process
    assert not FileLock.is_held(folder.run / "chain.lock")


@BOTH
async def test_the_second_start_takes_the_same_port_and_adds_nothing(tmp_path: Path, one_process: bool) -> None:
    folder = NetworkFolder.of(tmp_path)
    urls = []
    for _ in range(2):
        async with running(folder, one_process=one_process, port_base=None) as supervisor:
            assert supervisor.endpoints is not None
            assert supervisor.endpoints.chain is not None
            urls.append(supervisor.endpoints.chain.http)
            assert await count_at(urls[-1]) == 1
    assert urls[0] == urls[1]


async def test_a_role_that_is_killed_comes_back_on_its_port(tmp_path: Path) -> None:
    folder = NetworkFolder.of(tmp_path)
    async with running(folder) as supervisor:
        assert supervisor.endpoints is not None
        assert supervisor.endpoints.chain is not None
        first = await role_pid(folder)
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.restarts("chain") == 1)
        await until(lambda: supervisor.is_ready("chain"))
        assert await role_pid(folder) != first
        assert await count_at(supervisor.endpoints.chain.http) == 1


async def test_no_role_is_given_the_port_of_another_that_is_away(tmp_path: Path) -> None:
    """A network keeps its ports, also while one of its roles comes back or has not come yet."""
    folder = NetworkFolder.of(tmp_path)
    async with running(folder):
        pass
    async with running(folder) as supervisor:
        record, chain = folder.read_record(), await role_pid(folder)
        assert record is not None
        os.kill(chain, signal.SIGKILL)
        await until(lambda: not Path(f"/proc/{chain}/fd").exists() or not list(Path(f"/proc/{chain}/fd").iterdir()))
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", record.ports["chain.rpc"]))
        await until(lambda: supervisor.restarts("chain") == 1 and supervisor.is_ready("chain"))


async def test_a_role_that_refuses_to_start_is_reported_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(NetworkFolder.of(tmp_path), fail="refuse"):
            pytest.fail("it must not become ready")
    error = expected_error(caught.value)
    assert isinstance(error, RoleFailedError)
    assert (error.code, error.remedy) == ("tiny_refused", "do not ask for it")
    assert "tiny was told to refuse" in str(error)


async def test_a_role_that_is_not_ready_when_probed_fails_the_start(tmp_path: Path) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(NetworkFolder.of(tmp_path), fail="probe"):
            pytest.fail("it must not become ready")
    assert "tiny is never ready" in str(expected_error(caught.value))


@pytest.mark.parametrize(("fail", "words"), [("crash", "tiny was told to crash"), ("mute", "tiny's last words")])
async def test_the_last_words_of_a_role_that_crashes_are_shown(tmp_path: Path, fail: str, words: str) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(NetworkFolder.of(tmp_path), fail=fail):
            pytest.fail("it must not become ready")
    assert words in str(expected_error(caught.value))


async def test_a_taken_port_is_refused_with_the_name_of_who_has_it(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        folder = NetworkFolder.of(tmp_path)
        folder.prepare()
        supervisor = Supervisor(DevnetSettings(), folder, networks.load("local"), (tiny_role.subsystem(port),))
        with pytest.raises(BaseExceptionGroup) as caught:
            await supervisor.run()
    error = expected_error(caught.value)
    assert isinstance(error, PortInUseError)
    assert error.holder is not None
    assert error.holder.pid == os.getpid()
    assert str(error.holder) in str(error)


async def test_a_chain_with_another_genesis_is_refused(tmp_path: Path) -> None:
    folder = NetworkFolder.of(tmp_path)
    async with running(folder):
        pass
    record = folder.read_record()
    assert record is not None
    assert record.genesis_hash == "0x01"
    folder.write_record(msgspec.structs.replace(record, genesis_hash="0x02"))
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(folder):
            pytest.fail("it must not become ready")
    error = expected_error(caught.value)
    assert isinstance(error, ForeignNetworkError)
    assert "zerog reset" in error.remedy


@BOTH
async def test_what_the_supervisor_is_asked_goes_to_every_role(tmp_path: Path, one_process: bool) -> None:
    folder = NetworkFolder.of(tmp_path)
    async with running(folder, one_process=one_process) as supervisor:
        await supervisor.quiesce(7)
        async with connect(folder.control("chain")) as role:
            assert (await role.ask("status", timeout_s=5))["quiesced_at"] == 7
        await supervisor.checkpoint(tmp_path / "copy")
        assert (tmp_path / "copy" / "chain" / "count").read_text() == "1"
        await supervisor.resume()
        assert await supervisor.probe() == {"chain": {"count": 1}}


@BOTH
async def test_roles_start_together_and_each_is_proven_after_the_ones_before_it(tmp_path: Path, one_process: bool) -> None:
    """The second one's ports and endpoints are what it says itself."""
    folder = NetworkFolder.of(tmp_path)
    both = (tiny_role.subsystem(), tiny_role.subsystem(name="storage"))
    async with running(folder, *both, one_process=one_process) as supervisor:
        assert supervisor.endpoints is not None
        storage = supervisor.endpoints.storage
        assert storage is not None
        assert (storage.kv, storage.nodes[0].rpc, storage.nodes[0].admin) == (None, storage.indexer, storage.indexer)
        assert await count_at(storage.indexer) == 1
        assert msgspec.json.decode(folder.endpoints.read_bytes())["storage"] == msgspec.to_builtins(storage)
        assert supervisor.endpoints.contracts["Flow"] == "0xefc37aFce469f0c1e277E507a31b45447a0Ebbe9"
    record = folder.read_record()
    assert record is not None
    assert record.ports.keys() == {"chain.rpc", "storage.indexer", "storage.further"}
    assert record.ports["storage.indexer"] == int(storage.indexer.rsplit(":", 1)[1])
    assert not FileLock.is_held(folder.run / "storage.lock")


async def test_where_one_role_does_not_start_the_other_is_stopped(tmp_path: Path) -> None:
    folder = NetworkFolder.of(tmp_path)
    for fail in ("refuse", "probe"):
        for both in (
            (tiny_role.subsystem(fail=fail), tiny_role.subsystem(name="storage")),
            (tiny_role.subsystem(), tiny_role.subsystem(name="storage", fail=fail)),
        ):
            with pytest.raises(BaseExceptionGroup) as caught:
                async with running(folder, *both):
                    pytest.fail("it must not become ready")
            assert "tiny" in str(expected_error(caught.value))
            assert not FileLock.is_held(folder.run / "chain.lock")
            assert not FileLock.is_held(folder.run / "storage.lock")


async def test_a_network_does_not_forget_storage_nodes(tmp_path: Path) -> None:
    folder = NetworkFolder.of(tmp_path)
    async with running(folder, nodes=4, replicas=2):
        pass
    record = folder.read_record()
    assert record is not None
    assert (record.nodes, record.replicas) == (4, 2)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(folder, nodes=2):
            pytest.fail("it must not become ready")
    error = expected_error(caught.value)
    assert isinstance(error, FewerNodesError)
    assert (error.kept, error.asked) == (8, 4)
    async with running(folder, nodes=8, replicas=1):
        pass
    assert (record := folder.read_record()) is not None
    assert (record.nodes, record.replicas) == (8, 1)
