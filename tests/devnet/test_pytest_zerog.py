"""pytest-zerog in runs of pytest of its own, with real networks: what a test sees, what is rolled back, what ends, who shares."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from tests.devnet.command import Zerog, ask
from zerog.devnet.endpoints import Endpoints
from zerog.runtime.ports import holder_of_port

PLUGIN = Path(__file__).parents[2] / "sdk" / "pytest-zerog"
WAIT_S_MAX = 60
RUN_S_MAX = 200
"""Far more than any run takes, so that a hang is a failure and not a hang."""
CHAIN = ("--zerog-only", "chain")

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Project:
    """An empty project whose pytest has the plugin, as a process: pytest's own `pytester` would load modules anew in this one."""

    folder: Path

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(dedent(text))

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-W", "error", "-m", "pytest", "-p", "pytest_zerog.plugin", "-p", "no:cacheprovider", *words]

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(part for part in (str(PLUGIN), os.environ.get("PYTHONPATH")) if part)
        return {**os.environ, "PYTHONPATH": path}

    def run(self, *words: str) -> "Outcome":
        command = self.command(*words)
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=RUN_S_MAX, check=False
        )
        return Outcome(done.stdout + done.stderr)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run printed."""

    printed: str

    def counts(self, **expected: int) -> None:
        """So many tests have `passed` and so on, and all else is none."""
        found = {name.rstrip("s"): int(count) for count, name in re.findall(r"(\d+) ([a-z]+)", self.printed.splitlines()[-1])}
        found.pop("in", None)
        assert found == expected, self.printed

    def says(self, *texts: str) -> None:
        assert [text for text in texts if text not in self.printed] == [], self.printed


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def until(path: Path) -> bytes:
    """What another process writes into a file, once it has."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} was not written"
    return path.read_bytes()


