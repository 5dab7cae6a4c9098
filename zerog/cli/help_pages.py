"""Help as it is printed: names on the left, words on the right, nothing around them, so that lines can be copied."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

__all__ = ["HelpPages"]

WIDTH_MAX: Final = 100
"""Longer lines are hard to read."""
NAMES_MAX: Final = 26
"""Characters of the left column; longer names have a line of their own."""
INDENT: Final = "  "
UNSAID: Final = ("False", "()", "None", "''")
"""Defaults that say nothing: what is not asked for is not done."""


class HelpPages:
    """Renders the parts of a help page, as the parser asks for them."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:  # noqa: ARG002 - as it is called.
        """A list of commands or of options."""
        if panel.entries:
            _print(console, "")
            _print(console, str(panel.title))
            names = [_names(entry, panel.format) for entry in panel.entries]
            column = min(max(map(len, names)), NAMES_MAX)
            for name, entry in zip(names, panel.entries, strict=True):
                for line in _lines(name, _words(entry), column, min(console.width, WIDTH_MAX)):
                    _print(console, line)

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:  # noqa: ARG002 - likewise.
        """The first line."""
        if text := _plain(usage):
            _print(console, text if text.startswith("Usage:") else f"Usage: {text}")

    def render_description(self, console: "Console", options: "ConsoleOptions", description: Any) -> None:  # noqa: ARG002 - likewise.
        """What the command is for."""
        if text := _plain(description):
            for paragraph in text.split("\n\n"):
                _print(console, "")
                for line in textwrap.wrap(paragraph, min(console.width, WIDTH_MAX), break_long_words=False, break_on_hyphens=False):
                    _print(console, line)


def _names(entry: "HelpEntry", form: str) -> str:
    if form == "command":
        return ", ".join((*entry.positive_names, *entry.positive_shorts))
    return " ".join(entry.display_labels_with_metavar)


def _words(entry: "HelpEntry") -> str:
    parts = [_plain(entry.description)]
    if entry.choices:
        parts.append(f"[{', '.join(entry.choices)}]")
    if entry.env_var:
        parts.append(f"[environment: {', '.join(entry.env_var)}]")
    if entry.default is not None and str(entry.default) not in UNSAID:
        parts.append(f"[default: {entry.default}]")
    if entry.required:
        parts.append("[required]")
    return " ".join(" ".join(parts).split())


def _lines(name: str, words: str, column: int, width: int) -> Iterator[str]:
    left = f"{INDENT}{name}".rstrip()
    room = max(width - column - 2 * len(INDENT), 20)
    texts = textwrap.wrap(words, room, break_long_words=False, break_on_hyphens=False)
    if len(name) > column:
        yield left
    elif texts:
        yield f"{INDENT}{name:<{column}}{INDENT}{texts.pop(0)}"
    else:
        yield left
    yield from (f"{INDENT}{'':<{column}}{INDENT}{text}" for text in texts)


def _plain(text: Any) -> str:
    """Without the styles that the parser gave it."""
    if text is None:
        return ""
    inner = getattr(text, "primary_renderable", text)
    return str(getattr(inner, "plain", inner)).strip()


def _print(console: "Console", line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
