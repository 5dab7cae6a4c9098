"""The page of `zerog demo`: words as they come, within the width of the terminal, and plain where nobody looks at one."""

import pytest

from zerog.cli.demo_stage import Page, Stage
from zerog.cli.demo_words import CHAPTERS, short_amount
from zerog.demo import STEPS, Replayed, Step
from zerog.primitives import Wei

ANSWER = "Lincoln asks for a new birth of freedom, emphasizing the importance of the nation's unfinished work.\nSo it is said."


def heard(pieces: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    stage = Stage(Page())
    for piece in pieces:
        stage.hears(piece)
    result = Replayed(grade="replayed", what="all", missing=None, not_proven=())
    stage.ends(Step(name="replay", result=result, seconds=1.0, cost_wei=Wei(1)))
    return capsys.readouterr().out.partition("  state")[0]


@pytest.mark.parametrize("columns", [1, 40, 60, 80, 100, 500])
@pytest.mark.parametrize("length", [1, 3, 7, 1000])
def test_an_answer_reads_the_same_however_it_comes_and_stays_within_the_width(
    columns: int, length: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    found = heard([ANSWER[at : at + length] for at in range(0, len(ANSWER), length)], capsys)
    assert found.split() == ["answer", *ANSWER.split()]
    assert max(map(len, found.splitlines())) <= min(max(columns, 40), 100)


def test_an_empty_answer_leaves_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert heard([], capsys) == heard([" ", "\n"], capsys) == ""


def test_whatever_is_longer_than_a_line_is_broken_and_complete(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Page().fact("root", "0x" + "ab" * 32)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert "".join(line[13:] for line in lines) == "0x" + "ab" * 32


def test_every_step_has_its_words() -> None:
    assert tuple(CHAPTERS) == STEPS
    assert all(chapter.sentence.endswith(".") for chapter in CHAPTERS.values())


@pytest.mark.parametrize(("wei", "text"), [(0, "0"), (1, "0.000000001"), (10**18, "1.000000000"), (4_980_000_000_000, "0.000004980")])
def test_what_costs_something_is_not_shown_as_nothing(wei: int, text: str) -> None:
    assert short_amount(wei) == text
