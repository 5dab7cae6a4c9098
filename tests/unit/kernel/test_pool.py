"""The pool as Python sees it: outcomes in order, facts of rejections, snapshots, and use from many threads."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from zerog._kernel import BlockEnv, Ledger, Pool, Rejection, Transaction, address_of, keccak256
from zerog.chain.protocol.genesis import genesis_document
from zerog.networks import load

GWEI = 10**9
CHAIN_ID = 31337
RICH, OTHER = b"\1" * 32, b"\2" * 32


@pytest.fixture
def ledger() -> Ledger:
    document = json.loads(genesis_document(load("local"), "prague", (), {}))
    for key in (RICH, OTHER):
        document["alloc"]["0x" + address_of(key).hex()] = {"balance": hex(10**21)}
    return Ledger.open(None, json.dumps(document).encode())


def transfer(
    nonce: int, *, key: bytes = RICH, tip: int = GWEI, cap: int = 100 * GWEI, chain_id: int = CHAIN_ID, gas: int = 21_000, value: int = 1
) -> bytes:
    transaction = Transaction(
        kind=2,
        chain_id=chain_id,
        nonce=nonce,
        gas_limit=gas,
        max_fee_per_gas=cap,
        max_priority_fee_per_gas=tip,
        to=b"\x35" * 20,
        value=value,
    )
    return transaction.sign(key)


def mine(ledger: Ledger, pool: Pool, first: bytes | None = None) -> list[bytes]:
    head = ledger.head()
    env = BlockEnv(
        timestamp=head.timestamp + 1,
        gas_limit=head.gas_limit,
        base_fee_per_gas=head.base_fee_per_gas,
        beneficiary=bytes(20),
        prev_randao=bytes(32),
    )
    executed = ledger.build(env, pool, first)
    ledger.commit(executed, pool)
    return executed.included


def refusal(outcome: bytes | Rejection) -> tuple[str, dict[str, int | str | bytes]]:
    assert isinstance(outcome, Rejection)
    return outcome.kind, outcome.facts


def test_outcomes_keep_their_order(ledger: Ledger) -> None:
    pool = Pool()
    kept, known, no_bytes, gapped = pool.add(ledger, [transfer(0), transfer(0), b"\x05", transfer(7)])
    assert (kept, gapped) == (keccak256(transfer(0)), keccak256(transfer(7)))
    assert refusal(known) == ("already_known", {})
    assert refusal(no_bytes) == ("unsupported_type", {"kind": 5})
    assert pool.counts() == (1, 1)
    assert pool.pending_hashes() == [kept]
    assert pool.pending_gas == 21_000
    assert (pool.is_executable(keccak256(transfer(0))), pool.is_executable(keccak256(transfer(7)))) == (True, False)
    assert pool.next_nonce(ledger, address_of(RICH)) == 1


def test_facts_have_python_types(ledger: Ledger) -> None:
    pool = Pool(minimum_tip=5)
    outcomes = pool.add(
        ledger,
        [
            transfer(0, chain_id=1),
            transfer(0, tip=4),
            transfer(0, gas=20_999),
            transfer(0, value=10**21),
            transfer(0, key=b"\3" * 32),
            transfer(0, tip=GWEI + 1, cap=GWEI),
            transfer(0)[:-1],
        ],
    )
    assert [refusal(outcome) for outcome in outcomes] == [
        ("wrong_chain_id", {"have": 1, "want": CHAIN_ID}),
        ("underpriced", {"tip_needed": 5, "tip": 4}),
        ("intrinsic_gas", {"gas_limit": 20_999, "needed": 21_000}),
        ("insufficient_funds", {"balance": 10**21, "cost": 10**21 + 21_000 * 100 * GWEI, "queued_cost": 0}),
        ("insufficient_funds", {"balance": 0, "cost": 1 + 21_000 * 100 * GWEI, "queued_cost": 0}),
        ("tip_above_fee_cap", {"tip": GWEI + 1, "max_fee": GWEI}),
        ("bad_encoding", {"detail": "rlp: value size exceeds available input length"}),
    ]
    assert repr(outcomes[0]) == "Rejection(kind='wrong_chain_id', facts={'have': 1, 'want': 31337})"
    pool.minimum_tip = 0
    assert pool.minimum_tip == 0
    assert isinstance(pool.add(ledger, [transfer(0, tip=4)])[0], bytes)


def test_a_sender_is_impersonated_only_where_that_is_allowed(ledger: Ledger) -> None:
    pool = Pool()
    unsigned = Transaction(kind=0, chain_id=CHAIN_ID, nonce=0, gas_limit=21_000, max_fee_per_gas=2 * GWEI, to=bytes(20))
    raw = unsigned.impersonate(address_of(RICH))
    assert refusal(pool.add(ledger, [raw])[0])[0] == "bad_signature"
    transaction_hash = pool.add(ledger, [raw], impersonated=True)[0]
    assert isinstance(transaction_hash, bytes)
    assert mine(ledger, pool) == [transaction_hash]
    assert ledger.nonce(address_of(RICH)) == 1


def test_blocks_follow_tip_and_nonce_and_empty_the_pool(ledger: Ledger) -> None:
    pool = Pool()
    raws = [transfer(0), transfer(1, tip=9 * GWEI), transfer(0, key=OTHER, tip=2 * GWEI), transfer(3)]
    hashes = pool.add(ledger, raws)
    assert mine(ledger, pool) == [hashes[2], hashes[0], hashes[1]]
    assert pool.counts() == (0, 1)
    assert pool.next_nonce(ledger, address_of(RICH)) == 2
    assert refusal(pool.add(ledger, [transfer(1)])[0]) == ("nonce_too_low", {"next_nonce": 2, "tx_nonce": 1})


def test_the_wanted_one_comes_first(ledger: Ledger) -> None:
    pool = Pool()
    low, high = pool.add(ledger, [transfer(0), transfer(0, key=OTHER, tip=2 * GWEI)])
    assert isinstance(low, bytes)
    assert mine(ledger, pool, first=low) == [low, high]


def test_what_cannot_pay_the_base_fee_waits(ledger: Ledger) -> None:
    pool = Pool()
    pool.add(ledger, [transfer(0, tip=1, cap=GWEI - 1)])
    assert mine(ledger, pool) == []
    assert pool.counts() == (1, 0)


def test_a_replacement_pays_a_tenth_more(ledger: Ledger) -> None:
    pool = Pool()
    pool.add(ledger, [transfer(0, tip=10, cap=GWEI)])
    assert refusal(pool.add(ledger, [transfer(0, tip=10, cap=2 * GWEI)])[0]) == ("replacement_underpriced", {})
    better = transfer(0, tip=11, cap=GWEI + GWEI // 10)
    assert pool.add(ledger, [better]) == [keccak256(better)]
    assert pool.raw_transaction(keccak256(better)) == better
    assert pool.counts() == (1, 0)


def test_a_waiting_transaction_is_shown_and_dropped(ledger: Ledger) -> None:
    pool = Pool()
    raw = transfer(0)
    pool.add(ledger, [raw])
    shown = pool.transaction_json(keccak256(raw))
    assert shown is not None
    assert json.loads(shown)["hash"] == "0x" + keccak256(raw).hex()
    assert pool.drop(keccak256(raw)) is True
    assert pool.drop(keccak256(raw)) is False
    assert pool.transaction_json(keccak256(raw)) is pool.raw_transaction(keccak256(raw)) is None


def test_a_snapshot_survives_an_unwind(ledger: Ledger) -> None:
    pool = Pool()
    raws = [transfer(0), transfer(1)]
    pool.add(ledger, raws)
    snapshot = pool.snapshot()
    assert len(mine(ledger, pool)) == 2
    assert pool.counts() == (0, 0)
    assert ledger.transactions_after(0) == raws
    ledger.unwind(0)
    pool.restore(snapshot)
    pool.refresh(ledger)
    assert pool.pending_hashes() == [keccak256(raw) for raw in raws]
    pool.clear()
    assert pool.counts() == (0, 0)


def test_refreshing_follows_an_edit(ledger: Ledger) -> None:
    pool = Pool()
    pool.add(ledger, [transfer(0), transfer(1), transfer(0, key=OTHER)])
    ledger.set_nonce(address_of(RICH), 1)
    ledger.set_balance(address_of(OTHER), 0)
    pool.refresh(ledger)
    assert pool.pending_hashes() == [keccak256(transfer(1))]


def test_capacity_and_sizes_are_settings(ledger: Ledger) -> None:
    assert refusal(Pool(capacity=0).add(ledger, [transfer(0)])[0]) == ("pool_full", {"capacity": 0})
    assert refusal(Pool(per_account=0).add(ledger, [transfer(0)])[0]) == ("account_limit", {"limit": 0})
    size = len(transfer(0))
    assert refusal(Pool(maximum_bytes=size - 1).add(ledger, [transfer(0)])[0]) == ("oversized", {"size": size, "maximum": size - 1})
    unprotected = Transaction(kind=0, chain_id=None, nonce=0, gas_limit=21_000, max_fee_per_gas=2 * GWEI, to=bytes(20)).sign(RICH)
    assert refusal(Pool().add(ledger, [unprotected])[0]) == ("unprotected", {})
    assert Pool(allow_unprotected=True).add(ledger, [unprotected]) == [keccak256(unprotected)]


def test_many_threads_add_while_blocks_are_made(ledger: Ledger) -> None:
    pool = Pool()
    keys = [bytes([number]) * 32 for number in range(10, 18)]
    for key in keys:
        ledger.set_balance(address_of(key), 10**21)
    raws = {key: [transfer(nonce, key=key) for nonce in range(60)] for key in keys}

    def send(key: bytes) -> int:
        return sum(isinstance(pool.add(ledger, [raw])[0], bytes) for raw in raws[key])

    with ThreadPoolExecutor(len(keys)) as threads:
        sent = [threads.submit(send, key) for key in keys]
        mined: list[bytes] = []
        while not all(one.done() for one in sent):
            mined += mine(ledger, pool)
        assert [one.result() for one in sent] == [60] * len(keys)
    mined += mine(ledger, pool)
    assert sorted(mined) == sorted(keccak256(raw) for key in keys for raw in raws[key])
    assert pool.counts() == (0, 0)
