"""What blobs cost under each schedule of parameters: receipts tell it, the sender pays it, and fee history goes on with it."""

import json
from typing import Any, Final

import pytest
import rlp  # type: ignore[import-untyped]

from tests.ledger.foreign_chain import BLOB_SCHEDULE
from zerog._kernel import BlockEnv, Executed, Ledger, Transaction, keccak256, secp256k1_sign
from zerog.primitives import Account

SENDER: Final = Account.from_private_key(b"\x42" * 32)
RECIPIENT: Final = b"\x77" * 20
CHAIN_ID: Final = 31337
BLOB_GAS: Final = 131_072
GAS: Final = 21_000
GWEI: Final = 10**9
FORK_TIMES: Final = {"cancun": 1_000, "prague": 2_000, "osaka": 3_000, "bpo1": 4_000, "bpo2": 5_000}
FEE_MAX: Final = 10**30


def fake_exponential(excess: int, fraction: int) -> int:
    """A unit of blob gas in wei, as the text of EIP-4844 computes it, for a minimum of 1."""
    index, output, accumulated = 1, 0, fraction
    while accumulated > 0:
        output += accumulated
        accumulated = accumulated * excess // (fraction * index)
        index += 1
    return output // fraction


@pytest.fixture
def ledger() -> Ledger:
    """A chain that goes through all schedules; no block of it but the first."""
    config: dict[str, Any] = {"chainId": CHAIN_ID, "terminalTotalDifficulty": 0, "londonBlock": 0, "shanghaiTime": 0}
    config |= {f"{fork}Time": time for fork, time in FORK_TIMES.items()} | {"blobSchedule": BLOB_SCHEDULE}
    alloc = {"0x" + SENDER.address.hex(): {"balance": hex(2**200)}}
    genesis = {
        "config": config,
        "difficulty": "0x0",
        "gasLimit": "0x1c9c380",
        "timestamp": "0x1",
        "baseFeePerGas": hex(GWEI),
        "alloc": alloc,
    }
    return Ledger.open(None, json.dumps(genesis).encode())


def blob_transaction(nonce: int, blobs: int) -> bytes:
    """A signed transaction of type 3 without its blobs, as blocks hold it."""
    hashes = [b"\x01" + bytes(30) + bytes([index]) for index in range(blobs)]
    fields = [CHAIN_ID, nonce, GWEI, 10 * GWEI, GAS, RECIPIENT, 5, b"", [], FEE_MAX, hashes]
    signature = secp256k1_sign(keccak256(b"\x03" + rlp.encode(fields)), SENDER.private_key)
    numbers = [signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")]
    signed: bytes = b"\x03" + rlp.encode([*fields, *numbers])
    return signed


def execute(ledger: Ledger, timestamp: int, excess: int, transactions: list[bytes], *, base_fee: int = GWEI) -> Executed:
    env = BlockEnv(
        timestamp=timestamp,
        gas_limit=30_000_000,
        base_fee_per_gas=base_fee,
        beneficiary=b"\xbe" * 20,
        prev_randao=bytes(32),
        excess_blob_gas=excess,
    )
    return ledger.execute(env, transactions)


def receipts_of(ledger: Ledger, number: int) -> list[dict[str, Any]]:
    receipts: list[dict[str, Any]] = json.loads(ledger.receipts_json(number) or b"")
    return receipts


@pytest.mark.parametrize("excess", [0, 2_314_057, 2_314_058, 10 * 1024 * 1024, 60_000_000, 180_000_000])
@pytest.mark.parametrize("fork", FORK_TIMES)
def test_a_receipt_tells_what_the_blobs_of_its_transaction_cost(ledger: Ledger, fork: str, excess: int) -> None:
    price = fake_exponential(excess, BLOB_SCHEDULE[fork]["baseFeeUpdateFraction"])
    before = ledger.balance(SENDER.address)
    executed = execute(ledger, FORK_TIMES[fork], excess, [blob_transaction(0, 1), blob_transaction(1, 3)])
    assert executed.dropped == []
    pending = json.loads(executed.receipts_json())
    ledger.commit(executed)
    receipts = receipts_of(ledger, 1)
    assert [(receipt["blobGasUsed"], receipt["blobGasPrice"]) for receipt in receipts] == [
        (hex(BLOB_GAS), hex(price)),
        (hex(3 * BLOB_GAS), hex(price)),
    ]
    assert pending == receipts
    assert json.loads(ledger.receipt_json(bytes.fromhex(receipts[1]["transactionHash"][2:])) or b"") == receipts[1]
    assert before - ledger.balance(SENDER.address) == 4 * BLOB_GAS * price + 2 * (GAS * 2 * GWEI + 5)


@pytest.mark.parametrize(("excess", "price"), [(0, 1), (2_314_057, 1), (2_314_058, 2), (10 * 1024 * 1024, 23)])
def test_the_price_is_that_of_the_reference_values(ledger: Ledger, excess: int, price: int) -> None:
    """Source: ethereum/go-ethereum, consensus/misc/eip4844/eip4844_test.go (TestCalcBlobFee), for the parameters of Cancun."""
    ledger.commit(execute(ledger, FORK_TIMES["cancun"], excess, []))
    assert ledger.blob_fees(1)[0] == price == fake_exponential(excess, BLOB_SCHEDULE["cancun"]["baseFeeUpdateFraction"])


@pytest.mark.parametrize("fork", FORK_TIMES)
def test_a_full_block_raises_the_price_and_an_empty_one_lowers_it(ledger: Ledger, fork: str) -> None:
    schedule, excess = BLOB_SCHEDULE[fork], 60_000_000
    full = [blob_transaction(index, 3) for index in range(schedule["max"] // 3)]
    ledger.commit(execute(ledger, FORK_TIMES[fork], excess, full, base_fee=7))
    price, after, gas_max = ledger.blob_fees(1)
    assert gas_max == schedule["max"] * BLOB_GAS
    assert price < after
    ledger.commit(execute(ledger, FORK_TIMES[fork] + 1, excess, [], base_fee=7))
    price, after, _ = ledger.blob_fees(2)
    assert after < price == fake_exponential(excess, schedule["baseFeeUpdateFraction"])


@pytest.mark.parametrize("fork", FORK_TIMES)
def test_since_osaka_blobs_do_not_become_cheaper_than_execution_makes_them(ledger: Ledger, fork: str) -> None:
    """Source: EIP-7918. At this price a blob costs less than 2¹³ gas at the base fee."""
    ledger.commit(execute(ledger, FORK_TIMES[fork], 20_000_000, []))
    price, after, _ = ledger.blob_fees(1)
    assert (after < price) == (fork in ("cancun", "prague"))


def test_before_blobs_there_is_no_price(ledger: Ledger) -> None:
    assert ledger.blob_fees(0) == (0, 0, 0)


def test_only_transactions_with_blobs_have_a_price(ledger: Ledger) -> None:
    fields: dict[str, Any] = {
        "kind": 2,
        "chain_id": CHAIN_ID,
        "gas_limit": GAS,
        "max_fee_per_gas": 10 * GWEI,
        "max_priority_fee_per_gas": GWEI,
    }
    plain = Transaction(**fields, nonce=0, to=RECIPIENT, value=1).sign(SENDER.private_key)
    ledger.commit(execute(ledger, FORK_TIMES["prague"], 60_000_000, [plain]))
    assert "blobGasPrice" not in receipts_of(ledger, 1)[0]
    assert "blobGasUsed" not in receipts_of(ledger, 1)[0]
