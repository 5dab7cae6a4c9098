"""`zerog storage indexer`: the indexer of storage by itself."""

from pathlib import Path
from typing import Annotated

import cyclopts

from zerog.cli.announced import check_announced
from zerog.cli.output import WorkingFolder
from zerog.devnet.folder import NetworkFolder
from zerog.storage.indexer.settings import IndexerSettings

__all__ = ["run"]


def run(
    *,
    settings: Annotated[IndexerSettings, cyclopts.Parameter(name="*")] = IndexerSettings(),  # noqa: B008 - it is frozen.
    supervised: Annotated[bool, cyclopts.Parameter(negative="", show=False)] = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run an indexer with its router and gateway in the foreground.

    Parameters
    ----------
    supervised
        Tell the process that started this one how it went, and stop with it.
    """
    from zerog.runtime.process import EventHerald, RolePlace, TerminalHerald, run_role
    from zerog.storage.indexer.service import StorageIndexer

    check_announced(settings.host, settings.public_url, "public-url")
    folder = NetworkFolder.of(directory)
    folder.prepare()
    place = RolePlace(
        state_folder=folder.path,
        herald=EventHerald(1) if supervised else TerminalHerald(),
        supervised=supervised,
        log_form="none" if supervised else "console",
    )
    return run_role("indexer", lambda: StorageIndexer(settings), place)
