"""Where the receipts of a settlement are published: the file of 0G Storage that its provider submitted, and the blob of 0G DA."""

from dataclasses import dataclass, field
from typing import Final

from zerog.compute.client.connection import check_service_url
from zerog.compute.client.errors import NotPublishedError, NotSettledError
from zerog.compute.client.market import Market
from zerog.compute.client.published import PublishedFile, published_files
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.errors import AdditionalInfoError
from zerog.compute.protocol.published import PublishedError, read_published
from zerog.compute.wire.answer_file import AnswerFile
from zerog.primitives import Address, Hash32
from zerog.runtime.deadlines import ONE_LOOK_S, TimeLimit, rest_before_end, time_limit
from zerog.storage.client import FilePrunedError, FileUnknownError, SegmentMissingError, StorageClient

__all__ = ["Publication", "find_publication"]

LOOK_S: Final = 0.1
"""Between two looks for the file, which comes as soon as storage has taken it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The receipts of one settlement, as anybody finds them."""

    requests_hash: Hash32
    """Root over the receipts, which the contract was called with."""
    root: Hash32
    """Of the file."""
    size_bytes: int
    transaction_hash: Hash32
    """By which the file was submitted."""
    block_number: int
    blob: Hash32 | None
    """Data root of the blob with the same bytes; `None` where the provider makes none."""
    data: bytes = field(repr=False)
    """The document: its leaves have `requests_hash` as their root, or it would not be here."""

    @property
    def blob_root(self) -> Hash32:
        """The data root of the blob. Raises `NotPublishedError` where the provider makes none."""
        if self.blob is None:
            raise NotPublishedError(self.requests_hash, "their provider makes no blob of them")
        return self.blob


def find_publication(file: AnswerFile, market: Market, *, timeout_s: float) -> Publication:
    """The publication of the settlement that a saved answer holds, for which it waits up to `timeout_s` seconds; with 0 it looks once.

    Raises `NotSettledError` for an answer without settlement, `NotPublishedError`, and what chain and storage raise.
    """
    if file.settlement is None:
        raise NotSettledError("" if file.receipt is None else file.receipt.receipt.id)
    requests_hash = file.settlement.entry.requests_hash

    def late(_limit: TimeLimit) -> NotPublishedError:
        return NotPublishedError(requests_hash, "no file of 0G Storage holds them yet")

    with time_limit(timeout_s or ONE_LOOK_S, late):
        info = _info(market, file.provider)
        if info is None or not info.receipts_indexer:
            raise NotPublishedError(requests_hash, "its provider publishes nothing")
        check_service_url(info.receipts_indexer, market.chain.url)
        with StorageClient(indexer=info.receipts_indexer) as storage:
            while True:
                for found in published_files(market, file.provider, first=file.settlement.block_number):
                    if requests_hash in found.requests_hashes and (data := _document(storage, found, requests_hash)) is not None:
                        return _publication(requests_hash, found, data)
                if not timeout_s:
                    raise NotPublishedError(requests_hash, "no file of 0G Storage holds them yet")
                rest_before_end(LOOK_S)


def _info(market: Market, provider: Address) -> AdditionalInfo | None:
    service = market.find_service(provider)
    try:
        return None if service is None else AdditionalInfo.from_json(service.params.additional_info)
    except AdditionalInfoError:
        return None


def _document(storage: StorageClient, file: PublishedFile, requests_hash: Hash32) -> bytes | None:
    """A file whose leaves lead to the root that the chain has; `None` for any other, and while the nodes do not have it yet."""
    try:
        data = storage.read(file.root)
        entry = read_published(data).entry(requests_hash)
        return data if entry is not None and entry.tree().root == requests_hash else None
    except (FilePrunedError, FileUnknownError, SegmentMissingError, PublishedError):
        return None


def _publication(requests_hash: Hash32, file: PublishedFile, data: bytes) -> Publication:
    return Publication(
        requests_hash=requests_hash,
        root=file.root,
        size_bytes=file.size_bytes,
        transaction_hash=file.transaction_hash,
        block_number=file.block_number,
        blob=file.blob_root,
        data=data,
    )
