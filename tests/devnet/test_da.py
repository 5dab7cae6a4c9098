"""DA as `zerog up` has it: blobs of all sizes come back, also from the signers alone; without a quorum they fail, and say so."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import zerog as package
from tests.devnet.command import Zerog, ask
from zerog.da.client import DispersalFailedError
from zerog.da.protocol.constants import BLOB_BYTES_MAX
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobStatus
from zerog.devnet.endpoints import DaEndpoints, Endpoints

ROLES = ("--only", "chain", "--only", "da")
SIZES = (1, 1_000, 1 << 20, BLOB_BYTES_MAX)


@pytest.fixture
def zerog(tmp_path: Path) -> Iterator[Zerog]:
    command = Zerog(tmp_path)
    yield command
    command.down()


def da_of(endpoints: Endpoints) -> DaEndpoints:
    assert endpoints.da is not None
    return endpoints.da


def blob_of(size_bytes: int) -> bytes:
    return (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]


def test_blobs_of_all_sizes_come_back_when_the_disperser_has_lost_everything(zerog: Zerog) -> None:
    endpoints = zerog.up(*ROLES)
    assert len(da_of(endpoints).signers) == 3
    names: dict[int, BlobName] = {}
    with package.connect("local", folder=zerog.folder) as network:
        for size_bytes in SIZES:
            done = network.da.put(blob_of(size_bytes))
            assert done.status == BlobStatus.FINALIZED
            assert done.name is not None
            names[size_bytes] = done.name
            assert network.da.get(done.name) == blob_of(size_bytes)
        piece = network.da.sample(names[1_000].root, 2_500, 31)
        assert piece.name == names[1_000]
    zerog.down()
    shutil.rmtree(zerog.folder / ".zerog" / "da" / "disperser")
    again = zerog.up(*ROLES)
    assert again.da == endpoints.da
    with package.connect("local", folder=zerog.folder) as network:
        assert network.da.blobs().blobs == ()
        for size_bytes, name in names.items():
            assert network.da.get(name) == blob_of(size_bytes)


def test_without_a_quorum_a_blob_fails_with_the_reason_and_a_new_one_succeeds_when_signers_are_back(zerog: Zerog) -> None:
    zerog.up(*ROLES)
    zerog.down()
    settings = zerog.folder / ".zerog" / "zerog.toml"
    settings.write_text("[da.run.disperser]\nsign = 5.0\nsign-try = 5.0\n")
    zerog.up(*ROLES, "--signers", "1")
    with package.connect("local", folder=zerog.folder) as network:
        with pytest.raises(DispersalFailedError, match="1024 of 3072"):
            network.da.put(b"too few")
        [failed] = network.da.blobs(status=BlobStatus.FAILED).blobs
        assert failed.state.reason
    zerog.down()
    settings.unlink()
    zerog.up(*ROLES, "--signers", "2")
    with package.connect("local", folder=zerog.folder) as network:
        done = network.da.put(b"two are enough")
        assert done.name is not None
        assert network.da.get(done.name) == b"two are enough"


def test_a_later_start_reads_what_the_first_one_left_and_adds_no_block(zerog: Zerog) -> None:
    first = zerog.up(*ROLES)
    height = ask(first, "eth_blockNumber")
    zerog.down()
    second = zerog.up(*ROLES)
    assert second.da == first.da
    assert ask(second, "eth_blockNumber") == height
    with package.connect("local", folder=zerog.folder) as network:
        assert len(network.da.blobs().blobs) == 1
    assert "\nDA  " in zerog.run("status").stdout
    assert f"ZEROG_DA_DISPERSER={da_of(first).disperser}" in (zerog.folder / ".zerog" / ".env").read_text()


def test_a_chain_that_makes_blocks_only_when_told_is_told_so(zerog: Zerog) -> None:
    settings = zerog.folder / ".zerog" / "zerog.toml"
    settings.parent.mkdir()
    settings.write_text("[chain.run]\nautomine = false\n")
    height = ask(zerog.up(*ROLES), "eth_blockNumber")
    zerog.down()
    assert ask(zerog.up(*ROLES), "eth_blockNumber") == height


def test_a_rollup_puts_and_gets_batches_by_the_gateway(zerog: Zerog) -> None:
    url = da_of(zerog.up(*ROLES)).gateway
    with httpx.Client(base_url=url, timeout=60) as rollup:
        assert rollup.get("/readyz").status_code == 200
        put = rollup.post("/put", content=b"a batch")
        assert (put.status_code, len(put.content), put.content[:2]) == (200, 50, b"\x01G")
        assert rollup.get(f"/get/0x{put.content.hex()}").content == b"a batch"
        unknown = put.content[:-1] + bytes([put.content[-1] ^ 1])
        assert rollup.get(f"/get/0x{unknown.hex()}").status_code == 404
        root = f"0x{put.content[18:].hex()}"
        sample = rollup.get(f"/sample/{root}/1500/7").json()
        assert (sample["root"], sample["row"], sample["subline"], len(sample["data"])) == (root, 1500, 7, 2 + 2 * 1024)
        assert rollup.get(f"/sample/{root}/3072/0").status_code == 400
        assert rollup.get(f"/sample/0x{'00' * 32}/0/0").status_code == 404
        assert rollup.get("/blobs").json()["blobs"][0]["root"] == root
        assert b"zerog_da_gateway_payloads_stored_total 1\n" in rollup.get("/metrics").content


def test_under_the_rules_of_ethereum_the_network_runs_and_says_that_no_blob_gets_to_a_quorum(zerog: Zerog) -> None:
    da = da_of(zerog.up(*ROLES, "--rules", "ethereum"))
    assert da.signers == []
    assert da.trouble is not None
    assert "rules are those of Ethereum" in da.trouble
