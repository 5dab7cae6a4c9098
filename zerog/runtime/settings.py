"""Settings: frozen dataclasses, filled from flags, then the environment (`ZEROG_…`), then `zerog.toml`, then their defaults.

A field becomes the flag of its name without a trailing `_s` (seconds are the only unit of time): `block_time_s` is `--block-time`,
in the environment `ZEROG_CHAIN_RUN_BLOCK_TIME` for the command `zerog chain run`, in the file `block-time` in the table `[chain.run]`.
"""

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import cyclopts
from cyclopts.config import Env, Toml

from zerog.primitives.errors import RefusalError

__all__ = ["ENVIRONMENT_PREFIX", "SETTINGS_FILE", "SettingsUnreadableError", "as_flags", "fill", "flag_name", "parameter_rules", "sources"]

ENVIRONMENT_PREFIX: Final = "ZEROG_"
SETTINGS_FILE: Final = "zerog.toml"

S = TypeVar("S")


@dataclass(eq=False)
class SettingsUnreadableError(RefusalError):
    """The file of settings cannot be read."""

    path: Path
    cause: str

    code = "settings_unreadable"
    remedy = "repair the file, or remove it to go back to the defaults"

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


def flag_name(field: str) -> str:
    """The flag (without dashes in front) of a field."""
    return cyclopts.default_name_transform(field).removesuffix("-s")


def parameter_rules() -> cyclopts.Parameter:
    """How every command names its flags; a list has no flag that empties it."""
    return cyclopts.Parameter(name_transform=flag_name, negative_iterable="")


def sources(state_folder: Path) -> tuple[Env, Toml]:
    """Where values come from that are not given as flags, the more important first. `state_folder` is the network's `.zerog`.

    Raises `SettingsUnreadableError`.
    """
    path = state_folder / SETTINGS_FILE
    try:
        tomllib.loads(path.read_text(encoding="utf-8"))  # The parser reads it again, and would not name it.
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsUnreadableError(path, str(error)) from error
    return Env(ENVIRONMENT_PREFIX, command=True, show=False), Toml(path, allow_unknown=False)


def fill(kind: type[S], flags: Sequence[str], *, command: Sequence[str], state_folder: Path) -> S:
    """An instance of the settings `kind` as the command line `zerog COMMAND FLAGS` would make it.

    Raises `cyclopts.CycloptsError` for a value that does not fit.
    """
    made: list[S] = []

    def take(settings: Annotated[Any, cyclopts.Parameter(name="*")]) -> None:
        made.append(settings)

    take.__annotations__["settings"] = Annotated[kind, cyclopts.Parameter(name="*")]
    take.__defaults__ = (kind(),)
    app = cyclopts.App(name="zerog", config=sources(state_folder), default_parameter=parameter_rules(), help_flags=(), version_flags=())
    group = app
    for word in command[:-1]:
        parent, group = group, cyclopts.App(name=word)
        parent.command(group)
    group.command(take, name=command[-1])
    app([*command, *flags], exit_on_error=False, print_error=False, result_action="return_value")
    return made[0]


def as_flags(settings: object) -> list[str]:
    """The flags that make `fill` give `settings` again. Fields that are `None` are left out, and a tuple's flag is repeated."""
    if not dataclasses.is_dataclass(settings) or isinstance(settings, type):
        raise TypeError(f"{settings!r} is no instance of a dataclass")
    flags: list[str] = []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        name = flag_name(field.name)
        if value is True or value is False:
            flags.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, tuple):
            flags.extend(part for item in value for part in (f"--{name}", str(item)))
        elif value is not None:
            flags.extend((f"--{name}", str(value)))
    return flags
