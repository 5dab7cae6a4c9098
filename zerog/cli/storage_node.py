"""`zerog storage run`: one storage node by itself."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import cyclopts

from zerog.cli.output import WorkingFolder
from zerog.devnet.folder import NetworkFolder
from zerog.storage.node.settings import StorageNodeSettings

__all__ = ["run"]


def run(
    *,
    settings: Annotated[StorageNodeSettings, cyclopts.Parameter(name="*")] = StorageNodeSettings(),  # noqa: B008 - it is frozen.
    ephemeral: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    supervised: Annotated[bool, cyclopts.Parameter(negative="", show=False)] = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run a storage node in the foreground.

    Parameters
    ----------
    ephemeral
        Keep the files in a temporary folder.
    supervised
        Tell the process that started this one how it went, and stop with it.
    """
    from zerog.runtime.process import EventHerald, RolePlace, TerminalHerald, run_role
    from zerog.storage.node.service import StorageNode

    folder = NetworkFolder.of(directory)
    folder.prepare()
    if ephemeral:
        settings = replace(settings, data_dir=None)
    elif settings.data_dir is None:
        settings = replace(settings, data_dir=folder.path / "storage")
    place = RolePlace(
        state_folder=folder.path,
        herald=EventHerald(1) if supervised else TerminalHerald(),
        supervised=supervised,
        log_form="none" if supervised else "console",
    )
    return run_role("storage", lambda: StorageNode(settings, on_shutdown=lambda: signal.raise_signal(signal.SIGTERM)), place)
