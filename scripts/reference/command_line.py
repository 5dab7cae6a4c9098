"""The page of commands: what `--help` says of each, in one place."""

import re
from pathlib import Path
from typing import Final

from scripts.reference.commands import application
from zerog.cli.commands import find

__all__ = ["command_line_page"]

DOCS: Final = Path(__file__).parents[2] / "docs"
INTRODUCTION: Final = """# Commands

<!-- Made by `make reference` from zerog/cli/; not to be edited. -->

What `--help` says of every command. Values that are not given as flags come from the environment, then from `.zerog/zerog.toml`, then
from the defaults: see [configuration](configuration.md). Every command takes `--dir` for another folder than this one. Data goes to
stdout, all else to stderr. Exit codes: 0 done, 1 refused (with code, cause and remedy), 2 a command line that cannot be understood, 3 of
`zerog status` where nothing runs.
"""


def command_line_page() -> str:
    """Markdown of all commands."""
    text = application().generate_docs(output_format="markdown", recursive=True, heading_level=1, usage_name="zerog")
    # The library begins with a title and a description of its own, and calls the lines of usage what a shell would execute.
    body = text[text.index("## Table of Contents") :].replace("## Table of Contents", "## All commands").replace("```console", "```usage")
    body = re.sub(
        r"(?<=```usage\n)(.*?) -m [\w.]+", r"\1", body
    )  # It takes `python -m NAME` for the program's name, and replaces one word of it.
    parts = re.split(r"(?m)^(?=#+ zerog )", re.sub(r"\n{3,}", "\n\n", body).rstrip() + "\n")
    return "\n".join((INTRODUCTION, "\n".join(part.rstrip() + "\n" + _ending(part) for part in parts)))


def _ending(part: str) -> str:
    """What the help of a command ends with: an example, and the page to read on."""
    heading = re.match(r"#+ zerog (.*)", part)
    words = heading[1].split() if heading is not None else []
    command = find(words)
    if command is None or not command.page:
        return ""
    title = (DOCS / command.page).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    example = f"For example `{' '.join(('zerog', *words[:-1], command.example))}`. " if command.example else ""
    return f"\n{example}Read on: [{title}](../{command.page}).\n"
