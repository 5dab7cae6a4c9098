"""All commands in one application, and what happens when one fails."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import cyclopts

from zerog import __version__
from zerog.cli.commands import COMMANDS, Command, find
from zerog.cli.early import network_folder
from zerog.cli.help_pages import HelpPages
from zerog.cli.output import OutputLostError, tell_error, tell_report
from zerog.devnet.folder import NetworkFolder
from zerog.primitives.errors import ZerogError
from zerog.runtime.report import ErrorReport, disk_full
from zerog.runtime.settings import parameter_rules, sources

__all__ = ["make_app", "run"]

EXIT_USAGE: Final = 2
"""The command line cannot be understood."""
CLIENTS: Final = ("account", "compute", "compute_fund", "da", "demo", "faucet", "kv", "miner", "storage", "storage_scrub", "verify")
"""Modules of commands that talk to a network through its clients. Roles see to their logs themselves."""
WELCOME: Final = "The whole of 0G on your machine: chain, storage, DA and compute. 'zerog up' starts a network in this folder."


def run(arguments: Sequence[str]) -> int:
    """Perform a command line. Returns the exit code; nothing that is expected shows a traceback."""
    try:
        app = make_app(network_folder(arguments), arguments)
        command, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
        with _logs_of(command):
            result = command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
    except cyclopts.CycloptsError as error:
        tell_report(_usage(error))
        return EXIT_USAGE
    except OutputLostError as error:
        _drop_output()
        tell_error(error)
        return 1
    except ZerogError as error:
        tell_error(error)
        return 1
    except BrokenPipeError:
        _drop_output()  # Whoever read our output has enough.
        return 0
    except OSError as error:
        if (full := disk_full(error)) is None:
            raise
        tell_error(full)
        return 1
    return result if isinstance(result, int) else 0


def _logs_of(command: Callable[..., object]) -> AbstractContextManager[None]:
    """What clients log goes to stderr; the commands that have none do not load what logs."""
    if getattr(command, "__module__", "").removeprefix("zerog.cli.") not in CLIENTS:
        return nullcontext()
    from zerog.runtime.logs import warnings_on_stderr

    return warnings_on_stderr()


def _usage(error: cyclopts.CycloptsError) -> ErrorReport:
    """What the parser says of a command line, in the form of all other refusals."""
    error.verbose = False
    path = tuple(error.command_chain or ())
    words = " ".join(("zerog", *path))
    match error:
        case cyclopts.UnknownCommandError():
            cause = str(error).split(" Available commands:")[0]
        case cyclopts.UnusedCliTokensError(unused_tokens=[first, *_]):
            cause = f"{first!r} is more than `{words}` takes"
        case cyclopts.MissingArgumentError(argument=argument) if argument is not None and not error.tokens_so_far:
            cause = f"`{words}` wants {argument.name}"
        case _:
            cause = " ".join(str(error).split())
    command = find(path)
    example = f"write it as in `{words.removesuffix(path[-1])}{command.example}`; " if command is not None and command.example else ""
    return ErrorReport(code="usage", cause=cause.removesuffix("."), remedy=f"{example}`{words} --help` says what there is")


def _drop_output() -> None:
    """What is still buffered goes nowhere, instead of failing once more when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_app(folder: NetworkFolder, arguments: Sequence[str] = ()) -> cyclopts.App:
    """The application for one network's folder, whose settings file it reads. The command that the arguments name tells of itself in all
    its words; of others it knows a line."""
    asked = tuple(word for word in arguments if not word.startswith("-"))
    options = cyclopts.Group("Options", sort_key=len(COMMANDS))
    app = cyclopts.App(
        name="zerog",
        help=WELCOME,
        help_format="plaintext",
        help_formatter=HelpPages(),
        help_epilogue="'zerog COMMAND --help' says more of each. Where to begin: docs/README.md.",
        version=__version__,
        config=sources(folder.path),
        default_parameter=parameter_rules(),
        group_commands=options,
        group_parameters=options,
    )
    for number, section in enumerate(COMMANDS):
        _add(app, section.commands, cyclopts.Group(section.title, sort_key=number), (), asked)
    return app


def _add(
    app: cyclopts.App, commands: Iterable[Command], section: cyclopts.Group | None, path: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    """Commands in their order, each loaded when it is asked for."""
    for number, command in enumerate(commands):
        words = (*path, command.name)
        ending = _ending(command, path)
        place: dict[str, Any] = {"sort_key": number} | ({} if section is None else {"group": section})
        if command.commands:
            inner = cyclopts.App(name=command.name, help=command.help, help_epilogue=ending, group_commands="Commands", **place)
            _add(inner, command.commands, None, words, asked)
            app.command(inner)
        elif command.function is not None:
            own = {"help_epilogue": ending} if ending else {}
            line = None if words == asked[: len(words)] else command.help
            app.command(command.function, name=command.name, help=line, **place, **own)


def _ending(command: Command, path: tuple[str, ...]) -> str:
    """The last line of a command's help."""
    example = f"Example: {' '.join(('zerog', *path, command.example))}" if command.example else ""
    page = f"Read on: docs/{command.page}" if command.page else ""
    return "\n\n".join(part for part in (example, page) if part)
