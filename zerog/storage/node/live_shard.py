"""Which shard a node has come to hold: noted beside its data, because it splits as the flow grows, and must be the same after a start."""

from pathlib import Path
from typing import Final, Self

import msgspec
import structlog

from zerog.runtime.files import make_private_folder, write_atomically
from zerog.storage.protocol.shards import Shard, ShardInvalidError

__all__ = ["SHARD_FILE", "LiveShard"]

SHARD_FILE: Final = "shard.json"

log = structlog.get_logger(__name__)


class LiveShard(msgspec.Struct, frozen=True, kw_only=True):
    """The note. Without one, a node holds the shard of its setting."""

    configured: str
    """The setting under which the node came to hold `live`. When the setting changes, it counts again."""
    live: str
    is_shed: bool
    """Whether everything was dropped that the shard held before and does not hold any more."""

    @classmethod
    def of(cls, data_dir: Path | None, configured: Shard) -> Self:
        """What holds for a node with this setting and folder. Raises `OSError`."""
        kept = _read(data_dir)
        if kept is not None and kept.configured == str(configured):
            return cls(configured=kept.configured, live=kept.live, is_shed=kept.is_shed)
        if kept is not None:
            log.warning("shard_by_setting", shard=str(configured), before=kept.live)
        return cls(configured=str(configured), live=str(configured), is_shed=True)

    @property
    def shard(self) -> Shard:
        """`live` as a value."""
        return Shard.parse(self.live)

    def split(self, *, upper: bool) -> "LiveShard":
        """One of the two halves: that of the same number, or the `upper` one."""
        return LiveShard(configured=self.configured, live=str(self.shard.half(upper=upper)), is_shed=False)

    def shed(self) -> "LiveShard":
        """The same, once the other half is gone."""
        return LiveShard(configured=self.configured, live=self.live, is_shed=True)

    def keep(self, data_dir: Path | None) -> None:
        """Write the note, durably. Raises `OSError`."""
        if data_dir is not None:
            make_private_folder(data_dir)
            write_atomically(data_dir / SHARD_FILE, msgspec.json.encode(self) + b"\n")


def _read(data_dir: Path | None) -> LiveShard | None:
    """The note; one that cannot be read is none, and said."""
    path = None if data_dir is None else data_dir / SHARD_FILE
    if path is None or not path.exists():
        return None
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=LiveShard)
        Shard.parse(kept.live)
    except (msgspec.DecodeError, ShardInvalidError) as error:
        log.warning("shard_note_unreadable", path=str(path), cause=str(error))
        return None
    return kept
