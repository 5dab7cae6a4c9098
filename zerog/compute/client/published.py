"""The way from a receipt to its settlement without the provider: over the chain to the leaves that were published, and back.

The chain says what the provider settled for a user, and which files of 0G Storage it submitted with the roots of those settlements; the
files hold the leaves. Nothing here has to be trusted: a tree that is built from the leaves has the root that the contract was called with,
or is not used, and `verify` then checks what is found like any other proof.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
import structlog

from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer
from zerog.compute.client.connection import check_service_url
from zerog.compute.client.market import Market
from zerog.compute.client.verifying.transactions import read_transaction
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.errors import AdditionalInfoError
from zerog.compute.protocol.published import PUBLISHED_BYTES_MAX, PublishedEntry, PublishedError, PublishedTags, read_published
from zerog.compute.protocol.receipts import RECEIPT_VERSION, Receipt, ReceiptTree, Remainder, canonical_bytes, leaf_of
from zerog.compute.protocol.settlement import PAYING, SettlementData, paid_parts
from zerog.compute.wire.provider import RemainderPlace, SettlementEntry, SettlementPlace, SignedReceipt
from zerog.contracts.compute import SettlementResult
from zerog.contracts.storage import Submit
from zerog.primitives import Address, Data, DecodeError, Hash32, ZerogError
from zerog.storage.client import FilePrunedError, FileUnknownError, NoNodesError, PeerError, SegmentMissingError, StorageClient

__all__ = ["PublishedCopies", "PublishedFile", "PublishedProofs", "find_published", "published_files"]

log = structlog.get_logger(__name__)

COPIES_MAX: Final = 4
"""Files with the root of one settlement that are looked at: anybody can submit more of them."""


class Library(Protocol):
    """Where documents are fetched from."""

    def copies(self, file: "PublishedFile") -> Iterator[bytes]:
        """The documents that are to be had under the names of a file; whether one is the right one is still to be seen.

        Raises `ZerogError`s where none is, because somebody is not to be reached.
        """


@dataclass(frozen=True, slots=True)
class _Settled:
    """One entry that the contract took money for."""

    entry: SettlementData
    transaction_hash: Hash32
    block_number: int
    paid_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A file whose tags name settlements."""

    root: Hash32
    size_bytes: int
    requests_hashes: tuple[Hash32, ...]
    """Of the settlements, as the tags name them."""
    blob_root: Hash32 | None
    """Of the blob of 0G DA with the same bytes."""
    transaction_hash: Hash32
    """By which the file was submitted."""
    block_number: int


@dataclass(slots=True)
class _Leaves:
    """An entry with its tree, which is that of the settlement."""

    settled: _Settled
    told: PublishedEntry
    tree: ReceiptTree
    index_of: dict[Hash32, int] = field(default_factory=dict)

    def place(self, leaf: Hash32, contract: Address) -> SettlementPlace | None:
        """How this settlement paid for a leaf; `None` if it paid nothing of it."""
        index = self.index_of.get(leaf)
        if index is None:
            return None
        covered, part_wei = paid_parts(self.told.amounts_wei, self.settled.paid_wei)
        if index > covered or (index == covered and not part_wei):
            return None
        entry, proof = self.settled.entry, self.tree.proof(index)
        return SettlementPlace(
            transaction_hash=self.settled.transaction_hash,
            block_number=self.settled.block_number,
            contract=contract,
            entry=SettlementEntry(
                user=entry.user,
                provider=entry.provider,
                total_fee=str(entry.total_fee_wei),
                requests_hash=entry.requests_hash,
                nonce=str(entry.nonce),
                signature=Data(entry.signature),
            ),
            index=index,
            count=proof.count,
            proof=proof.proof,
            paid=None if index < covered else str(part_wei),
        )


def find_published(signed: SignedReceipt, market: Market, contract: Address) -> SettlementPlace | None:
    """The settlement of a receipt, by the chain and what its provider has published; `None` if there is none to be found.

    Raises `ChainClientError`s, `StorageError`s and `UnsafeUrlError`.
    """
    service = market.find_service(signed.receipt.provider)
    try:
        info = None if service is None else AdditionalInfo.from_json(service.params.additional_info)
    except AdditionalInfoError:
        info = None
    if info is None or not info.receipts_indexer:
        return None
    check_service_url(info.receipts_indexer, market.chain.url, market.chain_id)
    with StorageClient(indexer=info.receipts_indexer) as storage:
        return PublishedProofs(market, contract, PublishedCopies(storage, info.receipts_disperser, market.chain.url)).find(signed)


@dataclass(frozen=True, slots=True)
class PublishedCopies:
    """Files of 0G Storage, every byte held against its root; where one is not to be had, the blob of 0G DA."""

    storage: StorageClient
    disperser: str
    chain_url: str

    def copies(self, file: PublishedFile) -> Iterator[bytes]:
        """See `Library.copies`."""
        unreachable: ZerogError | None = None
        try:
            yield self.storage.read(file.root)
        except (FilePrunedError, FileUnknownError, SegmentMissingError) as error:
            log.info("published_file_missing", root=str(file.root), cause=str(error))
        except (NoNodesError, PeerError) as error:
            unreachable = error
        if file.blob_root is not None and self.disperser:
            from zerog.compute.client.published_blobs import read_blob  # It loads grpcio.

            data = read_blob(file.blob_root, self.disperser, self.chain_url)
            if data is not None:
                yield data
                return
        if unreachable is not None:
            raise unreachable


