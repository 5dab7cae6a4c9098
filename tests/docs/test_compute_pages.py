"""The pages on asking a model and on what answers prove: each of their commands succeeds, in the order in which it stands there."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.devnet.command import Zerog
from tests.docs.test_documents import DEFAULT_URL, ROOT
from zerog.cli.application import run
from zerog.devnet.endpoints import Endpoints

Command = Callable[[str], str]
PAGES = [ROOT / "docs" / "compute" / name for name in ("quickstart.md", "verify.md")]
UP = "zerog up --wait"
"""Runs already, on ports that the system chose."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Endpoints]]:
    zerog = Zerog(tmp_path_factory.mktemp("pages"))
    yield zerog.folder, zerog.up("--only", "chain", "--only", "compute")
    zerog.down()


@pytest.fixture
def zerog(network: tuple[Path, Endpoints], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """A command line as a page has it, in the network's folder and in this process; what it printed."""
    folder, endpoints = network
    assert endpoints.chain is not None
    url = endpoints.chain.http
    monkeypatch.chdir(folder)

    def perform(line: str) -> str:
        program, *words = shlex.split(line.replace(DEFAULT_URL, url), comments=True)
        assert program == "zerog"
        capfd.readouterr()
        code, printed = run(words), capfd.readouterr()
        assert code == 0, f"{line}\n{printed.out}\n{printed.err}"
        return printed.out

    return perform


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_of_the_page_succeeds(page: Path, zerog: Command) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line != UP]
    assert commands
    for command in commands:
        zerog(command)


def test_a_verdict_reads_as_the_page_shows_it(zerog: Command) -> None:
    """Line by line, but for amounts, addresses and blocks."""
    zerog('zerog compute chat "Tell me of a tree." --max-tokens 30 --save answer.json --wait-settled')
    found = _plain(zerog("zerog verify answer.json"))
    (page,) = re.findall(r"```text\n(.*?)```", PAGES[1].read_text(encoding="utf-8"), re.DOTALL)
    expected = [line for line in _plain(page) if line and line != "  …"]
    assert [line for line in expected if line not in found] == []


def _plain(text: str) -> list[str]:
    return [re.sub(r"0x[0-9a-fA-F]+|\b[0-9.]+ 0G|block \d+", "_", line) for line in text.splitlines()]
