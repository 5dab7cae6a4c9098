"""What the block explorer Otterscan asks: pages of transactions, inner operations, creators, and blocks in short."""

from tests.unit.chain.node.conftest import ACCOUNTS, Running, text
from tests.unit.chain.node.programs import ECHO, REVERT_ECHO, creation, error_text, word
from tests.unit.chain.node.test_traces import OTHER, call, calling
from zerog.primitives import decode_data

SENDER = text(ACCOUNTS[1].address)
HEIR = "0x" + "e1" * 20
FACTORY = "0x" + "fa" * 20


def create_and_pay(chain: Running) -> str:
    """A contract that creates one from its call data, pays it a wei, and leaves the rest to an heir."""
    return chain.place(f"0x365f5f37365f5ff05f5f5f5f6001855af15073{HEIR[2:]}ff", FACTORY)


def test_pages_of_an_address_run_in_both_directions(chain: Running) -> None:
    outer = chain.place(calling(chain.place(ECHO)), OTHER)
    hashes = [call(chain, outer, word(number)) for number in range(5)]
    newest = chain.rpc("ots_searchTransactionsBefore", OTHER, 0, 2)
    assert [item["hash"] for item in newest["txs"]] == hashes[:2:-1]
    assert (newest["firstPage"], newest["lastPage"]) == (True, False)
    assert newest["receipts"][0]["timestamp"] == chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"]
    older = chain.rpc("ots_searchTransactionsBefore", OTHER, int(newest["txs"][-1]["blockNumber"], 16), 9)
    assert [item["hash"] for item in older["txs"]] == hashes[2::-1]
    assert (older["firstPage"], older["lastPage"]) == (False, True)
    oldest = chain.rpc("ots_searchTransactionsAfter", OTHER, 0, 2)
    assert [item["hash"] for item in oldest["txs"]] == hashes[1::-1]
    assert (oldest["firstPage"], oldest["lastPage"]) == (False, True)
    newer = chain.rpc("ots_searchTransactionsAfter", OTHER, int(oldest["txs"][0]["blockNumber"], 16), 9)
    assert [item["hash"] for item in newer["txs"]] == hashes[:1:-1]
    assert (newer["firstPage"], newer["lastPage"]) == (True, False)


def test_an_address_is_found_in_what_contracts_do_and_gone_when_that_is_taken_back(chain: Running) -> None:
    snapshot = chain.rpc("evm_snapshot")
    transaction_hash = call(chain, create_and_pay(chain), creation(ECHO), value=5, gas_limit=500_000)
    created = chain.rpc("debug_traceTransaction", transaction_hash, {"tracer": "callTracer"})["calls"][0]["to"]
    for address in (SENDER, FACTORY, created, HEIR):
        assert chain.rpc("ots_searchTransactionsBefore", address, 0, 1)["txs"][0]["hash"] == transaction_hash
    assert chain.rpc("ots_getContractCreator", created) == {"hash": transaction_hash, "creator": FACTORY}
    chain.rpc("evm_revert", snapshot)
    for address in (FACTORY, created, HEIR):
        assert chain.rpc("ots_searchTransactionsBefore", address, 0, 1)["txs"] == []
    assert chain.rpc("ots_getContractCreator", created) is None


def test_inner_operations_are_told_by_kind(chain: Running) -> None:
    transaction_hash = call(chain, create_and_pay(chain), creation(ECHO), value=5, gas_limit=500_000)
    operations = chain.rpc("ots_getInternalOperations", transaction_hash)
    assert [(item["type"], item["from"], item["value"]) for item in operations] == [
        (2, FACTORY, "0x0"),
        (0, FACTORY, "0x1"),
        (1, FACTORY, "0x4"),
    ]
    entries = chain.rpc("ots_traceTransaction", transaction_hash)
    assert [(item["type"], item["depth"]) for item in entries] == [("CALL", 0), ("CREATE", 1), ("CALL", 1), ("SELFDESTRUCT", 1)]
    assert (entries[-1]["to"], entries[1]["output"]) == (HEIR, ECHO)


def test_the_error_of_a_transaction_is_its_revert_data(chain: Running) -> None:
    reverter = chain.place(REVERT_ECHO)
    assert chain.rpc("ots_getTransactionError", call(chain, reverter, error_text("no"))) == error_text("no")
    assert chain.rpc("ots_getTransactionError", chain.send()) == "0x"


def test_contracts_of_the_first_block_and_plain_accounts_have_no_creator(chain: Running) -> None:
    chain.send()
    assert chain.rpc("ots_getContractCreator", "0xca11bde05977b3631167028862be2a173976ca11") is None
    assert chain.rpc("ots_getContractCreator", SENDER) is None
    assert chain.rpc("ots_hasCode", "0xca11bde05977b3631167028862be2a173976ca11", "latest")
    deployed = chain.send(to=None, data=decode_data(creation(ECHO)), gas_limit=200_000, value=0)
    address = chain.rpc("eth_getTransactionReceipt", deployed)["contractAddress"]
    assert chain.rpc("ots_getContractCreator", address) == {"hash": deployed, "creator": SENDER}


def test_a_block_in_short_has_its_fees_and_pages_from_the_end(chain: Running) -> None:
    echo = chain.place(ECHO)
    chain.rpc("evm_setAutomine", False)
    hashes = [call(chain, echo, "0x01020304" + word(number)[2:]) for number in range(3)]
    chain.rpc("evm_mine")
    chain.rpc("evm_setAutomine", True)
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    details = chain.rpc("ots_getBlockDetails", block["number"])
    receipts = chain.rpc("eth_getBlockReceipts", "latest")
    assert int(details["totalFees"], 16) == sum(int(it["gasUsed"], 16) * int(it["effectiveGasPrice"], 16) for it in receipts)
    assert (details["block"]["transactionCount"], details["block"]["logsBloom"]) == ("0x3", None)
    assert "transactions" not in details["block"]
    assert chain.rpc("ots_getBlockDetailsByHash", block["hash"]) == details
    assert chain.rpc("ots_getBlockDetailsByHash", "0x" + "ab" * 32) is None
    page = chain.rpc("ots_getBlockTransactions", block["number"], 0, 2)
    assert [item["hash"] for item in page["fullblock"]["transactions"]] == hashes[1:]
    assert [item["input"] for item in page["fullblock"]["transactions"]] == ["0x01020304"] * 2
    assert [item["logs"] for item in page["receipts"]] == [None, None]
    rest = chain.rpc("ots_getBlockTransactions", block["number"], 1, 2)
    assert [item["hash"] for item in rest["fullblock"]["transactions"]] == hashes[:1]


def test_a_transaction_is_found_by_sender_and_nonce(chain: Running) -> None:
    nonce = chain.nonce(ACCOUNTS[1])
    transaction_hash = chain.send()
    assert chain.rpc("ots_getTransactionBySenderAndNonce", SENDER, nonce) == transaction_hash
