"""The pages on DA: each of their commands succeeds, in the order in which it stands there, with the blobs that they themselves made."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devnet.command import Zerog
from tests.docs.test_documents import ROOT
from zerog.cli.application import run
from zerog.devnet.endpoints import DaEndpoints

PAGES = [ROOT / "docs" / "da" / name for name in ("index.md", "rollups.md", "sampling.md")]
GATEWAY_URL = "http://127.0.0.1:3100"
UP = "zerog up --wait"
"""Runs already, on ports that the system chose."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, DaEndpoints]]:
    zerog = Zerog(tmp_path_factory.mktemp("pages"))
    (zerog.folder / "README.md").write_text("A file to disperse.\n")
    endpoints = zerog.up("--only", "chain", "--only", "da").da
    assert endpoints is not None
    yield zerog.folder, endpoints
    zerog.down()


class Shell:
    """Performs lines of a page, and knows the names that they print."""

    def __init__(self, folder: Path, endpoints: DaEndpoints, printed: "pytest.CaptureFixture[str]") -> None:
        self._folder, self._endpoints, self._printed = folder, endpoints, printed
        self._names: dict[str, str] = {}

    def perform(self, line: str) -> None:
        line = line.replace(GATEWAY_URL, self._endpoints.gateway)
        for word, name in self._names.items():
            line = re.sub(rf"\b{word}\b", name, line)
        if line.startswith("zerog"):
            self._perform_ours(line)
        else:
            done = subprocess.run(["bash", "-c", line], cwd=self._folder, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            assert '"error"' not in done.stdout, done.stdout

    def _perform_ours(self, line: str) -> None:
        self._printed.readouterr()
        code, printed = run(shlex.split(line)[1:]), self._printed.readouterr()
        assert code == 0, f"{line}\n{printed.out}\n{printed.err}"
        if line.startswith("zerog da put"):
            name = printed.out.strip()
            self._names = {"NAME": name, "ROOT": name.partition("/")[0], "REQUEST": printed.err.split()[-1]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_of_the_page_succeeds(
    page: Path, network: tuple[Path, DaEndpoints], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, endpoints = network
    monkeypatch.chdir(folder)
    shell = Shell(folder, endpoints, capfd)
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line != UP]
    assert commands
    for command in commands:
        shell.perform(command)
    for made in ("copy.md", "commitment", "batch"):
        (folder / made).unlink(missing_ok=True)


def test_services_listen_where_the_page_says() -> None:
    from zerog.devnet.settings import DevnetSettings
    from zerog.devnet.subsystems import SUBSYSTEMS

    [da] = [subsystem for subsystem in SUBSYSTEMS if subsystem.name == "da"]
    page = PAGES[0].read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\w+?)s? \| ([\d, ]+) \|", page, re.MULTILINE))
    ports = {name: [int(port) for port in text.split(",")] for name, text in rows.items()}
    expected: dict[str, list[int]] = {}
    for use, port in da.default_ports(DevnetSettings()).items():
        expected.setdefault(use.partition(".")[0], []).append(port)
    assert ports == expected
