"""Holding what a node says of a value against the chain: value to item, item to file, file to flow, flow and sender to the chain.

The node is asked for the proof, and believed nothing: the item is read from segments that lead to the root which the transaction's event
gives, and it is our own reader that finds the value in it. Segments that the node leaves out come from storage nodes, under the same root.
"""

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from zerog._kernel import keccak256
from zerog.chain.client import ChainClient
from zerog.contracts.storage import FLOW, Placement, Submit
from zerog.primitives import Address, DecodeError, Hash32, decode_hook
from zerog.storage.client.client import StorageClient
from zerog.storage.client.kv.errors import ProofInvalidError, ValueTooLargeError
from zerog.storage.client.kv.results import ProvedValue
from zerog.storage.protocol.encryption import HEADER_BYTES_MAX, FileKeys, cipher_of_file
from zerog.storage.protocol.errors import StorageError, StreamDataError
from zerog.storage.protocol.file_cipher import FileCipher
from zerog.storage.protocol.flow import verify_sector
from zerog.storage.protocol.merkle import MerkleProof, verify_segment
from zerog.storage.protocol.padding import segments_of
from zerog.storage.protocol.streams import StreamReader, ValueSpan, stream_ids_of_tags
from zerog.storage.protocol.submission import Submission
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.kv import ValueProof

__all__ = ["Prover"]

HEAD_BYTES_FIRST: Final = SEGMENT_BYTES
"""So much of an item is looked at first for its lists; of one whose lists are longer twice as much, and so on."""


