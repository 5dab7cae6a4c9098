"""`zerog up --like galileo`: a copy of the public network on this machine, as a user starts it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from websockets.sync.client import connect

from tests.devnet.command import START_S_MAX, Zerog, ask
from tests.devnet.connections import Peer, peers, traced
from zerog.devnet.endpoints import Endpoints
from zerog.devnet.inspect import NetworkStatus

CHAIN = ("--only", "chain")
"""For what concerns the chain alone."""
ELSEWHERE = "192.0.2.1"
"""An address of nobody. Source: RFC 5737."""


@pytest.fixture
def zerog(tmp_path: Path) -> Iterator[Zerog]:
    command = Zerog(tmp_path)
    yield command
    command.down()


def test_a_copy_says_so_everywhere_and_is_no_other_network(zerog: Zerog) -> None:
    endpoints = zerog.up("--like", "galileo")
    assert (endpoints.network, endpoints.chain_id) == ("galileo-clone", 16_602)
    assert endpoints.chain is not None
    assert endpoints.chain.http.startswith("http://127.0.0.1:")
    assert str(ask(endpoints, "web3_clientVersion")).endswith("galileo-clone")
    status = msgspec.json.decode(zerog.run("status", "--json").stdout, type=NetworkStatus)
    assert status.network == status.roles["chain"]["network"] == "galileo-clone"
    zerog.down()
    for words in ((), ("--like", "mainnet")):
        assert "genesis_mismatch" in zerog.run("up", "--wait", "--port-base", "0", *words, expect=1).stderr


def test_it_is_refused_beyond_this_machine(zerog: Zerog) -> None:
    for command in (("up", "--wait"), ("chain", "run")):
        refused = zerog.run(*command, "--like", "mainnet", "--host", "0.0.0.0", expect=1)  # noqa: S104 - it is refused.
        assert "settings_invalid" in refused.stderr
        assert "stays on this machine" in refused.stderr


def test_who_follows_a_copy_says_so_and_stays_on_this_machine_too(zerog: Zerog) -> None:
    endpoints = zerog.up("--like", "mainnet", *CHAIN)
    assert endpoints.chain is not None
    follow = ("chain", "run", "--rpc-port", "0", "--follow", endpoints.chain.http)
    for folder in (zerog.folder / "first", zerog.folder / "second"):
        refused = Zerog(folder).run(*follow, "--host", "0.0.0.0", expect=1)  # noqa: S104 - it is refused.
        assert "error [settings_invalid]: a copy of mainnet stays on this machine" in refused.stderr
    with Zerog(zerog.folder / "first").begin(*follow) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        question = {"jsonrpc": "2.0", "id": 1, "method": "web3_clientVersion", "params": []}
        assert httpx.post(url, json=question, timeout=START_S_MAX).json()["result"].endswith(" mainnet-clone")
        process.terminate()
        process.communicate(timeout=START_S_MAX)


def test_other_rules_need_a_reset(zerog: Zerog) -> None:
    zerog.up("--rules", "zero-gravity", *CHAIN)
    zerog.down()
    assert "genesis_mismatch" in zerog.run("up", "--wait", "--port-base", "0", *CHAIN, expect=1).stderr
    zerog.run("reset")
    assert ask(zerog.up(*CHAIN), "eth_chainId") == "0x7a69"


def test_nothing_leaves_this_machine(zerog: Zerog) -> None:
    """All processes of a copy under strace, from start to end, while it is asked for everything that could make it call somebody."""
    trace_file = zerog.folder / "trace"
    command = traced(zerog.arguments("up", "--like", "galileo", "--port-base", "0"), trace_file)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "chain id 16602" not in (line := process.stdout.readline()):
            assert line, process.communicate(timeout=START_S_MAX)
        endpoints = msgspec.json.decode((zerog.folder / ".zerog" / "endpoints.json").read_bytes(), type=Endpoints)
        provoke(endpoints)
        zerog.down()
        _, errors = process.communicate(timeout=START_S_MAX)
    assert process.returncode == 0, errors
    seen = sorted(set(peers(trace_file.read_text(encoding="utf-8"))))
    assert [peer for peer in seen if not peer.stays_here] == []
    assert Peer("bind", "AF_INET", "127.0.0.1") in seen  # The trace covers the process that listens,
    assert any(peer.call == "connect" for peer in seen)  # and the supervisor, which asks it whether it is ready.


def provoke(endpoints: Endpoints) -> None:
    """Ask for what another node would fetch, forward or fork, beside plain work."""
    assert endpoints.chain is not None
    url = endpoints.chain.http
    fork = {"forking": {"jsonRpcUrl": f"http://{ELSEWHERE}:8545", "blockNumber": 1}}
    for method, *parameters in (
        ("eth_sendTransaction", {"from": str(endpoints.accounts[1].address), "to": str(endpoints.accounts[2].address)}),
        ("eth_sendRawTransaction", "0x02"),
        ("anvil_setRpcUrl", f"http://{ELSEWHERE}:8545"),
        ("hardhat_reset", fork),
        ("anvil_reset", fork),
        ("admin_addPeer", f"enode://{'ab' * 64}@{ELSEWHERE}:30303"),
        ("eth_call", {"to": str(endpoints.accounts[1].address), "data": "0x"}, "latest"),
        ("net_peerCount",),
        ("zerog_getGenesis",),
    ):
        answer = httpx.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}, timeout=START_S_MAX).json()
        assert "result" in answer or "error" in answer
    with connect(url.replace("http", "ws")) as subscriber:
        subscriber.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}')
        subscriber.recv(timeout=START_S_MAX)
        ask(endpoints, "evm_mine")
        subscriber.recv(timeout=START_S_MAX)
    assert httpx.get(f"{url}/readyz", timeout=START_S_MAX).status_code == 200


def test_a_program_that_calls_somebody_is_seen(tmp_path: Path) -> None:
    """The measure itself: a connection, a datagram, and what a child does."""
    calls = f"""
