"""Moments of the chain that can be gone back to. Taking one costs nothing: the ledger and the pool share what has not changed.

They are noted in a file beside the ledger, a line each, so that their ids still hold after a restart. The lines are not forced to the
disk: they outlive the process, however it ends, and a machine that loses power loses the last ones. The pool lives in memory only, so
what waited in it when a snapshot was taken comes back only as long as the process lives.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from zerog._kernel import Ledger, PoolSnapshot
from zerog.chain.node.producer.solo import NextBlock
from zerog.chain.protocol.block_clock import BlockClock
from zerog.primitives import Address, Hash32
from zerog.runtime.files import write_atomically

__all__ = ["Snapshot", "Snapshots"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that `evm_revert` brings back. Impersonations and keys stay as they are."""

    block: int
    block_hash: bytes
    edit_count: int
    """Developer edits on top of the block."""
    pool: PoolSnapshot
    block_clock: BlockClock
    next_block: NextBlock
    filter_cursors: Mapping[int, int]
    arrival_count: int
    """Transactions that had arrived at the pool since the process started."""
    gas_limit: int
    coinbase: Address


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is noted of a snapshot."""

    id: int
    block: int
    block_hash: bytes
    edit_count: int
    block_clock: BlockClock
    base_fee_wei: int | None = None
    prev_randao: bytes | None = None
    gas_limit: int
    coinbase: bytes


class _Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """That snapshots are gone, and which id was the last one given out."""

    kept: list[int]
    last_id: int


@dataclass(slots=True)
class Snapshots:
    """Snapshots by id; ids grow and are never used twice."""

    last_id: int = 0
    entries: dict[int, Snapshot] = field(default_factory=dict)
    path: Path | None = None
    """Where they are noted; `None` for a chain in memory."""

    @classmethod
    def open(cls, path: Path | None, ledger: Ledger, pool: PoolSnapshot) -> "Snapshots":
        """Those that an earlier process noted and that the ledger still holds, with `pool` in place of theirs."""
        snapshots = cls(path=path)
        if path is None or not path.exists():
            return snapshots
        for line in path.read_bytes().splitlines():
            try:
                snapshots._follow(msgspec.json.decode(line, type=dict[str, object]), pool)
            except msgspec.DecodeError:
                break  # The last line may be cut off where the machine stopped.
        head, edit_count = ledger.head().number, ledger.edit_count
        snapshots._keep_if(lambda it: _holds(it, ledger) and (it.block < head or it.edit_count <= edit_count))
        snapshots._write_all()
        return snapshots

    def keep(self, snapshot: Snapshot) -> int:
        """Keep a snapshot; returns its id."""
        self.last_id += 1
        self.entries[self.last_id] = snapshot
        self._append(_line(self.last_id, snapshot))
        return self.last_id

    def take(self, snapshot_id: int) -> Snapshot | None:
        """The snapshot, which is forgotten with all later ones; `None` when there is none."""
        snapshot = self.entries.get(snapshot_id)
        if snapshot is not None:
            self.entries = {key: value for key, value in self.entries.items() if key < snapshot_id}
            self._note_forgotten()
        return snapshot

    def forget_after(self, block: int) -> None:
        """Forget the snapshots of later blocks, and of edits on top of this one."""
        self._keep_if(lambda it: it.block < block or (it.block == block and not it.edit_count))

    def clear(self) -> None:
        """Forget all."""
        self._keep_if(lambda _: False)

    def _keep_if(self, keeps: Callable[[Snapshot], bool]) -> None:
        self.entries = {key: snapshot for key, snapshot in self.entries.items() if keeps(snapshot)}
        self._note_forgotten()

    def _note_forgotten(self) -> None:
        self._append(_Forgotten(kept=list(self.entries), last_id=self.last_id))

    def _append(self, line: msgspec.Struct) -> None:
        if self.path is not None:
            with self.path.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")

    def _write_all(self) -> None:
        if self.path is not None:
            lines: list[msgspec.Struct] = [_line(key, snapshot) for key, snapshot in self.entries.items()]
            lines.append(_Forgotten(kept=list(self.entries), last_id=self.last_id))
            write_atomically(self.path, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    def _follow(self, document: dict[str, object], pool: PoolSnapshot) -> None:
        """Take over one line."""
        if "kept" in document:
            forgotten = msgspec.convert(document, _Forgotten)
            self.entries = {key: self.entries[key] for key in forgotten.kept if key in self.entries}
            self.last_id = max(self.last_id, forgotten.last_id)
            return
        line = msgspec.convert(document, _Line)
        self.last_id = max(self.last_id, line.id)
        self.entries[line.id] = Snapshot(
            block=line.block,
            block_hash=line.block_hash,
            edit_count=line.edit_count,
            pool=pool,
            block_clock=line.block_clock,
            next_block=NextBlock(line.base_fee_wei, None if line.prev_randao is None else Hash32(line.prev_randao)),
            filter_cursors={},
            arrival_count=0,
            gas_limit=line.gas_limit,
            coinbase=Address(line.coinbase),
        )


def _line(snapshot_id: int, snapshot: Snapshot) -> _Line:
    return _Line(
        id=snapshot_id,
        block=snapshot.block,
        block_hash=bytes(snapshot.block_hash),
        edit_count=snapshot.edit_count,
        block_clock=snapshot.block_clock,
        base_fee_wei=snapshot.next_block.base_fee_wei,
        prev_randao=None if snapshot.next_block.prev_randao is None else bytes(snapshot.next_block.prev_randao),
        gas_limit=snapshot.gas_limit,
        coinbase=bytes(snapshot.coinbase),
    )


def _holds(snapshot: Snapshot, ledger: Ledger) -> bool:
    """Whether the chain still has the snapshot's block."""
    block = ledger.block(snapshot.block)
    return block is not None and block.hash == snapshot.block_hash
