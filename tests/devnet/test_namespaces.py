"""A real network: the page on it, block by block, on three machines that are namespaces; official clients across; machines that go away.

The tests of this file stand in their order: they share one network, and what one leaves the next finds.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from threading import Event
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from tests.devnet.machines import Machines
from zerog.storage.protocol.merkle import file_root

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "operate" / "real-network.md"
SCRAPES: Final = PAGE.with_name("prometheus.yml")
ALERTS: Final = PAGE.with_name("alerts.yml")
MONITORING: Final = PAGE.with_name("monitoring.md")
INTEROP: Final = ROOT / "tests" / "interop"
MACHINES: Final = ("CHAIN", "STORAGE", "SERVICES")
START_ORDER: Final = ("SERVICES", "STORAGE", "CHAIN")
"""Whoever needs another machine is started before it."""
EVERYWHERE: Final = "On every machine: the addresses"
GUEST_S_MAX: Final = 240
"""Far more than anything here takes, so that a hang is a failure and not a hang."""
CHAPTERS: Final = ("deployment", "events", "failures", "overrides")
"""What viem does without developer's methods, which are off on this network."""
LOOK_S: Final = 0.1
METHOD_UNKNOWN: Final = -32601
KEYS: Final = (
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
)
"""Of the second and third account, since two programs with one account would overtake each other; the page has the first."""
SDKS: Final = ("@0gfoundation/0g-ts-sdk", "@0glabs/0g-ts-sdk")

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the page."""

    heading: str
    language: str
    words: str
    code: str


def blocks() -> list[Block]:
    """Of the page, each with the heading it stands under."""
    found = []
    for part in re.split(r"^#+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading = part.splitlines()[0]
        for language, words, code in re.findall(r"^```(\w+)(.*?)\n(.*?)^```", part, re.DOTALL | re.MULTILINE):
            found.append(Block(heading, language, words.strip(), code))
    return found


def block(heading: str) -> Block:
    """The only block that stands under a heading and runs to its end."""
    (found,) = (each for each in blocks() if each.heading == heading and each.words != "background" and each.language == "sh")
    return found


@dataclass
class RealNetwork:
    """The machines, what runs on them, and what the page says."""

    machines: Machines
    folder: Path
    prelude: str
    commands: dict[tuple[str, str], str] = field(default_factory=dict)
    """Of roles that run, by machine and folder."""
    roles: dict[tuple[str, str], subprocess.Popen[bytes]] = field(default_factory=dict)
    performed: list[Block] = field(default_factory=list)

    def place(self, machine: str | None) -> Path:
        place = self.folder / (machine or "guest").lower()
        place.mkdir(exist_ok=True)
        return place

    def _words(self, machine: str | None, script: str) -> list[str]:
        environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        words = ["bash", "-c", f"set -euo pipefail\n{self.prelude}\n{script}"]
        return self.machines.command(machine, words, folder=self.place(machine), environment=environment)

    def start(self, machine: str, command: str) -> None:
        """Begin what stays in the foreground of a terminal."""
        (name,) = re.findall(r"--dir (\S+)", command)
        self.commands[machine, name] = command
        with (self.place(machine) / f"{name}.log").open("ab") as log:
            self.roles[machine, name] = subprocess.Popen(self._words(machine, f"exec {command}"), stdout=log, stderr=log, cwd=ROOT)

    def again(self, machine: str, name: str) -> None:
        self.start(machine, self.commands[machine, name])

    def stop(self, machine: str, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """End one role, and return its exit code."""
        role = self.roles.pop((machine, name))
        role.send_signal(how)
        return role.wait(timeout=GUEST_S_MAX)

    def run(self, machine: str | None, script: str, *, given: str | None = None) -> str:
        """A script to its end, on a machine or as a guest; what it printed."""
        done = subprocess.run(
            self._words(machine, script), input=given, capture_output=True, text=True, timeout=GUEST_S_MAX, check=False, cwd=ROOT
        )
        if done.returncode != 0:
            raise AssertionError(f"{self.troubles()}\n{script}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def perform(self, block: Block) -> str:
        """A block of the page that runs to its end: on the machine that its heading names, else as a guest."""
        machine = next((name for name in MACHINES if block.heading == f"Machine {name}"), None)
        if block.language == "js":
            program = INTEROP / "compute" / ".real-network.mjs"  # Where node finds the packages.
            program.write_text(block.code, encoding="utf-8")
            try:
                printed = self.run(machine, f"export ZEROG_KEY={KEYS[0]}\nnode {program}")
            finally:
                program.unlink()
        else:
            printed = self.run(machine, block.code)
        self.performed.append(block)
        return printed

    def troubles(self) -> str:
        """The last words of every role, for a failure."""
        logs = sorted(self.folder.glob("*/*.log"))
        return "\n".join(f"--- {log.parent.name}/{log.stem}\n{''.join(log.read_text().splitlines(keepends=True)[-6:])}" for log in logs)

    def ask(self, url: str, method: str, *parameters: object) -> Any:
        """What a JSON-RPC node answers a guest, errors included."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        return json.loads(self.run(None, f"curl -sS --max-time 20 -H 'content-type: application/json' -d '{body}' {url}"))

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        """Until it holds. A look is a process, so there is a pause between two."""
        deadline, pause = time.monotonic() + GUEST_S_MAX, Event()
        while not holds():
            assert time.monotonic() < deadline, f"{what} did not come\n{self.troubles()}"
            pause.wait(LOOK_S)

    def ready(self, address: str) -> None:
        """Until a role says that it can do its work."""
        self.run(None, f"curl -sS --fail --retry 200 --retry-delay 1 --retry-all-errors --max-time 20 -o answer http://{address}/readyz")

    def number(self, url: str) -> int:
        return int(self.ask(url, "eth_blockNumber")["result"], 16)

    def put(self, data: bytes) -> str:
        """Store a file with the third account, and return its root."""
        (self.place(None) / "data.bin").write_bytes(data)
        root = self.run(None, f"zerog storage put data.bin --key {KEYS[1]} --network http://$CHAIN:8545 --indexer http://$STORAGE:12345")
        assert root.strip() == str(file_root(data))
        return root.strip()

    def get(self, root: str) -> bytes:
        copy = self.place(None) / "copy.bin"
        copy.unlink(missing_ok=True)
        self.run(None, f"zerog storage get {root} --output copy.bin --network http://$CHAIN:8546 --indexer http://$STORAGE:12345")
        return copy.read_bytes()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNetwork]:
    """All that the page starts, in an order in which nobody finds whom he needs; ready as the page says."""
    machines = Machines.make(*MACHINES)
    network = RealNetwork(machines, tmp_path_factory.mktemp("real"), block(EVERYWHERE).code)
    network.performed.append(block(EVERYWHERE))
    try:
        network.perform(block("Machine CHAIN"))  # Settings of a role that starts later.
        for machine in START_ORDER:
            for each in blocks():
                if each.heading == f"Machine {machine}" and each.words == "background":
                    network.start(machine, each.code)
                    network.performed.append(each)
        network.perform(block("Machine SERVICES"))
        network.perform(block("Is it ready?"))
        yield network
    finally:
        for machine, name in list(network.roles):
            network.stop(machine, name, signal.SIGKILL)
        machines.close()


