"""Published receipts: what the roots on chain do not bind is refused, whoever hands it over."""

import msgspec
import pytest

from zerog.compute.protocol.published import PublishedEntry, PublishedError, PublishedReceipts, PublishedTags, read_published
from zerog.compute.protocol.receipts import ReceiptTree
from zerog.primitives import Address, Hash32

USER, PROVIDER, CONTRACT = (Address(bytes([number]) * 20) for number in (1, 2, 3))
LEAVES = [Hash32(bytes([number]) * 32) for number in range(5)]
AMOUNTS = [7, 0, 10**30, 1, 2]
ENTRY = PublishedEntry(
    user=USER,
    nonce="9",
    total_fee=str(sum(AMOUNTS)),
    requests_hash=ReceiptTree(LEAVES, AMOUNTS).root,
    leaves=b"".join(LEAVES),
    amounts=[str(amount) for amount in AMOUNTS],
)
RECEIPTS = PublishedReceipts(chain_id=31337, contract=CONTRACT, provider=PROVIDER, entries=[ENTRY])


def test_leaves_come_back_with_their_tree() -> None:
    read = read_published(RECEIPTS.to_bytes())
    assert read == RECEIPTS
    entry = read.entry(ENTRY.requests_hash)
    assert entry is not None
    assert (entry.tree().root, entry.leaf_list, entry.amounts_wei) == (ENTRY.requests_hash, LEAVES, AMOUNTS)
    assert read.entry(Hash32(bytes(32))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"leaves": b"".join(reversed(LEAVES))},
        {"leaves": b"".join(LEAVES)[:-1]},
        {"leaves": b"", "amounts": []},
        {"amounts": ["7", "0", str(10**30), "2", "1"]},
        {"amounts": ["7", "0", str(10**30), "1"]},
        {"total_fee": "1"},
        {"amounts": [str(2**256 - 1)] * 5},
    ],
)
def test_leaves_that_are_not_those_of_the_root_make_no_tree(change: dict[str, object]) -> None:
    with pytest.raises(PublishedError):
        msgspec.structs.replace(ENTRY, **change).tree()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        RECEIPTS.to_bytes().replace(b'"receipts"', b'"recipes"'),
        RECEIPTS.to_bytes()[:-1],
        b"[" * 100_000,
        b" " * (25 << 20),
    ],
)
def test_whatever_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(PublishedError):
        read_published(data)


def test_tags_lead_from_a_settlement_to_its_file() -> None:
    for tags in (PublishedTags((ENTRY.requests_hash, LEAVES[3])), PublishedTags((LEAVES[1],), blob_root=LEAVES[2])):
        assert PublishedTags.read(tags.to_bytes()) == tags
    good = PublishedTags((LEAVES[1],)).to_bytes()
    for bad in (b"", good[:64], good[:-1], good + b"\0", b"\1" + good[1:], good + bytes(32 * 60)):
        assert PublishedTags.read(bad) is None
