"""The index of addresses says of random blocks what their traces say, through checkpoints, unwinds, restarts and replays of the log."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.counts import LONG, commit_seed
from tests.ledger.scenario import P256_VERIFY, PRECOMPILES, Scenario, apply_edit, block_env, genesis_json
from zerog._kernel import Ledger, LedgerOldFormatError

BLOCKS = 200 if LONG else 30
EVERYTHING = 2**40
Places = dict[bytes, set[tuple[int, int]]]


def addresses_in(frame: Any, is_kept: bool = True) -> Iterator[str]:
    """Who takes part in a call and those below it. An heir gets something only where there is something, and nothing is undone."""
    is_kept = is_kept and "error" not in frame
    if frame["type"] != "SELFDESTRUCT" or (is_kept and frame["value"] != "0x0"):
        yield from (frame[end] for end in ("from", "to") if end in frame)
    for inner in frame.get("calls", ()):
        yield from addresses_in(inner, is_kept)


def traced_places(ledger: Ledger, blocks: range) -> Places:
    """Who took part in which transactions, by the traces of the transactions."""
    places: Places = defaultdict(set)
    precompiles = set(PRECOMPILES) - {P256_VERIFY}  # That is one from Osaka on.
    for number in blocks:
        for index, item in enumerate(json.loads(ledger.trace_block(number, b'{"tracer": "callTracer"}'))):
            frame = item["result"]
            for address in {bytes.fromhex(text[2:]) for text in addresses_in(frame)} - precompiles:
                places[address].add((number, index))
    return places


def indexed_places(ledger: Ledger, addresses: set[bytes]) -> Places:
    found = {address: ledger.address_transactions(address, 0, EVERYTHING, EVERYTHING)[0] for address in addresses}
    for address, places in found.items():
        assert places == sorted(set(places))
        assert places[::-1] == ledger.address_transactions(address, 0, EVERYTHING, EVERYTHING, newest_first=True)[0]
    return {address: set(places) for address, places in found.items() if places}


def extend(ledger: Ledger, scenario: Scenario, blocks: int) -> None:
    for _ in range(blocks):
        for edit in scenario.next_edits():
            apply_edit(ledger, edit)
        block = scenario.next_block()
        ledger.commit(ledger.execute(block_env(block), block.transactions))


@pytest.mark.timeout(600 if LONG else 60)
def test_the_index_agrees_with_the_traces(tmp_path: Path) -> None:
    seed = commit_seed()
    print(f"seed {seed}")
    genesis = genesis_json(seed)
    ledger = Ledger.open(str(tmp_path), genesis, checkpoint_blocks=BLOCKS // 3)
    extend(ledger, Scenario(seed, ledger), BLOCKS)
    head = ledger.head().number
    places = traced_places(ledger, range(1, head + 1))
    assert len(places) > 20
    assert indexed_places(ledger, set(places)) == places

    kept = BLOCKS // 4
    ledger.unwind(kept)
    left = {address: left for address, found in places.items() if (left := {place for place in found if place[0] <= kept})}
    assert indexed_places(ledger, set(places)) == left

    extend(ledger, Scenario(seed + 1, ledger), BLOCKS // 2)
    places = traced_places(ledger, range(1, ledger.head().number + 1))
    assert indexed_places(ledger, set(places)) == places
    del ledger  # Without closing, as in a crash: what came after the last checkpoint is read from the log again.
    reopened = Ledger.open(str(tmp_path), genesis)
    assert indexed_places(reopened, set(places)) == places
    reopened.close()


def test_a_page_holds_whole_blocks_and_says_whether_there_are_more() -> None:
    genesis = genesis_json(1)
    ledger = Ledger.open(None, genesis)
    scenario = Scenario(1, ledger, edits=False)
    extend(ledger, scenario, 20)
    address = max(scenario.senders, key=lambda key: ledger.nonce(key.address)).address
    whole, more = ledger.address_transactions(address, 0, EVERYTHING, EVERYTHING)
    assert not more
    assert len(whole) > 5
    for newest_first in (False, True):
        first, last, paged = 0, EVERYTHING, []
        more = True
        while more:
            page, more = ledger.address_transactions(address, first, last, 2, newest_first=newest_first)
            paged += page
            if more:
                first, last = (first, page[-1][0] - 1) if newest_first else (page[-1][0] + 1, last)
        assert paged == (whole[::-1] if newest_first else whole)


def test_a_ledger_of_the_first_format_is_refused(tmp_path: Path) -> None:
    genesis = genesis_json(1)
    Ledger.open(str(tmp_path), genesis).close()
    log = tmp_path / "blocks-000000.log"
    log.write_bytes(b"zgledgr1" + log.read_bytes()[8:])
    with pytest.raises(LedgerOldFormatError, match="older version"):
        Ledger.open(str(tmp_path), genesis)
