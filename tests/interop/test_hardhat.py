"""Hardhat 2, unmodified, with a project as users have them (`hardhat/`) on a running node of ours: what docs/chain/hardhat.md shows."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.interop.node import running_node

PROJECT = Path(__file__).parent / "hardhat"
DEPLOYMENTS = PROJECT / "ignition" / "deployments"
HARDHAT_S_MAX = 200
"""Far more than any command takes, so that a hang is a failure and not a hang."""
TESTS = sorted(path.name for path in (PROJECT / "test").glob("*.js"))

pytestmark = pytest.mark.timeout(HARDHAT_S_MAX + 100)


@dataclass(frozen=True, slots=True)
class Hardhat:
    """Hardhat on one node, with a folder of its own for what plugins leave behind."""

    url: str
    temporary: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        program = PROJECT / "node_modules" / ".bin" / "hardhat"
        own = {"ZEROG_CHAIN_HTTP": self.url, "TMPDIR": str(self.temporary), "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true", "NO_COLOR": "1"}
        environment = {**os.environ, **own, **self.environment}
        return subprocess.run(
            [program, *words], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=HARDHAT_S_MAX, check=False
        )

    def output(self, *words: str) -> str:
        """What a command prints; it must go through."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tests(self, *words: str) -> Sequence[Mapping[str, Any]]:
        """Every test that ran, as mocha's JSON reporter tells of it."""
        done = self.run("--config", "hardhat.report.config.js", "test", "--no-compile", *words)
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        ran: Sequence[Mapping[str, Any]] = json.loads(done.stdout)["tests"]
        return ran


def check(tests: Sequence[Mapping[str, Any]]) -> None:
    """Some ran, and none failed or was left out, of which mocha says that it took no time."""
    assert {test["fullTitle"]: test["err"].get("stack", test["err"]) for test in tests if test["err"]} == {}
    assert [test["fullTitle"] for test in tests if "duration" not in test] == []
    assert tests


@pytest.fixture(scope="module")
def hardhat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hardhat]:
    """A node, and the project compiled. What Ignition remembers of another chain with the same id is forgotten."""
    shutil.rmtree(DEPLOYMENTS, ignore_errors=True)
    with running_node(tmp_path_factory.mktemp("node")) as url:
        program = Hardhat(url, tmp_path_factory.mktemp("temporary"))
        program.output("compile")
        yield program
    shutil.rmtree(DEPLOYMENTS)


@pytest.fixture(scope="module")
def results(hardhat: Hardhat) -> Sequence[Mapping[str, Any]]:
    """All tests of the project, run at once."""
    return hardhat.tests()


def test_hardhat_is_the_pinned_one(hardhat: Hardhat) -> None:
    pinned = json.loads((PROJECT / "package.json").read_text())["devDependencies"]
    assert hardhat.output("--version").strip() == pinned["hardhat"]
    for name in ("@nomicfoundation/hardhat-network-helpers", "@openzeppelin/contracts", "@openzeppelin/hardhat-upgrades"):
        assert json.loads((PROJECT / "node_modules" / name / "package.json").read_text())["version"] == pinned[name]


@pytest.mark.parametrize("file", TESTS)
def test_a_file_of_the_project_passes(results: Sequence[Mapping[str, Any]], file: str) -> None:
    check([test for test in results if Path(test["file"]).name == file])


def test_the_tokens_pass_with_keys_that_hardhat_holds(hardhat: Hardhat) -> None:
    check(hardhat.tests("--network", "zerogKeys", "test/tokens.js"))


def test_a_script_deploys_and_the_network_of_hardhat_forks_the_node(hardhat: Hardhat) -> None:
    deployed = json.loads(hardhat.output("run", "scripts/deploy.js").splitlines()[-1])
    supply = str(1000 * 10**18)
    assert (deployed["network"], deployed["balance"]) == ("zerog", supply)
    fork = replace(hardhat, environment={"COIN": deployed["address"]})
    found = json.loads(fork.output("--network", "hardhat", "run", "--no-compile", "scripts/fork.js").splitlines()[-1])
    assert found == {"block": True, "before": supply, "moved": "7", "transfers": 2, "deployment": 1, "untouched": supply}


def test_ignition_deploys_once(hardhat: Hardhat) -> None:
    words = ("ignition", "deploy", "ignition/modules/Box.js", "--deployment-id", "once")
    assert "successfully deployed" in hardhat.output(*words)
    addresses = json.loads((DEPLOYMENTS / "once" / "deployed_addresses.json").read_text())
    assert addresses["BoxModule#Box"] == addresses["BoxModule#ERC1967Proxy"]
    assert "Nothing new to deploy" in hardhat.output(*words)
