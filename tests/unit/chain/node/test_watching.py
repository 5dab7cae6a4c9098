"""Who waits for news of a few contracts (`zerog_waitForBlock`) is told of them at once, and of all else a moment later."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, Running
from tests.unit.chain.node.programs import LOGGER, word
from zerog.chain.protocol.blooms import bloom_mask, may_name

WATCHED = "0x" + "d0" * 20
OTHER = "0x" + "d1" * 20
LONG_MS = 20_000
ANSWER_S_MAX = 10


@pytest.fixture(autouse=True)
def contracts(chain: Running) -> None:
    chain.place(LOGGER, WATCHED)
    chain.place(LOGGER, OTHER)


def emit(chain: Running, contract: str, topic: int = 7) -> None:
    chain.send(ACCOUNTS[1], to=bytes.fromhex(contract[2:]), value=0, data=topic.to_bytes(32, "big"), gas_limit=60_000)


def place(chain: Running, block: str = "latest") -> tuple[str, str]:
    found = chain.rpc("eth_getBlockByNumber", block, False)
    return found["number"], found["hash"]


@contextmanager
def waiting(chain: Running, quiet_ms: int, *, known: tuple[str, str] | None = None) -> Iterator[Future[Any]]:
    """A call that waits for news, once it waits."""
    known = known or place(chain)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(chain.rpc, "zerog_waitForBlock", *known, LONG_MS, quiet_ms, [WATCHED])
        deadline_s = time.monotonic() + ANSWER_S_MAX
        while not answer.done() and not waiters(chain):
            assert time.monotonic() < deadline_s
        yield answer
        answer.result(ANSWER_S_MAX)


def waiters(chain: Running) -> int:
    return chain.portal.call(lambda: chain.node.chain.feed.next_block.statistics().tasks_waiting)


def test_a_log_of_a_watched_contract_is_told_at_once_and_other_blocks_are_not(chain: Running) -> None:
    with waiting(chain, LONG_MS) as answer:
        for _ in range(5):
            chain.send()
            emit(chain, OTHER)
        assert not answer.done()
        emit(chain, WATCHED)
        told = answer.result(ANSWER_S_MAX)
    assert (told["number"], told["hash"]) == place(chain)


def test_other_blocks_are_told_when_the_quiet_time_has_gone_by(chain: Running) -> None:
    began_s = time.monotonic()
    with waiting(chain, 200) as answer:
        chain.send()
        told = answer.result(ANSWER_S_MAX)
    assert time.monotonic() - began_s >= 0.2
    assert (told["number"], told["hash"]) == place(chain)


def test_after_the_quiet_time_the_next_block_is_told_at_once(chain: Running) -> None:
    with waiting(chain, 0) as answer:
        chain.send()
        assert answer.result(ANSWER_S_MAX)["hash"] == place(chain)[1]


@pytest.mark.parametrize("has_blocks_above", [False, True], ids=["the known block", "a block above it"])
def test_whoever_takes_blocks_back_is_heard_at_once(chain: Running, *, has_blocks_above: bool) -> None:
    chain.send()
    with waiting(chain, LONG_MS) as answer:
        if has_blocks_above:
            chain.send()
            chain.send()
            assert waiters(chain) == 1
        chain.rpc("anvil_rollback", 1)
        told = answer.result(ANSWER_S_MAX)
    assert (told["number"], told["hash"]) == place(chain)


def test_a_log_since_the_known_block_is_told_at_once_and_so_is_who_is_far_behind(chain: Running) -> None:
    before = place(chain)
    emit(chain, WATCHED)
    chain.send()
    assert chain.rpc("zerog_waitForBlock", *before, LONG_MS, LONG_MS, [WATCHED])["hash"] == place(chain)[1]
    here = place(chain)
    chain.rpc("anvil_mine", "0x101")
    assert chain.rpc("zerog_waitForBlock", *here, LONG_MS, LONG_MS, [WATCHED])["hash"] == place(chain)[1]


def test_without_a_quiet_time_every_block_is_told_at_once(chain: Running) -> None:
    here = place(chain)
    chain.send()
    assert chain.rpc("zerog_waitForBlock", *here, LONG_MS)["hash"] == place(chain)[1]


def test_more_addresses_than_anybody_follows_are_refused(chain: Running) -> None:
    refused = chain.refusal("zerog_waitForBlock", *place(chain), 0, 0, [WATCHED] * 17)
    assert (refused.code, refused.message) == (-32602, "at most 16 addresses are watched, not 17")


def test_the_bits_of_an_item_are_those_that_a_header_has(chain: Running) -> None:
    emit(chain, WATCHED, topic=5)
    bloom = bytes.fromhex(chain.rpc("eth_getBlockByNumber", "latest", False)["logsBloom"][2:])
    items = [bytes.fromhex(WATCHED[2:]), bytes.fromhex(word(5)[2:])]
    assert bloom == (bloom_mask(items[0]) | bloom_mask(items[1])).to_bytes(256)
    assert all(may_name(bloom, bloom_mask(item)) for item in items)
    assert not may_name(bloom, bloom_mask(bytes.fromhex(OTHER[2:])))
