"""The screen of `zerog status`: short enough, every layer on it, and what is wrong stands out."""

from typing import Any

import pytest

from tests.unit.cli.statuses import ENDPOINTS, NOW_S, chain, compute, da, storage, storage_node, streams, supervised
from zerog.cli.overview import WIDTH, overview
from zerog.devnet.inspect import NetworkStatus
from zerog.devnet.troubles import find_troubles

LINES_MAX = 24
"""Of the smallest terminals."""


def shown(roles: dict[str, Any], *, data_dir: str = "/somewhere/.zerog", **restarts: int) -> list[str]:
    known = supervised(**restarts) if "da" in roles else {}
    status = NetworkStatus(
        running=bool(roles),
        data_dir=data_dir,
        network="local",
        chain_id=31337,
        pid=100 if known else None,
        troubles=tuple(find_troubles(roles, known)),
        roles=roles,
        supervised=known,
        memory_bytes=dict.fromkeys(("supervisor", *roles), 40 << 20),
        endpoints=ENDPOINTS if known else None,
    )
    lines = overview(status, now_s=NOW_S)
    assert max(map(len, lines)) <= WIDTH
    return lines


def everything(**changes: dict[str, Any]) -> dict[str, Any]:
    return {"chain": chain(), "storage": storage(), "da": da(), "compute": compute(), **changes}


def test_a_whole_network_fits_on_one_screen_and_says_of_each_layer_how_it_is() -> None:
    lines = shown(everything())
    assert len(lines) <= LINES_MAX
    text = "\n".join(lines)
    for words in (
        "network local, chain id 31337, in /somewhere (pid 100)", "block 15, 12 s old", "2 files, 3 of 3 segments held, 0 damaged, 0 lost",
        "1 stream (all streams are followed), 1 item applied; level with the chain", "1 processing, 0 confirmed, 2 finalized, 0 failed",
        "2 of 2 signers with 1,536 + 1,536 of 3,072 votes in epoch 4; 2,048 are a quorum", "encoder insecure-dev",
        "model smollm2 (exact, simulated enclave)", "3 requests answered", "250 wei unsettled, 0.0000015 0G settled",
        "200 MB (", "no restarts", "http://127.0.0.1:12345", "http://127.0.0.1:3080",
    ):  # fmt: skip
        assert words in text, words
    assert "! " not in text


def test_what_is_wrong_stands_there_with_its_remedy_and_the_screen_is_still_one() -> None:
    node = storage_node(trouble="the chain is away", store={"failed": 1})
    node["upkeep"]["repair"] |= {"damaged": 4}
    lines = shown(everything(compute=compute(model_command="zerog model pull smollm2"), storage=storage(node), chain=chain(quiesced=True)))
    assert len(lines) <= LINES_MAX
    assert "! compute: no model, so nothing is answered" in lines or "! 1 more: zerog status --json" in lines
    at = lines.index("! storage: 4 segments are damaged")
    assert lines[at + 1] == "  remedy: fetch them from peers with `zerog storage scrub`"
    assert any("no model: fetch one with zerog model pull smollm2" in line for line in lines)


def test_a_role_that_does_not_run_or_is_not_ready_is_no_reason_to_say_nothing_of_the_others() -> None:
    roles = everything(da={"error": "da_stopped", "cause": "DA is not running", "remedy": "wait"})
    del roles["storage"]
    lines = shown(roles, storage=3)
    assert "DA         is not ready" in lines
    assert "storage    does not answer yet" in lines
    assert "! storage: it does not run; it was brought back 3 times so far" in lines
    assert "restarts: storage 3" in "\n".join(lines)


def test_what_another_version_says_of_itself_is_not_understood_and_no_fault_of_ours() -> None:
    old = compute()
    del old["refused"]
    assert any("another version" in line for line in shown(everything(compute=old)))


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (chain(interval_s=2.0, automine=False), "a block every 2 s"),
        (chain(follows="http://127.0.0.1:8545", behind=3), "follows http://127.0.0.1:8545, 3 blocks behind"),
        (chain(block_timestamp=NOW_S + 7200), "2 h ahead of the clock"),
        (chain(block_timestamp=NOW_S - 3 * 86_400), "3 d old"),
    ],
)
def test_how_blocks_come(role: dict[str, Any], words: str) -> None:
    assert any(words in line for line in shown({"chain": role}))


def test_nodes_of_storage_are_counted_together_and_the_slowest_says_how_far_they_are() -> None:
    peer = {"state": "connected"}
    nodes = [storage_node(peers={"a": peer, "b": {"state": "not asked yet"}}), storage_node(log_sync_block=11)]
    miner = {"state": "mining", "earned_wei": str(10**18), "trouble": None}
    lines = shown({"chain": chain(), "storage": storage(*nodes, storage_node(miner=miner), shards=4)})
    assert any("9 of 9 segments held" in line and "4 blocks behind the chain" in line for line in lines)
    assert any("3 nodes, 1 of 2 peers connected, 4 shards; the miner is mining, earned 1 0G" in line for line in lines)


def test_single_roles_have_their_lines_too() -> None:
    lines = shown({"storage": storage_node(role="storage", pid=7), "kv": streams(pid=8, items_missing=2), "gateway": {"url": "http://x"}})
    assert any("3 of 3 segments held" in line for line in lines)
    assert any("2 not found" in line for line in lines)
    assert any(line.startswith("gateway") and "http://x" in line for line in lines)
    assert "single roles, without a supervisor" in lines[0]


def test_a_long_path_is_shortened_at_its_beginning() -> None:
    assert "…" in shown({"chain": chain()}, data_dir=f"/{'deep/' * 40}here/.zerog")[0]


def test_without_a_network_there_is_a_word_on_how_to_start_one() -> None:
    [line] = overview(NetworkStatus(running=False, data_dir="/x/.zerog"), now_s=NOW_S)
    assert "zerog up" in line
