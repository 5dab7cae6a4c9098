"""The folder of models: one file a model, put there whole or not at all, and replaced only by renaming.

A served model is mapped, so nothing here ever writes into a file that has its name already.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from zerog._kernel import ModelFile
from zerog.models.errors import ModelBusyError, ModelCacheError, ModelDamagedError, ModelExistsError, ModelNameError, ModelUnknownError
from zerog.models.facts import facts
from zerog.models.known import KNOWN_MODELS, KnownModel
from zerog.primitives import Hash32
from zerog.runtime.files import FileLock, LockHeldError

__all__ = ["CachedModel", "add", "find", "find_named", "keep", "models", "models_folder", "remove", "take_in", "working"]

SUFFIX: Final = ".gguf"
DRAFT_PREFIX: Final = ".draft-"
LOCK_NAME: Final = ".lock"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A model by name; `path` is `None` while a known one is not in the cache."""

    name: str
    path: Path | None


def models_folder() -> Path:
    """Where the files are: `ZEROG_MODELS`, or `zerog/models` in the user's cache. It need not exist."""
    if chosen := os.environ.get("ZEROG_MODELS"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zerog" / "models"


def models() -> list[CachedModel]:
    """All models of the cache by name, and those that zerog knows."""
    folder = models_folder()
    try:
        files = sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise ModelCacheError(folder, error.strerror or str(error)) from None
    known = {model.file_name: model for model in KNOWN_MODELS.values()}
    there = [CachedModel(known[path.name].name if path.name in known else path.name.removesuffix(SUFFIX), path) for path in files]
    named = {model.name for model in there}
    return [*there, *(CachedModel(name, None) for name in KNOWN_MODELS if name not in named)]


def find_named(name: str) -> CachedModel:
    """The model of that name. Raises `ModelUnknownError`."""
    all_models = models()
    for model in all_models:
        if name in (model.name, model.path and model.path.name, model.path and model.path.name.removesuffix(SUFFIX)):
            return model
    raise ModelUnknownError(name, tuple(model.name for model in all_models))


def find(sha256_wanted: Hash32) -> Path | None:
    """The file of the cache with that hash."""
    for model in models():
        if model.path is not None:
            with suppress(ModelCacheError):  # One that cannot be read is not it.
                if facts(model.path).sha256 == sha256_wanted:
                    return model.path
    return None


def add(path: Path, *, name: str | None = None) -> CachedModel:
    """Check a file and copy it into the cache. One that is there already by the same name is left.

    Raises `ModelRefusedError`, `ModelError`.
    """
    name = path.name.removesuffix(SUFFIX) if name is None else name
    if not NAME.fullmatch(name):
        raise ModelNameError(name)
    if name in KNOWN_MODELS:
        take_in(path, KNOWN_MODELS[name])
        return find_named(name)
    ModelFile.open(path)
    target = models_folder() / f"{name}{SUFFIX}"
    with working("zerog model add") as folder:
        if target.exists():
            if facts(target).sha256 != facts(path).sha256:
                raise ModelExistsError(name)
            return CachedModel(name, target)
        with _opened(path) as source:
            draft, _ = _draft(source, folder)
        ModelFile.open(draft)  # What was copied, in case the file changed meanwhile.
        _publish(draft, target)
    return CachedModel(name, target)


def take_in(path: Path, known: KnownModel) -> Path:
    """Copy the file of a known model into the cache, held against its hash. Raises `ModelError`."""
    with working("zerog model add") as folder, _opened(path) as source:
        return keep(source, known, folder)


def keep(source: BinaryIO, known: KnownModel, folder: Path) -> Path:
    """The same from an open file, by whoever is `working`."""
    draft, found = _draft(source, folder, size_max=known.size_bytes)
    if found != known.sha256:
        draft.unlink(missing_ok=True)
        raise ModelDamagedError(Path(known.file_name), f"the SHA-256 {found.hex()}", known.sha256.hex())
    target = folder / known.file_name
    _publish(draft, target)
    return target


def remove(name: str) -> Path:
    """Take a model out of the cache; who has it open keeps it. Raises `ModelUnknownError`."""
    model = find_named(name)
    if model.path is None:
        raise ModelUnknownError(name, tuple(model.name for model in models() if model.path is not None))
    try:
        model.path.unlink()
    except OSError as error:
        raise ModelCacheError(model.path, error.strerror or str(error)) from None
    return model.path


@contextmanager
def working(command: str) -> Iterator[Path]:
    """Change the cache, alone; first what a killed process has left is removed. Raises `ModelBusyError`, `ModelCacheError`."""
    folder = models_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock.acquire(folder / LOCK_NAME, command=command)
    except LockHeldError as error:
        raise ModelBusyError(folder, str(error.holder or "another process")) from None
    except OSError as error:
        raise ModelCacheError(folder, error.strerror or str(error)) from None
    with lock:
        for left in folder.glob(f"{DRAFT_PREFIX}*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
        yield folder


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        source = path.open("rb")
    except OSError as error:
        raise ModelCacheError(path, error.strerror or str(error)) from None
    with source:
        yield source


def _draft(source: BinaryIO, folder: Path, *, size_max: int | None = None) -> tuple[Path, Hash32]:
    """Copy into a file without a name that counts; its hash. Nothing stays when it fails."""
    draft = folder / f"{DRAFT_PREFIX}{os.getpid()}"
    digest, size = sha256(), 0
    try:
        with draft.open("xb") as target:
            while chunk := source.read(CHUNK_BYTES):
                _bound(draft, size := size + len(chunk), size_max)
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ModelCacheError(draft, error.strerror or str(error)) from None
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft, Hash32(digest.digest())


def _bound(draft: Path, size: int, size_max: int | None) -> None:
    if size_max is not None and size > size_max:
        raise ModelDamagedError(draft, f"more than {size_max:,} bytes", "as many")


def _publish(draft: Path, target: Path) -> None:
    """Give a draft its name, for good."""
    try:
        draft.chmod(0o644)
        draft.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ModelCacheError(target, error.strerror or str(error)) from None
