"""`zerog chain`: the chain node by itself, and chains that others made."""

from pathlib import Path
from typing import Annotated, Final

import cyclopts

from zerog.chain.node.settings import ChainNodeSettings
from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.devnet.folder import NetworkFolder

__all__ = ["import_chain", "run"]


READ_BYTES: Final = 1 << 20
"""Of the file, at a time."""


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
    from zerog.devnet.chain import make_chain_node, make_follower
    from zerog.runtime.process import EventHerald, RolePlace, TerminalHerald, run_role

    folder = NetworkFolder.of(directory)
    folder.prepare()
    place = RolePlace(
        state_folder=folder.path,
        herald=EventHerald(1) if supervised else TerminalHerald(),
        supervised=supervised,
        log_form="none" if supervised else "console",
        is_quick=True,
    )
    make = make_chain_node if settings.follow is None else make_follower
    return run_role("chain", lambda: make(settings, folder.path, ephemeral=ephemeral), place)


def import_chain(
    blocks: Path,
    *,
    genesis: Path,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Take a chain that others made into this folder; `zerog chain run` then serves it.

    Parameters
    ----------
    blocks
        The blocks, RLP one after the other, as `geth export` writes them.
    genesis
        What the chain begins with, in the form that geth takes.
    """
    from zerog.chain.node.foreign import Imported
    from zerog.chain.node.foreign import import_chain as take
    from zerog.primitives import encode_data
    from zerog.runtime.files import open_for_reading

    def report(imported: Imported) -> None:
        say(f"block {imported.head_number}: {imported.taken} taken, {imported.known} known")

    with open_for_reading(blocks) as file, open_for_reading(genesis) as document:
        folder = NetworkFolder.of(directory)
        folder.prepare()
        with folder.acquire("zerog chain import"):
            done = take(document.read(), iter(lambda: file.read(READ_BYTES), b""), folder.path / "chain", report)
    if json:
        print_json({"head": done.head_number, "hash": encode_data(done.head_hash), "taken": done.taken, "known": done.known})
    else:
        say(f"the chain ends with block {done.head_number}, {encode_data(done.head_hash)}")
    return 0