class PublishedProofs:
    """Finds proofs for the receipts of one market's contract."""

    def __init__(self, market: Market, contract: Address, library: Library) -> None:
        self._market: Final = market
        self._contract: Final = contract
        self._library: Final = library

    def find(self, signed: SignedReceipt) -> SettlementPlace | None:
        """Where a receipt was paid, with what became of a rest."""
        receipt, leaf = signed.receipt, signed.leaf
        settled = self._settled(receipt.user, receipt.provider)
        later = self._leaves(settled, self._files(receipt.provider, settled))
        found = self._next_place(later, leaf)
        if found is None or found.paid is None:
            return found
        rests: list[RemainderPlace] = []
        before, paid_wei = found, 0
        while before.paid is not None:
            paid_wei += int(before.paid)
            rest = _remainder(receipt, leaf, paid_wei, before)
            rest_leaf = leaf_of(canonical_bytes(rest))
            place = self._next_place(later, rest_leaf)
            rests.append(RemainderPlace(remainder=rest, leaf=rest_leaf, settlement=place))
            if place is None:
                break
            before = place
        return msgspec.structs.replace(found, remainders=rests)

    def _next_place(self, later: Iterator[_Leaves], leaf: Hash32) -> SettlementPlace | None:
        """The first of the settlements that are left which pays for a leaf."""
        return next((place for leaves in later if (place := leaves.place(leaf, self._contract)) is not None), None)

    def _settled(self, user: Address, provider: Address) -> dict[Hash32, _Settled]:
        """By its root, everything that the contract took from a user for a provider, oldest first."""
        topics = ((SettlementResult.TOPIC,), (Hash32(bytes(12) + user),))
        found: dict[Hash32, _Settled] = {}
        logs = self._market.chain.find_logs(LogCriteria((self._contract,), topics))
        for transaction_hash in dict.fromkeys(entry.transaction_hash for entry in logs):
            transaction = read_transaction(self._market.chain, transaction_hash)
            receipt = self._market.chain.receipt(transaction_hash)
            if transaction is None or receipt is None or transaction.sender != provider or transaction.to != self._contract:
                continue
            try:
                entries = SettlementData.decode_settle_call(transaction.input)
                results = _results(receipt.logs, self._contract)
            except (DecodeError, ValueError):
                continue
            for entry, result in zip(entries, results, strict=False):
                if entry.user == user and entry.provider == provider and result.status in PAYING:
                    paid_wei = entry.total_fee_wei - result.unsettled_wei
                    found[entry.requests_hash] = _Settled(entry, transaction_hash, int(receipt.block_number), paid_wei)
        return found

    def _files(self, provider: Address, settled: Mapping[Hash32, _Settled]) -> Mapping[Hash32, Sequence[PublishedFile]]:
        """By the root of a settlement, the files whose tags name it."""
        found: dict[Hash32, list[PublishedFile]] = defaultdict(list)
        first = min((one.block_number for one in settled.values()), default=0)  # Nobody publishes what is not settled.
        for file in published_files(self._market, provider, first=first):
            for requests_hash in file.requests_hashes:
                if requests_hash in settled and len(found[requests_hash]) < COPIES_MAX:
                    found[requests_hash].append(file)
        return found

    def _leaves(self, settled: Mapping[Hash32, _Settled], files: Mapping[Hash32, Sequence[PublishedFile]]) -> Iterator[_Leaves]:
        """Of each settlement its leaves, where they are to be had."""
        for requests_hash, one in settled.items():
            documents = (data for file in files.get(requests_hash, ()) for data in self._library.copies(file))
            leaves = next((read for data in documents if (read := _read(one, data)) is not None), None)
            if leaves is not None:
                yield leaves


def _read(settled: _Settled, data: bytes) -> _Leaves | None:
    """`None` for a document that is not what it was named as."""
    try:
        told = read_published(data).entry(settled.entry.requests_hash)
        if told is None or int(told.total_fee) != settled.entry.total_fee_wei:
            return None
        tree = told.tree()
    except PublishedError as error:
        log.info("published_receipts_of_no_use", root=str(settled.entry.requests_hash), cause=str(error))
        return None
    return _Leaves(settled, told, tree, {leaf: index for index, leaf in enumerate(told.leaf_list)})


def published_files(market: Market, provider: Address, *, first: int) -> Iterator[PublishedFile]:
    """What a provider submitted as files of receipts from a block on, oldest first. Raises `ChainClientError`s."""
    topics = ((Submit.TOPIC,), (Hash32(bytes(12) + provider),))
    for entry in market.chain.find_logs(LogCriteria((market.flow,), topics), first=first):
        try:
            submission = Submit.decode(entry.topics, entry.data).submission
        except (DecodeError, ValueError):
            continue
        tags = PublishedTags.read(submission.tags)
        if tags is not None and submission.size_bytes <= PUBLISHED_BYTES_MAX:
            yield PublishedFile(
                root=submission.root,
                size_bytes=submission.size_bytes,
                requests_hashes=tags.requests_hashes,
                blob_root=tags.blob_root,
                transaction_hash=entry.transaction_hash,
                block_number=int(entry.block_number),
            )


def _results(logs: Sequence[LogAnswer], contract: Address) -> list[SettlementResult]:
    """What a contract told of each entry. Raises `DecodeError`."""
    own = (entry for entry in logs if entry.address == contract and entry.topics[:1] == [SettlementResult.TOPIC])
    return [SettlementResult.decode(entry.topics, entry.data) for entry in own]


def _remainder(receipt: Receipt, leaf: Hash32, paid_wei: int, before: SettlementPlace) -> Remainder:
    """What is left of a receipt after `before`: it follows from what was paid."""
    return Remainder(
        version=RECEIPT_VERSION,
        kind="remainder",
        receipt=leaf,
        user=receipt.user,
        provider=receipt.provider,
        chain_id=receipt.chain_id,
        fee=receipt.fee,
        paid=str(paid_wei),
        amount=str(int(receipt.fee) - paid_wei),
        after_nonce=before.entry.nonce,
    )
