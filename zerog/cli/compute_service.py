"""`zerog compute serve`: the provider of a network of our own, as `zerog up` runs it."""

from pathlib import Path
from typing import Annotated

import cyclopts

from zerog.cli.output import WorkingFolder
from zerog.devnet.compute_settings import ComputeServiceSettings
from zerog.devnet.folder import NetworkFolder

__all__ = ["run"]


def run(
    *,
    settings: Annotated[ComputeServiceSettings, cyclopts.Parameter(name="*")] = ComputeServiceSettings(),  # noqa: B008 - it is frozen.
    ephemeral: Annotated[bool, cyclopts.Parameter(negative="", show=False)] = False,  # noqa: ARG001 - then the folder is a throw-away one.
    supervised: Annotated[bool, cyclopts.Parameter(negative="", show=False)] = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run the provider of this folder's network, and acknowledge every signer, in the foreground.

    Parameters
    ----------
    ephemeral
        The whole folder goes when the network stops, so files may lie in it.
    supervised
        Tell the process that started this one how it went, and stop with it.
    """
    from zerog.devnet.compute import ComputeService
    from zerog.runtime.process import EventHerald, RolePlace, TerminalHerald, run_role

    folder = NetworkFolder.of(directory)
    folder.prepare()
    place = RolePlace(
        state_folder=folder.path,
        herald=EventHerald(1) if supervised else TerminalHerald(),
        supervised=supervised,
        log_form="none" if supervised else "console",
    )
    return run_role("compute", lambda: ComputeService(settings, folder.path), place)
