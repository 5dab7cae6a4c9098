"""All commands together: each explains itself, its example can be typed, its page is there, and the whole of it is one screen."""

import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from zerog.cli.application import make_app, run
from zerog.cli.commands import COMMANDS, Command, find
from zerog.devnet.folder import NetworkFolder
from zerog.devnet.settings import DevnetSettings
from zerog.runtime.settings import flag_name

ROOT = Path(__file__).parent.parent.parent.parent
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PLACES = {"ROOT": "0x" + "11" * 32, "NAME": "0x" + "11" * 32 + "/1/0", "REQUEST": "ab", "ACCOUNT": ADDRESS, "PROVIDER": ADDRESS}
"""What stands in examples for what only a running network knows."""
LINES_MAX = 40


def all_commands() -> Iterator[tuple[tuple[str, ...], Command]]:
    def below(path: tuple[str, ...], commands: tuple[Command, ...]) -> Iterator[tuple[tuple[str, ...], Command]]:
        for command in commands:
            yield (*path, command.name), command
            yield from below((*path, command.name), command.commands)

    for section in COMMANDS:
        yield from below((), section.commands)


PAIRS = list(all_commands())
EXAMPLES = [(*path[:-1], *shlex.split(command.example)) for path, command in PAIRS if command.example]


def test_the_help_of_all_is_one_screen_in_the_order_of_a_newcomer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= LINES_MAX
    positions = [text.index(f"\n{section.title}\n") for section in COMMANDS]
    assert positions == sorted(positions)
    assert [command.name for section in COMMANDS for command in section.commands if f"\n  {command.name} " not in text] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=" ".join)
def test_every_example_can_be_typed(example: tuple[str, ...], tmp_path: Path) -> None:
    words = [PLACES.get(word, word) for word in example]
    command, _, unused, _ = make_app(NetworkFolder(tmp_path)).parse_known_args(words)
    assert callable(command)
    assert unused == []


def test_every_command_has_an_example_or_says_where_to_read_on_and_the_page_is_there() -> None:
    silent = [path for path, command in PAIRS if not command.example and not command.page and command.function != "zerog.cli.account:app"]
    missing = [command.page for _, command in PAIRS if command.page and not (ROOT / "docs" / command.page).exists()]
    assert (silent, missing) == ([], [])


def test_a_command_is_found_by_its_words() -> None:
    found = find(("da", "run", "signer"))
    assert found is not None
    assert found.name == "signer"
    assert find(("da", "fly")) is None
    assert find(()) is None


@pytest.mark.parametrize(
    ("words", "cause", "remedy"),
    [
        (["stauts"], 'Did you mean "status"?', "`zerog --help`"),
        (["storage", "pt", "x"], 'Did you mean "put"?', "`zerog storage --help`"),
        (["storage", "put"], "`zerog storage put` wants PATH", "as in `zerog storage put report.pdf`"),
        (["faucet"], "`zerog faucet` wants ADDRESS", "as in `zerog faucet 0x"),
        (["status", "now"], "'now' is more than `zerog status` takes", "`zerog status --help`"),
        (["compute", "chat", "--mdel", "x", "hi"], "Did you mean --model?", "`zerog compute chat --help`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_slip_is_answered_with_what_was_meant(
    words: list[str], cause: str, remedy: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second = printed.err.splitlines()
    assert first.startswith("error [usage]: ")
    assert cause in first
    assert second.startswith("remedy: ")
    assert remedy in second


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert [path for path, _ in PAIRS if path[-1] not in script] == []


def test_a_faucet_has_nothing_of_public_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["faucet", ADDRESS, "--network", "galileo"]) == 1
    told = capsys.readouterr().err
    assert "error [no_faucet]" in told
    assert "https://faucet.0g.ai" in told
    assert run(["faucet", ADDRESS, "--network", "mainnet"]) == 1
    assert "faucet.0g.ai" not in capsys.readouterr().err


def test_the_page_on_local_networks_names_every_flag_of_up() -> None:
    page = (ROOT / "docs" / "local-network.md").read_text(encoding="utf-8")
    [table] = re.findall(r"## What `zerog up` takes\n\n(.*?)\n\n", page, re.DOTALL)
    named = set(re.findall(r"^\| `(--[a-z-]+)", table, re.MULTILINE))
    flags = {f"--{flag_name(field.name)}" for field in dataclasses.fields(DevnetSettings)}
    assert named == flags | {"--wait", "--dir", "--json"}
