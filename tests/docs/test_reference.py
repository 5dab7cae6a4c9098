"""The generated pages are what the code says: whoever changes one makes the other again with `make reference`."""

import pytest

from scripts.reference.pages import ROOT, generated


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Path and text of every page, made now."""
    return dict(generated())


@pytest.mark.parametrize(
    "name",
    [
        "docs/reference/command-line.md",
        "docs/reference/configuration.md",
        "docs/reference/sdk.md",
        "docs/reference/interfaces.md",
        "llms.txt",
    ],
)
def test_a_generated_page_is_what_the_code_says(name: str, pages: dict[str, str]) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == pages[name], "run `make reference`"


def test_every_method_of_the_sdk_has_a_docstring(pages: dict[str, str]) -> None:
    entries = pages["docs/reference/sdk.md"].split("\n### ")
    assert [entry.split("\n")[0] for entry in entries[1:] if not entry.split("\n", 1)[1].replace("```", "").strip()] == []


def test_the_map_for_language_models_names_every_page(pages: dict[str, str]) -> None:
    documents = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("**/*.md")}
    unnamed = {name for name in documents if f"]({name})" not in pages["llms.txt"]}
    assert unnamed <= {"docs/README.md"}
