"""What the documents say holds without running it: links lead somewhere, quotations and lists are those of the code."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.devnet.command import Zerog
from tests.docs.pages import ROOT, Page, pages
from zerog.devnet.settings import DevnetSettings
from zerog.devnet.subsystems import SUBSYSTEMS


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Page) -> None:
    assert [link for link in page.links if "://" not in link and not leads_somewhere(page, link)] == []


def leads_somewhere(page: Page, link: str) -> bool:
    """To a file that is there, and to a heading in it if the link names one."""
    name, _, anchor = link.partition("#")
    target = (page.path.parent / name).resolve() if name else page.path
    if not anchor or target.suffix != ".md":
        return target.exists()
    return target.exists() and anchor in Page(target).anchors


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_block_that_names_a_file_is_a_part_of_it(page: Page) -> None:
    quoted = [(block.quoted_file, block.code) for block in page.blocks if block.quoted_file]
    assert [name for name, code in quoted if code not in (ROOT / name).read_text(encoding="utf-8")] == []


def test_what_is_shown_with_official_clients_is_shown() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/interop/compute").glob("test_*.py"))
    rows = re.findall(r"^\|.*\| (.+) \|$", (ROOT / "docs/compute/official-clients.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(named) > 30
    assert [name for name in named if f"def {name}(" not in tests] == []


def test_every_decision_is_in_the_list() -> None:
    listed = set(re.findall(r"\]\((\d+-[\w-]+\.md)\)", (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")} == listed


def test_every_page_can_be_reached_from_the_map() -> None:
    reached: set[Path] = set()
    waiting = [Page(ROOT / "docs" / "README.md")]
    while waiting:
        page = waiting.pop()
        targets = {(page.path.parent / link.partition("#")[0]).resolve() for link in page.links}
        new = {target for target in targets if target.suffix == ".md" and target.exists()} - reached
        reached |= new
        waiting += [Page(target) for target in new]
    assert [page.name for page in pages() if page.path not in reached and page.name != "CHANGELOG.md"] == []


def test_services_of_da_listen_where_the_page_says() -> None:
    [da] = [subsystem for subsystem in SUBSYSTEMS if subsystem.name == "da"]
    rows = dict(re.findall(r"^\| (\w+?)s? \| ([\d, ]+) \|", Page(ROOT / "docs" / "da" / "index.md").text, re.MULTILINE))
    ports = {name: [int(port) for port in text.split(",")] for name, text in rows.items()}
    expected: dict[str, list[int]] = {}
    for use, port in da.default_ports(DevnetSettings()).items():
        expected.setdefault(use.partition(".")[0], []).append(port)
    assert ports == expected


def test_settings_in_documents_are_taken(tmp_path: Path) -> None:
    """All of them together: a table that stands on two pages is told with the same meaning."""
    tables: dict[str, str] = {}
    for page in pages():
        for block in page.blocks:
            if block.language == "toml" and not block.words:
                tables |= dict(re.findall(r"^\[([\w.-]+)\]\n((?:(?!\[).*\n)*)", block.code, re.MULTILINE))
    settings = "".join(f"[{name}]\n{body}" for name, body in tables.items())
    assert tomllib.loads(settings)
    (tmp_path / ".zerog").mkdir()
    (tmp_path / ".zerog" / "zerog.toml").write_text(settings)
    zerog = Zerog(tmp_path)
    zerog.up()
    zerog.down()


def test_figures_of_the_readme_are_those_of_the_result_files() -> None:
    """To three digits; the words of a row are those of the file."""
    measured: dict[str, list[tuple[str, str]]] = {}
    for path in (ROOT / "benchmarks" / "results").glob("*.json"):
        for row in json.loads(path.read_bytes()).get("rows", []):
            peers = [row[name] for name in ("peer", "anvil", "hardhat", "second_peer") if row.get(name) is not None]
            measured.setdefault(row["what"].strip(), []).extend((digits(row["zerog"]), digits(peer)) for peer in peers)
    [(_, table)] = re.findall(r"^\| what \| unit \|(.*?)\n\|[-|]+\n((?:\|.*\n)+)", Page(ROOT / "README.md").text, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert len(rows) > 5
    for what, _, ours, peers, _ in rows:
        assert (digits(float(ours.replace(",", ""))), digits(float(peers.replace(",", "")))) in measured[what], (what, measured[what])


def digits(value: float) -> str:
    return f"{value:.3g}"
