"""The streams that somebody chose to follow, in a file of their own: nothing else in the folder could tell them again."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from zerog.primitives import Hash32
from zerog.runtime.files import write_atomically
from zerog.storage.kv.store.errors import StoreDamagedError

__all__ = ["load_followed", "save_followed"]

FOLLOWED_FILE: Final = "streams.json"


def load_followed(folder: Path) -> set[Hash32]:
    """What was saved; nothing in a new folder. Raises `StoreDamagedError`, `OSError`."""
    path = folder / FOLLOWED_FILE
    if not path.exists():
        return set()
    try:
        return {Hash32.from_json(text) for text in msgspec.json.decode(path.read_bytes(), type=list[str])}
    except (msgspec.DecodeError, ValueError) as error:
        raise StoreDamagedError(folder, f"{FOLLOWED_FILE} is no list of streams ({error}); delete it and name the streams again") from error


def save_followed(folder: Path, streams: Iterable[Hash32], *, durable: bool = True) -> None:
    """Keep them; whoever reads finds these or those before. Raises `OSError`."""
    content = msgspec.json.format(msgspec.json.encode(sorted(str(stream) for stream in streams)))
    if durable:
        write_atomically(folder / FOLLOWED_FILE, content)
    else:
        draft = folder / f".{FOLLOWED_FILE}"
        draft.write_bytes(content)
        draft.replace(folder / FOLLOWED_FILE)
