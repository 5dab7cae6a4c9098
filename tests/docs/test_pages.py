"""Every page works as written: its blocks are run in their order, in one terminal, beside a running network."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.devnet.command import Zerog
from tests.docs.pages import ROOT, Block, Page, pages
from tests.docs.playing import SharedNetwork, play, wants_own_network
from zerog.devnet.endpoints import Endpoints

LANGUAGES_RUN = ("sh", "python", "js")
NOT_RUN_MAX = 4
"""Blocks that no test can run, each with its reason before it. May only shrink."""
EXAMPLES = {
    "life_in_twenty_lines.py": "replayed, settled\nrefused: data: its root is",
    "life_of_an_answer.py": "refused    data: its root is",
    "send.py": "has 1000000000000000000 wei",
}
"""What each of them prints, among other things, when it has come to its end."""
PAGES = [page for page in pages() if not page.run_by and any(block.runs and block.language in LANGUAGES_RUN for block in page.blocks)]

pytestmark = pytest.mark.timeout(300)


def blocks() -> list[tuple[Page, Block]]:
    return [(page, block) for page in pages() for block in page.blocks]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedNetwork]:
    """The network beside which most pages are played, started as the README says."""
    folder = tmp_path_factory.mktemp("network")
    up = [sys.executable, "-m", "zerog", "up", "--wait", "--port-base", "0"]
    started = subprocess.run(
        up, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert started.returncode == 0, started.stderr
    shown, state = folder / "shown", folder / ".zerog"
    shown.write_text(started.stdout)
    yield SharedNetwork(state, msgspec.json.decode((state / "endpoints.json").read_bytes(), type=Endpoints), shown)
    Zerog(folder).down()


@pytest.mark.parametrize("page", [page for page in PAGES if not wants_own_network(page)], ids=lambda page: page.name)
def test_a_page_works_as_written(page: Page, shared: SharedNetwork, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    play(page, folder, shared)


@pytest.mark.parametrize("page", [page for page in PAGES if wants_own_network(page)], ids=lambda page: page.name)
def test_a_page_with_a_network_of_its_own_works_as_written(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    play(page, folder, None)


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example_runs(example: Path, shared: SharedNetwork) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", example], cwd=shared.state_folder.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert EXAMPLES[example.name] in done.stdout


def test_nearly_everything_is_run() -> None:
    reasons = [f"{page.name}:{block.line}: {block.why_not_run}" for page, block in blocks() if block.why_not_run]
    assert len(reasons) <= NOT_RUN_MAX, reasons


def test_what_runs_elsewhere_runs_there() -> None:
    named = [(page, block.run_by) for page, block in blocks() if block.run_by] + [(page, page.run_by) for page in pages() if page.run_by]
    assert [(page.name, test) for page, test in named if page.path.name not in (ROOT / test).read_text(encoding="utf-8")] == []


def test_words_behind_a_language_are_known() -> None:
    unknown = [
        f"{page.name}:{block.line}: {' '.join(block.words)}"
        for page, block in blocks()
        if block.words and not (block.quoted_file or block.saved_as or block.words in (("background",), ("fails",), ("output",)))
    ]
    assert unknown == []


def test_every_fence_is_read() -> None:
    """One that is indented, or that is never closed, would be passed over."""
    assert [page.name for page in pages() if page.text.count("```") != 2 * len(page.blocks)] == []


def test_a_file_to_save_is_named_before_it() -> None:
    for page, block in blocks():
        if block.saved_as:
            before = "\n".join(page.text.splitlines()[: block.line - 1])
            assert block.saved_as in before, f"{page.name}:{block.line}"


def test_no_command_hides_among_text() -> None:
    command = re.compile(r"^\s*(?:\$ |(?:zerog|curl|npm|npx|pip|python3?|cargo|make|docker|systemctl) )", re.MULTILINE)
    hidden = [(page, block) for page, block in blocks() if block.language in ("", "text", "console", "bash") and block.words != ("output",)]
    assert [f"{page.name}:{block.line}" for page, block in hidden if command.search(block.code)] == []
