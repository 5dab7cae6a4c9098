"""Hardhat 2, unmodified, with a project as users have them (`hardhat/`), whose network is a running node of ours."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.interop.node import running_node

PROJECT = Path(__file__).parent / "hardhat"
HARDHAT_S_MAX = 200
"""Far more than any command takes, so that a hang is a failure and not a hang."""
TESTS = sorted(path.name for path in (PROJECT / "test").glob("*.js"))

pytestmark = pytest.mark.timeout(HARDHAT_S_MAX + 100)


def hardhat(url: str, *words: str, failing: bool = False) -> str:
    """What a command of Hardhat prints. It exits as many tests fail, else it must exit with 0."""
    program = PROJECT / "node_modules" / ".bin" / "hardhat"
    environment = {**os.environ, "ZEROG_CHAIN_HTTP": url, "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true", "NO_COLOR": "1"}
    done = subprocess.run(
        [program, *words], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=HARDHAT_S_MAX, check=False
    )
    assert failing or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_tests(url: str, *words: str) -> Sequence[Mapping[str, Any]]:
    """Every test that ran, as mocha's JSON reporter tells of it."""
    report = hardhat(url, "--config", "hardhat.report.config.js", "test", "--no-compile", *words, failing=True)
    tests: Sequence[Mapping[str, Any]] = json.loads(report)["tests"]
    return tests


def check(tests: Sequence[Mapping[str, Any]]) -> None:
    """Some ran, and none failed or was left out, of which mocha says that it took no time."""
    assert {test["fullTitle"]: test["err"].get("stack", test["err"]) for test in tests if test["err"]} == {}
    assert [test["fullTitle"] for test in tests if "duration" not in test] == []
    assert tests


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node, and the project compiled."""
    with running_node(tmp_path_factory.mktemp("node")) as address:
        hardhat(address, "compile")
        yield address


@pytest.fixture(scope="module")
def results(url: str) -> Sequence[Mapping[str, Any]]:
    """All tests of the project, run at once."""
    return run_tests(url)


def test_hardhat_is_the_pinned_one(url: str) -> None:
    pinned = json.loads((PROJECT / "package.json").read_text())["devDependencies"]
    assert hardhat(url, "--version").strip() == pinned["hardhat"]
    for name in ("@nomicfoundation/hardhat-network-helpers", "@openzeppelin/contracts"):
        assert json.loads((PROJECT / "node_modules" / name / "package.json").read_text())["version"] == pinned[name]


@pytest.mark.parametrize("file", TESTS)
def test_a_file_of_the_project_passes(results: Sequence[Mapping[str, Any]], file: str) -> None:
    check([test for test in results if Path(test["file"]).name == file])


def test_the_tokens_pass_with_keys_that_hardhat_holds(url: str) -> None:
    check(run_tests(url, "--network", "zerogKeys", "test/tokens.js"))


def test_a_script_deploys(url: str) -> None:
    printed = json.loads(hardhat(url, "run", "scripts/deploy.js").splitlines()[-1])
    assert (printed["network"], printed["balance"]) == ("zerog", str(1000 * 10**18))


def test_ignition_deploys_once(url: str) -> None:
    name = f"test-{os.getpid()}"
    words = ("ignition", "deploy", "ignition/modules/Box.js", "--deployment-id", name)
    folder = PROJECT / "ignition" / "deployments" / name
    try:
        assert "successfully deployed" in hardhat(url, *words)
        addresses = json.loads((folder / "deployed_addresses.json").read_text())
        assert addresses["BoxModule#Box"] == addresses["BoxModule#ERC1967Proxy"]
        assert "Nothing new to deploy" in hardhat(url, *words)
    finally:
        shutil.rmtree(folder)
