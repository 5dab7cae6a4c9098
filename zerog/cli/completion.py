"""`zerog completion` and `zerog version`: what a shell and a report of a fault are told."""

import platform
import sys
from pathlib import Path
from typing import Literal

from zerog import __version__
from zerog.cli.output import AsJson, WorkingFolder, print_json
from zerog.devnet.folder import NetworkFolder

__all__ = ["completion", "version"]


def completion(shell: Literal["bash", "zsh", "fish"], /, *, directory: WorkingFolder = Path()) -> None:
    """Print what lets a shell complete commands and options.

    In bash `source <(zerog completion bash)`, in fish `zerog completion fish | source`; zsh finds it as a file `_zerog` in its `fpath`.

    Parameters
    ----------
    shell
        Which one.
    """
    from zerog.cli.application import make_app

    sys.stdout.write(make_app(NetworkFolder.of(directory)).generate_completion(shell=shell))


def version(*, json: AsJson = False) -> None:
    """Print the version of zerog and of what it runs on."""
    facts = {"zerog": __version__, "python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    if json:
        print_json(facts)
    else:
        print(f"zerog {__version__} (Python {facts['python']}, {facts['system']} {facts['machine']})")
