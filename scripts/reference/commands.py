"""All commands of `zerog`, each with its words and its application, whether it is loaded already or not."""

from collections.abc import Iterator
from pathlib import Path

import cyclopts

from zerog.cli.application import make_app
from zerog.devnet.folder import NetworkFolder
from zerog.runtime.settings import parameter_rules

__all__ = ["application", "commands"]


def application() -> cyclopts.App:
    """The application of a folder without settings, with the same names of flags in every command."""
    app = make_app(NetworkFolder.of(Path("/nowhere")))
    for _, command in commands(app):
        command.default_parameter = parameter_rules()  # Parents hand it down when a command line is parsed, but not to a generator.
    return app


def commands(app: cyclopts.App, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], cyclopts.App]]:
    """Every command and every group of commands below `app`, the group first."""
    for name in app:
        if name.startswith("-"):
            continue
        command = app[name]
        yield (*words, name), command
        yield from commands(command, (*words, name))