def content(name: str, size: int) -> bytes:
    return Random(f"real network {name}").randbytes(size)


def test_the_page_gives_the_addresses_that_its_table_shows(network: RealNetwork) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in MACHINES:
        assert f"| `{name}` | {network.machines.address(name)} |" in text
        assert f"{name}={network.machines.address(name)}" in network.prelude


def test_each_command_of_the_page_works_from_a_machine_that_is_none_of_the_three(network: RealNetwork) -> None:
    printed = network.perform(block("Use it, from anywhere"))
    assert "green" in printed
    (js,) = (each for each in blocks() if each.language == "js")
    assert network.perform(js).strip().endswith("of chain 424242")


def test_official_clients_pass_across_the_machines(network: RealNetwork) -> None:
    clients: list[Callable[[], None]] = [partial(storage_sdk, network, package, lane) for lane, package in enumerate(SDKS, start=3)]
    clients += [partial(client, network) for client in (compute_sdk, openai_client, rollup, da_stubs)]
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(client) for client in clients]:
            done.result()


def test_viem_deploys_contracts_and_hears_of_them_across_the_machines(network: RealNetwork) -> None:
    """With accounts that the clients above have, so after them."""
    told = network.run(None, f"cd {INTEROP} && CHAIN_ID=424242 node scenario_viem.mjs http://$CHAIN:8545 {' '.join(CHAPTERS)}")
    chapters = json.loads(told)["chapters"]
    assert {name: chapter.get("failure") for name, chapter in chapters.items()} == dict.fromkeys(CHAPTERS)


