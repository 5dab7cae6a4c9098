"""`zerog chain`: the chain node by itself."""

from pathlib import Path
from typing import Annotated

import cyclopts

from zerog.chain.node.settings import ChainNodeSettings
from zerog.cli.output import WorkingFolder
from zerog.devnet.folder import NetworkFolder

__all__ = ["run"]


def run(
    *,
    settings: Annotated[ChainNodeSettings, cyclopts.Parameter(name="*")] = ChainNodeSettings(),  # noqa: B008 - it is frozen.
    ephemeral: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    supervised: Annotated[bool, cyclopts.Parameter(negative="", show=False)] = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run a chain node in the foreground.

    Parameters
    ----------
    ephemeral
        Keep the chain in memory.
    supervised
        Tell the process that started this one how it went, and stop with it.
    """
    from zerog.devnet.chain import make_chain_node
    from zerog.runtime.process import EventHerald, RolePlace, TerminalHerald, run_role

    folder = NetworkFolder.of(directory)
    folder.prepare()
    place = RolePlace(
        state_folder=folder.path,
        herald=EventHerald(1) if supervised else TerminalHerald(),
        supervised=supervised,
        log_form="none" if supervised else "console",
    )
    return run_role("chain", lambda: make_chain_node(settings, folder.path, ephemeral=ephemeral), place)
