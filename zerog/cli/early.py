"""What happens before the parser is loaded: which folder is meant, and whether its network is free.

Many `zerog up` may start at once in one folder; those that lose must say so at once, so the lock is taken before anything heavy.
"""

import os
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from zerog.devnet.folder import NetworkFolder
from zerog.runtime.files import FileLock

__all__ = ["EARLY_LOCK", "network_folder", "take_lock"]

EARLY_LOCK: Final[ContextVar[FileLock | None]] = ContextVar("EARLY_LOCK", default=None)
"""The lock of the network that this process is about to start."""

FOLDER_VARIABLE: Final = "ZEROG_DIR"


def network_folder(arguments: Sequence[str]) -> NetworkFolder:
    """The folder that `--dir` names. It is looked for before the parser works, since the settings file lies in it."""
    for index, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--dir" and index + 1 < len(arguments):
            return NetworkFolder.of(Path(arguments[index + 1]))
        if argument.startswith("--dir="):
            return NetworkFolder.of(Path(argument.removeprefix("--dir=")))
    return NetworkFolder.of(Path(os.environ.get(FOLDER_VARIABLE, ".")))


def take_lock(arguments: Sequence[str]) -> None:
    """Take the network's lock if this is a plain `zerog up`. Raises `LockHeldError`."""
    if list(arguments[:1]) != ["up"] or any(word in arguments for word in ("--help", "-h")):
        return
    folder = network_folder(arguments)
    if not _may_be_ephemeral(arguments, folder):
        EARLY_LOCK.set(folder.acquire("zerog up"))


def _may_be_ephemeral(arguments: Sequence[str], folder: NetworkFolder) -> bool:
    """A throw-away network lives in another folder. Whether it really is one, the parser will know."""
    settings = folder.path / "zerog.toml"
    named = any("ephemeral" in argument for argument in arguments) or "ZEROG_UP_EPHEMERAL" in os.environ
    return named or (settings.exists() and "\nephemeral" in settings.read_text(encoding=sys.getfilesystemencoding()))
