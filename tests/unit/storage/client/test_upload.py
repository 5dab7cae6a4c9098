"""Uploads to real nodes on a real chain: what is there is not sent again, what fails is taken over or said at once."""

import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.storage.client.peers import EnoughError
from tests.unit.storage.node.network import ACCOUNTS, LOCAL, PRICE_WEI, Chain, Network, Node, pattern
from zerog.contracts.storage import NotEnoughFeeError
from zerog.primitives import Address, Hash32, Wei
from zerog.storage.client import (
    KeyMissingError,
    LocalFileError,
    NoNodesError,
    Progress,
    StorageClient,
    SubmissionRevertedError,
    UploadOptions,
    WaitTimeoutError,
)
from zerog.storage.client.submitting import Submitter
from zerog.storage.client.waiting import Deadline
from zerog.storage.protocol.errors import EmptyFileError
from zerog.storage.protocol.merkle import FileTree, file_root
from zerog.storage.protocol.padding import padded_sectors_of
from zerog.storage.protocol.units import SEGMENT_BYTES

FLOW = Address(LOCAL.addresses["flow"])
SIZES = [1, 255, 256, 257, 1023, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 256 * 1025, 5 * SEGMENT_BYTES + 77, 10 * 2**20 + 1]


@pytest.mark.parametrize("size_bytes", SIZES)
def test_a_file_is_stored_once_and_comes_back(client: StorageClient, chain: Chain, size_bytes: int) -> None:
    data = pattern(size_bytes, seed=size_bytes % 250 + 1)
    height = chain.client.block_number()
    first, again = client.upload(data), client.upload(data)
    assert (first.root, first.size_bytes) == (file_root(data), size_bytes)
    assert first.fee_wei == padded_sectors_of(size_bytes) * PRICE_WEI
    assert first.sent_bytes == -(-size_bytes // 256) * 256
    assert (again.roots, again.tx_seqs) == (first.roots, first.tx_seqs)
    assert (again.sent_bytes, again.fee_wei, again.transaction_hashes) == (0, 0, ())
    assert chain.client.block_number() == height + 1
    assert client.read(first.root) == client.read(first.tx_seqs[0]) == data
    assert client.stat(first.root).finalized


def test_zeros_of_two_lengths_have_one_root_and_two_submissions(client: StorageClient) -> None:
    short, long = client.upload(bytes(100)), client.upload(bytes(200))
    assert short.root == long.root
    assert short.tx_seqs != long.tx_seqs
    assert (client.read(short.tx_seqs[0]), client.read(long.tx_seqs[0])) == (bytes(100), bytes(200))


def test_a_file_may_be_submitted_again_and_needs_no_second_transfer(client: StorageClient) -> None:
    data = pattern(300_000, seed=7)
    first = client.upload(data)
    second = client.upload(data, UploadOptions(skip_present=False, tags=b"again"))
    assert second.tx_seqs[0] > first.tx_seqs[0]
    assert client.stat(second.tx_seqs[0]).finalized


def test_fragments_have_their_own_roots_in_one_transaction(client: StorageClient, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(pattern(5 * 2**20 + 7, seed=9))
    upload = client.upload(path, UploadOptions(fragment_bytes=2**20))
    assert len(upload.roots) == 6
    assert len(upload.transaction_hashes) == 1
    assert upload.roots[5] == file_root(path.read_bytes()[-7:])
    assert client.read(upload.roots) == path.read_bytes()
    assert client.read(upload.roots, offset=2**20 - 3, length=7) == path.read_bytes()[2**20 - 3 : 2**20 + 4]
    with pytest.raises(ValueError, match="too many values"):
        upload.root  # noqa: B018 - a file of several fragments has none.


def test_an_upload_that_was_broken_off_goes_on_where_it_ended(client: StorageClient, chain: Chain) -> None:
    data = pattern(12 * SEGMENT_BYTES, seed=11)
    options = UploadOptions(threads=1, message_bytes=SEGMENT_BYTES)

    def break_off(progress: Progress) -> None:
        if progress.phase == "upload" and progress.done_bytes == 5 * SEGMENT_BYTES:
            raise EnoughError

    with pytest.raises(EnoughError):
        client.upload(data, options, progress=break_off)
    assert [node.held for node in client.stat(file_root(data)).nodes] == [5]
    height = chain.client.block_number()
    upload = client.upload(data, options)
    assert upload.sent_bytes == 7 * SEGMENT_BYTES
    assert chain.client.block_number() == height
    assert client.read(upload.root) == data


def test_progress_tells_what_is_done_of_how_much(client: StorageClient) -> None:
    told: list[Progress] = []
    client.upload(pattern(3 * SEGMENT_BYTES, seed=12), progress=told.append)
    assert list(dict.fromkeys(progress.phase for progress in told)) == ["hash", "submit", "upload", "finalize", "done"]
    assert (told[-1].done_bytes, told[-1].total_bytes) == (3 * SEGMENT_BYTES, 3 * SEGMENT_BYTES)


# ---- many files --------------------------------------------------------------------------------------------------


def test_many_files_share_transactions_and_messages(client: StorageClient, chain: Chain, tmp_path: Path) -> None:
    contents = [pattern(4096, seed=index % 250) + index.to_bytes(4, "big") for index in range(250)]
    path = tmp_path / "large"
    path.write_bytes(pattern(2**20 + 1, seed=3))
    height = chain.client.block_number()
    uploads = client.upload_many([*contents, path, contents[0]])
    assert [upload.root for upload in uploads] == [*map(file_root, contents), file_root(path.read_bytes()), file_root(contents[0])]
    assert chain.client.block_number() - height == 4
    assert Counter(len(upload.transaction_hashes) for upload in uploads) == {1: 252}
    assert [client.read(upload.root) for upload in uploads[:5]] == contents[:5]
    assert client.upload_many([]) == []
    assert {upload.sent_bytes for upload in client.upload_many(contents)} == {0}


def test_a_file_that_cannot_be_read_ends_it_with_its_name(client: StorageClient, tmp_path: Path) -> None:
    with pytest.raises(LocalFileError, match="missing: No such file"):
        client.upload_many([tmp_path / "missing"])
    with pytest.raises(LocalFileError, match="Is a directory"):
        client.upload(tmp_path)
    (tmp_path / "empty").touch()
    for content in (b"", tmp_path / "empty"):
        with pytest.raises(EmptyFileError):
            client.upload(content)


def test_a_file_that_changes_under_way_is_not_sent(client: StorageClient, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(pattern(2 * SEGMENT_BYTES, seed=13))

    def change(progress: Progress) -> None:
        if progress.phase == "upload":
            path.write_bytes(pattern(2 * SEGMENT_BYTES, seed=14))

    with pytest.raises(LocalFileError, match="changed while it was uploaded"):
        client.upload(path, progress=change)


# ---- several nodes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segments", [1, 5, 40])
def test_each_shard_gets_its_segments_and_no_others(network: Network, chain: Chain, segments: int) -> None:
    data = pattern(segments * SEGMENT_BYTES - 100, seed=segments)
    with (
        network.running(chain, shard="0/2") as even,
        network.running(chain, shard="1/4") as low,
        network.running(chain, shard="3/4") as high,
    ):
        urls = [even.url, low.url, high.url]
        with StorageClient(nodes=urls, chain=chain.client, account=ACCOUNTS[4]) as client:
            upload = client.upload(data)
            facts = client.stat(upload.root)
            assert facts.finalized
            assert [node.held for node in facts.nodes] == [node.required for node in facts.nodes]
            assert sum(node.required for node in facts.nodes) == segments
            assert client.read(upload.root) == data
        with StorageClient(nodes=urls[:2], chain=chain.client, account=ACCOUNTS[4]) as half, pytest.raises(NoNodesError, match="1 time"):
            half.upload(b"x")


def test_replicas_go_to_several_nodes(network: Network, chain: Chain, node: Node) -> None:
    data = pattern(600_000, seed=21)
    with network.running(chain) as other, StorageClient(nodes=[node.url, other.url], chain=chain.client, account=ACCOUNTS[4]) as client:
        upload = client.upload(data, UploadOptions(replicas=2))
        assert upload.sent_bytes == 2 * -(-600_000 // 256) * 256
        assert [facts.held for facts in client.stat(upload.root).nodes] == [3, 3]
        with pytest.raises(NoNodesError, match="3 time"):
            client.upload(data, UploadOptions(replicas=3))


def test_a_node_that_is_down_is_replaced(chain: Chain, node: Node) -> None:
    with StorageClient(nodes=["http://127.0.0.1:1", node.url], chain=chain.client, account=ACCOUNTS[4]) as client:
        assert client.upload(pattern(1000, seed=22)).sent_bytes == 1024
    with (
        StorageClient(nodes=["http://127.0.0.1:1"], chain=chain.client, account=ACCOUNTS[4]) as alone,
        pytest.raises(NoNodesError, match="refused"),
    ):
        alone.upload(b"x")


def test_a_node_that_dies_under_way_is_replaced(network: Network, chain: Chain) -> None:
    data = pattern(20 * SEGMENT_BYTES, seed=23)
    died = threading.Event()
    with network.running(chain) as survivor:
        with network.running(chain) as dying:

            def kill(progress: Progress) -> None:
                if progress.phase == "upload" and progress.done_bytes and not died.is_set():
                    died.set()
                    dying.admin.rpc("admin_shutdown")

            with StorageClient(nodes=[dying.url, survivor.url], chain=chain.client, account=ACCOUNTS[4]) as client:
                upload = client.upload(data, UploadOptions(threads=2, message_bytes=SEGMENT_BYTES), progress=kill)
        assert died.is_set()
        assert survivor.is_finalized(upload.root)


# ---- the chain ---------------------------------------------------------------------------------------------------


def test_without_an_account_nothing_is_submitted_but_what_is_there_is_found(client: StorageClient, node: Node) -> None:
    upload = client.upload(b"paid by somebody")
    with StorageClient(nodes=[node.url]) as poor:
        assert poor.upload(b"paid by somebody").roots == upload.roots
        with pytest.raises(KeyMissingError):
            poor.upload(b"paid by nobody")


def test_a_fee_that_is_too_low_is_said_in_the_flows_words(chain: Chain) -> None:
    submitter = Submitter(chain.client, ACCOUNTS[5], FLOW)
    with pytest.raises(NotEnoughFeeError, match="cost"):
        submitter.send([FileTree(b"x").submission()], Wei(1))


def test_gas_that_is_remembered_is_tried_before_it_is_used(chain: Chain) -> None:
    submitter = Submitter(chain.client, ACCOUNTS[5], FLOW)
    price_wei = submitter.price_per_sector_wei()
    batch = [FileTree(pattern(4096, seed=index)).submission() for index in range(60)]
    limits = []
    for remembered in (0, None, 1):
        if remembered is not None:
            submitter._gas_per_node = remembered
        placed = submitter.wait(submitter.send(batch, price_wei), Deadline(5))
        assert [place.root for place in placed] == [submission.root for submission in batch]
        limits.append(submitter._gas_per_node)
    assert min(limits) > 90_000


def test_programs_that_pay_with_one_account_do_not_stand_in_each_others_way(chain: Chain, node: Node) -> None:
    uploads: list[int] = []

    def pay(number: int) -> None:
        with StorageClient(nodes=[node.url], chain=chain.client, account=ACCOUNTS[8]) as client:
            uploads.append(client.upload(pattern(300, seed=number)).tx_seqs[0])

    threads = [threading.Thread(target=pay, args=(200 + number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(uploads)) == 6


def test_a_transaction_that_is_reverted_is_an_error_at_once(network: Network) -> None:
    chain = network.chain()
    submitter = Submitter(chain.client, ACCOUNTS[5], FLOW)
    chain.client.request("evm_setAutomine", False)
    transaction = submitter.send([FileTree(b"x").submission()], submitter.price_per_sector_wei())
    with pytest.raises(WaitTimeoutError, match="is in no block within"):
        submitter.wait(transaction, Deadline(0.1))
    chain.client.request("anvil_setCode", str(FLOW), "0x60006000fd")
    chain.client.request("evm_mine")
    with pytest.raises(SubmissionRevertedError, match=str(transaction.hash)):
        submitter.wait(transaction, Deadline(5))


def test_a_node_that_does_not_follow_the_chain_is_not_awaited_for_ever(network: Network, chain: Chain) -> None:
    elsewhere = network.chain()
    with (
        network.running(elsewhere) as node,
        StorageClient(nodes=[node.url], chain=chain.client, account=ACCOUNTS[4]) as client,
        pytest.raises(WaitTimeoutError, match=r"transaction 0x\w+ was sent; .* has not read submission"),
    ):
        client.upload(pattern(500, seed=31), timeout_s=2)


def test_an_upload_ends_where_the_chain_makes_no_blocks_and_goes_on_later(chain: Chain, client: StorageClient) -> None:
    data = pattern(700, seed=32)
    chain.client.request("evm_setAutomine", False)
    try:
        with pytest.raises(WaitTimeoutError) as late:
            client.upload(data, timeout_s=2)
        assert len(late.value.known) == 2, late.value
        sent = late.value.known[0].removeprefix("transaction ").removesuffix(" was sent")
        assert late.value.known[1] == f"transaction {sent} is in no block"
        assert str(late.value).startswith("the nodes do not have the file within 2 s; ")
        assert chain.client.transaction(Hash32.from_json(sent)) is not None
    finally:
        chain.client.request("evm_setAutomine", True)
        chain.client.request("evm_mine")
    assert chain.client.wait_for_receipt(Hash32.from_json(sent)).succeeded
    assert client.read(client.upload(data, timeout_s=30).root, timeout_s=30) == data
