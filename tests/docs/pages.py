"""What stands in the documents: their blocks with the words behind the language, their headings and their links."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

__all__ = ["DOCUMENTS", "ROOT", "Block", "Page", "pages"]

ROOT: Final = Path(__file__).parent.parent.parent
DOCUMENTS: Final = sorted(path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])

FENCE: Final = re.compile(r"(?:^<!-- (?P<mark>[^\n]*?) -->\n+)?^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING: Final = re.compile(r"^#{1,6} (.+?) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    line: int
    """Of the fence, from 1."""
    language: str
    words: tuple[str, ...]
    """What follows the language: `background`, `fails`, `output`, `save NAME`, or a file of the tree of which the block is a part."""
    code: str
    mark: str
    """The comment right before it, such as `not run: needs a machine with TDX`."""

    @property
    def quoted_file(self) -> str | None:
        """The file of the tree that the block shows a part of."""
        return self.words[0] if len(self.words) == 1 and ("." in self.words[0] or "/" in self.words[0]) else None

    @property
    def saved_as(self) -> str | None:
        """Name under which a reader saves the block."""
        return self.words[1] if len(self.words) == 2 and self.words[0] == "save" else None

    @property
    def why_not_run(self) -> str | None:
        """The reason why nobody can run it in a test."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else None

    @property
    def run_by(self) -> str | None:
        """The test that runs its commands elsewhere."""
        return self.mark.removeprefix("run by: ") if self.mark.startswith("run by: ") else None

    @property
    def runs(self) -> bool:
        """Whether it is run, saved or compared when its page is played."""
        return self.quoted_file is None and not self.why_not_run and not self.run_by


@dataclass(frozen=True)
class Page:
    """One document."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(self._blocks())

    @cached_property
    def prose(self) -> str:
        """The text without its blocks, and without what is quoted as code."""
        return re.sub(r"`[^`\n]*`", "", FENCE.sub("", self.text))

    @property
    def run_by(self) -> str | None:
        """The test that plays the whole page, where a comment below its title says so."""
        found = re.match(r"# [^\n]+\n+<!-- run by: (\S+) -->", self.text)
        return found[1] if found else None

    @property
    def links(self) -> list[str]:
        return LINK.findall(self.prose)

    @cached_property
    def anchors(self) -> frozenset[str]:
        """What links to a heading of this page name it, as GitHub makes it."""
        found: list[str] = []
        for heading in HEADING.findall(FENCE.sub("", self.text)):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
            anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
        return frozenset(found)

    def _blocks(self) -> list[Block]:
        found = []
        for match in FENCE.finditer(self.text):
            language, *words = match["info"].split() or [""]
            fence = self.text.index("```", match.start())
            found.append(Block(self.text.count("\n", 0, fence) + 1, language, tuple(words), match["code"], match["mark"] or ""))
        return found


def pages() -> list[Page]:
    """All documents."""
    return [Page(path) for path in DOCUMENTS]
