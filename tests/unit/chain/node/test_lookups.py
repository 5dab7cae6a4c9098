"""Raw encodings, look-ups, the pool's content, and sends that wait for their receipt."""

from collections.abc import Iterator

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running, text
from zerog._kernel import decode_transaction, keccak256
from zerog.primitives import decode_data

SENDER = ACCOUNTS[1]


@pytest.fixture
def without_automine(chain: Running) -> Iterator[Running]:
    chain.rpc("evm_setAutomine", False)
    yield chain
    chain.rpc("evm_setAutomine", True)
    chain.rpc("evm_mine")


def gapped(chain: Running) -> str:
    """Send a transaction that no block can hold yet; returns its hash."""
    return chain.send(nonce=chain.nonce(SENDER) + 7)


# ---- raw encodings ---------------------------------------------------------------------------------------------------


def test_a_raw_header_hashes_to_the_block_and_begins_the_raw_block(chain: Running) -> None:
    chain.send()
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    header = decode_data(chain.rpc("debug_getRawHeader", "latest"))
    whole = decode_data(chain.rpc("debug_getRawBlock", block["hash"]))
    assert text(keccak256(header)) == block["hash"]
    assert header in whole
    assert len(whole) == int(block["size"], 16)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_raw_transaction_is_what_was_sent(chain: Running, kind: int) -> None:
    raw = chain.raw(kind=kind, max_priority_fee_per_gas=GWEI if kind == 2 else None)
    transaction_hash = chain.rpc("eth_sendRawTransaction", raw)
    block = chain.rpc("eth_getTransactionByHash", transaction_hash)["blockHash"]
    assert chain.rpc("debug_getRawTransaction", transaction_hash) == raw
    assert chain.rpc("eth_getRawTransactionByHash", transaction_hash) == raw
    assert chain.rpc("eth_getRawTransactionByBlockHashAndIndex", block, "0x0") == raw
    assert chain.rpc("eth_getRawTransactionByBlockNumberAndIndex", "latest", "0x0") == raw


def test_a_raw_receipt_carries_its_type_and_logs(chain: Running) -> None:
    logger = chain.place("0x5f355f5fa100")
    topic = "ab" * 32
    chain.send(to=decode_data(logger), data=bytes.fromhex(topic), gas_limit=100_000)
    (receipt,) = chain.rpc("debug_getRawReceipts", "latest")
    assert receipt.startswith("0x02f9")
    assert topic in receipt


def test_a_transaction_that_waits_has_a_raw_form_too(without_automine: Running) -> None:
    raw = without_automine.raw()
    transaction_hash = without_automine.rpc("eth_sendRawTransaction", raw)
    assert without_automine.rpc("eth_getRawTransactionByHash", transaction_hash) == raw


def test_the_pending_block_has_a_header_but_no_raw_form(chain: Running) -> None:
    assert int(chain.rpc("eth_getHeaderByNumber", "pending")["number"], 16) == chain.number() + 1
    assert chain.refusal("debug_getRawHeader", "pending").message == "header not found"


def test_headers_are_blocks_without_bodies(chain: Running) -> None:
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    header = chain.rpc("eth_getHeaderByHash", block["hash"])
    assert header == chain.rpc("erigon_getHeaderByNumber", block["number"])
    assert header.items() <= block.items()
    assert chain.rpc("eth_getHeaderByNumber", "0xffffff") is None


# ---- by sender and nonce ---------------------------------------------------------------------------------------------


def test_every_transaction_is_found_by_its_sender_and_nonce(chain: Running) -> None:
    first = chain.nonce(SENDER)
    hashes = [chain.send() for _ in range(5)]
    chain.rpc("anvil_mine", "0x3")
    found = [chain.rpc("eth_getTransactionBySenderAndNonce", text(SENDER.address), hex(first + index)) for index in range(5)]
    assert [transaction["hash"] for transaction in found] == hashes
    assert chain.rpc("eth_getTransactionBySenderAndNonce", text(SENDER.address), hex(first + 5)) is None


def test_a_transaction_that_waits_is_found_by_its_sender_and_nonce(chain: Running) -> None:
    transaction_hash = gapped(chain)
    found = chain.rpc("eth_getTransactionBySenderAndNonce", text(SENDER.address), hex(chain.nonce(SENDER) + 7))
    assert (found["hash"], found["blockHash"]) == (transaction_hash, None)


# ---- the pool --------------------------------------------------------------------------------------------------------


def test_the_pool_tells_what_can_run_and_what_waits(without_automine: Running) -> None:
    chain, sender = without_automine, str(SENDER.address)
    nonce = chain.nonce(SENDER)
    pending, queued = chain.send(), gapped(chain)
    content = chain.rpc("txpool_content")
    assert chain.rpc("txpool_status") == {"pending": "0x1", "queued": "0x1"}
    assert content["pending"][sender][str(nonce)]["hash"] == pending
    assert content["queued"][sender][str(nonce + 7)]["hash"] == queued
    assert chain.rpc("txpool_contentFrom", sender) == {kind: content[kind][sender] for kind in ("pending", "queued")}
    line = chain.rpc("txpool_inspect")["pending"][sender][str(nonce)]
    assert line == f"{ACCOUNTS[2].address}: 1 wei + 21000 gas × {10 * GWEI} wei"


def test_the_pool_has_nothing_of_a_stranger(chain: Running) -> None:
    assert chain.rpc("txpool_contentFrom", "0x" + "77" * 20) == {"pending": {}, "queued": {}}


# ---- sends that wait -------------------------------------------------------------------------------------------------


