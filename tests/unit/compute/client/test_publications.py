"""Looking for published receipts where there are none: each cause has its own error."""

import pytest

from tests.unit.compute.client.conftest import Shop
from zerog.compute.client import ChatOptions, NotPublishedError, NotSettledError
from zerog.compute.client.publications import Publication
from zerog.primitives import Account, Hash32

ROOT = Hash32(bytes(32))


def test_only_what_is_settled_can_be_published_and_only_by_a_provider_that_publishes(shop: Shop, user: Account) -> None:
    with shop.client(user) as client:
        file = client.ask("Hello", options=ChatOptions(max_tokens=8)).file
        with pytest.raises(NotSettledError):
            client.published(file)
        shop.settle()
        with pytest.raises(NotPublishedError, match="publishes nothing"):
            client.published(client.settled(file, timeout_s=10.0))


def test_a_publication_without_a_blob_names_none() -> None:
    publication = Publication(requests_hash=ROOT, root=ROOT, size_bytes=1, transaction_hash=ROOT, block_number=1, blob=None, data=b"x")
    with pytest.raises(NotPublishedError, match="no blob"):
        _ = publication.blob_root
