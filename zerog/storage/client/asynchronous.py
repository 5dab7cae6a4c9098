"""The same client for programs with an event loop: each call runs in a thread, because the work is hashing and reading files."""

import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from anyio import get_cancelled_exc_class, to_thread

from zerog.chain.client import ChainClient, Payer
from zerog.primitives import Address, Hash32
from zerog.storage.client.client import FileName, StorageClient
from zerog.storage.client.connection import PeerLimits
from zerog.storage.client.downloading import DownloadOptions
from zerog.storage.client.encrypting import Encryption
from zerog.storage.client.progress import Progress, ProgressCallback
from zerog.storage.client.results import DirectoryUpload, Download, FileFacts, Upload
from zerog.storage.client.source import Content
from zerog.storage.client.uploading import UploadOptions
from zerog.storage.protocol.encryption import FileKeys
from zerog.storage.protocol.manifest import DirectoryEntry
from zerog.storage.wire.files import ExpiryPage, FilePage

__all__ = ["AsyncStorageClient"]

T = TypeVar("T")

DEFAULT_UPLOAD: Final = UploadOptions()
DEFAULT_DOWNLOAD: Final = DownloadOptions()


class _CancelledTransferError(Exception):
    """Ends the thread of a call that nobody waits for any more."""


class AsyncStorageClient:
    """As `StorageClient`, whose methods it has. A call that is cancelled ends at once; its thread stops at the next piece of the file.

    `progress` is called in that thread.
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
        self.blocking: Final = StorageClient(indexer=indexer, nodes=nodes, chain=chain, account=account, flow=flow, limits=limits)
        """The client that does the work."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections to nodes; transfers that are under way fail."""
        self.blocking.close()

    async def upload(
        self,
        content: Content,
        options: UploadOptions = DEFAULT_UPLOAD,
        *,
        encrypt: Encryption | None = None,
        progress: ProgressCallback | None = None,
    ) -> Upload:
        """See `StorageClient.upload`."""
        return await _transfer(partial(self.blocking.upload, content, options, encrypt=encrypt), progress)

    async def upload_many(
        self, contents: Iterable[Content], options: UploadOptions = DEFAULT_UPLOAD, *, progress: ProgressCallback | None = None
    ) -> list[Upload]:
        """See `StorageClient.upload_many`."""
        return await _transfer(partial(self.blocking.upload_many, contents, options), progress)

    async def upload_directory(
        self, path: Path, options: UploadOptions = DEFAULT_UPLOAD, *, progress: ProgressCallback | None = None
    ) -> DirectoryUpload:
        """See `StorageClient.upload_directory`."""
        return await _transfer(partial(self.blocking.upload_directory, path, options), progress)

    async def download(
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
    ) -> Download:
        """See `StorageClient.download`."""
        work = partial(self.blocking.download, name, target, options, offset=offset, length=length, keys=keys, overwrite=overwrite)
        return await _transfer(work, progress)

    async def download_directory(
        self,
        root: FileName,
        target: Path,
        options: DownloadOptions = DEFAULT_DOWNLOAD,
        *,
        links_outside: bool = False,
        progress: ProgressCallback | None = None,
    ) -> DirectoryEntry:
        """See `StorageClient.download_directory`."""
        return await _transfer(partial(self.blocking.download_directory, root, target, options, links_outside=links_outside), progress)

    async def read(
        self,
        name: FileName,
        options: DownloadOptions = DEFAULT_DOWNLOAD,
        *,
        offset: int = 0,
        length: int | None = None,
        keys: FileKeys | None = None,
    ) -> bytes:
        """See `StorageClient.read`."""
        return await to_thread.run_sync(partial(self.blocking.read, name, options, offset=offset, length=length, keys=keys))

    async def stream(
        self,
        name: FileName,
        options: DownloadOptions = DEFAULT_DOWNLOAD,
        *,
        offset: int = 0,
        length: int | None = None,
        keys: FileKeys | None = None,
    ) -> AsyncIterator[memoryview]:
        """The bytes of a file piece by piece, in order. Leave the loop with `aclosing` around it, so that it ends at once."""
        file = await to_thread.run_sync(partial(self.blocking.open, name, options, keys=keys))
        pieces = file.stream(offset, length)
        try:
            while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
                yield piece
        finally:
            pieces.close()

    async def directory(self, root: FileName, options: DownloadOptions = DEFAULT_DOWNLOAD) -> DirectoryEntry:
        """See `StorageClient.directory`."""
        return await to_thread.run_sync(self.blocking.directory, root, options)

    async def stat(self, name: Hash32 | int) -> FileFacts:
        """See `StorageClient.stat`."""
        return await to_thread.run_sync(self.blocking.stat, name)

    async def expiring(self, cursor: int | str | None = None, *, count: int = 100) -> ExpiryPage:
        """See `StorageClient.expiring`."""
        return await to_thread.run_sync(partial(self.blocking.expiring, cursor, count=count))

    async def files(self, cursor: int | str | None = None, *, count: int = 100) -> FilePage:
        """See `StorageClient.files`."""
        return await to_thread.run_sync(partial(self.blocking.files, cursor, count=count))


async def _transfer(work: Callable[..., T], progress: ProgressCallback | None) -> T:
    cancelled = threading.Event()

    def tell(now: Progress) -> None:
        if cancelled.is_set():
            raise _CancelledTransferError
        if progress is not None:
            progress(now)

    try:
        return await to_thread.run_sync(partial(work, progress=tell), abandon_on_cancel=True)
    except get_cancelled_exc_class():
        cancelled.set()
        raise
