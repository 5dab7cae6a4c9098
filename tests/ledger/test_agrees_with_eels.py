"""Our ledger and the executable specification of Ethereum agree on random blocks: state, gas, receipts, logs and requests."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

import msgspec
import pytest

from tests.ledger.counts import LONG, commit_seed
from tests.ledger.in_turn import FLOOR_GAS, HISTORY_READER, LENDER, LENT_WORD, TURNS
from tests.ledger.oracle import BlockResult, differences, ledger_result, oracle
from tests.ledger.results import record
from tests.ledger.scenario import Scenario, apply_edit, block_env, genesis_json
from zerog._kernel import Ledger, keccak256
from zerog.chain.protocol.genesis import Hardfork

TRANSACTIONS = 2_000 if LONG else 200
LEAST_SUCCESSFUL = 0.3
LEAST_FAILED = 0.05
LEAST_BLOCKS = 2 * len(TURNS)
"""So many that each rule has its turn twice."""
NO_REQUESTS = "0x" + sha256().hexdigest()
"""Requests hash of a block without requests. Source: EIP-7685."""
GAS_CAP = 2**24
"""Most gas that a transaction may ask for. Source: EIP-7825."""
OUTCOMES: Mapping[str, tuple[bool, ...]] = {turn.__name__: (True,) for turn in TURNS} | {
    "failures": (True, True, False, False),
    "nothing": (),
}
"""Which transactions of a turn succeed."""


@pytest.mark.timeout(3000 if LONG else 120)
@pytest.mark.parametrize(("hardfork", "transactions"), [("prague", TRANSACTIONS), ("osaka", TRANSACTIONS // 4)])
def test_random_blocks_agree_with_the_specification(hardfork: Hardfork, transactions: int) -> None:
    seed = commit_seed()
    print(f"seed {seed}")
    genesis = genesis_json(seed, hardfork)
    ledger = Ledger.open(None, genesis)
    scenario = Scenario(seed, ledger)
    compared: list[BlockResult] = []
    with oracle(genesis, hardfork) as specification:
        assert differences(ledger_result(ledger, 0), specification.genesis) == []
        while len(compared) < LEAST_BLOCKS or sum(len(result.transactions) for result in compared) < transactions:
            edits = scenario.next_edits()
            for edit in edits:
                apply_edit(ledger, edit)
            block = scenario.next_block()
            executed = ledger.execute(block_env(block), block.transactions)
            summary = ledger.commit(executed)
            dropped = {transaction_hash for transaction_hash, _ in executed.dropped}
            included = [raw for raw in block.transactions if keccak256(raw) not in dropped]
            result = ledger_result(ledger, summary.number)
            found = differences(result, specification.execute(edits, block, included))
            assert found == [], f"seed {seed}, block {summary.number}, edits {edits}: {found}"
            compared.append(result)
    assert ledger.recompute_root().hex() == compared[-1].state_root.removeprefix("0x")
    require_variety(compared)
    require_turns(scenario, compared)
    record(
        f"transactions_equal_to_eels_{hardfork}",
        seed=seed,
        transactions=sum(len(result.transactions) for result in compared),
        blocks=len(compared),
    )


def require_variety(results: list[BlockResult]) -> None:
    """The blocks did something: enough transactions succeeded, enough failed, and some wrote logs."""
    transactions = [transaction for result in results for transaction in result.transactions]
    successful = sum(transaction.succeeded for transaction in transactions) / len(transactions)
    assert successful >= LEAST_SUCCESSFUL
    assert 1 - successful >= LEAST_FAILED
    assert any(transaction.logs for transaction in transactions)


def require_turns(scenario: Scenario, results: list[BlockResult]) -> None:
    """What each block began with did what shows its rule; an edit before the block may have taken a sender's funds, but not each time."""
    shown: set[str] = set()
    for result in results:
        own = [(turn, it) for it in result.transactions if (turn := scenario.turns.get(bytes.fromhex(it.hash[2:])))]
        turn = own[0][0] if own else "" if result.transactions else "nothing"
        outcomes = tuple(transaction.succeeded for _, transaction in own)
        if turn == "calldata_floor":
            assert own[0][1].gas_used == FLOOR_GAS
        if turn.endswith("_request") and outcomes == (True,):
            assert result.requests_hash != NO_REQUESTS
        if turn and outcomes == OUTCOMES[turn]:
            shown.add(turn)
    assert shown == OUTCOMES.keys()
    ledger, first_slot = scenario.ledger, bytes(32)
    assert ledger.storage(HISTORY_READER, first_slot) == bytes.fromhex(ledger_result(ledger, 0).hash[2:])
    assert ledger.storage(LENDER.address, first_slot) == LENT_WORD


@pytest.mark.parametrize("hardfork", ["prague", "osaka"])
def test_osaka_alone_caps_the_gas_of_a_transaction(hardfork: Hardfork) -> None:
    genesis = genesis_json(1, hardfork, gas_limit=3 * GAS_CAP)
    ledger = Ledger.open(None, genesis)
    scenario = Scenario(1, ledger, edits=False)
    writer = scenario.transaction_writer()
    first, second = scenario.senders[:2]
    fits = writer.sign(first, to=second.address, gas_limit=GAS_CAP)
    exceeds = writer.sign(second, to=first.address, gas_limit=GAS_CAP + 1)
    block = replace(scenario.next_block(), gas_limit=3 * GAS_CAP, transactions=(fits, exceeds))
    executed = ledger.execute(block_env(block), block.transactions)
    ledger.commit(executed)
    with oracle(genesis, hardfork) as specification:
        if hardfork == "prague":
            assert executed.dropped == []
            assert differences(ledger_result(ledger, 1), specification.execute([], block, [fits, exceeds])) == []
            return
        assert [transaction_hash for transaction_hash, _ in executed.dropped] == [keccak256(exceeds)]
        assert differences(ledger_result(ledger, 1), specification.execute([], block, [fits])) == []
        with pytest.raises(AssertionError, match="refused the block"):
            specification.execute([], replace(block, timestamp=block.timestamp + 1), [exceeds])


def test_a_wrong_header_field_is_found() -> None:
    genesis = genesis_json(1)
    right = ledger_result(Ledger.open(None, genesis), 0)
    with oracle(genesis) as specification:
        assert differences(right, specification.genesis) == []
        for field in set(right.__struct_fields__) - {"transactions"}:
            wrong = msgspec.structs.replace(right, **{field: 1 if field == "gas_used" else "0x" + "11" * 32})
            assert len(differences(wrong, specification.genesis)) == 1


def test_a_block_without_its_last_transaction_is_found() -> None:
    seed = 1
    genesis = genesis_json(seed)
    ledger = Ledger.open(None, genesis)
    scenario = Scenario(seed, ledger, edits=False)
    with oracle(genesis) as specification:
        block = scenario.next_block()
        while not (executed := ledger.execute(block_env(block), block.transactions)).included:
            block = scenario.next_block()
        ledger.commit(executed)
        found = differences(ledger_result(ledger, 1), specification.execute([], block, []))
        assert any(text.startswith("state_root") for text in found)
        assert any(text.startswith("gas_used") for text in found)
