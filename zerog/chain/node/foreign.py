"""Chains that others made: taken from a file into a folder, and what a node must know to serve that folder."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from zerog._kernel import BlockRefusedError, DecodeError, GenesisMismatchError, Ledger, keccak256
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.protocol.block_file import BlockFileError, header_of, split_blocks
from zerog.chain.protocol.errors import ChainError
from zerog.networks import CLONE_SUFFIX, RULES, NetworkParams, public_name
from zerog.runtime.files import make_private_folder, write_atomically

__all__ = [
    "ForeignBlockError",
    "GenesisFileError",
    "Imported",
    "foreign_genesis",
    "foreign_network",
    "import_chain",
    "keep_genesis",
    "served",
]

GENESIS_FILE: Final = "genesis.json"
"""In the ledger's folder: the document that a chain of others began with. A chain of our own has none."""
BLOCKS_AT_ONCE: Final = 128
BATCH_BYTES: Final = 16 << 20
"""Blocks that share one write to the disk: so many, and less where they are large."""


@dataclass(eq=False)
class GenesisFileError(ChainError):
    """A genesis that no chain can begin with, or another than the folder's."""

    cause: str

    code = "genesis_refused"
    remedy = "give the genesis of this chain, in the form that geth takes; a folder holds one chain, so another needs another folder"
    http_status = 422

    def __str__(self) -> str:
        return self.cause


@dataclass(eq=False)
class ForeignBlockError(ChainError):
    """A block that breaks the rules of its chain, or whose header says something else than executing it gives."""

    number: int
    block_hash: str
    cause: str

    code = "block_refused"
    remedy = "check that genesis and blocks are of one chain; all blocks before this one are in the folder"
    http_status = 422

    def __str__(self) -> str:
        return f"block {self.number} ({self.block_hash}) is refused: {self.cause}"


@dataclass(frozen=True, slots=True)
class Imported:
    """How far an import has come."""

    taken: int
    """Blocks that are new in the folder."""
    known: int
    """Blocks of the file that were there already."""
    head_number: int
    head_hash: bytes


def import_chain(genesis: bytes, chunks: Iterable[bytes], data_dir: Path, report: Callable[[Imported], None]) -> Imported:
    """Take the blocks of a file, which comes in pieces, into the ledger in `data_dir`. It can be done again after it was broken off.

    Raises `GenesisFileError`, `BlockFileError`, `ForeignBlockError`, and what `Ledger.open` raises.
    """
    if foreign_genesis(data_dir) is None:
        keep_genesis(data_dir, genesis)
    ledger = _open(genesis, data_dir)
    try:
        write_atomically(data_dir / GENESIS_FILE, genesis)
        taken = known = 0
        for batch in _batches(_placed(split_blocks(chunks))):
            fresh = [block for block in batch if ledger.block(block.hash) is None]
            _take(ledger, fresh)
            taken, known = taken + len(fresh), known + len(batch) - len(fresh)
            head = ledger.head()
            report(Imported(taken, known, head.number, head.hash))
        head = ledger.head()
        return Imported(taken, known, head.number, head.hash)
    finally:
        ledger.close()


def foreign_genesis(data_dir: Path | None) -> bytes | None:
    """The genesis document of the chain of others in a folder; nothing for chains of our own."""
    if data_dir is None or not (path := data_dir / GENESIS_FILE).exists():
        return None
    return path.read_bytes()


def keep_genesis(data_dir: Path | None, genesis: bytes) -> None:
    """Say of an empty folder what chain of others it will hold; before anything else, so that one left half-way can be told.

    Raises `GenesisFileError`.
    """
    foreign_network(genesis)
    if data_dir is None:
        return
    make_private_folder(data_dir)
    if any(data_dir.iterdir()):
        raise GenesisFileError(f"{data_dir} holds a chain that was made here")
    write_atomically(data_dir / GENESIS_FILE, genesis)


def foreign_network(genesis: bytes) -> NetworkParams:
    """What is known of the network of a chain of others: its id, and whether it is a copy of a public network that a node of ours began.

    Raises `GenesisFileError`.
    """
    try:
        config = msgspec.json.decode(genesis, type=_Genesis).config
    except msgspec.DecodeError as error:
        raise GenesisFileError(f"the genesis cannot be read: {error}") from None
    public = public_name(config.chain_id) if config.zero_gravity else None  # Only nodes of ours write those rules down.
    name = f"chain-{config.chain_id}" if public is None else public + CLONE_SUFFIX
    return NetworkParams(name=name, chain_id=config.chain_id, rules=RULES["ethereum"], addresses={})


def served(settings: ChainNodeSettings) -> ChainNodeSettings:
    """Settings of a node that serves a chain of others: it makes no block, so it offers nothing that would."""
    return replace(settings, dev_methods=False, automine=False, block_time_s=None)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A block, and at which byte of the file it begins."""

    offset: int
    hash: bytes
    rlp: bytes


def _placed(blocks: Iterator[bytes]) -> Iterator[_Placed]:
    offset = 0
    for block in blocks:
        yield _Placed(offset, keccak256(header_of(block, offset)), block)
        offset += len(block)


def _batches(blocks: Iterator[_Placed]) -> Iterator[list[_Placed]]:
    """Blocks in groups; those before a place that cannot be read come before its error."""
    batch: list[_Placed] = []
    size = 0
    try:
        for block in blocks:
            batch.append(block)
            size += len(block.rlp)
            if len(batch) >= BLOCKS_AT_ONCE or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    except BlockFileError:
        yield batch
        raise
    yield batch


class _Config(msgspec.Struct, rename="camel"):
    chain_id: int
    zero_gravity: dict[str, object] = {}


class _Genesis(msgspec.Struct):
    config: _Config


def _open(genesis: bytes, data_dir: Path) -> Ledger:
    try:
        return Ledger.open(str(data_dir), genesis)
    except GenesisMismatchError as error:
        kept, given = error.args
        raise GenesisFileError(f"the folder holds the chain with genesis {kept}, and this one begins with {given}") from None
    except DecodeError as error:
        raise GenesisFileError(f"the genesis cannot be read: {error}") from None


def _take(ledger: Ledger, blocks: list[_Placed]) -> None:
    try:
        ledger.import_blocks([block.rlp for block in blocks])
    except BlockRefusedError as error:
        number, block_hash, cause = error.args
        raise ForeignBlockError(number, block_hash, cause) from None
    except DecodeError as error:
        damaged = next(block for block in blocks if ledger.block(block.hash) is None)  # All before it were taken.
        raise BlockFileError(damaged.offset, str(error)) from None
