"""`zerog up` as a user meets it: what it prints, what it keeps, what it survives, what it refuses."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from tests.devnet.command import Zerog, ask
from zerog.devnet.endpoints import Endpoints
from zerog.devnet.settings import DEFAULT_PORT_BASE, DevnetSettings
from zerog.devnet.subsystems import SUBSYSTEMS
from zerog.networks import load, role_account
from zerog.runtime.files import FileLock
from zerog.runtime.ports import PortInUseError, holder_of_port, listen


@pytest.fixture
def zerog(tmp_path: Path) -> Iterator[Zerog]:
    """The command in an empty folder; whatever runs there at the end is stopped."""
    command = Zerog(tmp_path)
    yield command
    command.down()
    held = [path.name for path in (tmp_path / ".zerog" / "run").glob("*.lock") if FileLock.is_held(path)]
    assert held == []


@dataclass(frozen=True, slots=True)
class Running:
    """A network of all roles as its first start has left it. Whoever changes it starts an own one."""

    zerog: Zerog
    printed: str
    """By its start."""
    endpoints: Endpoints


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    zerog = Zerog(tmp_path_factory.mktemp("running"))
    printed = zerog.run("up", "--wait", "--port-base", "0").stdout
    endpoints = msgspec.json.decode((zerog.folder / ".zerog" / "endpoints.json").read_bytes(), type=Endpoints)
    yield Running(zerog, printed, endpoints)
    zerog.down()


CHAIN = ("--only", "chain")
"""For what concerns the chain alone."""
FIRST_BLOCKS = range(13, 19)
"""The newest one after the first start of all roles. Signers of DA that register at once share a block, or not; and the provider publishes
what it was paid for a moment after it was."""


def block_number(endpoints: Endpoints) -> int:
    return int(str(ask(endpoints, "eth_blockNumber")), 16)


def await_published(zerog: Zerog) -> None:
    """Until the leaves of the settlement that proved compute are a file and a blob: what is under way at a stop goes on after the start."""
    deadline = time.monotonic() + 60
    while True:
        publisher = msgspec.json.decode(zerog.run("status", "--json").stdout)["roles"]["compute"]["publisher"]
        if all(copies["made"] for copies in publisher.values()):
            return
        assert time.monotonic() < deadline, publisher


def chain_port(endpoints: Endpoints) -> int:
    assert endpoints.chain is not None
    return int(endpoints.chain.http.rsplit(":", 1)[1])


def test_the_commands_that_it_prints_work(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [line.strip() for line in running.printed.splitlines() if line.startswith("  ") and line.split()[0] in ("curl", "zerog")]
    assert len(commands) == 3
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    answer, status = [
        subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=True).stdout
        for command in commands
        if "--follow" not in command
    ]
    assert int(msgspec.json.decode(answer)["result"], 16) in FIRST_BLOCKS
    assert status
    [follow] = [command for command in commands if "--follow" in command]
    with subprocess.Popen(["sh", "-c", f"exec {follow}"], stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert following.stdout.readline()
        assert following.poll() is None
        following.terminate()


def test_status_tells_of_every_role(running: Running) -> None:
    await_published(running.zerog)
    status = msgspec.json.decode(running.zerog.run("status", "--json").stdout)
    assert status["roles"]["chain"]["block"] in FIRST_BLOCKS
    assert status["roles"]["storage"]["block"] == status["roles"]["chain"]["block"]
    assert status["roles"]["storage"]["endpoints"]["indexer"] == status["roles"]["storage"]["url"]
    assert "\nstorage  " in running.zerog.run("status").stdout


def test_the_folder_is_private_and_invisible_to_git(running: Running) -> None:
    state = running.zerog.folder / ".zerog"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert (state / ".gitignore").read_text() == "*\n"
    for name in ("endpoints.json", ".env"):
        assert stat.S_IMODE((state / name).stat().st_mode) == 0o600


def test_endpoints_and_environment_say_the_same(running: Running) -> None:
    state = running.zerog.folder / ".zerog"
    endpoints = msgspec.json.decode((state / "endpoints.json").read_bytes())
    assert list(endpoints) == [
        "version", "network", "chain_id", "pid", "data_dir", "logs",
        "chain", "storage", "da", "compute", "explorer", "contracts", "accounts",
    ]  # fmt: skip
    assert list(endpoints["storage"]) == ["indexer", "kv", "nodes"]
    assert [list(node) for node in endpoints["storage"]["nodes"]] == [["rpc", "admin"]]
    assert endpoints["contracts"]["Flow"] == "0xefc37aFce469f0c1e277E507a31b45447a0Ebbe9"
    assert len(endpoints["accounts"]) == 10
    script = (
        ". ./.env && echo $ZEROG_CHAIN_HTTP $ZEROG_CHAIN_ID $ZEROG_ACCOUNTS_9_PRIVATE_KEY $ZEROG_STORAGE_INDEXER $ZEROG_STORAGE_NODES_0_RPC"
    )
    said = subprocess.run(["sh", "-c", script], cwd=state, capture_output=True, text=True, check=True, timeout=10).stdout.split()
    storage = endpoints["storage"]
    assert said[:3] == [endpoints["chain"]["http"], "31337", endpoints["accounts"][9]["private_key"]]
    assert said[3:] == [storage["indexer"], storage["nodes"][0]["rpc"]]


def test_no_key_is_in_the_logs(running: Running) -> None:
    """From the start to the end, so this is the last test of the network."""
    running.zerog.down()
    text = "".join(path.read_text() for path in (running.zerog.folder / ".zerog" / "logs").iterdir())
    assert "role_ready" in text
    genesis = load("local").genesis
    assert genesis is not None
    role_key = role_account(genesis.mnemonic, "storage").private_key.hex()
    for key in (role_key, *(account.private_key.removeprefix("0x") for account in running.endpoints.accounts)):
        assert key not in text


def test_the_state_stays_and_a_later_start_adds_no_block(zerog: Zerog) -> None:
    """The first start leaves one block by itself, one with the file that proves storage, and five of compute: the offer, its
    acknowledgement, a deposit, a transfer and the settlement of the chat that proves it. The signers of DA say where they listen and
    register for the next epoch, and the blob that proves it is announced and confirmed."""
    first = zerog.up()
    assert block_number(first) in FIRST_BLOCKS
    await_published(zerog)
    ask(first, "anvil_mine", "0x4")
    nonces = [ask(first, "eth_getTransactionCount", account.address, "latest") for account in first.accounts]
    assert nonces == ["0xf"] + ["0x0"] * 9
    blocks = block_number(first)
    zerog.down()
    second = zerog.up()
    assert block_number(second) == blocks
    assert (second.chain, second.storage, second.da, second.compute) == (first.chain, first.storage, first.da, first.compute)
    assert [ask(second, "eth_getTransactionCount", account.address, "latest") for account in second.accounts] == nonces


def test_in_the_foreground_it_prints_at_most_twelve_lines_and_stops_at_ctrl_c(zerog: Zerog) -> None:
    with zerog.begin("up", "--port-base", "0") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(8)]
        assert re.search(r"RPC +http://127\.0\.0\.1:\d+", lines[1])
        assert re.search(r"storage +http://127\.0\.0\.1:\d+", lines[2])
        assert "chain id 31337" in lines[0]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == ""
    printed = "".join(lines) + rest
    assert len(printed.splitlines()) <= 12
    assert "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266" in printed
    assert "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80" in printed


def test_attached_it_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    """Whoever holds the other end of its standard input: when that is killed the end closes, and no signal comes."""
    words = ("up", "--attached", "--ephemeral", "--json", "--port-base", "0", *CHAIN)
    with subprocess.Popen(
        Zerog(tmp_path).arguments(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        printed = b""
        while not printed.endswith(b"\n}\n"):
            line = process.stdout.readline()
            assert line
            printed += line
        endpoints = msgspec.json.decode(printed, type=Endpoints)
        assert block_number(endpoints) == 1
        _, errors = process.communicate(timeout=30)  # Closes its standard input.
    assert (process.returncode, errors) == (0, b"")
    assert holder_of_port(chain_port(endpoints)) is None
    assert not Path(endpoints.data_dir).parent.exists()
    assert "leave --wait or --attached away" in Zerog(tmp_path).run("up", "--wait", "--attached", expect=1).stderr


@pytest.mark.parametrize("extra", [(), ("--one-process",)], ids=["processes", "one-process"])
def test_after_kill_9_of_the_supervisor_it_continues_at_the_same_block(zerog: Zerog, extra: tuple[str, ...]) -> None:
    first = zerog.up(*extra)
    ask(first, "anvil_mine", "0x3")
    blocks = block_number(first)
    os.kill(first.pid, signal.SIGKILL)
    second = zerog.up(*extra)
    assert block_number(second) == blocks
    assert second.chain == first.chain
    assert second.pid != first.pid


def test_after_kill_9_of_the_chain_it_comes_back_by_itself_at_the_same_block(zerog: Zerog) -> None:
    endpoints = zerog.up(*CHAIN)
    ask(endpoints, "anvil_mine", "0x3")
    holder = holder_of_port(chain_port(endpoints))
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while (new := holder_of_port(chain_port(endpoints))) is None or new.pid == holder.pid:
        assert time.monotonic() < deadline
    assert block_number(endpoints) == 4


@pytest.mark.alone
def test_of_sixteen_at_once_one_starts_and_fifteen_name_it(zerog: Zerog) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(16) as threads:
        started = time.monotonic()
        processes = [stack.enter_context(zerog.begin("up", "--port-base", "0")) for _ in range(16)]
        ends = [threads.submit(wait_for_end, process) for process in processes]
        losers = list(islice(as_completed(ends, timeout=30), 15))
        seconds = [loser.result() - started for loser in losers]
        (winner,) = [process for process, end in zip(processes, ends, strict=True) if end not in losers]
        assert winner.stdout is not None
        assert "network local" in winner.stdout.readline()
        winner.send_signal(signal.SIGINT)
        outputs = {process.pid: process.communicate(timeout=30) for process in processes}
        assert winner.returncode == 0
    for process in processes:
        if process is not winner:
            assert process.returncode == 1
            assert f"(pid {winner.pid})" in outputs[process.pid][1]
            assert "remedy:" in outputs[process.pid][1]
    assert max(seconds) < 5, seconds


def wait_for_end(process: subprocess.Popen[str]) -> float:
    process.wait()
    return time.monotonic()


def test_eight_folders_share_no_port_and_no_block(tmp_path: Path) -> None:
    commands = [Zerog(tmp_path / f"folder{number}") for number in range(8)]
    for command in commands:
        command.folder.mkdir()
    with ThreadPoolExecutor(8) as threads:
        networks = list(threads.map(lambda command: command.up(*CHAIN), commands))
        assert len({network.chain.http for network in networks if network.chain}) == 8
        for number, network in enumerate(networks):
            ask(network, "anvil_mine", hex(number))
        assert [block_number(network) for network in networks] == [1 + number for number in range(8)]
        assert len({str(ask(network, "eth_getBlockByNumber", "latest", False)) for network in networks}) == 8
        list(threads.map(Zerog.down, commands))


def test_a_taken_port_is_refused_with_the_name_and_pid_of_who_has_it(zerog: Zerog) -> None:
    with listen("127.0.0.1", 0) as taken:
        base = taken.getsockname()[1] - 545
        if not 8000 <= base <= 22000:
            taken.close()
            base = free_base()
            with listen("127.0.0.1", base + 545):
                errors = zerog.run("up", "--wait", "--port-base", str(base), *CHAIN, expect=1).stderr
        else:
            errors = zerog.run("up", "--wait", "--port-base", str(base), *CHAIN, expect=1).stderr
    assert "error [port_in_use]" in errors
    assert f"pid {os.getpid()}" in errors
    assert "python" in errors
    folder = str(zerog.folder / "another")
    endpoints = Zerog(zerog.folder / "another").up(*CHAIN)
    with pytest.raises(PortInUseError, match=f"of the network in {folder}") as caught:
        listen("127.0.0.1", chain_port(endpoints))
    assert f"stop that network with `zerog down --dir {folder}`, or choose other ports" in caught.value.remedy
    Zerog(zerog.folder / "another").down()


def free_base() -> int:
    """A port base from which all default ports are free at this moment, also of outgoing connections."""
    settings = DevnetSettings()
    ports = [port for subsystem in SUBSYSTEMS for port in subsystem.default_ports(settings).values()]
    return next(base for base in range(12000, 20000, 7) if all(is_free(port + base - DEFAULT_PORT_BASE) for port in ports))


def is_free(port: int) -> bool:
    try:
        listen("127.0.0.1", port).close()
    except PortInUseError:
        return False
    return True


def test_a_port_base_moves_the_default_ports(zerog: Zerog) -> None:
    base = free_base()
    endpoints = msgspec.json.decode(zerog.run("up", "--wait", "--json", "--port-base", str(base)).stdout, type=Endpoints)
    assert chain_port(endpoints) == base + 545
    assert endpoints.storage is not None
    assert endpoints.storage.indexer == f"http://127.0.0.1:{base + 4345}"
    assert [(node.rpc, node.admin) for node in endpoints.storage.nodes] == [
        (f"http://127.0.0.1:{base - 2322}", f"http://127.0.0.1:{base - 2321}")
    ]
    zerog.down()
    kept = msgspec.json.decode(zerog.run("up", "--wait", "--json").stdout, type=Endpoints)
    assert (kept.chain, kept.storage) == (endpoints.chain, endpoints.storage)


def test_another_genesis_is_refused_and_reset_is_the_remedy(zerog: Zerog) -> None:
    zerog.up(*CHAIN)
    zerog.down()
    errors = zerog.run("up", "--wait", "--port-base", "0", "--hardfork", "osaka", *CHAIN, expect=1).stderr
    assert "error [genesis_mismatch]" in errors
    assert "zerog reset" in errors
    zerog.run("reset")
    assert block_number(zerog.up("--hardfork", "osaka", *CHAIN)) == 1


def test_reset_is_refused_while_the_network_runs(zerog: Zerog) -> None:
    endpoints = zerog.up(*CHAIN)
    assert "error [network_running]" in zerog.run("reset", expect=1).stderr
    assert block_number(endpoints) == 1
    zerog.down()
    zerog.run("reset")
    assert sorted(path.name for path in (zerog.folder / ".zerog").iterdir()) == [".gitignore", "run", "zerog.toml"]


def test_an_ephemeral_network_leaves_nothing_behind(zerog: Zerog) -> None:
    endpoints = zerog.up("--ephemeral")
    folder = Path(endpoints.data_dir).parent
    assert folder != zerog.folder
    assert block_number(endpoints) in FIRST_BLOCKS
    assert not (Path(endpoints.data_dir) / "chain").exists()
    Zerog(folder).down()
    assert not folder.exists()
    assert not (zerog.folder / ".zerog" / "network.json").exists()


def test_a_network_whose_folder_is_removed_ends_by_itself_and_the_next_one_starts(zerog: Zerog) -> None:
    """No command finds it any more, so nobody else could stop it; and a role that it brought back would make the folder anew."""
    with zerog.begin("up", "--port-base", "0", "--json") as process:
        assert process.stdout is not None
        printed = ""
        while not printed.endswith("\n}\n"):
            line = process.stdout.readline()
            assert line
            printed += line
        endpoints = msgspec.json.decode(printed, type=Endpoints)
        shutil.rmtree(endpoints.data_dir)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"error [folder_gone]: {endpoints.data_dir} was removed or renamed" in errors
    assert list(zerog.folder.iterdir()) == []
    assert holder_of_port(chain_port(endpoints)) is None
    assert block_number(zerog.up(*CHAIN)) == 1


def test_blocks_come_by_themselves_when_asked_and_on_demand_as_well(zerog: Zerog) -> None:
    endpoints = zerog.up("--block-time", "0.2", *CHAIN)
    first = block_number(endpoints)
    deadline = time.monotonic() + 20
    while block_number(endpoints) < first + 3:
        assert time.monotonic() < deadline
    zerog.down()
    endpoints = zerog.up("--block-time", "3600", *CHAIN)
    height = block_number(endpoints)
    sent = ask(endpoints, "eth_sendTransaction", {"from": endpoints.accounts[1].address, "to": endpoints.accounts[2].address})
    receipt = ask(endpoints, "eth_getTransactionReceipt", sent)
    assert isinstance(receipt, dict)
    assert receipt["blockNumber"] == hex(height + 1)


def test_down_and_status_where_nothing_runs(zerog: Zerog) -> None:
    assert "nothing runs here" in zerog.run("down").stderr
    assert msgspec.json.decode(zerog.run("status", "--json", expect=3).stdout)["running"] is False


def test_down_stops_a_network_that_is_still_starting(zerog: Zerog) -> None:
    with zerog.begin("up", "--port-base", "0") as process:
        lock = zerog.folder / ".zerog" / "run" / "supervisor.lock"
        deadline = time.monotonic() + 60
        while not FileLock.is_held(lock):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
        zerog.down()
        printed, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert printed == "" or "network local" in printed


def test_a_start_that_fails_shows_the_cause_and_frees_the_folder(zerog: Zerog) -> None:
    state = zerog.folder / ".zerog"
    state.mkdir()
    (state / "zerog.toml").write_text('[chain.run]\nhardfork = "byzantium"\n')
    errors = zerog.run("up", "--wait", "--port-base", "0", expect=1).stderr
    assert "byzantium" in errors
    (state / "zerog.toml").write_text("")
    assert block_number(zerog.up(*CHAIN)) == 1


def test_a_state_that_cannot_be_opened_is_refused_in_words(zerog: Zerog) -> None:
    zerog.up(*CHAIN)
    zerog.down()
    folder = zerog.folder / ".zerog" / "chain"
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.unlink()
        path.mkdir()  # Where the ledger expects a file.
    errors = zerog.run("up", "--wait", expect=1).stderr
    assert errors.startswith("error [ledger_failed]: ")
    assert "remedy: " in errors
    assert "Traceback" not in errors


def test_a_chain_node_by_itself_prints_its_url_and_refuses_a_second_one(zerog: Zerog) -> None:
    with zerog.begin("chain", "run", "--rpc-port", "0") as process:
        assert process.stdout is not None
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+\n", process.stdout.readline())
        errors = zerog.run("chain", "run", "--rpc-port", "0", expect=1).stderr
        assert f"pid {process.pid}" in errors
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