import socket, subprocess, sys
def attempt(family, kind, address):
    with socket.socket(family, kind) as attempted:
        attempted.settimeout(0.01)
        try:
            attempted.sendto(b"x", address) if kind == socket.SOCK_DGRAM else attempted.connect(address)
        except OSError:
            pass
attempt(socket.AF_INET, socket.SOCK_STREAM, ("{ELSEWHERE}", 9))
attempt(socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.2", 9))
subprocess.run([sys.executable, "-c", "import socket; s = socket.socket(); s.setblocking(False); s.connect_ex(('192.0.2.3', 9))"])
"""
    trace_file = tmp_path / "trace"
    subprocess.run(traced([sys.executable, "-c", calls], trace_file), check=True, timeout=START_S_MAX)
    strangers = {(peer.call, peer.address) for peer in peers(trace_file.read_text(encoding="utf-8")) if not peer.stays_here}
    assert strangers == {("connect", ELSEWHERE), ("sendto", "192.0.2.2"), ("connect", "192.0.2.3")}


@pytest.mark.parametrize(
    ("line", "stays_here"),
    [
        ('9 connect(5, {sa_family=AF_INET6, sin6_port=htons(9), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28) = -1', False),
        ('9 connect(5, {sa_family=AF_INET6, sin6_port=htons(9), inet_pton(AF_INET6, "::1", &sin6_addr)}, 28) = 0', True),
        ('9 connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}, 16) = 0', False),
        ('9 bind(5, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("0.0.0.0")}, 16) = 0', False),
        ('9 sendmsg(5, {msg_name={sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.9")}, msg_namelen=16}, 0) = 1', True),
        ('9 connect(5, {sa_family=AF_UNIX, sun_path="/run/x"}, 9) = 0', True),
        ("9 connect(5, {sa_family=AF_VSOCK, svm_cid=2, svm_port=1}, 16) = -1", False),
    ],
)
def test_an_address_elsewhere_is_told_from_one_here(line: str, stays_here: bool) -> None:
    [peer] = peers(line)
    assert peer.stays_here is stays_here
