"""Writes that end between the announcement on chain and the upload: what they hold up, and how they are brought to their end."""

import pytest

from tests.unit.storage.kv.network import KvNode, stream
from tests.unit.storage.node.network import ACCOUNTS, LOCAL, Chain, Node
from zerog.storage.client import StorageClient
from zerog.storage.client.kv import Batch, KvClient, ResultTimeoutError, WriteTimeoutError
from zerog.storage.client.submitting import Submitter
from zerog.storage.protocol.merkle import FileTree

WRITER = ACCOUNTS[5]
ENOUGH_S = 60.0


def test_a_batch_without_its_bytes_holds_up_its_stream_until_it_is_written_again(chain: Chain, node: Node, kv: KvNode) -> None:
    notes, other = stream(), stream()
    sealed = Batch().set(notes, b"key", b"first").seal()
    with StorageClient(nodes=[node.url], chain=chain.client, account=WRITER) as storage, KvClient(kv.url, storage=storage) as client:
        submitter = Submitter(chain.client, WRITER, LOCAL.addresses["flow"])
        sent = submitter.send([FileTree(sealed.data).submission(sealed.tags)], submitter.price_per_sector_wei())
        assert chain.client.wait_for_receipt(sent.hash).succeeded

        with pytest.raises(ResultTimeoutError) as held_up:
            client.put(notes, b"key", b"second", timeout_s=2)
        assert client.get(notes, b"key") is None
        client.put(other, b"key", b"of another stream", timeout_s=ENOUGH_S)

        written = client.write(sealed, timeout_s=ENOUGH_S)
        assert (written.fee_wei, written.tx_seq < held_up.value.tx_seq) == (0, True), "it is the submission that was paid for"
        assert kv.wait_for_result(held_up.value.tx_seq) == "Commit"
        newest = client.get(notes, b"key")
        assert newest is not None
        assert (newest.data, newest.version) == (b"second", held_up.value.tx_seq)


def test_a_write_whose_time_is_over_gives_its_batch_back(chain: Chain, node: Node, kv: KvNode) -> None:
    notes = stream()
    with StorageClient(nodes=[node.url], chain=chain.client, account=WRITER) as storage, KvClient(kv.url, storage=storage) as client:
        chain.client.request("evm_setAutomine", False)
        try:
            with pytest.raises(WriteTimeoutError, match=r"the batch is not stored within 2 s; transaction 0x\w{64} was sent; ") as late:
                client.put(notes, b"key", b"value", timeout_s=2)
        finally:
            chain.client.request("evm_setAutomine", True)
            chain.client.request("evm_mine")
        seq = client.write(late.value.batch, timeout_s=ENOUGH_S).tx_seq
        assert client.result(seq, timeout_s=ENOUGH_S) == "Commit"
