"""The page of settings: of each command that has some, their flags, variables of the environment, keys of `zerog.toml` and defaults."""

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any, Final

import cyclopts
from cyclopts.argument import Argument

from scripts.reference.commands import application, commands
from zerog.runtime.settings import ENVIRONMENT_PREFIX, flag_name

__all__ = ["configuration_page"]

INTRODUCTION: Final = """# Configuration

<!-- Made by `make reference` from the settings in the code; not to be edited. -->

A setting is looked for in this order: the flag, the variable of the environment, the file `.zerog/zerog.toml` of the network's folder,
the default. In the file each command has a table of its own name, and the flag without its dashes is the key:

```toml
[up]
block-time = 2
signers = 2
```

The same in the environment is `ZEROG_UP_BLOCK_TIME=2`. A list is written as a list in the file, its flag is repeated. The file is read
strictly: an unknown key is refused. [Commands](command-line.md) says what each command does; `zerog up` hands its settings down to the
roles that it starts.
"""


def configuration_page() -> str:
    """Markdown of all settings."""
    parts = [INTRODUCTION]
    for words, command in commands(application()):
        rows = list(_rows(words, command))
        if rows:
            parts.append(f"## zerog {' '.join(words)}\n\nTable `[{'.'.join(words)}]`.\n")
            parts.append("| key and flag | environment | values | default | meaning |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _rows(words: tuple[str, ...], command: cyclopts.App) -> Iterator[str]:
    if command.default_command is None:
        return
    arguments = command.assemble_argument_collection(parse_docstring=True)
    settings = [argument for argument in arguments if argument.names == ("*",) and dataclasses.is_dataclass(argument.hint)]
    for kind in settings:
        for field in dataclasses.fields(typing.cast("Any", kind.hint)):
            argument = next((found for found in arguments if found.keys == (field.name,) and found.show), None)
            if argument is not None:
                yield _row(words, field, argument)


def _row(words: tuple[str, ...], field: "dataclasses.Field[Any]", argument: Argument) -> str:
    key = flag_name(field.name)
    variable = ENVIRONMENT_PREFIX + "_".join((*words, key)).replace("-", "_").upper()
    meaning = " ".join((argument.parameter.help or "").split()).replace("|", "\\|")
    return f"| `{key}` | `{variable}` | {_values(argument.hint)} | {_default(field)} | {meaning} |"


def _default(field: "dataclasses.Field[Any]") -> str:
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if value is None or value == () or value is dataclasses.MISSING:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _values(hint: Any) -> str:
    """In words what a value may be."""
    hint = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_values(part) for part in typing.get_args(hint) if part is not type(None))
    if origin is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(hint))
    if origin in (tuple, list):
        return f"list of {_values(typing.get_args(hint)[0])}"
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "`true`, `false`", "Path": "path"}
    name = getattr(hint, "__name__", str(hint))
    return names.get(name, name)
