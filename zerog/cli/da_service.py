"""`zerog da serve`: all of DA of a network in one process, as `zerog up` runs it."""

from pathlib import Path
from typing import Annotated

import cyclopts

from zerog.cli.output import WorkingFolder
from zerog.devnet.da_settings import DaServiceSettings
from zerog.devnet.folder import NetworkFolder

__all__ = ["run"]


def run(
    *,
    settings: Annotated[DaServiceSettings, cyclopts.Parameter(name="*")] = DaServiceSettings(),  # noqa: B008 - it is frozen.
    ephemeral: Annotated[bool, cyclopts.Parameter(negative="", show=False)] = False,  # noqa: ARG001 - then the folder is a throw-away one.
    supervised: Annotated[bool, cyclopts.Parameter(negative="", show=False)] = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run encoder, disperser, signers, retriever and gateway of this folder's network in the foreground.

    Parameters
    ----------
    ephemeral
        The whole folder goes when the network stops, so files may lie in it.
    supervised
        Tell the process that started this one how it went, and stop with it.
    """
    from zerog.devnet.da import DaService
    from zerog.runtime.process import EventHerald, RolePlace, TerminalHerald, run_role

    folder = NetworkFolder.of(directory)
    folder.prepare()
    place = RolePlace(
        state_folder=folder.path,
        herald=EventHerald(1) if supervised else TerminalHerald(),
        supervised=supervised,
        log_form="none" if supervised else "console",
    )
    return run_role("da", lambda: DaService(settings, folder.path), place)
