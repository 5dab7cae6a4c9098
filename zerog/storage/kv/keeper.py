"""All parts of a running key-value node, as its methods see them."""

from dataclasses import dataclass
from typing import Final

from anyio import CapacityLimiter

from zerog.primitives import Address
from zerog.storage.following import Follower
from zerog.storage.kv.counters import Counters
from zerog.storage.kv.fetch import Fetcher
from zerog.storage.kv.follower import StreamSink
from zerog.storage.kv.proofs import Proofs
from zerog.storage.kv.replaying import Replay
from zerog.storage.kv.settings import KeyValueNodeSettings
from zerog.storage.kv.sources import Sources
from zerog.storage.kv.store import KvStore

__all__ = ["Keeper"]

SLOW_READS_MAX: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Keeps streams."""

    settings: KeyValueNodeSettings
    chain_id: int
    flow: Address
    store: KvStore
    sink: StreamSink
    follower: Follower
    sources: Sources
    fetcher: Fetcher
    replay: Replay
    proofs: Proofs
    counters: Counters
    slow_reads: CapacityLimiter
    """Of reads that take more than a moment."""
