"""The way of pieces to their nodes: find what is there, submit the rest, send what is missing, wait until the nodes have it.

Every step looks at what the nodes have before it acts, so an upload that was broken off goes on where it ended, and a node that fails is
replaced by another.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from zerog.runtime.deadlines import rest
from zerog.storage.client.errors import (
    NoNodesError,
    PeerError,
    PeerRefusedError,
    PeerStatusError,
    PeerUnreachableError,
    UploadRefusedError,
)
from zerog.storage.client.piece import Message, Piece, messages_to
from zerog.storage.client.progress import Tally
from zerog.storage.client.selection import KnownNode, Nodes
from zerog.storage.client.submitting import Placed, Submitter
from zerog.storage.client.waiting import in_parallel, of_step
from zerog.storage.protocol.padding import uploaded_bytes_of_segment
from zerog.storage.wire.segments import BulkOutcome

__all__ = ["UploadOptions", "Uploading"]

JSON_SEGMENTS_MAX: Final = 10
"""Segments of one JSON-RPC call, as the official Go client sends them."""
FILES_OF_MESSAGE_MAX: Final = 512
TRIES: Final = 4
"""Of one message, before its node is given up."""
PAUSE_S: Final = 0.1
"""Before the second try; then it doubles."""
BUSY_STATUSES: Final = (429, 502, 503, 504)

RECEIPT_S_MAX: Final = 120.0
"""Until a transaction is in a block, where the caller does not say how long an upload may take; the next two likewise."""
SEEN_S_MAX: Final = 120.0
"""Until every chosen node has read the block."""
FINALIZED_S_MAX: Final = 300.0
"""Until every chosen node has what it must hold, after all was sent."""

HELD_TEXTS: Final = ("already uploaded and finalized", "segment has already been uploaded or is being uploaded")
"""What official nodes say of segments that need not be sent. Source: 0gfoundation/0g-storage-client, `transfer/uploader.go`."""
BUSY_TEXT: Final = "too many data writing"
GONE_TEXTS: Final = ("data root and tx seq not match", "Transaction reverted", "already pruned")
"""What nodes say when the chain has taken a submission back, or its time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOptions:
    """How files are uploaded."""

    replicas: int = 1
    """How many nodes shall hold each segment."""
    method: str = "min"
    """Which nodes are preferred: `min` those with large shards, `max` with small ones, `random` any; a number: those of so many shards."""
    fragment_bytes: int = 4 << 30
    """A larger file is cut; rounded up to a power of two."""
    tags: bytes = b""
    """Kept on chain beside the file."""
    skip_present: bool = True
    """A file that the nodes have is not submitted again."""
    await_finality: bool = True
    """Return when the nodes have everything; else when all is sent."""
    threads: int = 4
    """Messages that are under way at once."""
    message_bytes: int = 4 << 20
    batch_files: int = 100
    """Files in one transaction; the chain's gas limit is the bound."""


class _SubmissionGoneError(Exception):
    """The chain took a submission back."""