class _TransactionAnswer(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    sender: Address


@dataclass(frozen=True, slots=True)
class _Announced:
    """What the chain says of the submission."""

    submission: Submission
    placement: Placement
    sender: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Prover:
    """Checks the proofs that the node at `url` gives."""

    url: str
    chain: ChainClient
    flow: Address
    """Address of the flow's contract."""
    storage: StorageClient | None
    """For segments that the node leaves out."""

    def prove(
        self, proof: ValueProof, stream: Hash32, key: bytes, *, version: int | None, keys: FileKeys | None, bytes_max: int
    ) -> ProvedValue:
        """The value that the chain proves. Raises `ProofInvalidError`, `ValueTooLargeError`, `ChainClientError`, and what the download of
        missing segments raises."""
        with self._faults():
            if proof.version != proof.tx_seq or (version is not None and proof.version > version):
                raise _Fault(f"version {proof.version} is not what submission {proof.tx_seq} wrote, or not what was asked for")
            announced = self._announced(proof)
            if stream not in (stream_ids_of_tags(announced.submission.tags) or ()):
                raise _Fault(f"submission {proof.tx_seq} is not tagged with the stream")
            flow_root = self._check_flow(proof, announced)
            item = _item(_Stored(announced.submission, self._segments(proof, announced.submission), self._missing), keys)
            span = _find(item, stream, key)
            if span.size > bytes_max:
                raise ValueTooLargeError(span.size, bytes_max)
            if (span.start, span.size) != (proof.start, proof.size):
                raise _Fault(f"the value lies in bytes {span.start} to {span.start + span.size} of the item")
            return ProvedValue(
                version=proof.version,
                data=item.read(span.start, span.start + span.size),
                sender=announced.sender,
                transaction_hash=proof.submission.transaction_hash,
                block_number=proof.submission.block_number,
                root=announced.submission.root,
                flow_root=flow_root,
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (_Fault, StreamDataError, DecodeError, msgspec.ValidationError) as error:
            raise ProofInvalidError(self.url, str(error)) from error

    # ---- the chain -----------------------------------------------------------------------------------------------

    def _announced(self, proof: ValueProof) -> _Announced:
        """The event of the transaction that the node names, and who signed it."""
        named = proof.submission
        receipt = self.chain.receipt(named.transaction_hash)
        if receipt is None or not receipt.succeeded or receipt.block_number != named.block_number:
            raise _Fault(f"the chain has no transaction {named.transaction_hash} in block {named.block_number} that did anything")
        logs = [log for log in receipt.logs if log.address == self.flow and log.topics[:1] == [Submit.TOPIC]]
        events = [Submit.decode(log.topics, log.data) for log in logs]
        found = next((event for event in events if event.placement.tx_seq == proof.tx_seq), None)
        if found is None:
            raise _Fault(f"transaction {named.transaction_hash} does not tell of submission {proof.tx_seq}")
        nodes = [(node.root, node.height) for node in found.submission.nodes]
        if (
            (proof.root, proof.file_size) != (found.submission.root, found.submission.size_bytes)
            or named.start_sector != found.placement.start
            or [(node.root, node.height) for node in named.nodes] != nodes
        ):
            raise _Fault(f"the event of submission {proof.tx_seq} tells of another file, or of another place")
        answer = self.chain.request("eth_getTransactionByHash", str(named.transaction_hash))
        return _Announced(found.submission, found.placement, msgspec.convert(answer, _TransactionAnswer, dec_hook=decode_hook).sender)

    def _check_flow(self, proof: ValueProof, announced: _Announced) -> Hash32:
        """The flow's root after the submission, to which each of its nodes leads."""
        function = FLOW.function("getFlowRootByTxSeq")
        [found] = function.decode_result(self.chain.call(self.flow, function.encode(proof.tx_seq)))
        root = Hash32(found)
        if root != proof.flow.root:
            raise _Fault(f"the flow's root after submission {proof.tx_seq} is {root}")
        if len(proof.flow.proofs) != len(announced.submission.nodes):
            raise _Fault("there is not one way to the flow's root for each node of the submission")
        sector = announced.placement.start
        for node, way in zip(announced.submission.nodes, proof.flow.proofs, strict=True):
            decoded = way.to_proof()
            if not verify_sector(root, sector=sector, proof=decoded) or _node_at(decoded, node.height) != node.root:
                raise _Fault(f"the way from sector {sector} does not lead over the file to the flow's root")
            sector += node.sectors
        return root

    # ---- the file ------------------------------------------------------------------------------------------------

    def _segments(self, proof: ValueProof, submission: Submission) -> dict[int, bytes]:
        """Those that the node sent along, each held against the root."""
        for segment in proof.segments:
            try:
                verify_segment(
                    submission.root,
                    size_bytes=submission.size_bytes,
                    index=segment.index,
                    data=segment.data,
                    proof=segment.proof.to_proof(),
                )
            except (StorageError, IndexError, ValueError, OverflowError) as error:
                raise _Fault(f"segment {segment.index} does not lead to the root: {error}") from error
        return {segment.index: segment.data for segment in proof.segments}

    def _missing(self, root: Hash32, start: int, length: int) -> bytes:
        if self.storage is None:
            raise _Fault("segments are missing, and there is no storage to ask for them")
        content = self.storage.read(root, offset=start, length=length)
        if len(content) != length:
            raise _Fault(f"storage has a shorter file with the root {root}")
        return content


class _Fault(Exception):  # noqa: N818 - it leaves this module as a `ProofInvalidError`.
    """Why a proof proves nothing."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """The file as it is stored; every byte that is read of it belongs to its root."""

    submission: Submission
    segments: dict[int, bytes]
    missing: Callable[[Hash32, int, int], bytes]

    @property
    def size_bytes(self) -> int:
        return self.submission.size_bytes

    def read(self, start: int, end: int) -> bytes:
        first, last = start // SEGMENT_BYTES, min(-(-end // SEGMENT_BYTES), segments_of(self.size_bytes))
        content = b"".join(self._segment(index) for index in range(first, last))
        return content[start - first * SEGMENT_BYTES : end - first * SEGMENT_BYTES]

    def _segment(self, index: int) -> bytes:
        if index not in self.segments:
            start = index * SEGMENT_BYTES
            self.segments[index] = self.missing(self.submission.root, start, min(SEGMENT_BYTES, self.size_bytes - start))
        return self.segments[index]


@dataclass(frozen=True, slots=True)
class _Opened:
    """The item of an encrypted file."""

    stored: _Stored
    cipher: FileCipher

    @property
    def size_bytes(self) -> int:
        return self.cipher.plain_bytes_of(self.stored.size_bytes)

    def read(self, start: int, end: int) -> bytes:
        window = self.cipher.window(start, end, self.stored.size_bytes)
        return self.cipher.decrypt_range(self.stored.read(window.start, window.stop), start, end, self.stored.size_bytes)


def _item(stored: _Stored, keys: FileKeys | None) -> _Stored | _Opened:
    if keys is None:
        return stored
    return _Opened(stored, cipher_of_file(stored.read(0, min(HEADER_BYTES_MAX, stored.size_bytes)), keys))


def _find(item: _Stored | _Opened, stream: Hash32, key: bytes) -> ValueSpan:
    """Where the value lies. Only as much of the item is read as its lists of reads and writes take."""
    looked = min(HEAD_BYTES_FIRST, item.size_bytes)
    while True:
        whole = looked == item.size_bytes
        try:
            reader = StreamReader(_sparse(item.read(0, looked), item.size_bytes))
            reader.version()
            reader.reads()
            writes = reader.writes()
        except StreamDataError:
            if whole:
                raise
            writes = {}
        # The lists end before every value. Where one lies beyond of what was looked at, part of the lists may do so too.
        if whole or (writes and min(span.start for span in writes.values()) <= looked):
            span = writes.get((stream, key))
            if span is None:
                raise _Fault("the item does not write the key")
            return span
        looked = min(2 * looked, item.size_bytes)


def _sparse(head: bytes, size_bytes: int) -> memoryview:
    """The beginning of an item in a buffer of its whole length, since the reader passes over values without a look at them."""
    buffer = mmap.mmap(-1, max(size_bytes, 1))
    buffer[: len(head)] = head
    return memoryview(buffer)[:size_bytes]


def _node_at(proof: MerkleProof, height: int) -> Hash32 | None:
    """The node of a height on the way from a leaf; `None` if the way is shorter."""
    if height > len(proof.path):
        return None
    node: bytes = proof.lemma[0]
    for sibling, from_left in zip(proof.lemma[1 : 1 + height], proof.path[:height], strict=True):
        node = keccak256(node + sibling if from_left else sibling + node)
    return Hash32(node)
