"""`zerog compute run`: one compute provider by itself."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import cyclopts

from zerog.cli.announced import check_announced
from zerog.cli.output import WorkingFolder
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.devnet.folder import NetworkFolder

__all__ = ["run"]


def run(
    *,
    settings: Annotated[ComputeProviderSettings, cyclopts.Parameter(name="*")] = ComputeProviderSettings(),  # noqa: B008 - it is frozen.
    ephemeral: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    supervised: Annotated[bool, cyclopts.Parameter(negative="", show=False)] = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run a compute provider in the foreground, in front of an OpenAI-compatible server.

    Parameters
    ----------
    ephemeral
        Keep the books in a temporary folder.
    supervised
        Tell the process that started this one how it went, and stop with it.
    """
    from zerog.compute.provider.service import ComputeProvider
    from zerog.runtime.process import EventHerald, RolePlace, TerminalHerald, run_role

    check_announced(settings.host, settings.public_url, "public-url")
    folder = NetworkFolder.of(directory)
    folder.prepare()
    if ephemeral:
        settings = replace(settings, data_dir=None)
    elif settings.data_dir is None:
        settings = replace(settings, data_dir=folder.path / "compute")
    place = RolePlace(
        state_folder=folder.path,
        herald=EventHerald(1) if supervised else TerminalHerald(),
        supervised=supervised,
        log_form="none" if supervised else "console",
    )
    return run_role("compute", lambda: ComputeProvider(settings), place)
