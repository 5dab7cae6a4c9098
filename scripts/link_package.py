"""Make the working tree importable in its virtual environment and give it the command `zerog`, without building anything.

Run by the Python of that environment, from the root of the tree.
"""

import sys
import sysconfig
from pathlib import Path

COMMAND = """\
#!{python}
# The command `zerog` of the working tree.
from zerog.cli import main

main()
"""


def link_package(root: Path) -> None:
    """Write the path file and the command."""
    paths = sysconfig.get_paths()
    Path(paths["purelib"], "zerog.pth").write_text(f"{root}\n", encoding="utf-8")
    command = Path(paths["scripts"], "zerog")
    command.write_text(COMMAND.format(python=sys.executable), encoding="utf-8")
    command.chmod(0o755)


if __name__ == "__main__":
    if sys.prefix == sys.base_prefix:
        sys.exit("run this with the Python of the virtual environment")
    link_package(Path.cwd())
