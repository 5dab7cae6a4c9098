"""How `zerog demo` is shown: plain lines as wide as the terminal, the words of the answer as they come, a table at the end."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import Final

from zerog.cli.demo_words import CHAPTERS, NOT_PROVEN, facts, proof, short_amount
from zerog.demo import STEPS, Life, Step

__all__ = ["Page", "Stage", "table"]

WIDTH_MIN: Final = 40
WIDTH_MAX: Final = 100
WIDTH_USUAL: Final = 80
INDENT: Final = "  "
LABEL_WIDTH: Final = 10
HANGING: Final = " " * (len(INDENT) + LABEL_WIDTH + 1)
ANSWER: Final = "answer"
BOLD, FAINT, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Page:
    """Lines of text on standard output. Nothing that was printed is ever changed."""

    def __init__(self) -> None:
        wanted = shutil.get_terminal_size((WIDTH_USUAL, 24)).columns
        self.width: Final = min(max(wanted, WIDTH_MIN), WIDTH_MAX)
        self._styled: Final = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def style(self, text: str, style: str) -> str:
        """Bold or faint where a person looks at a terminal."""
        return f"{style}{text}{PLAIN}" if self._styled and text else text

    def line(self, text: str = "") -> None:
        """As it is."""
        print(text, flush=True)

    def paragraph(self, text: str, *, first: str = INDENT, rest: str = INDENT) -> None:
        """Broken to the page's width; where a word is longer than that, also within it."""
        for number, line in enumerate(self.broken(text, len(rest))):
            self.line((rest if number else first) + line)

    def broken(self, text: str, indent: int) -> list[str]:
        """Lines of a text that stands so far from the left."""
        return textwrap.wrap(text, max(self.width - indent, 1), break_on_hyphens=False) or [""]

    def fact(self, label: str, text: str) -> None:
        """A label, and beside it what there is to say."""
        self.paragraph(text, first=f"{INDENT}{self.style(f'{label:<{LABEL_WIDTH}}', FAINT)} ", rest=HANGING)


class Stage:
    """Shows the steps to a person, one after another."""

    def __init__(self, page: Page) -> None:
        self._page: Final = page
        self._column = 0
        """Where the next word of the answer goes; 0 while none was heard."""
        self._rest = ""

    def begins(self, name: str) -> None:
        """See `Audience.begins`."""
        page, chapter = self._page, CHAPTERS[name]
        page.line()
        page.line(page.style(f"{STEPS.index(name) + 1} {chapter.title}", BOLD))
        page.paragraph(chapter.sentence)
        if chapter.question:
            page.fact("question", chapter.question)

    def hears(self, words: str) -> None:
        """See `Audience.hears`. A word is printed when its end has come, so that it is known on which line it fits."""
        self._rest += words
        *whole, self._rest = self._rest.replace("\n", " ").split(" ")
        for word in whole:
            self._print_word(word)

    def ends(self, step: Step) -> None:
        """See `Audience.ends`."""
        page = self._page
        self._end_answer()
        for mark, (label, text) in _marked(facts(step.result)):
            if mark:
                page.paragraph(text, first=f"{INDENT}{mark} ", rest=f"{INDENT}  ")
            elif label == NOT_PROVEN:
                page.line(INDENT + page.style("NOT PROVEN", BOLD))
            else:
                page.fact(label, text)
        cost = "nothing" if not step.cost_wei else f"{short_amount(step.cost_wei)} 0G"
        page.line(INDENT + page.style(f"{step.seconds:.1f} s, cost {cost}", FAINT))

    def _print_word(self, word: str) -> None:
        if not word:
            return
        if not self._column:
            print(INDENT + self._page.style(ANSWER.ljust(LABEL_WIDTH), FAINT), end="")
            self._column = len(HANGING) - 1
        if self._column + 1 + len(word) > self._page.width and self._column >= len(HANGING):
            print(f"\n{HANGING[:-1]}", end="")
            self._column = len(HANGING) - 1
        print(f" {word}", end="", flush=True)
        self._column += 1 + len(word)

    def _end_answer(self) -> None:
        self._print_word(self._rest)
        self._rest = ""
        if self._column:
            print(flush=True)
        self._column = 0


def _marked(lines: Iterator[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, str]]]:
    """With what stands before each: `+` and `-` in lists, nothing before facts. What is not proven begins with a heading."""
    headed = False
    for label, text in lines:
        if label == NOT_PROVEN and not headed:
            headed = True
            yield "", (NOT_PROVEN, "")
        mark = {"+": "+", NOT_PROVEN: "-"}.get(label, "")
        yield mark, (label, text)


def table(life: Life, page: Page) -> None:
    """Step, proof, time and cost, and their sums."""
    rows = [(step.name, proof(step.result), f"{step.seconds:.1f} s", short_amount(step.cost_wei)) for step in life.steps]
    rows.append(("total", "", f"{life.seconds:.1f} s", short_amount(life.cost_wei)))
    head = ("step", "proof", "time", "cost in 0G")
    step, _, time, cost = (max(len(row[index]) for row in (head, *rows)) for index in range(4))
    room = max(page.width - step - time - cost - 6, len("proof"))
    page.line()
    page.line(page.style(f"{head[0]:<{step}}  {head[1]:<{room}}  {head[2]:>{time}}  {head[3]:>{cost}}", BOLD))
    for row in rows:
        first, *others = textwrap.wrap(row[1], room) or [""]
        page.line(f"{row[0]:<{step}}  {first:<{room}}  {row[2]:>{time}}  {row[3]:>{cost}}")
        for other in others:
            page.line(f"{'':<{step}}  {other}")