def storage_sdk(network: RealNetwork, package: str, lane: int) -> None:
    """The official storage SDK uploads a file through the indexer, and downloads it."""
    data = content(package, 400_000)
    path = network.place(None) / f"sdk-{lane}.bin"
    path.write_bytes(data)
    jobs: list[Mapping[str, object]] = [
        {"kind": "upload", "path": str(path)},
        {"kind": "download", "root": str(file_root(data)), "path": f"{path}.copy"},
    ]
    addresses = {name: network.machines.address(name) for name in MACHINES}
    work = {
        "indexer": f"http://{addresses['STORAGE']}:12345",
        "chain": f"http://{addresses['CHAIN']}:8545",
        "lanes": [*[[]] * lane, jobs],
    }
    told = network.run(None, f"cd {INTEROP / 'storage'} && node client.mjs {package}", given=json.dumps(work))
    assert [event for event in map(json.loads, told.splitlines()) if "failure" in event] == []
    assert Path(f"{path}.copy").read_bytes() == data


def compute_sdk(network: RealNetwork) -> None:
    printed = network.run(None, f"cd {INTEROP / 'compute'} && node quickstart.mjs http://$CHAIN:8545 {KEYS[0]} 'Say yes.'")
    assert "is signed by the provider's signer" in printed


def openai_client(network: RealNetwork) -> None:
    """With a key of the account that the page's chat was paid from, which has money with the provider."""
    services = json.loads(network.run(None, "zerog compute list --json --network http://$CHAIN:8545"))
    page_key = re.findall(r"ZEROG_KEY=(0x\w+)", PAGE.read_text(encoding="utf-8"))[0]
    make = f"zerog compute key create {services[0]['provider']} --key {page_key} --network http://$CHAIN:8545"
    network.run(None, f"cd {ROOT} && python -m tests.devnet.guest_clients openai $({make}) {services[0]['model']}")


def rollup(network: RealNetwork) -> None:
    """What op-batcher and op-node send to a server of alternative DA."""
    (network.place(None) / "batch.bin").write_bytes(content("batch", 150_000))
    network.run(
        None,
        "curl -sS --fail --max-time 200 --data-binary @batch.bin -o commitment -H 'content-type: application/octet-stream' "
        "http://$SERVICES:3100/put\n"
        "curl -sS --fail --max-time 200 -o batch.copy http://$SERVICES:3100/get/0x$(od -An -v -tx1 commitment | tr -d ' \\n')\n"
        "cmp batch.bin batch.copy",
    )


def da_stubs(network: RealNetwork) -> None:
    path = network.place(None) / "blob.bin"
    path.write_bytes(content("blob", 5_000))
    network.run(None, f"cd {ROOT} && python -m tests.devnet.guest_clients da {path}")


def test_strangers_get_no_further_than_the_page_says(network: RealNetwork) -> None:
    """No developer's methods, nothing that only its own machine needs, and no web page of others."""
    for method in ("evm_mine", "anvil_setBalance", "eth_sendTransaction", "eth_sign"):
        assert network.ask("http://$CHAIN:8545", method)["error"]["code"] == METHOD_UNKNOWN
    for address in ("$STORAGE:5679", "$STORAGE:5689", "$SERVICES:34000"):
        with pytest.raises(AssertionError, match=r"ended with 7\b"):  # Nobody listens there.
            network.run(None, f"curl -sS http://{address}/healthz")
    for address in ("$CHAIN:8545", "$STORAGE:5678", "$STORAGE:12345", "$STORAGE:6789", "$SERVICES:3080", "$SERVICES:3100"):
        for header in ("host: elsewhere.example", "origin: http://elsewhere.example"):
            assert network.run(None, f"curl -sS -o answer -w '%{{http_code}}' -H '{header}' http://{address}/healthz") == "403"


def test_what_prometheus_is_told_to_ask_answers_and_has_what_alerts_are_made_of(network: RealNetwork) -> None:
    (job,) = yaml.safe_load(SCRAPES.read_text(encoding="utf-8"))["scrape_configs"]
    found: set[str] = set()
    for target in (target for machine in job["static_configs"] for target in machine["targets"]):
        text = network.run(None, f"curl -sS --fail http://{target}/metrics")
        families = list(text_string_to_metric_families(text))
        assert families, target
        found |= {sample.name for family in families for sample in family.samples}
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    named = {name for rule in group["rules"] for name in re.findall(r"zerog_\w+", rule["expr"])}
    assert named - found == set()
    assert {rule["alert"] for rule in group["rules"]} == set(re.findall(r"^\| `(\w+)` \|", MONITORING.read_text("utf-8"), re.MULTILINE))


