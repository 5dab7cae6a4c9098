"""What reads and writes of key-value streams return."""

from dataclasses import dataclass

from zerog.primitives import Address, Hash32, Wei

__all__ = ["Entry", "Part", "ProvedValue", "Value", "Written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A whole value."""

    version: int
    """The submission that wrote it: what `Batch(version=…)` takes to write only if nobody else has since."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some bytes of a value. Of a key that was never written the version is 0 and the size 0; one that was deleted has size 0."""

    version: int
    data: bytes
    size_bytes: int
    """Of the whole value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key and its value."""

    key: bytes
    version: int
    data: bytes
    size_bytes: int
    """Of the value; `data` is empty where only keys were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A batch that took effect."""

    tx_seq: int
    """The version of everything that it wrote."""
    root: Hash32
    transaction_hash: Hash32 | None
    """`None` if an earlier call, which was broken off, had submitted the same sealed batch."""
    size_bytes: int
    """As it is stored."""
    fee_wei: Wei
    streams: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedValue:
    """A value that a transaction on chain wrote.

    What the chain cannot prove is that no later transaction wrote the key: whether this is the newest version, and whether the sender was
    allowed to write it, is the node's word.
    """

    version: int
    data: bytes
    sender: Address
    """Who signed the transaction."""
    transaction_hash: Hash32
    block_number: int
    root: Hash32
    """Of the file that the batch is stored in."""
    flow_root: Hash32
    """After the submission, as the chain has it."""
