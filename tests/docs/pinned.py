"""Installs what a page asks for from what our tests have pinned: no registry is asked, and what nobody pinned is an error."""

import json
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final

INTEROP: Final = Path(__file__).parent.parent / "interop"
FOLDERS: Final = [folder / "node_modules" for folder in (INTEROP / "hardhat", INTEROP, INTEROP / "storage", INTEROP / "compute")]


def install_for_node(packages: list[str]) -> None:
    """Link packages and their programs into `node_modules` here, all from the first folder that has all of them if one has."""
    wanted = dict(_name_and_version(package) for package in packages)
    all_in_one = [folder for folder in FOLDERS if all(_has(folder, name, version) for name, version in wanted.items())]
    for name, version in wanted.items():
        folder = next((folder for folder in all_in_one or FOLDERS if _has(folder, name, version)), None)
        if folder is None:
            sys.exit(f"npm: {name} {version} is not among the packages that the tests pin")
        _link(folder / name, Path("node_modules", name))
        for program in (folder / ".bin").iterdir():
            if program.resolve().is_relative_to((folder / name).resolve()):
                _link(program, Path("node_modules", ".bin", program.name))


def check_for_python(packages: list[str]) -> None:
    """Raise if one is missing or has another version than the page names."""
    for package in packages:
        name, _, version = package.partition("==")
        if version not in ("", found := installed_version(name.partition("[")[0])):
            sys.exit(f"pip: {name} is pinned to {found} and not to {version}")


def _name_and_version(package: str) -> tuple[str, str]:
    name, _, version = package[1:].partition("@")
    return package[0] + name, version


def _has(folder: Path, name: str, version: str) -> bool:
    manifest = folder / name / "package.json"
    return manifest.exists() and f"{json.loads(manifest.read_bytes())['version']}.".startswith(f"{version}." if version else "")


def _link(target: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


if __name__ == "__main__":
    words = [word for word in sys.argv[2:] if not word.startswith("-")]
    install_for_node(words) if sys.argv[1] == "npm" else check_for_python(words)
