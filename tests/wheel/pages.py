"""Plays a page of the documentation: saves the files that it shows, and runs its commands in their order."""

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.wheel.environment import ROOT

__all__ = ["add_node_packages", "play"]

COMMAND_S_MAX = 200
FENCE = re.compile(r"^```(\w+)(?: save (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def play(page: Path, folder: Path, variables: Mapping[str, str]) -> int:
    """How many commands went through; all of them did. What they install must be there already, as the lock files have it."""
    count = 0
    for language, name, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if name:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif language == "sh":
            for line in text.splitlines():
                _perform(line, folder, variables)
                count += 1
    return count


def _perform(line: str, folder: Path, variables: Mapping[str, str]) -> None:
    if installed := re.fullmatch(r"pip install (\S+)", line):
        line = f"python -c \"from importlib.metadata import version; version('{installed[1]}')\""
    elif installed := re.fullmatch(r"npm install --save-dev (.+)", line):
        assert [name for name in installed[1].split() if not (folder / "node_modules" / name).exists()] == []
        return
    line = re.sub(r"^pytest\b", "python -m pytest", line)  # Commands of other packages were not copied.
    done = subprocess.run(
        ["/bin/bash", "-c", line], cwd=folder, env=variables, capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def add_node_packages(folder: Path) -> None:
    """What `npm install` would put into a project: our package as npm packs it, and Hardhat and vitest by links to the locked ones."""
    (folder / "package.json").write_text('{"name": "project", "private": true}\n')
    modules = folder / "node_modules"
    modules.mkdir()
    for source in (ROOT / "tests" / "interop" / "hardhat" / "node_modules", ROOT / "sdk" / "js" / "node_modules"):
        for package in _packages(source):
            link = modules / package.relative_to(source)
            link.parent.mkdir(exist_ok=True)
            if not link.exists():
                link.symlink_to(package.resolve())
    npm = shutil.which("npm")
    assert npm is not None
    subprocess.run(
        [npm, "pack", "--silent", "--pack-destination", folder, ROOT / "sdk" / "js"], check=True, capture_output=True, timeout=60
    )
    [archive] = folder.glob("zerog-testing-*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (folder / "package").rename(modules / "zerog-testing")
    archive.unlink()


def _packages(modules: Path) -> Iterator[Path]:
    for entry in modules.iterdir():
        if entry.name.startswith("@") or entry.name == ".bin":
            yield from entry.iterdir()
        elif not entry.name.startswith("."):
            yield entry
