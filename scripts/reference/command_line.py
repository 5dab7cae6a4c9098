"""The page of commands: what `--help` says of each, in one place."""

import re
from typing import Final

from scripts.reference.commands import application

__all__ = ["command_line_page"]

INTRODUCTION: Final = """# Commands

<!-- Made by `make reference` from zerog/cli/; not to be edited. -->

What `--help` says of every command. Values that are not given as flags come from the environment, then from `.zerog/zerog.toml`, then
from the defaults: see [configuration](configuration.md). Data goes to stdout, all else to stderr. Exit codes: 0 done, 1 refused (with
code, cause and remedy), 2 a command line that cannot be understood, 3 of `zerog status` where nothing runs.
"""


def command_line_page() -> str:
    """Markdown of all commands."""
    text = application().generate_docs(output_format="markdown", recursive=True, heading_level=1, usage_name="zerog")
    # The library begins with a title and a description of its own, and calls the lines of usage what a shell would execute.
    body = text[text.index("## Table of Contents") :].replace("## Table of Contents", "## All commands").replace("```console", "```usage")
    body = re.sub(
        r"(?<=```usage\n)(.*?) -m [\w.]+", r"\1", body
    )  # It takes `python -m NAME` for the program's name, and replaces one word of it.
    return INTRODUCTION + "\n" + re.sub(r"\n{3,}", "\n\n", body).rstrip() + "\n"