class Uploading:
    """One upload of pieces that belong together."""

    def __init__(self, nodes: Nodes, submitter_of: Callable[[KnownNode], Submitter], options: UploadOptions, tally: Tally) -> None:
        self._nodes: Final = nodes
        self._submitter_of: Final = submitter_of
        self._options: Final = options
        self._tally: Final = tally
        self._lock: Final = threading.Lock()

    def run(self, pieces: Sequence[Piece]) -> None:
        """Raises `StorageError`, `ChainClientError`."""
        dropped: list[str] = []
        causes: list[str] = []
        pause_s = PAUSE_S
        for _ in range(TRIES):
            try:
                nodes = self._nodes.select(self._options.replicas, self._options.method, dropped)
            except NoNodesError:
                if not dropped:
                    raise
                dropped.clear()  # Those that failed are all there is: they may have come back.
                rest(pause_s)
                pause_s *= 2
                continue
            try:
                self._bring(pieces, nodes)
            except _SubmissionGoneError as error:
                causes.append(str(error))
                for piece in pieces:
                    piece.placed = None
            except PeerError as error:
                causes.append(str(error))
                dropped.append(error.url)
            else:
                return
        raise UploadRefusedError(pieces[0].root, tuple(causes))

    def _bring(self, pieces: Sequence[Piece], nodes: Sequence[KnownNode]) -> None:
        self._tally.enter("hash")
        self._find(pieces, nodes)
        self._submit([piece for piece in pieces if piece.placed is None], nodes)
        self._tally.enter("upload")
        absent = [piece for piece in pieces if any(node.url not in piece.finalized_at for node in nodes)]
        self._await_seen(absent, nodes)
        self._send(absent, nodes)
        if self._options.await_finality:
            self._tally.enter("finalize")
            self._await_finalized(absent, nodes)

    def _find(self, pieces: Sequence[Piece], nodes: Sequence[KnownNode]) -> None:
        """What the nodes know of pieces that have no place yet."""
        sought = [piece for piece in pieces if piece.placed is None]
        roots = [piece.root for piece in sought]
        if not self._options.skip_present or not sought:
            return
        for node in nodes:
            for piece, info in zip(sought, node.client.file_infos(roots, need_available=True), strict=True):
                if info is None or info.tx.data_merkle_root != piece.root or info.tx.size != piece.size_bytes or info.pruned:
                    continue  # Zeros of another length have the same root.
                piece.known_at.add(node.url)
                if info.finalized:
                    piece.finalized_at.add(node.url)
                if piece.placed is None:
                    piece.placed = Placed(piece.root, info.tx.seq, info.tx.start_entry_index, None)

    def _submit(self, pieces: Sequence[Piece], nodes: Sequence[KnownNode]) -> None:
        if not pieces:
            return
        self._tally.enter("submit")
        submitter = self._submitter_of(nodes[0])
        price_wei = submitter.price_per_sector_wei()
        step = self._options.batch_files
        batches = [pieces[start : start + step] for start in range(0, len(pieces), step)]
        transactions = []
        for batch in batches:
            for piece in batch:
                piece.source.check()
            transactions.append(submitter.send([piece.tree.submission(self._options.tags) for piece in batch], price_wei))
        for batch, transaction in zip(batches, transactions, strict=True):
            for piece, placed in zip(batch, submitter.wait(transaction, of_step(RECEIPT_S_MAX)), strict=True):
                piece.placed = placed
                piece.fee_wei += piece.tree.submission().fee_wei(price_wei)

    def _await_seen(self, pieces: Sequence[Piece], nodes: Sequence[KnownNode]) -> None:
        """Every node has read the blocks that announce the pieces."""
        if not pieces:
            return
        newest = max(piece.place.tx_seq for piece in pieces)
        deadline = of_step(SEEN_S_MAX)
        for node in nodes:
            pauses = deadline.pauses(f"{node.url} has not read submission {newest}")
            while node.client.status().next_tx_seq <= newest:
                next(pauses)

    # ---- sending -------------------------------------------------------------------------------------------------

    def _send(self, pieces: Sequence[Piece], nodes: Sequence[KnownNode]) -> None:
        of_nodes = [self._messages(node, pieces) for node in nodes]
        # Nodes take turns, so that all of them are busy.
        messages = [message for turn in zip_longest(*of_nodes) for message in turn if message is not None]
        self._tally.add(total_bytes=sum(message.size_bytes for message in messages))
        in_parallel(messages, self._deliver, threads=min(self._options.threads, max(len(messages), 1)))

    def _messages(self, node: KnownNode, pieces: Sequence[Piece]) -> list[Message]:
        missing = [(piece, self._missing(node, piece)) for piece in pieces if node.url not in piece.finalized_at]
        for piece in pieces:
            piece.known_at.add(node.url)
        return list(messages_to(node, missing, bytes_max=self._options.message_bytes, pieces_max=FILES_OF_MESSAGE_MAX))

    def _missing(self, node: KnownNode, piece: Piece) -> Sequence[int]:
        """Segments that a node must have and does not."""
        required = piece.required(node)
        if node.url not in piece.known_at or not node.client.speaks_binary():
            return required
        availability = node.client.availability(piece.place.tx_seq)
        if availability is None or availability.root != piece.root:
            raise _SubmissionGoneError(f"{node.url} does not know submission {piece.place.tx_seq} of {piece.root}")
        return [index for index in required if not availability.holds(index)]

    def _deliver(self, message: Message) -> None:
        """Send a message, again after a while if the node is busy or out of reach."""
        pause_s = PAUSE_S
        for tries_left in reversed(range(TRIES)):
            try:
                self._post(message)
                break
            except PeerError as error:
                if not tries_left or not _passes(error):
                    raise
            rest(pause_s)
            pause_s *= 2
        with self._lock:
            for piece, indexes in message.entries:
                piece.sent_bytes += sum(uploaded_bytes_of_segment(piece.size_bytes, index) for index in indexes)
        self._tally.add(done_bytes=message.size_bytes)

    def _post(self, message: Message) -> None:
        for piece, _ in message.entries:
            piece.source.check()
        client = message.node.client
        if client.speaks_binary():
            outcomes = client.upload_binary([piece.bulk(indexes) for piece, indexes in message.entries])
            for (piece, _), outcome in zip(message.entries, outcomes, strict=True):
                if outcome.finalized:
                    piece.finalized_at.add(client.url)
                _check_outcome(client.url, outcome)
            return
        for piece, indexes in message.entries:
            for start in range(0, len(indexes), JSON_SEGMENTS_MAX):
                segments = [piece.as_json(index) for index in indexes[start : start + JSON_SEGMENTS_MAX]]
                try:
                    client.upload_json(segments, piece.place.tx_seq)
                except PeerRefusedError as error:
                    if not _says(error, *HELD_TEXTS):
                        raise _gone_or(error) from error

    # ---- the end -------------------------------------------------------------------------------------------------

    def _await_finalized(self, pieces: Sequence[Piece], nodes: Sequence[KnownNode]) -> None:
        deadline = of_step(FINALIZED_S_MAX)
        for node in nodes:
            waiting = [piece for piece in pieces if node.url not in piece.finalized_at]
            pauses = deadline.pauses(f"{node.url} has not finalized {len(waiting)} file(s)")
            while waiting:
                answers = node.client.are_finalized([piece.place.tx_seq for piece in waiting])
                waiting = [piece for piece, finalized in zip(waiting, answers, strict=True) if not finalized]
                if waiting:
                    next(pauses)
            for piece in pieces:
                piece.finalized_at.add(node.url)


def _check_outcome(url: str, outcome: BulkOutcome) -> None:
    """Raises `PeerRefusedError` for a refusal that is none of those that mean success."""
    text = f"{outcome.code}: {outcome.cause}"
    if outcome.code is None or outcome.code == "already_finalized" or any(held in text for held in HELD_TEXTS):
        return
    raise _gone_or(PeerRefusedError(url, "POST /segments", -32000, text))


def _gone_or(error: PeerRefusedError) -> Exception:
    return _SubmissionGoneError(str(error)) if _says(error, *GONE_TEXTS) else error


def _says(error: PeerRefusedError, *texts: str) -> bool:
    said = f"{error.message}; {error.data}"
    return any(text in said for text in texts)


def _passes(error: PeerError) -> bool:
    """Whether the same request may succeed in a moment."""
    match error:
        case PeerUnreachableError():
            return True
        case PeerStatusError():
            return error.status in BUSY_STATUSES
        case PeerRefusedError():
            return _says(error, BUSY_TEXT)
    return False
