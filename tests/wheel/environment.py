"""A virtual environment that has the wheel and what it requires, and nothing else: no source tree, no compiler, no Node."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["ROOT", "Environment", "locked_names", "make_environment", "pip"]

ROOT = Path(__file__).parents[2]
COMMAND_S_MAX = 120
"""Far more than any command takes, so that a hang is a failure and not a hang."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment, and an empty folder to work in."""

    path: Path
    folder: Path
    models: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    def variables(self) -> dict[str, str]:
        """The whole environment of its programs: on the path are those that the wheel brought, and Python."""
        return {"PATH": str(self.path / "bin"), "HOME": str(self.folder), "ZEROG_MODELS": str(self.models)}

    def run(self, *words: str, expect: int = 0) -> str:
        """What `zerog WORDS` prints, or what it says when it fails."""
        return self.perform(str(self.path / "bin" / "zerog"), *words, expect=expect)

    def perform(self, *command: str, expect: int = 0) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.variables(), capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False
        )
        assert done.returncode == expect, f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stderr if expect else done.stdout


def make_environment(path: Path, *wheels: Path, besides: tuple[str, ...] = ()) -> None:
    """Install `wheels` by pip, and what `requirements/core.txt` locks (and `besides`) as it lies in our own environment.

    These were fetched by hash, so to fetch them once more would say nothing new. What a wheel requires and has not got, `pip check` tells.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    packages = next((path / "lib").glob("python3.*")) / "site-packages"
    for name in (*locked_names("core"), *besides):
        _copy(name, packages)
    pip(path, "install", "--quiet", "--no-index", "--no-deps", *map(str, wheels))
    pip(path, "check")


def locked_names(name: str) -> list[str]:
    """The distributions that a requirement file names for this machine."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    requirements = [Requirement(line.removesuffix("\\").strip()) for line in re.findall(r"^\S.*==.*$", text, re.MULTILINE)]
    return [requirement.name for requirement in requirements if requirement.marker is None or requirement.marker.evaluate()]


def pip(path: Path, *words: str) -> None:
    """Our pip, on that environment."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(path / "bin" / "python"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _copy(name: str, packages: Path) -> None:
    found = distribution(name)
    for file in found.files or ():
        target = (packages / file).resolve()
        if target.is_relative_to(packages.resolve()):  # Commands of theirs lie elsewhere, and are not wanted.
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(found.locate_file(file)), target)