def test_a_storage_node_that_was_lost_comes_back_from_its_backup_and_fetches_what_it_missed(network: RealNetwork) -> None:
    assert network.stop("STORAGE", "node-1") == 0
    missed = content("stored while one node was away", 300_000)
    root = network.put(missed)
    (backup,) = (each for each in blocks() if each.heading == "Stop, back up, upgrade")
    network.performed.append(backup)
    network.run("STORAGE", backup.code)
    network.again("STORAGE", "node-1")
    network.ready("$STORAGE:5688")
    network.wait("the file", lambda: has_all(network, "http://$STORAGE:5688", root))
    assert network.stop("STORAGE", "node-0") == 0
    assert network.get(root) == missed
    network.again("STORAGE", "node-0")
    network.ready("$STORAGE:5678")


def has_all(network: RealNetwork, node: str, root: str) -> bool:
    info = network.ask(node, "zgs_getFileInfo", root, True).get("result")
    return info is not None and info["finalized"]


def test_a_machine_whose_cable_was_pulled_goes_on_where_it_was(network: RealNetwork) -> None:
    """Storage lacks blocks that were made meanwhile; the services have a blob half-way when their cable goes."""
    leader = "http://$CHAIN:8545"
    network.machines.pull_cable("STORAGE")
    before = network.number(leader)
    network.run(None, "head -c 900000 /dev/urandom >far.bin\nzerog da put far.bin --disperser $SERVICES:51001 >far")
    assert network.number(leader) > before
    network.machines.plug_cable("STORAGE")
    head = network.number(leader)
    network.wait("the log", lambda: network.ask("http://$STORAGE:5678", "zgs_getStatus")["result"]["logSyncHeight"] >= head)
    data = content("stored after the cable was plugged in", 1_000)
    assert network.get(network.put(data)) == data
    network.machines.pull_cable("SERVICES")
    assert network.get(network.put(b"the others go on")) == b"the others go on"
    network.machines.plug_cable("SERVICES")
    network.run(
        None, "zerog da get $(cat far) --output far.copy --disperser $SERVICES:51001 --retriever $SERVICES:34005\ncmp far.bin far.copy"
    )
    network.run(
        None, f"zerog da put data.bin --disperser $SERVICES:51001\nzerog compute chat 'Say yes.' --key {KEYS[0]} --network {leader}"
    )


def test_while_the_leader_has_lost_its_power_the_follower_serves_and_everything_goes_on_afterwards(network: RealNetwork) -> None:
    stored = content("read while the leader is away", 20_000)
    root = network.put(stored)
    head = network.number("http://$CHAIN:8545")
    network.wait("the block", lambda: network.number("http://$CHAIN:8546") >= head)
    block = network.ask("http://$CHAIN:8545", "eth_getBlockByNumber", hex(head), False)["result"]
    network.stop("CHAIN", "leader", signal.SIGKILL)
    assert network.ask("http://$CHAIN:8546", "eth_getBlockByNumber", hex(head), False)["result"] == block
    assert network.get(root) == stored
    network.again("CHAIN", "leader")
    network.ready("$CHAIN:8545")
    assert network.ask("http://$CHAIN:8545", "eth_getBlockByNumber", hex(head), False)["result"] == block
    last = network.put(b"after the leader is back")
    assert network.get(last) == b"after the leader is back"
    head = network.number("http://$CHAIN:8545")
    network.wait("the block", lambda: network.number("http://$CHAIN:8546") >= head)
    for address in (
        "$STORAGE:5678",
        "$STORAGE:5688",
        "$STORAGE:6789",
        "$SERVICES:9184",
        "$SERVICES:9185",
        "$SERVICES:9188",
        "$SERVICES:3080",
    ):
        network.ready(address)


def test_every_role_stops_cleanly_and_every_block_of_the_page_was_performed(network: RealNetwork) -> None:
    for role in network.roles.values():
        role.terminate()
    assert {place: role.wait(timeout=GUEST_S_MAX) for place, role in network.roles.items()} == dict.fromkeys(network.commands, 0)
    network.roles.clear()
    assert [each for each in blocks() if each not in network.performed] == []
