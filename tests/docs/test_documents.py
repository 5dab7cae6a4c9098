"""The documents hold: links lead somewhere, snippets run against a real network."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devnet.command import Zerog
from zerog.devnet.endpoints import Endpoints

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
RUN_BY = re.compile(r"^<!-- run by: (tests/\S+) -->$", re.MULTILINE)
"""In the second line of a page whose blocks another test performs."""
DOCUMENTS_RUN_HERE = [path for path in DOCUMENTS if RUN_BY.search(path.read_text(encoding="utf-8")) is None]
DEFAULT_URL = "http://127.0.0.1:8545"
EXAMPLES = {
    "life_in_twenty_lines.py": "replayed, settled\nrefused: data: its root is",
    "life_of_an_answer.py": "refused    data: its root is",
    "send.py": "has 1000000000000000000 wei",
}
"""What each of them prints, among other things, when it has come to its end."""


def snippets(language: str) -> list[tuple[str, str]]:
    """Name and code of every block in `language`."""
    return [
        (f"{path.relative_to(ROOT)}:{number}", code)
        for path in DOCUMENTS_RUN_HERE
        for number, code in enumerate(re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL))
    ]


def names(pairs: list[tuple[str, str]]) -> list[str]:
    return [name for name, _ in pairs]


def codes(pairs: list[tuple[str, str]]) -> list[str]:
    return [code for _, code in pairs]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Endpoints]]:
    """A running network with all that the documents speak of, and its folder."""
    zerog = Zerog(tmp_path_factory.mktemp("documents"))
    yield zerog.folder, zerog.up("--mine")
    zerog.down()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_that_is_there(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (document.parent / target).exists()] == []


def test_a_page_that_is_run_elsewhere_is_named_there() -> None:
    for page in sorted(set(DOCUMENTS) - set(DOCUMENTS_RUN_HERE)):
        (test,) = RUN_BY.findall(page.read_text(encoding="utf-8"))
        assert page.name in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS_RUN_HERE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_block_that_names_a_file_is_a_part_of_it(document: Path) -> None:
    quoted = re.findall(r"^```\w+ (\S+)\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert [name for name, code in quoted if code not in (ROOT / name).read_text(encoding="utf-8")] == []


def test_what_is_shown_with_official_clients_is_shown() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/interop/compute").glob("test_*.py"))
    rows = re.findall(r"^\|.*\| (.+) \|$", (ROOT / "docs/compute/official-clients.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(named) > 30
    assert [name for name in named if f"def {name}(" not in tests] == []


@pytest.mark.parametrize("code", codes(snippets("python")), ids=names(snippets("python")))
def test_python_snippets_run(code: str, network: tuple[Path, Endpoints]) -> None:
    folder, _ = network
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", codes(snippets("js")), ids=names(snippets("js")))
def test_javascript_snippets_run(code: str, network: tuple[Path, Endpoints]) -> None:
    _, endpoints = network
    assert endpoints.chain is not None
    program = ["node", "--input-type=module", "-e", code.replace(DEFAULT_URL, endpoints.chain.http)]
    done = subprocess.run(program, cwd=ROOT / "tests" / "interop", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("31337 ")


@pytest.mark.parametrize("code", codes(snippets("toml")), ids=names(snippets("toml")))
def test_settings_in_documents_are_taken(code: str, tmp_path: Path) -> None:
    assert tomllib.loads(code)
    (tmp_path / ".zerog").mkdir()
    (tmp_path / ".zerog" / "zerog.toml").write_text(code)
    zerog = Zerog(tmp_path)
    zerog.up()
    zerog.down()


def test_what_the_readme_shows_is_what_is_printed(network: tuple[Path, Endpoints]) -> None:
    folder, endpoints = network
    assert endpoints.chain is not None
    zerog = Zerog(folder)
    zerog.down()
    printed = zerog.run("up", "--wait").stdout
    (shown,) = [code for name, code in snippets("text") if name.startswith("README.md")]
    assert endpoints.storage is not None
    assert endpoints.storage.kv is not None
    places = {DEFAULT_URL: endpoints.chain.http, "http://127.0.0.1:12345": endpoints.storage.indexer, "/your/folder": str(folder)}
    places["http://127.0.0.1:6789"] = endpoints.storage.kv
    assert endpoints.da is not None
    places |= {"127.0.0.1:51001": endpoints.da.disperser, "http://127.0.0.1:3100": endpoints.da.gateway}
    assert endpoints.compute is not None
    places["http://127.0.0.1:3080"] = endpoints.compute.providers[0].url
    for place, found_place in places.items():
        shown = shown.replace(place, found_place)
    expected = shown.splitlines()
    found = printed.replace(f" --dir {folder}", "").splitlines()
    assert found[:-1] == expected[:-1]  # The last line says how to stop it, which differs in the background.


def test_every_decision_is_in_the_list() -> None:
    listed = set(re.findall(r"\]\((\d+-[\w-]+\.md)\)", (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")} == listed


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run(example: Path, network: tuple[Path, Endpoints]) -> None:
    folder, _ = network
    done = subprocess.run([sys.executable, "-W", "error", example], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert EXAMPLES[example.name] in done.stdout
