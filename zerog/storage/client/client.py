"""A client of a whole storage network: uploads, downloads and looks at files, for programs without an event loop."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self, TypeAlias, TypeVar

from zerog.chain.client import ChainClient, Payer
from zerog.primitives import Address, Hash32, Wei
from zerog.runtime.deadlines import each_in_time, in_turn
from zerog.storage.client.connection import PeerLimits
from zerog.storage.client.directories import read_tree, save_tree, with_roots
from zerog.storage.client.downloading import Copy, Downloading, DownloadOptions, Holder
from zerog.storage.client.encrypting import Encryption
from zerog.storage.client.errors import KeyMissingError, NoNodesError, PeerError, WrongNetworkError
from zerog.storage.client.indexer import IndexerClient
from zerog.storage.client.node import NodeClient
from zerog.storage.client.piece import Piece
from zerog.storage.client.progress import ProgressCallback, Tally
from zerog.storage.client.remote_file import RemoteFile
from zerog.storage.client.results import DirectoryUpload, Download, FileFacts, NodeFacts, StoredFragment, Upload
from zerog.storage.client.saving import save
from zerog.storage.client.selection import KnownNode, Nodes
from zerog.storage.client.source import Content, encrypted, fragment_ranges, groups_of, open_source
from zerog.storage.client.submitting import Submitter
from zerog.storage.client.uploading import Uploading, UploadOptions
from zerog.storage.client.waiting import in_parallel, late, within
from zerog.storage.protocol.encryption import FileKeys
from zerog.storage.protocol.manifest import (
    MANIFEST_HEAD_BYTES,
    DirectoryEntry,
    ManifestInvalidError,
    decode_manifest,
    encode_manifest,
    is_manifest,
)
from zerog.storage.protocol.padding import segments_of
from zerog.storage.protocol.shards import segments_of_shard
from zerog.storage.wire.files import ExpiryPage, FileExpiry, FilePage

__all__ = ["FileName", "StorageClient"]

T = TypeVar("T")

FileName: TypeAlias = Hash32 | int | Sequence[Hash32]
"""A file by its root, by the number of its submission, or by the roots of its fragments in their order."""

GROUPS_AT_ONCE: Final = 2
"""While the nodes take one group of small files, the next one is hashed and submitted."""
MANIFEST_BYTES_MAX: Final = 256 << 20
"""Of a directory of some million files."""
DEFAULT_UPLOAD: Final = UploadOptions()
DEFAULT_DOWNLOAD: Final = DownloadOptions()


class StorageClient:
    """Talks to the nodes of one network, from any number of threads. Close it, or use it in a `with` block.

    What it does not get it says with a `StorageError`; what the chain refuses, with a `ChainClientError` or `FlowCallRefusedError`.

    `timeout_s` is how long a method may take as a whole, and ends it with a `WaitTimeoutError` that tells what was done until then. Without
    it, every single wait for a node ends within the `limits`, and with it a download that goes on takes as long as it needs.
    """

    def __init__(
        self,
        *,
        indexer: str | None = None,
        nodes: Sequence[str] = (),
        chain: ChainClient | None = None,
        account: Payer | None = None,
        flow: Address | None = None,
        limits: PeerLimits | None = None,
    ) -> None:
        """The nodes that `indexer` lists, or those at the URLs in `nodes`. Uploads need a chain and an account that pays.

        `chain` stays the caller's to close. `flow` is the address of the flow's contract; without it the nodes tell.
        """
        self._nodes: Final = Nodes(None if indexer is None else IndexerClient(indexer, limits), nodes, limits)
        self._chain: Final = chain
        self._account: Final = account
        self._flow: Final = flow
        self._lock: Final = threading.Lock()
        self._submitter: Submitter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections to nodes; transfers that are under way fail."""
        self._nodes.close()

    # ---- up ------------------------------------------------------------------------------------------------------

    def upload(
        self,
        content: Content,
        options: UploadOptions = DEFAULT_UPLOAD,
        *,
        encrypt: Encryption | None = None,
        progress: ProgressCallback | None = None,
        timeout_s: float | None = None,
    ) -> Upload:
        """Store a file or bytes, and return once the nodes have it. What they have already is not sent, and not paid, again.

        By default the transaction has 120 s to be in a block, the nodes have 120 s to read that, and 300 s after all was sent to have
        everything; to send takes as long as it goes on. A `timeout_s` is for all of it, instead.
        """
        with (
            within(timeout_s, "the nodes do not have the file"),
            open_source(content) as plain,
            encrypted(plain, None if encrypt is None else encrypt.cipher()) as source,
        ):
            ranges = fragment_ranges(len(source.view), options.fragment_bytes)
            pieces = [Piece(source, source.view[part.start : part.stop]) for part in ranges]
            tally = Tally(progress)
            Uploading(self._nodes, self._submitter_of, options, tally).run(pieces)
            tally.enter("done")
            return _upload_of(pieces)

    def upload_many(
        self,
        contents: Iterable[Content],
        options: UploadOptions = DEFAULT_UPLOAD,
        *,
        progress: ProgressCallback | None = None,
        timeout_s: float | None = None,
    ) -> list[Upload]:
        """Store many files, small ones together: in one transaction and in one message. Returns what became of each, in their order.

        `timeout_s` is for all of them; by default each group of files has what `upload` gives.
        """
        tally = Tally(progress)
        uploads: dict[int, Upload] = {}

        def store(group: Sequence[tuple[int, Content]]) -> None:
            uploads.update(self._upload_group(group, options, tally))

        with within(timeout_s, "the nodes do not have all of the files"):
            in_parallel(groups_of(contents), store, threads=GROUPS_AT_ONCE)
        tally.enter("done")
        return [uploads[number] for number in range(len(uploads))]

    def _upload_group(self, group: Sequence[tuple[int, Content]], options: UploadOptions, tally: Tally) -> dict[int, Upload]:
        """Files with the same bytes are stored once."""
        pieces: dict[tuple[Hash32, int], Piece] = {}
        files: dict[int, list[Piece]] = {}
        with ExitStack() as stack:
            for number, content in group:
                source = stack.enter_context(open_source(content))
                ranges = fragment_ranges(len(source.view), options.fragment_bytes)
                mine = [Piece(source, source.view[part.start : part.stop]) for part in ranges]
                files[number] = [pieces.setdefault((piece.root, piece.size_bytes), piece) for piece in mine]
            Uploading(self._nodes, self._submitter_of, options, tally).run(list(pieces.values()))
        return {number: _upload_of(mine) for number, mine in files.items()}

    def upload_directory(
        self,
        path: Path,
        options: UploadOptions = DEFAULT_UPLOAD,
        *,
        progress: ProgressCallback | None = None,
        timeout_s: float | None = None,
    ) -> DirectoryUpload:
        """Store all files below a directory and a manifest of them. Links are kept as links; `.zerog`, where a network of ours keeps its
        state and keys, is left out. Raises `LocalFileError` for other entries.

        `timeout_s` is for all of it; see `upload_many` for the default.
        """
        directory, files = read_tree(path)
        with within(timeout_s, "the nodes do not have all of the directory"):
            uploads = self.upload_many([path / name for name in files], options, progress=progress)
            filled = with_roots(directory, dict(zip(files, uploads, strict=True)))
            manifest = self.upload(encode_manifest(filled), options)
        return DirectoryUpload(
            root=manifest.root,
            directory=filled,
            files=len(files),
            size_bytes=sum(upload.size_bytes for upload in uploads),
            fee_wei=Wei(manifest.fee_wei + sum(upload.fee_wei for upload in uploads)),
            sent_bytes=manifest.sent_bytes + sum(upload.sent_bytes for upload in uploads),
        )

    def _submitter_of(self, node: KnownNode) -> Submitter:
        """Whoever submits to the network of `node`. Raises `KeyMissingError` and `WrongNetworkError`."""
        with in_turn(self._lock):
            if self._submitter is None:
                if self._chain is None or self._account is None:
                    raise KeyMissingError
                identity = node.client.status().network_identity
                chain_id = self._chain.chain_id()
                if identity.chain_id != chain_id:
                    raise WrongNetworkError(node.url, identity.chain_id, chain_id)
                self._submitter = Submitter(self._chain, self._account, self._flow or identity.flow_address)
            return self._submitter

    # ---- down ----------------------------------------------------------------------------------------------------

    def open(
        self,
        name: FileName,
        options: DownloadOptions = DEFAULT_DOWNLOAD,
        *,
        keys: FileKeys | None = None,
        timeout_s: float | None = None,
    ) -> RemoteFile:
        """A file to read from, also in parts. With `keys` it is decrypted, and has to be encrypted. Raises `FileUnknownError`.

        `timeout_s` is for finding it; what is read of it then has the limits of its nodes.
        """
        with within(timeout_s, "the file was not found"):
            downloading = Downloading(self._nodes, options)
            names: Sequence[Hash32 | int] = [name] if isinstance(name, Hash32 | int) else name
            file = RemoteFile(downloading, [downloading.find(part) for part in names], threads=options.threads)
            if keys is not None:
                file.decrypt_with(keys)
            return file

    def download(
        self,
        name: FileName,
        target: Path,
        options: DownloadOptions = DEFAULT_DOWNLOAD,
        *,
        offset: int = 0,
        length: int | None = None,
        keys: FileKeys | None = None,
        overwrite: bool = False,
        progress: ProgressCallback | None = None,
        timeout_s: float | None = None,
    ) -> Download:
        """Fetch a file, or `length` bytes of it from `offset` on, into `target`, which appears when all is there.

        A whole plain file goes on where an earlier call ended. Raises `TargetExistsError`, `LocalFileError`, `SegmentMissingError`.
        """
        with within(timeout_s, f"{target} is not complete"):
            file = self.open(name, options, keys=keys)
            start, end = file.range_of(offset, length)
            tally = Tally(progress)
            tally.enter("download")
            save(file, target, start=start, end=end, threads=options.threads, overwrite=overwrite, tally=tally)
            tally.enter("done")
            return Download(path=target, roots=file.roots, size_bytes=end - start)

    def read(
        self,
        name: FileName,
        options: DownloadOptions = DEFAULT_DOWNLOAD,
        *,
        offset: int = 0,
        length: int | None = None,
        keys: FileKeys | None = None,
        timeout_s: float | None = None,
    ) -> bytes:
        """The bytes of a file, or `length` of them from `offset` on."""
        with within(timeout_s, "not all of the file is there"):
            return self.open(name, options, keys=keys).read(offset, length)

    def stream(
        self,
        name: FileName,
        options: DownloadOptions = DEFAULT_DOWNLOAD,
        *,
        offset: int = 0,
        length: int | None = None,
        keys: FileKeys | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[memoryview]:
        """The bytes of a file piece by piece, in order, or `length` of them from `offset` on.

        `timeout_s` is how long each piece may take to come, not counting the time that its reader takes.
        """

        def pieces() -> Iterator[memoryview]:
            yield from self.open(name, options, keys=keys).stream(offset, length)

        return each_in_time(pieces(), timeout_s, late("the next piece of the file has not come"))

    def download_directory(
        self,
        root: FileName,
        target: Path,
        options: DownloadOptions = DEFAULT_DOWNLOAD,
        *,
        links_outside: bool = False,
        progress: ProgressCallback | None = None,
        timeout_s: float | None = None,
    ) -> DirectoryEntry:
        """Fetch a directory by the root of its manifest into `target`, which appears when all is there and must not be there before.

        An entry that would lie outside is refused; so is a link that leads there, unless `links_outside`. Raises `UnsafeEntryError`,
        `ManifestInvalidError`, and what `download` raises.
        """
        with within(timeout_s, f"{target} is not complete"):
            directory = self.directory(root, options)
            save_tree(self, directory, target, options, links_outside=links_outside, tally=Tally(progress))
            return directory

    def directory(self, root: FileName, options: DownloadOptions = DEFAULT_DOWNLOAD, *, timeout_s: float | None = None) -> DirectoryEntry:
        """What is in a stored directory. Raises `ManifestInvalidError` if the file is no manifest, before more than its head is read."""
        with within(timeout_s, "not all of the manifest is there"):
            file = self.open(root, options)
            if not is_manifest(file.read(0, MANIFEST_HEAD_BYTES)):
                raise ManifestInvalidError("it does not begin as one")
            if file.size_bytes > MANIFEST_BYTES_MAX:
                raise ManifestInvalidError(f"it has {file.size_bytes} bytes")
            return decode_manifest(file.read())

    # ---- looks ---------------------------------------------------------------------------------------------------

    def stat(self, name: Hash32 | int, *, timeout_s: float | None = None) -> FileFacts:
        """What the nodes know of a file. Raises `FileUnknownError`."""
        with within(timeout_s, "not all nodes have told of the file"):
            return self._stat(name)

    def _stat(self, name: Hash32 | int) -> FileFacts:
        found = Downloading(self._nodes, DEFAULT_DOWNLOAD).find(name)
        nodes = tuple(_facts_of(holder, found) for holder in found.holders)
        return FileFacts(
            root=found.root,
            tx_seq=found.tx_seq,
            size_bytes=found.size_bytes,
            segments=segments_of(found.size_bytes),
            start_sector=found.holders[0].start_sector,
            finalized=all(node.finalized for node in nodes),
            nodes=nodes,
            expiry=_expiry_of(found.holders, found.tx_seq),
        )

    def expiring(self, cursor: int | str | None = None, *, count: int = 100, timeout_s: float | None = None) -> ExpiryPage:
        """A page of the files that live, with their ends, as one node knows them. Official nodes do not tell."""
        return self._page(lambda node: node.list_expiry(cursor, count=count), timeout_s)

    def files(self, cursor: int | str | None = None, *, count: int = 100, timeout_s: float | None = None) -> FilePage:
        """A page of the files of the network, in the order of their submissions, as one node knows them. Official nodes do not tell."""
        return self._page(lambda node: node.list_files(cursor, count=count), timeout_s)

    def _page(self, ask: Callable[[NodeClient], T], timeout_s: float | None) -> T:
        """From the first node that gives it."""
        refusal: PeerError | None = None
        with within(timeout_s, "no node has given the page"):
            for node in self._nodes.known():
                try:
                    return ask(node.client)
                except PeerError as error:
                    refusal = error
        raise refusal or NoNodesError(1)


def _upload_of(pieces: Sequence[Piece]) -> Upload:
    fragments = tuple(
        StoredFragment(
            root=piece.root, tx_seq=piece.place.tx_seq, size_bytes=piece.size_bytes, transaction_hash=piece.place.transaction_hash
        )
        for piece in pieces
    )
    return Upload(
        fragments=fragments,
        size_bytes=sum(piece.size_bytes for piece in pieces),
        fee_wei=Wei(sum(piece.fee_wei for piece in pieces)),
        sent_bytes=sum(piece.sent_bytes for piece in pieces),
    )


def _expiry_of(holders: Sequence[Holder], tx_seq: int) -> FileExpiry | None:
    """What the first node says that says anything."""
    for holder in holders:
        try:
            expiry = holder.node.client.expiry(tx_seq)
        except PeerError:
            continue  # An official node, or one that does not reach the chain.
        if expiry is not None:
            return expiry
    return None


def _facts_of(holder: Holder, copy: Copy) -> NodeFacts:
    client, shard = holder.node.client, holder.node.shard
    required = len(segments_of_shard(shard, start_sector=holder.start_sector, size_bytes=copy.size_bytes))
    if client.speaks_binary():
        availability = client.availability(holder.tx_seq)
        if availability is not None:
            held, finalized = availability.held_count, availability.finalized
            return NodeFacts(url=client.url, shard=shard, held=held, required=required, finalized=finalized)
    return NodeFacts(url=client.url, shard=shard, held=None, required=required, finalized=bool(client.is_finalized(holder.tx_seq)))