def test_each_test_sees_the_same_chain(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nzerog_only = chain\nanyio_mode = auto\n")
    project.write(
        "test_it.py",
        """
        import pytest

        SEEN = []

        def test_one(zerog):
            SEEN.append(zerog.chain.block_number())
            zerog.chain.request("anvil_mine", "0x5")
            sent = zerog.chain.send(zerog.accounts[1].address, value_wei=7)
            assert zerog.chain.wait_for_receipt(sent).succeeded
            assert zerog.chain.block_number() == SEEN[0] + 6

        async def test_two(zerog_async):
            async with zerog_async as zerog:
                assert await zerog.chain.block_number() == SEEN[0]
                assert await zerog.chain.nonce(zerog.accounts[0].address) == 15
                await zerog.chain.request("anvil_mine", "0x5")

        @pytest.mark.usefixtures("zerog_snapshot")
        def test_three(zerog_network):
            with zerog_network.connect() as zerog:
                assert zerog.chain.block_number() == SEEN[0]
                zerog.chain.request("anvil_mine", "0x5")

        def test_four(zerog_network):
            assert zerog_network.endpoints.storage is None
            assert zerog_network.chain_url == zerog_network.endpoints.chain.http
            with zerog_network.connect() as zerog:
                assert zerog.chain.block_number() == SEEN[0]
                zerog.chain.request("anvil_mine", "0x5")

        def test_five_sees_what_four_left(zerog):
            assert zerog.chain.block_number() == SEEN[0] + 5

        def test_six_loses_its_snapshot(zerog):
            zerog.chain.request("anvil_reset")
        """,
    )
    outcome = project.run()
    outcome.counts(passed=6, error=1)
    outcome.says("SnapshotLostError: snapshot ", " is gone: something reverted the chain to an earlier one, or reset it")


def test_the_next_test_finds_no_file_and_no_key_of_the_one_before(project: Project) -> None:
    """Without waiting for the other roles a file of the test before is still there: it is not paid again, and then goes."""
    project.write(
        "test_it.py",
        """
        import pytest

        DATA = bytes(range(256)) * 20

        @pytest.mark.parametrize("number", range(4))
        def test_store(zerog, number):
            assert zerog.kv.get("notes", b"last") is None
            stored = zerog.storage.upload(DATA)
            assert stored.transaction_hashes
            assert zerog.storage.read(stored.root) == DATA
            zerog.kv.put("notes", b"last", b"%d" % number)
            assert zerog.kv.get("notes", b"last").data == b"%d" % number
        """,
    )
    project.run().counts(passed=4)


def test_a_network_that_does_not_start_says_why_in_each_test(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nzerog_like = galileo\nzerog_up = --host 0.0.0.0\n")
    project.write("test_it.py", "def test_one(zerog): pass\ndef test_two(zerog): pass\ndef test_three(): pass\n")
    outcome = project.run()
    outcome.counts(passed=1, error=2)
    outcome.says(
        "the zerog network did not start (exit code 1)", "error [settings_invalid]: a copy of galileo stays on this machine", "remedy: "
    )


def test_the_network_ends_with_a_pytest_that_is_killed(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import threading
        from pathlib import Path

        def test_hang(zerog_network):
            Path("endpoints.draft").write_bytes(zerog_network.endpoints.to_json())
            Path("endpoints.draft").rename("endpoints.json")
            threading.Event().wait()
        """,
    )
    command, environment = project.command(*CHAIN), project.environment()
    with subprocess.Popen(command, cwd=project.folder, env=environment, stdout=subprocess.DEVNULL) as process:
        endpoints = msgspec.json.decode(until(project.folder / "endpoints.json"), type=Endpoints)
        assert ask(endpoints, "eth_chainId") == "0x7a69"
        process.kill()
    deadline = time.monotonic() + WAIT_S_MAX
    while Path(endpoints.data_dir).parent.exists():
        assert time.monotonic() < deadline, "the network outlived pytest"
    assert endpoints.chain is not None
    assert holder_of_port(port_of(endpoints.chain.http)) is None


BOTH = """
import pathlib, time

def meet(name, zerog_network):
    pathlib.Path(name).write_text(zerog_network.chain_url)
    deadline = time.monotonic() + 60
    while not all(pathlib.Path(other).exists() for other in ("first", "second")):
        assert time.monotonic() < deadline

def test_first(zerog_network, zerog):
    meet("first", zerog_network)
    zerog.chain.request("anvil_mine", "0x1")

def test_second(zerog_network, zerog):
    meet("second", zerog_network)
    zerog.chain.request("anvil_mine", "0x1")

def test_rollback(zerog_snapshot):
    pass
"""


@pytest.mark.parametrize("shared", [False, True], ids=["one-each", "shared"])
def test_workers_of_xdist_have_a_network_each_or_share_one(project: Project, shared: bool) -> None:
    project.write("test_it.py", BOTH)
    outcome = project.run("-n", "2", *CHAIN, *(("--zerog-shared",) if shared else ()))
    first, second = ((project.folder / name).read_text() for name in ("first", "second"))
    assert (first == second) == shared
    if shared:
        outcome.counts(passed=2, error=1)
        outcome.says("a test cannot be rolled back: leave --zerog-shared away")
    else:
        outcome.counts(passed=3)
    assert {holder_of_port(port_of(url)) for url in (first, second)} == {None}


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Endpoints]:
    """A chain that runs, as a user has started it."""
    folder = tmp_path / "running"
    folder.mkdir()
    yield Zerog(folder).up("--only", "chain")
    Zerog(folder).down()


def test_it_uses_a_network_that_runs(project: Project, chain: Endpoints) -> None:
    assert chain.chain is not None
    project.write(
        "test_it.py",
        """
        def test_it(zerog, zerog_network, pytestconfig):
            assert zerog.chain.chain_id() == 31337
            assert (zerog_network.endpoints is None) == (pytestconfig.getoption("zerog_dir") is None)
        """,
    )
    folder = Path(chain.data_dir).parent
    project.run("--zerog-dir", str(folder)).counts(passed=1)
    project.run("--zerog-url", chain.chain.http).counts(passed=1)
    missing = project.run("--zerog-dir", "nowhere")
    missing.counts(error=1)
    missing.says(f"no network runs in {project.folder / 'nowhere'}", f"remedy: zerog up --wait --dir {project.folder / 'nowhere'}")
    project.run("--zerog-dir", ".", "--zerog-url", chain.chain.http).says("--zerog-dir and --zerog-url both name a network: give one")
