"""The program that is killed: a disperser that says on standard output, at once, where it answers and each step that it has kept.

Usage: `python -m tests.crash.disperser_driver FOLDER CHAIN_URL ENCODER`.
"""

import sys
from pathlib import Path

import anyio

from tests.crash.driver import say
from zerog.da.disperser.service import DaDisperser
from zerog.da.disperser.settings import DaDisperserSettings
from zerog.da.disperser.steps import Carried


async def tell(blob: Carried) -> None:
    say(f"{blob.seq} {blob.machine.state.step}")


async def main(*arguments: str) -> None:
    folder, chain_url, encoder = arguments
    settings = DaDisperserSettings(data_dir=Path(folder), port=0, chain_url=chain_url, encoder=encoder)
    disperser = DaDisperser(settings, on_step=tell)
    async with anyio.create_task_group() as tasks:
        say(f"serving {await tasks.start(disperser.run)}")


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:4])
