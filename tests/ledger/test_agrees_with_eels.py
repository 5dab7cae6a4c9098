"""Our ledger and the executable specification of Ethereum agree on random blocks: state, gas, receipts, logs and requests."""

import msgspec
import pytest

from tests.ledger.counts import LONG, commit_seed
from tests.ledger.oracle import BlockResult, differences, ledger_result, oracle
from tests.ledger.results import record
from tests.ledger.scenario import Scenario, apply_edit, block_env, genesis_json
from zerog._kernel import Ledger, keccak256
from zerog.chain.protocol.genesis import Hardfork

TRANSACTIONS = 2_000 if LONG else 200
LEAST_SUCCESSFUL = 0.3
LEAST_FAILED = 0.05


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
        while sum(len(result.transactions) for result in compared) < transactions:
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
    assert len({result.requests_hash for result in results}) > 1


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
