"""Edits of state by hand: what is refused, what the two prefixes differ in, and impersonated senders."""

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running, text
from tests.unit.chain.node.programs import ECHO, LOAD, creation, word

SENDER, OTHER = ACCOUNTS[1], ACCOUNTS[2]
STRANGER = "0x" + "77" * 20
BOTH = ["anvil", "hardhat"]


def test_hardhats_nonce_goes_up_alone_and_anvils_anywhere(chain: Running) -> None:
    assert chain.rpc("hardhat_setNonce", STRANGER, "0x5") is True
    assert chain.rpc("hardhat_setNonce", STRANGER, "0x5") is True
    refused = chain.refusal("hardhat_setNonce", STRANGER, "0x4")
    assert (refused.code, refused.message) == (-32000, "New nonce (4) must not be smaller than the existing nonce (5)")
    assert chain.rpc("eth_getTransactionCount", STRANGER) == "0x5"
    assert chain.rpc("anvil_setNonce", STRANGER, "0x3") is None
    assert chain.rpc("eth_getTransactionCount", STRANGER) == "0x3"


def test_a_nonce_that_is_set_drops_what_it_passes_and_lets_others_follow(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    nonce = chain.nonce(SENDER)
    passed, kept = chain.send(SENDER, nonce=nonce), chain.send(SENDER, nonce=nonce + 3)
    assert chain.rpc("txpool_status") == {"pending": "0x1", "queued": "0x1"}
    chain.rpc("hardhat_setNonce", text(SENDER.address), hex(nonce + 3))
    assert chain.rpc("txpool_status") == {"pending": "0x1", "queued": "0x0"}
    chain.rpc("evm_mine")
    assert chain.rpc("eth_getTransactionByHash", passed) is None
    assert chain.rpc("eth_getTransactionReceipt", kept)["status"] == "0x1"


@pytest.mark.parametrize("prefix", BOTH)
@pytest.mark.parametrize(
    ("slot", "value", "part"),
    [
        ("0x0", "0x7", "odd length"),
        ("0x0", "0x07", "hex string has length 2, want 64"),
        ("0x0", "0x" + "00" * 33, "hex string has length 66, want 64"),
        ("0x0", 7, "cannot unmarshal number"),
        ("0x" + "00" * 33, word(7), "want at most 32 bytes"),
        ("slot", word(7), "unable to decode storage key"),
    ],
)
def test_words_of_storage_that_are_none_are_refused(chain: Running, prefix: str, slot: object, value: object, part: str) -> None:
    refused = chain.refusal(f"{prefix}_setStorageAt", STRANGER, slot, value)
    assert refused.code == -32602
    assert part in refused.message
    assert chain.rpc("eth_getStorageAt", STRANGER, "0x0", "latest") == word(0)


@pytest.mark.parametrize("prefix", BOTH)
def test_a_slot_is_named_as_a_quantity_or_as_a_word(chain: Running, prefix: str) -> None:
    contract = chain.place(LOAD)
    for value, slot in enumerate(("0x2", "0x02", word(2)), 1):
        assert chain.rpc(f"{prefix}_setStorageAt", contract, slot, word(value)) is True
        assert chain.rpc("eth_call", {"to": contract, "data": word(2)}) == word(value)
    assert chain.rpc(f"{prefix}_setStorageAt", contract, word(2**256 - 1), word(2**256 - 1)) is True
    chain.rpc("evm_mine")
    assert chain.rpc("eth_getStorageAt", contract, word(2**256 - 1), "latest") == word(2**256 - 1)
    proof = chain.rpc("eth_getProof", contract, [word(2**256 - 1)], "latest")
    assert proof["storageProof"][0]["value"] == hex(2**256 - 1)


@pytest.mark.parametrize("prefix", BOTH)
def test_a_word_that_is_set_to_zero_is_gone_from_the_root(chain: Running, prefix: str) -> None:
    contract = chain.place(LOAD)
    chain.rpc("evm_mine")
    empty = chain.rpc("eth_getProof", contract, [], "latest")["storageHash"]
    for value in (9, 0):
        chain.rpc(f"{prefix}_setStorageAt", contract, "0x5", word(value))
        chain.rpc("evm_mine")
        assert (chain.rpc("eth_getProof", contract, [], "latest")["storageHash"] == empty) is (value == 0)


@pytest.mark.parametrize("prefix", BOTH)
def test_code_that_is_set_runs_and_can_be_taken_away(chain: Running, prefix: str) -> None:
    chain.rpc(f"{prefix}_setCode", STRANGER, ECHO)
    assert chain.rpc("eth_call", {"to": STRANGER, "data": "0x1234"}) == "0x1234"
    chain.rpc("evm_mine")
    chain.rpc(f"{prefix}_setCode", STRANGER, "0x")
    assert chain.rpc("eth_getCode", STRANGER) == "0x"
    assert chain.rpc("eth_call", {"to": STRANGER, "data": "0x1234"}) == "0x"


def test_a_transaction_that_is_mined_cannot_be_dropped(chain: Running) -> None:
    sent = chain.send(SENDER)
    refused = chain.refusal("hardhat_dropTransaction", sent)
    assert (refused.code, refused.message) == (-32602, f"Transaction {sent} cannot be dropped because it's already mined")
    assert chain.rpc("anvil_dropTransaction", sent) is None
    assert chain.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"


@pytest.mark.parametrize("prefix", BOTH)
def test_what_followed_a_dropped_transaction_waits_for_another_in_its_place(chain: Running, prefix: str) -> None:
    chain.rpc("evm_setAutomine", False)
    nonce = chain.nonce(SENDER)
    first, second = chain.send(SENDER, nonce=nonce), chain.send(SENDER, nonce=nonce + 1)
    assert chain.rpc(f"{prefix}_dropTransaction", first) in (first, True)
    assert chain.rpc("txpool_status") == {"pending": "0x0", "queued": "0x1"}
    assert chain.nonce(SENDER, "pending") == nonce
    chain.rpc("evm_setAutomine", True)
    assert chain.rpc("eth_getTransactionReceipt", second) is None
    chain.send(SENDER, nonce=nonce, value=5)
    assert chain.rpc("eth_getTransactionReceipt", second)["status"] == "0x1"


# ---- impersonated senders ----------------------------------------------------------------------------------------


def test_anybody_acts_while_all_are_impersonated_and_nobody_after(chain: Running) -> None:
    contract = chain.place(ECHO)
    transfer = {"to": text(OTHER.address), "value": "0x1"}
    chain.rpc("anvil_autoImpersonateAccount", True)
    for sender in (STRANGER, contract, "0x" + "00" * 20):
        chain.rpc("anvil_setBalance", sender, hex(10**18))
        receipt = chain.rpc("eth_getTransactionReceipt", chain.rpc("eth_sendTransaction", {"from": sender, **transfer}))
        assert (receipt["status"], receipt["from"]) == ("0x1", sender)
    chain.rpc("anvil_autoImpersonateAccount", False)
    for sender in (STRANGER, contract):
        assert chain.refusal("eth_sendTransaction", {"from": sender, **transfer}).message.startswith("unknown account")


def test_an_account_that_is_impersonated_by_name_stays_so_when_all_are_no_more(chain: Running) -> None:
    chain.rpc("anvil_setBalance", STRANGER, hex(10**18))
    chain.rpc("anvil_impersonateAccount", STRANGER)
    for enabled in (True, False):
        chain.rpc("anvil_autoImpersonateAccount", enabled)
        assert chain.rpc("eth_sendTransaction", {"from": STRANGER, "to": STRANGER})
    assert chain.rpc("hardhat_stopImpersonatingAccount", STRANGER) is True
    assert chain.rpc("hardhat_stopImpersonatingAccount", STRANGER) is False


def test_its_signature_fields_name_the_sender_and_its_hash_is_that_of_its_bytes(chain: Running) -> None:
    chain.rpc("anvil_setBalance", STRANGER, hex(10**18))
    chain.rpc("anvil_impersonateAccount", STRANGER)
    for fields, kind in (({}, "0x2"), ({"gasPrice": hex(5 * GWEI)}, "0x0"), ({"gasPrice": hex(5 * GWEI), "accessList": []}, "0x1")):
        sent = chain.rpc("eth_sendTransaction", {"from": STRANGER, "to": text(OTHER.address), **fields})
        whole = chain.rpc("eth_getTransactionByHash", sent)
        assert (whole["type"], whole["r"], whole["s"], whole["from"]) == (kind, STRANGER, "0x1", STRANGER)
        raw = chain.rpc("eth_getRawTransactionByHash", sent)
        assert chain.rpc("web3_sha3", raw) == sent
        assert chain.refusal("eth_sendRawTransaction", raw).code == -32000  # Nobody can replay it as a signed one.
    chain.rpc("anvil_stopImpersonatingAccount", STRANGER)


def test_an_impersonated_contract_creates_calls_and_pays_as_others_do(chain: Running) -> None:
    contract = chain.place(ECHO)
    chain.rpc("anvil_setBalance", contract, hex(10**18))
    chain.rpc("anvil_impersonateAccount", contract)
    receipt = chain.rpc("eth_getTransactionReceipt", chain.rpc("eth_sendTransaction", {"from": contract, "data": creation(ECHO)}))
    assert chain.rpc("eth_getCode", receipt["contractAddress"]) == ECHO
    assert chain.rpc("eth_getTransactionCount", contract) == "0x1"
    paid = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert chain.balance(bytes.fromhex(contract[2:])) == 10**18 - paid
    assert chain.rpc("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})["from"] == contract
    chain.rpc("anvil_stopImpersonatingAccount", contract)


def test_an_impersonated_account_without_money_cannot_pay(chain: Running) -> None:
    chain.rpc("anvil_impersonateAccount", STRANGER)
    refused = chain.refusal("eth_sendTransaction", {"from": STRANGER, "to": STRANGER, "gas": "0x5208"})
    assert "insufficient funds" in refused.message
    chain.rpc("anvil_stopImpersonatingAccount", STRANGER)


def test_an_unsigned_transaction_acts_as_whom_it_names_without_impersonation(chain: Running) -> None:
    contract = chain.place(ECHO)
    for sender in (STRANGER, contract, text(SENDER.address)):
        chain.rpc("anvil_setBalance", sender, hex(10**18))
        sent = chain.rpc("eth_sendUnsignedTransaction", {"from": sender, "to": text(OTHER.address), "value": "0x1"})
        whole = chain.rpc("eth_getTransactionByHash", sent)
        assert (whole["from"], whole["r"], whole["s"]) == (sender, sender, "0x1")
        assert chain.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"
    assert chain.refusal("eth_sendTransaction", {"from": STRANGER, "to": STRANGER}).message.startswith("unknown account")


# ---- the pool ----------------------------------------------------------------------------------------------------


def test_the_pool_is_emptied_of_one_sender_or_of_all(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    first, second = chain.nonce(SENDER), chain.nonce(OTHER)
    for offset in (0, 1, 5):
        chain.send(SENDER, nonce=first + offset)
        chain.send(OTHER, nonce=second + offset)
    assert chain.rpc("txpool_status") == {"pending": "0x4", "queued": "0x2"}
    chain.rpc("anvil_removePoolTransactions", text(SENDER.address))
    assert chain.rpc("txpool_contentFrom", text(SENDER.address)) == {"pending": {}, "queued": {}}
    assert chain.rpc("txpool_status") == {"pending": "0x2", "queued": "0x1"}
    chain.rpc("anvil_dropAllTransactions")
    assert chain.rpc("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    chain.rpc("evm_mine")
    assert chain.rpc("eth_getBlockByNumber", "latest", False)["transactions"] == []
    assert (chain.nonce(SENDER, "pending"), chain.nonce(OTHER, "pending")) == (first, second)
