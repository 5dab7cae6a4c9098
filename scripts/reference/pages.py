"""Which pages are generated. They come one after another, for `llms.txt` reads the titles of those before it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.reference.command_line import command_line_page
from scripts.reference.configuration import configuration_page
from scripts.reference.index import llms_text
from scripts.reference.interfaces import interfaces_page
from scripts.reference.sdk import sdk_page

__all__ = ["ROOT", "generated"]

ROOT: Final = Path(__file__).parents[2]


def generated() -> Iterator[tuple[str, str]]:
    """Path below the root and text of every generated page."""
    pages = {
        "docs/reference/command-line.md": command_line_page(),
        "docs/reference/configuration.md": configuration_page(),
        "docs/reference/sdk.md": sdk_page(),
        "docs/reference/interfaces.md": interfaces_page(ROOT),
    }
    yield from pages.items()
    yield "llms.txt", llms_text(ROOT, pages)
