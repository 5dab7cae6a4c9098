"""Proves that a submission wrote a value: from the value to its item's root, and from the item to the root of the flow.

All of it is brought from storage nodes and held against what the chain says, so that a proof that is given is one that holds.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import anyio
import msgspec
from anyio import to_thread

from zerog._kernel import keccak256
from zerog.chain.client import AnswerError, NodeUnreachableError, RpcError
from zerog.primitives import Hash32, decode_hook
from zerog.storage.client import NodeClient, PeerAnswerError, PeerError, PeerRefusedError
from zerog.storage.following import ChainView, LogGapError, LoggedSubmission, read_logs
from zerog.storage.kv.errors import ProofUnavailableError
from zerog.storage.kv.records import Found, StreamSubmission
from zerog.storage.kv.sources import Sources
from zerog.storage.kv.store import KvStore
from zerog.storage.protocol.encryption import HEADER_BYTES_MAX, FileKeys, cipher_of_file
from zerog.storage.protocol.errors import StorageError
from zerog.storage.protocol.flow import segment_of_sector, verify_sector
from zerog.storage.protocol.merkle import MerkleProof
from zerog.storage.protocol.streams import head_size
from zerog.storage.protocol.submission import SubmissionNode
from zerog.storage.protocol.units import SEGMENT_BYTES, SEGMENT_SECTORS
from zerog.storage.wire.kv import FlowPart, ProvedSubmission, SubtreeNode, ValueProof
from zerog.storage.wire.segments import FileProof, SegmentWithProof

__all__ = ["Proofs"]

SEGMENTS_MAX: Final = 16
"""Of one proof: 4 MiB. Who needs more brings it from storage nodes."""
AT_ONCE: Final = 2
PROOF_S_MAX: Final = 30.0


class Proofs:
    """Belongs to one event loop."""

    def __init__(self, store: KvStore, chain: ChainView, sources: Sources, keys: FileKeys | None) -> None:
        self._store: Final = store
        self._chain: Final = chain
        self._sources: Final = sources
        self._keys: Final = keys
        self._slots: Final = anyio.Semaphore(AT_ONCE)

    async def prove(self, stream: Hash32, key: bytes, version: int | None) -> ValueProof | None:
        """The proof of a key's value; `None` for a key that was never written. Raises `ProofUnavailableError`."""
        try:
            async with self._slots:
                with anyio.fail_after(PROOF_S_MAX):
                    return await self._prove(stream, key, version)
        except TimeoutError:
            raise ProofUnavailableError(f"nothing that could be proved within {PROOF_S_MAX:.0f} s") from None
        except (NodeUnreachableError, AnswerError, RpcError, LogGapError) as error:
            raise ProofUnavailableError(str(error)) from None

    async def _prove(self, stream: Hash32, key: bytes, version: int | None) -> ValueProof | None:
        found = await to_thread.run_sync(self._store.value, stream, key, version)
        if found is None:
            return None
        submission = self._store.submission(found.version)
        if submission is None:
            raise ProofUnavailableError(f"the chain took back submission {found.version}")
        logged = await self._logged(submission)
        segments = await self._segments(submission, found)
        nodes = logged.submission.nodes
        return ValueProof(
            version=found.version,
            start=found.start,
            size=found.size,
            tx_seq=submission.seq,
            root=submission.root,
            file_size=submission.size_bytes,
            segments=segments,
            submission=ProvedSubmission(
                transaction_hash=submission.transaction_hash,
                block_number=submission.block_number,
                start_sector=submission.start_sector,
                nodes=[SubtreeNode(root=node.root, height=node.height) for node in nodes],
            ),
            flow=await self._flow_part(submission, nodes),
        )

    async def _logged(self, submission: StreamSubmission) -> LoggedSubmission:
        """The submission with its nodes, as the chain has it."""
        number = submission.block_number
        page = read_logs(await self._chain.logs(number, number), submission.seq)
        if not page.submissions or page.submissions[0].root != submission.root:
            raise ProofUnavailableError(f"the chain took back submission {submission.seq}")
        return page.submissions[0]

    # ---- from the value to the item's root -----------------------------------------------------------------------

    async def _segments(self, submission: StreamSubmission, found: Found) -> list[SegmentWithProof]:
        """Those with the item's head, without which no byte has a meaning, and those with the value, as far as they fit."""
        first = await self._sources.segments(submission, [0], tx_seq=submission.seq)
        if 0 not in first:
            raise ProofUnavailableError(f"no storage node gives item {submission.root}")
        indexes = await to_thread.run_sync(self._indexes, submission, found, bytes(first[0].data[:HEADER_BYTES_MAX]))
        brought = first | await self._sources.segments(submission, indexes[1:], tx_seq=submission.seq)
        missing = [index for index in indexes if index not in brought]
        if missing:
            raise ProofUnavailableError(f"no storage node gives segment {missing[0]} of item {submission.root}")
        return [
            SegmentWithProof(
                root=submission.root,
                data=bytes(brought[index].data),
                index=index,
                proof=FileProof.of(brought[index].proof),
                file_size=submission.size_bytes,
            )
            for index in indexes
        ]

    def _indexes(self, submission: StreamSubmission, found: Found, head: bytes) -> list[int]:
        """Segments of the stored file; `head` is how that begins."""
        item = self._store.item(submission.seq)
        if item is None:
            raise ProofUnavailableError(f"the data of item {submission.root} is not here")
        wanted: set[int] = {0}
        for start, end in ((0, head_size(item)), (found.start, found.start + found.size)):
            if self._keys is not None:
                window = cipher_of_file(head, self._keys).window(start, end, submission.size_bytes)
                start, end = window.start, window.stop  # noqa: PLW2901 - of the stored file instead of the item.
            for index in range(start // SEGMENT_BYTES, -(-end // SEGMENT_BYTES)):
                if len(wanted) == SEGMENTS_MAX:
                    break
                wanted.add(index)
        return sorted(wanted)

    # ---- from the item to the flow's root ------------------------------------------------------------------------

    async def _flow_part(self, submission: StreamSubmission, nodes: Sequence[SubmissionNode]) -> FlowPart:
        root = await self._chain.flow_root(submission.seq)
        length = submission.start_sector + submission.sectors
        proofs, sector = [], submission.start_sector
        for node in nodes:
            held = submission.start_sector + segment_of_sector(submission.size_bytes, sector - submission.start_sector) * SEGMENT_SECTORS
            proofs.append(FileProof.of(await self._node_proof(sector, node, root, length, held // SEGMENT_SECTORS)))
            sector += node.sectors
        return FlowPart(root=root, length=length, proofs=proofs)

    async def _node_proof(self, sector: int, node: SubmissionNode, root: Hash32, length: int, segment: int) -> MerkleProof:
        """From the first sector of a submission's node through the node to the root of the flow; who has `segment` can tell."""
        cause = "no storage node answers"
        for source in self._sources.of_segment(segment):
            try:
                answer = await self._sources.ask(source, partial(_sector_proof, source.client, sector, node, root, length))
            except PeerError as error:
                cause = str(error)
                continue
            if isinstance(answer, MerkleProof):
                return answer
            cause = answer
        raise ProofUnavailableError(f"sector {sector} of the flow is not proved: {cause}")


def _sector_proof(client: NodeClient, sector: int, node: SubmissionNode, root: Hash32, length: int) -> MerkleProof | str:
    """A checked proof, or why the node does not give one, which is no fault of it. Raises `PeerError`."""
    try:
        answer = client.request("zgs_getSectorProof", sector, str(root), length)
    except PeerRefusedError as error:
        return str(error)
    try:
        proof = msgspec.convert(answer, FileProof, dec_hook=decode_hook).to_proof()
    except (msgspec.ValidationError, StorageError) as error:
        raise PeerAnswerError(client.url, f"zgs_getSectorProof: {error}") from None
    if not verify_sector(root, sector=sector, proof=proof) or _ancestor(proof, node.height) != node.root:
        raise PeerAnswerError(client.url, f"its proof of sector {sector} does not lead through what was submitted to the flow's root")
    return proof


def _ancestor(proof: MerkleProof, height: int) -> bytes:
    """The node of a proof so many levels above its leaf."""
    node: bytes = proof.lemma[0]
    for sibling, from_left in zip(proof.lemma[1 : height + 1], proof.path[:height], strict=False):
        node = keccak256(node + sibling if from_left else sibling + node)
    return node