def test_a_synchronous_send_answers_with_the_receipt(chain: Running) -> None:
    receipt = chain.rpc("eth_sendRawTransactionSync", chain.raw(), 2_000)
    assert receipt == chain.rpc("eth_getTransactionReceipt", receipt["transactionHash"])


def test_a_synchronous_send_that_takes_too_long_names_the_hash(chain: Running) -> None:
    raw = chain.raw(nonce=chain.nonce(SENDER) + 9)
    refused = chain.refusal("eth_sendRawTransactionSync", raw, "0x1")
    assert (refused.code, refused.data) == (4, text(keccak256(decode_data(raw))))
    assert "was not in a block within 0.001s" in refused.message


def test_a_synchronous_send_ends_when_somebody_mines(without_automine: Running) -> None:
    chain = without_automine
    chain.rpc("evm_setIntervalMining", 1)
    try:
        assert chain.rpc("eth_sendRawTransactionSync", chain.raw(), 10_000)["status"] == "0x1"
    finally:
        chain.rpc("evm_setIntervalMining", 0)


def test_a_refused_transaction_is_not_waited_for(chain: Running) -> None:
    assert chain.refusal("eth_sendRawTransactionSync", chain.raw(nonce=0 if chain.nonce(SENDER) else 2**64 - 1)).code == -32000


# ---- filling in ------------------------------------------------------------------------------------------------------


def test_a_filled_transaction_needs_only_a_signature(chain: Running) -> None:
    stranger = "0x" + "51" * 20
    chain.rpc("anvil_setBalance", stranger, hex(10**18))
    filled = chain.rpc("eth_fillTransaction", {"from": stranger, "to": text(ACCOUNTS[2].address), "value": "0x1"})
    transaction = filled["tx"]
    assert (transaction["type"], transaction["gas"], transaction["nonce"]) == ("0x2", "0x5208", "0x0")
    assert int(transaction["maxFeePerGas"], 16) >= int(transaction["maxPriorityFeePerGas"], 16) > 0
    assert (transaction["from"], transaction["r"], transaction["s"]) == (stranger, "0x0", "0x0")
    assert text(keccak256(decode_data(filled["raw"]))) == transaction["hash"]


def test_what_was_given_is_kept_when_a_transaction_is_filled(chain: Running) -> None:
    wanted = {"from": text(SENDER.address), "to": text(ACCOUNTS[2].address), "gasPrice": "0x77359400", "gas": "0x9999", "nonce": "0x123"}
    transaction = chain.rpc("eth_fillTransaction", wanted)["tx"]
    assert (transaction["type"], transaction["v"]) == ("0x0", "0x0")
    assert {name: transaction[name] for name in wanted} == wanted


def test_a_transaction_that_reverts_cannot_be_filled(chain: Running) -> None:
    reverting = chain.place("0x365f5f37365ffd")
    refused = chain.refusal("eth_fillTransaction", {"from": text(SENDER.address), "to": reverting, "data": "0xabcd"})
    assert (refused.code, refused.data) == (3, "0xabcd")


# ---- state -----------------------------------------------------------------------------------------------------------


def test_storage_values_are_those_of_single_reads(chain: Running) -> None:
    contract = chain.place("0x00")
    one, two = "0x" + "00" * 31 + "01", "0x" + "00" * 31 + "02"
    chain.rpc("anvil_setStorageAt", contract, one, "0x" + "ee" * 32)
    values = chain.rpc("eth_getStorageValues", {contract: [one, two], text(SENDER.address): [one]})
    assert values == {contract: ["0x" + "ee" * 32, "0x" + "00" * 32], text(SENDER.address): ["0x" + "00" * 32]}


def test_too_many_storage_values_are_refused(chain: Running) -> None:
    refused = chain.refusal("eth_getStorageValues", {text(SENDER.address): ["0x" + f"{slot:064x}" for slot in range(1_025)]})
    assert (refused.code, refused.message) == (-38026, "too many slots (max 1024)")
    assert chain.refusal("eth_getStorageValues", {text(SENDER.address): []}).message == "empty request"


def test_an_account_that_does_not_exist_is_null(chain: Running) -> None:
    assert chain.rpc("eth_getAccount", "0x" + "76" * 20, "latest") is None
    account = chain.rpc("eth_getAccount", text(SENDER.address), "latest")
    assert account["balance"] == chain.rpc("eth_getBalance", text(SENDER.address), "latest")


def test_the_capabilities_name_the_head_and_the_window_of_proofs(chain: Running) -> None:
    chain.rpc("anvil_mine", hex(140))
    answer, head = chain.rpc("eth_capabilities"), chain.rpc("eth_getBlockByNumber", "latest", False)
    assert answer["head"] == {"number": head["number"], "hash": head["hash"]}
    assert answer["state"] == {"disabled": False, "oldestBlock": "0x0"}
    assert answer["stateproofs"]["deleteStrategy"] == {"type": "window", "retentionBlocks": "0x80"}
    assert int(answer["stateproofs"]["oldestBlock"], 16) == int(head["number"], 16) - 128


def test_the_configuration_is_that_of_the_genesis(chain: Running) -> None:
    current = chain.rpc("eth_config")["current"]
    assert (current["chainId"], current["activationTime"]) == ("0x7a69", 0)
    assert current["blobSchedule"] == {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716}
    assert current["precompiles"]["BLS12_G1ADD"] == "0x" + f"{11:040x}"


def test_the_decoder_of_transactions_agrees_with_what_was_looked_up(chain: Running) -> None:
    raw = chain.raw()
    chain.rpc("eth_sendRawTransaction", raw)
    assert (
        decode_transaction(decode_data(chain.rpc("eth_getRawTransactionByBlockNumberAndIndex", "latest", "0x0"))).sender == SENDER.address
    )
