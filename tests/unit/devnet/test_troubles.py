"""What is wrong with a network is found in what its roles say, each with what helps."""

from typing import Any

import pytest

from tests.unit.cli.statuses import chain, compute, da, signer, storage, storage_node, streams, supervised
from zerog.devnet.troubles import find_troubles


def test_a_network_that_is_well_has_none() -> None:
    roles = {"chain": chain(), "storage": storage(), "da": da(), "compute": compute()}
    assert list(find_troubles(roles, supervised())) == []


def lost() -> dict[str, Any]:
    node = storage_node()
    node["upkeep"]["repair"] |= {"lost": 2, "damaged": 2, "lost_files": ["0xabc"]}
    return node


@pytest.mark.parametrize(
    ("role", "cause", "remedy"),
    [
        (storage(lost()), "2 segments are lost, of file 0xabc", "upload the file once more"),
        (storage(storage_node(), storage_node(trouble="no chain")), "node 1: no chain", "zerog logs r"),
        (storage(storage_node(miner={"trouble": "no key"})), "the miner: no key", "zerog miner status"),
        (storage(kv=streams(nodes_trouble="nobody answers")), "key-value: nobody answers", "zerog logs r"),
        (storage_node(store={"failed": 1}), "the disk has refused a write", "make room"),
        (da(endpoints={"trouble": "no signers' contract"}), "no signers' contract", "--rules ethereum"),
        (da(**{"signer-1": signer(1, registration_trouble="no money")}), "signer-1: no money", "zerog logs r"),
        (da(**{"signer-1": None}), "1 signers have 1,536 of 2,048 rows: no blob is confirmed", "--signers 2"),
        (da(**{"signer-1": None}, books={"quorum": None}), "1 signers run, and 2 are a quorum: no blob is confirmed", "--signers 2"),
        (compute(model_command="zerog model pull x"), "no model, so nothing is answered", "`zerog model pull x`"),
        (compute(trouble="the stake is not paid"), "the stake is not paid", "zerog logs r"),
        (compute(settler={"trouble": "not acknowledged"}), "nothing is settled: not acknowledged", "zerog logs r"),
        (compute(publisher={"blob": {"trouble": "no DA"}}), "receipts are not published as a blob: no DA", "zerog logs r"),
        (compute(books=None, books_trouble="the disk is full"), "the disk is full", "zerog logs r"),
        ({"error": "bug", "cause": "it broke"}, "it broke", "zerog logs r"),
    ],
)  # fmt: skip
def test_each_has_a_cause_and_a_remedy(role: dict[str, Any], cause: str, remedy: str) -> None:
    [trouble] = find_troubles({"r": role})
    assert (trouble.role, trouble.cause) == ("r", cause)
    assert remedy in trouble.remedy


def test_a_signer_with_wrong_signatures_is_named() -> None:
    liar = da(disperser={"open_blobs": 0, "wrong_signatures": {"0x1": 3}, "trouble": None})
    assert [trouble.cause for trouble in find_troubles({"da": liar})] == ["signers sent wrong signatures: 0x1"]


def test_a_role_that_starts_or_was_brought_back_too_often_is_told_apart() -> None:
    known: dict[str, Any] = {"chain": {"url": None}, "storage": {"url": "http://x", "restarts": 5}}
    assert [trouble.cause for trouble in find_troubles({}, known)] == [
        "it is still starting",
        "it does not run; it was brought back 5 times so far",
    ]
