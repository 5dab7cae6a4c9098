"""Every method once for the shape of its answer, and once for an error."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.chain.node.conftest import ACCOUNTS, LOCAL, Running, text
from tests.unit.chain.node.method_table import BESIDE, SPECIFIED
from tests.unit.chain.node.programs import ECHO, creation
from zerog.primitives import decode_data

Check = Callable[[Any], bool]

FIRST, SECOND = text(ACCOUNTS[0].address), text(ACCOUNTS[1].address)
W0G = text(LOCAL.addresses["w0g"])
HASH = "0x" + "ab" * 32


def quantity(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"0x(0|[1-9a-f][0-9a-f]*)", value) is not None


def data(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"0x([0-9a-f]{2})*", value) is not None


def word(value: Any) -> bool:
    return data(value) and len(value) == 66


def signature(value: Any) -> bool:
    return data(value) and len(value) == 132 and value[-2:] in ("1b", "1c")


def null(value: Any) -> bool:
    return value is None


def true(value: Any) -> bool:
    return value is True


def false(value: Any) -> bool:
    return value is False


def address(value: Any) -> bool:
    return data(value) and len(value) == 42


def has(*names: str) -> Check:
    return lambda value: isinstance(value, dict) and set(names) <= set(value)


def some(check: Check) -> Check:
    """A list that is not empty."""
    return lambda value: isinstance(value, list) and len(value) > 0 and all(check(item) for item in value)


def typed(value: Any) -> bool:
    """A transaction or receipt of type 2 as consensus encodes it."""
    return data(value) and value.startswith("0x02f")


def list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


# fmt: off
BLOCK_FIELDS = [
    "number", "hash", "parentHash", "nonce", "sha3Uncles", "logsBloom", "transactionsRoot", "stateRoot", "receiptsRoot", "miner",
    "difficulty", "totalDifficulty", "extraData", "size", "gasLimit", "gasUsed", "timestamp", "transactions", "uncles", "mixHash",
    "baseFeePerGas", "withdrawalsRoot", "withdrawals", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash",
]
TRANSACTION_FIELDS = [
    "blockHash", "blockNumber", "blockTimestamp", "transactionIndex", "hash", "from", "to", "gas", "gasPrice", "maxFeePerGas",
    "maxPriorityFeePerGas", "input", "nonce", "value", "type", "accessList", "chainId", "v", "r", "s", "yParity",
]
RECEIPT_FIELDS = [
    "status", "type", "effectiveGasPrice", "cumulativeGasUsed", "gasUsed", "logsBloom", "logs", "contractAddress", "from", "to",
    "transactionHash", "transactionIndex", "blockHash", "blockNumber",
]
# fmt: on
TRANSACTION, RECEIPT = has(*TRANSACTION_FIELDS), has(*RECEIPT_FIELDS)
BLOCK = has(*BLOCK_FIELDS)
HEADER = has(*(set(BLOCK_FIELDS) - {"totalDifficulty", "size", "transactions", "uncles", "withdrawals"}))
TYPED = {
    "domain": {"name": "zerog"},
    "primaryType": "Note",
    "types": {"EIP712Domain": [{"name": "name", "type": "string"}], "Note": [{"name": "text", "type": "string"}]},
    "message": {"text": "hello"},
}
LOG = has("address", "topics", "data", "blockNumber", "blockHash", "transactionHash", "transactionIndex", "logIndex", "removed")
CALL = has("action", "result", "subtraces", "traceAddress", "transactionHash", "type")
NO_ARRAY = {"not": "an array"}
"""Parameters that no method takes."""

# method: (parameters, check of the answer, parameters that are refused, code of the refusal)
METHODS: dict[str, tuple[list[Any], Check, Any, int]] = {
    "web3_clientVersion": ([], lambda value: value.startswith("anvil/v1.7.1-compatible zerog/v"), NO_ARRAY, -32602),
    "web3_sha3": (["0x"], lambda value: value.startswith("0xc5d2460186f7233c"), ["0x1"], -32602),
    "zerog_getGenesis": ([], lambda value: b'"zeroGravity"' in bytes.fromhex(value[2:]), NO_ARRAY, -32602),
    "zerog_getBlocks": (
        ["0x1", "0x" + "11" * 32, 1, 0],
        lambda value: value["isKnown"] is False and value["blocks"] == [] and has("number", "hash")(value["head"]),
        ["0x1", "0x" + "11" * 32, 1_000, 0],
        -32602,
    ),
    "zerog_waitForBlock": (["0x1", "0x" + "11" * 32, 20_000, 0, [FIRST]], has("number", "hash"), ["0x1", "0x11", 1], -32602),
    "zerog_waitForRoles": ([], true, NO_ARRAY, -32602),
    "net_version": ([], lambda value: value == str(LOCAL.chain_id), NO_ARRAY, -32602),
    "net_listening": ([], true, NO_ARRAY, -32602),
    "net_peerCount": ([], lambda value: value == "0x0", NO_ARRAY, -32602),
    "eth_chainId": ([], lambda value: value == "0x7a69", NO_ARRAY, -32602),
    "eth_syncing": ([], false, NO_ARRAY, -32602),
    "eth_blockNumber": ([], quantity, NO_ARRAY, -32602),
    "eth_getBlockByNumber": (["latest", False], BLOCK, ["newest", False], -32602),
    "eth_getBlockByHash": (["BLOCK", True], BLOCK, ["0x12", False], -32602),
    "eth_getBlockTransactionCountByNumber": (["latest"], quantity, [], -32602),
    "eth_getBlockTransactionCountByHash": (["BLOCK"], quantity, [], -32602),
    "eth_getTransactionByHash": (["SENT"], TRANSACTION, ["0xab"], -32602),
    "eth_getTransactionByBlockHashAndIndex": (["BLOCK", "0x0"], TRANSACTION, [HASH], -32602),
    "eth_getTransactionByBlockNumberAndIndex": (["NUMBER", "0x0"], TRANSACTION, ["latest", "zero"], -32602),
    "eth_getTransactionReceipt": (["SENT"], RECEIPT, [1], -32602),
    "eth_getBlockReceipts": (["NUMBER"], some(RECEIPT), [{}], -32602),
    "eth_getBalance": ([FIRST, "latest"], quantity, [FIRST, "0xffffff"], -32000),
    "eth_getTransactionCount": ([FIRST, "latest"], quantity, [FIRST, {"blockHash": HASH}], -32000),
    "eth_getCode": ([FIRST, "latest"], data, ["0x00"], -32602),
    "eth_getStorageAt": ([FIRST, "0x0", "latest"], word, [FIRST, "0x" + "1" * 65], -32602),
    "eth_call": ([{"to": SECOND}, "latest"], data, [{"to": SECOND}, "0xffffff"], -32000),
    "eth_estimateGas": ([{"from": FIRST, "to": SECOND, "value": "0x1"}], lambda value: value == "0x5208", [], -32602),
    "eth_getStorageValues": ([{FIRST: [HASH]}, "latest"], has(FIRST), [{}, "latest"], -32602),
    "eth_callMany": ([[{"transactions": [{"to": SECOND}]}], {"blockNumber": "latest"}], some(some(has("value"))), [[], {}], -32602),
    "eth_simulateV1": ([{"blockStateCalls": [{}]}, "latest"], some(has("calls", "hash", "stateRoot")), [{}, "latest"], -32602),
    "eth_getProof": ([FIRST, ["0x1"], "latest"], has("accountProof", "storageHash", "storageProof"), [FIRST, "0x1"], -32602),
    "eth_getAccount": ([FIRST, "latest"], has("balance", "codeHash", "nonce", "storageRoot"), [FIRST, "0xffffff"], -32000),
    "eth_config": ([], has("current", "next", "last"), NO_ARRAY, -32602),
    "eth_capabilities": ([], has("head", "state", "tx", "logs", "receipts", "blocks", "stateproofs"), NO_ARRAY, -32602),
    "eth_getHeaderByNumber": (["latest"], HEADER, ["newest"], -32602),
    "eth_getHeaderByHash": (["BLOCK"], HEADER, ["0x12"], -32602),
    "erigon_getHeaderByNumber": (["latest"], HEADER, [], -32602),
    "eth_getUncleCountByBlockNumber": (["latest"], lambda value: value == "0x0", [], -32602),
    "eth_getUncleCountByBlockHash": (["BLOCK"], lambda value: value == "0x0", [], -32602),
    "eth_getUncleByBlockNumberAndIndex": (["latest", "0x0"], null, ["latest"], -32602),
    "eth_getUncleByBlockHashAndIndex": ([HASH, "0x0"], null, [HASH], -32602),
    "eth_getRawTransactionByHash": (["SENT"], typed, ["0xab"], -32602),
    "eth_getRawTransactionByBlockHashAndIndex": (["BLOCK", "0x0"], typed, [HASH], -32602),
    "eth_getRawTransactionByBlockNumberAndIndex": (["NUMBER", "0x0"], typed, ["latest"], -32602),
    "debug_getRawHeader": (["latest"], data, ["2"], -32602),
    "debug_getRawBlock": (["latest"], data, ["0xffffff"], -32000),
    "debug_getRawReceipts": (["NUMBER"], some(typed), ["0xffffff"], -32000),
    "debug_getRawTransaction": (["SENT"], typed, ["0xab"], -32602),
    "debug_traceTransaction": (["SENT"], has("gas", "failed", "returnValue", "structLogs"), [HASH], -32000),
    "debug_traceBlockByNumber": (["NUMBER"], some(has("txHash", "result")), ["0x0"], -32000),
    "debug_traceBlockByHash": (["BLOCK"], some(has("txHash", "result")), [HASH], -32000),
    "debug_traceBlock": (["RLP", {"tracer": "callTracer"}], some(has("txHash", "result")), ["0x01"], -32000),
    "debug_traceCall": ([{"to": SECOND}, "latest"], has("structLogs"), [{"to": SECOND}, "latest", {"tracer": "x"}], -32000),
    "debug_storageRangeAt": (
        ["BLOCK", "0x0", SECOND, "0x0", "0x5"],
        has("storage", "nextKey"),
        [HASH, "0x0", SECOND, "0x0", "0x5"],
        -32000,
    ),
    "eth_createAccessList": ([{"to": SECOND}], has("accessList", "gasUsed"), [{"to": SECOND}, "0xffffff"], -32000),
    "trace_block": (["BLOCK"], some(CALL), ["0xffffff"], -32000),
    "trace_transaction": (["SENT"], some(CALL), ["0xab"], -32602),
    "trace_get": (["SENT", []], CALL, ["SENT", "0x0"], -32602),
    "trace_filter": ([{"fromBlock": "NUMBER", "toBlock": "latest"}], some(CALL), [{"fromAddress": 5}], -32602),
    "trace_replayTransaction": (["SENT", ["stateDiff"]], has("output", "stateDiff", "trace", "vmTrace"), [HASH, ["trace"]], -32000),
    "trace_replayBlockTransactions": (["NUMBER", ["trace"]], some(has("transactionHash", "trace")), ["latest", ["x"]], -32602),
    "trace_call": ([{"to": SECOND}, ["trace"]], has("output", "trace"), [{"to": SECOND}, ["y"]], -32602),
    "trace_callMany": ([[[{"to": SECOND}, ["trace"]]]], some(has("output", "trace")), [[[{"to": SECOND}]]], -32602),
    "trace_rawTransaction": (["RAW", ["vmTrace"]], has("output", "vmTrace"), ["0x01", ["trace"]], -32000),
    "ots_getApiLevel": ([], lambda value: value == 8, NO_ARRAY, -32602),
    "ots_hasCode": ([SECOND, "latest"], false, [SECOND, "0xffffff"], -32000),
    "ots_getInternalOperations": (["FORWARDED"], some(has("type", "from", "to", "value")), [HASH], -32000),
    "ots_getTransactionError": (["SENT"], lambda value: value == "0x", [HASH], -32000),
    "ots_traceTransaction": (["SENT"], some(has("type", "depth", "from", "to", "value", "input", "output")), [HASH], -32000),
    "ots_getBlockDetails": (["latest"], has("block", "issuance", "totalFees"), ["newest"], -32602),
    "ots_getBlockDetailsByHash": (["BLOCK"], has("block", "issuance", "totalFees"), ["0x12"], -32602),
    "ots_getBlockTransactions": (["NUMBER", 0, 5], has("fullblock", "receipts"), ["latest", 0, 0], -32602),
    "ots_getTransactionBySenderAndNonce": (["NONCE"], word, [FIRST], -32602),
    "ots_getContractCreator": (["CREATED"], has("hash", "creator"), ["0x12"], -32602),
    "ots_searchTransactionsBefore": ([FIRST, 0, 5], has("txs", "receipts", "firstPage", "lastPage"), [FIRST, 0, 5_000], -32602),
    "ots_searchTransactionsAfter": ([FIRST, 0, 5], has("txs", "receipts", "firstPage", "lastPage"), [FIRST, 0, 0], -32602),
    "eth_sendRawTransactionSync": (["RAW"], has("transactionHash", "blockNumber", "status"), ["0x"], -32000),
    "eth_sendTransactionSync": ([{"from": FIRST, "to": SECOND}], has("transactionHash", "status"), [{"from": "0x" + "99" * 20}], -32000),
    "eth_getTransactionBySenderAndNonce": (["NONCE"], TRANSACTION, [FIRST], -32602),
    "eth_fillTransaction": ([{"from": FIRST, "to": SECOND}], has("raw", "tx"), [{"from": FIRST, "chainId": "0x1"}], -32000),
    "txpool_status": ([], has("pending", "queued"), NO_ARRAY, -32602),
    "txpool_content": ([], has("pending", "queued"), NO_ARRAY, -32602),
    "txpool_contentFrom": ([FIRST], has("pending", "queued"), [], -32602),
    "txpool_inspect": ([], has("pending", "queued"), NO_ARRAY, -32602),
    "eth_gasPrice": ([], quantity, NO_ARRAY, -32602),
    "eth_maxPriorityFeePerGas": ([], quantity, NO_ARRAY, -32602),
    "eth_blobBaseFee": ([], lambda value: value == "0x1", NO_ARRAY, -32602),
    "eth_feeHistory": (["0x1", "latest", [50]], has("oldestBlock", "baseFeePerGas", "gasUsedRatio", "reward"), ["0x1", "0xffffff"], -32000),
    "eth_sendRawTransaction": (["RAW"], word, ["0x"], -32000),
    "eth_getLogs": ([{"fromBlock": "LOGGED"}], some(LOG), [{"fromBlock": "0x1", "toBlock": "0x0"}], -32602),
    "eth_newFilter": ([{}], quantity, [{"topics": 5}], -32602),
    "eth_newBlockFilter": ([], quantity, NO_ARRAY, -32602),
    "eth_newPendingTransactionFilter": ([], quantity, ["yes"], -32602),
    "eth_getFilterChanges": (["FILTER"], list_of(word), ["0x1"], -32000),
    "eth_getFilterLogs": (["LOG_FILTER"], some(LOG), ["0x1"], -32000),
    "eth_uninstallFilter": (["FILTER"], true, [], -32602),
    "eth_accounts": ([], some(address), NO_ARRAY, -32602),
    "eth_requestAccounts": ([], some(address), NO_ARRAY, -32602),
    "eth_coinbase": ([], address, NO_ARRAY, -32602),
    "eth_sendTransaction": ([{"from": FIRST, "to": SECOND}], word, [{"from": "0x" + "99" * 20, "to": SECOND}], -32000),
    "eth_signTransaction": ([{"from": FIRST, "to": SECOND}], data, [{"from": FIRST, "to": SECOND, "chainId": "0x1"}], -32000),
    "eth_sign": ([FIRST, "0x00"], signature, ["0x" + "99" * 20, "0x00"], -32000),
    "eth_signTypedData_v4": ([FIRST, TYPED], signature, [FIRST, "{}"], -32000),
    "personal_sign": (["0x00", FIRST], signature, ["0x00"], -32602),
    "eth_sendUnsignedTransaction": ([{"from": FIRST, "to": SECOND}], word, [{"from": FIRST, "to": SECOND, "chainId": "0x1"}], -32000),
    "anvil_snapshot": ([], quantity, NO_ARRAY, -32602),
    "anvil_revert": (["SNAPSHOT"], true, ["first"], -32602),
    "anvil_increaseTime": ([0], lambda value: value >= 0, [-5], -32602),
    "anvil_setNextBlockTimestamp": (["0x7fffffff"], null, [1], -32602),
    "anvil_setAutomine": ([True], null, ["yes"], -32602),
    "anvil_setIntervalMining": ([0], null, [], -32602),
    "anvil_getIntervalMining": ([], null, NO_ARRAY, -32602),
    "anvil_setBlockGasLimit": (["0x1c9c380"], true, ["0x10"], -32602),
    "anvil_dropAllTransactions": ([], null, NO_ARRAY, -32602),
    "anvil_removePoolTransactions": ([SECOND], null, [], -32602),
    "evm_snapshot": ([], quantity, NO_ARRAY, -32602),
    "evm_revert": (["SNAPSHOT"], true, ["first"], -32602),
    "evm_mine": ([], lambda value: value == "0x0", [1], -32602),
    "evm_increaseTime": ([5], lambda value: value == 5, [-5], -32602),
    "evm_setNextBlockTimestamp": (["0x7fffffff"], null, [1], -32602),
    "evm_setAutomine": ([True], null, ["yes"], -32602),
    "evm_setIntervalMining": ([0], null, [], -32602),
    "evm_setBlockGasLimit": (["0x1c9c380"], true, ["0x10"], -32602),
    "anvil_mine": (["0x2", "0x1"], null, ["0xf4241"], -32602),
    "hardhat_mine": (["0x2", "0x1"], true, ["0xf4241"], -32602),
    "anvil_setBalance": ([SECOND, "0x1"], null, [SECOND], -32602),
    "hardhat_setBalance": ([SECOND, "0x1"], true, [SECOND, "0x" + "f" * 65], -32602),
    "anvil_setNonce": ([SECOND, "0x99"], null, [SECOND, "0x1" + "0" * 16], -32602),
    "hardhat_setNonce": ([SECOND, "0x99"], true, [SECOND], -32602),
    "anvil_setCode": ([SECOND, "0x00"], null, [SECOND, "00"], -32602),
    "hardhat_setCode": ([SECOND, "0x00"], true, [SECOND], -32602),
    "anvil_setStorageAt": ([SECOND, "0x0", word_one := "0x" + "0" * 63 + "1"], true, [SECOND, "0x0"], -32602),
    "hardhat_setStorageAt": ([SECOND, "0x0", word_one], true, [SECOND, "0x0"], -32602),
    "anvil_setCoinbase": ([SECOND], null, [], -32602),
    "hardhat_setCoinbase": ([SECOND], true, [], -32602),
    "anvil_impersonateAccount": ([SECOND], null, [], -32602),
    "hardhat_impersonateAccount": ([SECOND], true, [], -32602),
    "anvil_stopImpersonatingAccount": ([SECOND], null, [], -32602),
    "hardhat_stopImpersonatingAccount": (["0x" + "98" * 20], false, [], -32602),
    "anvil_autoImpersonateAccount": ([False], null, [], -32602),
    "anvil_dropTransaction": ([HASH], null, [], -32602),
    "hardhat_dropTransaction": ([HASH], false, [], -32602),
    "anvil_setNextBlockBaseFeePerGas": (["0x1"], null, [], -32602),
    "hardhat_setNextBlockBaseFeePerGas": (["0x1"], true, [], -32602),
    "anvil_setMinGasPrice": (["0x0"], null, [], -32602),
    "hardhat_setMinGasPrice": (["0x0"], true, [], -32602),
    "hardhat_setPrevRandao": (["0x1"], true, [], -32602),
    "anvil_setBlockTimestampInterval": (["0x5"], null, [], -32602),
    "anvil_removeBlockTimestampInterval": ([], false, NO_ARRAY, -32602),
    "anvil_getAutomine": ([], true, NO_ARRAY, -32602),
    "hardhat_getAutomine": ([], true, NO_ARRAY, -32602),
    "anvil_dumpState": ([], data, NO_ARRAY, -32602),
    "hardhat_dumpState": ([], data, NO_ARRAY, -32602),
    "anvil_loadState": (["DUMP"], true, ["0x00"], -32602),
    "hardhat_loadState": (["DUMP"], true, ["0x00"], -32602),
    "evm_setTime": ([hex(2**39)], lambda value: value > 0, ["0x1"], -32602),
    "anvil_setTime": ([hex(2**39)], lambda value: value > 0, ["0x1"], -32602),
    "anvil_addBalance": ([SECOND, "0x1"], null, [SECOND], -32602),
    "anvil_dealERC20": ([SECOND, W0G, "0x1"], null, [SECOND, SECOND, "0x1"], -32000),
    "anvil_dealErc20": ([SECOND, W0G, "0x1"], null, [SECOND, SECOND, "0x1"], -32000),
    "anvil_setERC20Allowance": ([FIRST, SECOND, W0G, "0x1"], null, [FIRST, SECOND, SECOND, "0x1"], -32000),
    "anvil_setErc20Allowance": ([FIRST, SECOND, W0G, "0x1"], null, [FIRST, SECOND, SECOND, "0x1"], -32000),
    "tenderly_setBalance": ([[FIRST, SECOND], "0x1"], quantity, [SECOND], -32602),
    "tenderly_addBalance": ([SECOND, "0x1"], quantity, [[], "0x1"], -32602),
    "anvil_rollback": (["0x0"], null, [hex(10**9)], -32602),
    "anvil_reorg": (["0x0", []], null, [hex(10**9), []], -32602),
    "anvil_metadata": ([], has("clientVersion", "chainId", "instanceId", "latestBlockNumber", "latestBlockHash"), NO_ARRAY, -32602),
    "hardhat_metadata": ([], has("clientVersion", "chainId", "instanceId", "latestBlockNumber", "latestBlockHash"), NO_ARRAY, -32602),
    "anvil_nodeInfo": ([], has("currentBlockNumber", "hardFork", "environment", "forkConfig"), NO_ARRAY, -32602),
    "anvil_reset": ([], null, NO_ARRAY, -32602),
    "hardhat_reset": ([], true, NO_ARRAY, -32602),
}
PUSHED = {"eth_subscribe", "eth_unsubscribe"}
"""Tested over WebSocket in test_subscriptions.py."""
RESETS = {"anvil_reset", "hardhat_reset"}
"""They forget the snapshots by which tests undo what they did, so they run on a node of their own in test_developer.py."""


UNKNOWN: dict[str, list[Any]] = {
    "eth_getBlockByHash": [HASH, False],
    "eth_getBlockByNumber": ["0xffffff", False],
    "eth_getBlockTransactionCountByHash": [HASH],
    "eth_getBlockTransactionCountByNumber": ["0xffffff"],
    "eth_getTransactionByHash": [HASH],
    "eth_getTransactionByBlockHashAndIndex": [HASH, "0x0"],
    "eth_getTransactionByBlockNumberAndIndex": ["latest", "0x99"],
    "eth_getTransactionReceipt": [HASH],
    "eth_getBlockReceipts": ["0xffffff"],
    "eth_getHeaderByHash": [HASH],
    "eth_getHeaderByNumber": ["0xffffff"],
    "erigon_getHeaderByNumber": ["0xffffff"],
    "eth_getUncleCountByBlockHash": [HASH],
    "eth_getUncleCountByBlockNumber": ["0xffffff"],
    "eth_getRawTransactionByHash": [HASH],
    "eth_getRawTransactionByBlockHashAndIndex": [HASH, "0x0"],
    "eth_getRawTransactionByBlockNumberAndIndex": ["latest", "0x99"],
    "eth_getTransactionBySenderAndNonce": [FIRST, "0x99999"],
    "eth_getAccount": ["0x" + "76" * 20, "latest"],
    "debug_getRawTransaction": [HASH],
    "trace_transaction": [HASH],
    "ots_getTransactionBySenderAndNonce": [FIRST, 999_999],
    "ots_getContractCreator": [SECOND],
}
"""What is not there is `null`, never an error."""
PAGE = Path(__file__).parents[4] / "docs" / "chain" / "methods.md"


def documented() -> list[str]:
    """The methods in the tables of the page; a name without a prefix stands for one of anvil and one of hardhat."""
    cells = [line.split("|")[2] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    found = re.findall(r"`(\w+)(?:`|\()", " ".join(re.sub(r" \(`[^)]*\)", "", cell) for cell in cells[1:]))
    return [name for short in found for name in ([short] if "_" in short else [f"anvil_{short}", f"hardhat_{short}"])]


def test_served_documented_specified_and_tested_methods_are_the_same(chain: Running) -> None:
    served = chain.node.dispatcher.method_names
    assert set(served) == SPECIFIED | BESIDE
    assert SPECIFIED.isdisjoint(BESIDE)
    assert sorted(documented()) == served
    assert set(METHODS) | PUSHED == set(served)


def arguments(chain: Running, parameters: list[Any]) -> list[Any]:
    """Parameters, with those filled in that only exist once a node runs."""
    found: list[Any] = []
    for parameter in parameters:
        if parameter == "NONCE":
            chain.send(ACCOUNTS[1])
            found += [text(ACCOUNTS[1].address), hex(chain.nonce(ACCOUNTS[1]) - 1)]
        elif isinstance(parameter, dict):
            found.append({name: placeholder(chain, value) for name, value in parameter.items()})
        else:
            found.append(placeholder(chain, parameter))
    return found


def created(chain: Running) -> str:
    """A contract that a transaction made."""
    sent = chain.send(to=None, value=0, data=decode_data(creation(ECHO)), gas_limit=200_000)
    address: str = chain.rpc("eth_getTransactionReceipt", sent)["contractAddress"]
    return address


def logged(chain: Running) -> str:
    """The number of a block with a log."""
    deposit = chain.send(to=decode_data(W0G), data=decode_data("0xd0e30db0"), gas_limit=100_000)
    number: str = chain.rpc("eth_getTransactionReceipt", deposit)["blockNumber"]
    return number


def placeholder(chain: Running, parameter: Any) -> Any:
    """What a word in capitals stands for."""
    match parameter:
        case "RAW":
            return chain.raw()
        case "SENT":
            return chain.send()
        case "BLOCK":
            return chain.rpc("eth_getTransactionByHash", chain.send())["blockHash"]
        case "NUMBER":
            return chain.rpc("eth_getTransactionByHash", chain.send())["blockNumber"]
        case "RLP":
            return chain.rpc("debug_getRawBlock", chain.rpc("eth_getTransactionByHash", chain.send())["blockNumber"])
        case "LOGGED":
            return logged(chain)
        case "CREATED":
            return created(chain)
        case "FORWARDED":
            # Sends on what it gets.
            forwarder = chain.place(f"0x5f5f5f5f3473{SECOND[2:]}5af100")
            return chain.send(to=decode_data(forwarder), gas_limit=100_000)
        case "FILTER":
            return chain.rpc("eth_newBlockFilter")
        case "LOG_FILTER":
            return chain.rpc("eth_newFilter", {"fromBlock": logged(chain)})
        case "SNAPSHOT":
            return chain.rpc("evm_snapshot")
        case "DUMP":
            return chain.rpc("anvil_dumpState")
        case _:
            return parameter


@pytest.mark.parametrize("method", UNKNOWN)
def test_what_is_not_there_is_null(chain: Running, method: str) -> None:
    assert chain.rpc(method, *UNKNOWN[method]) is None


@pytest.mark.parametrize("method", sorted(set(METHODS) - RESETS))
def test_the_answer_has_its_shape(chain: Running, method: str) -> None:
    params, check, _, _ = METHODS[method]
    answer = chain.rpc(method, *arguments(chain, params))
    assert check(answer), answer


@pytest.mark.parametrize("method", sorted(METHODS))
def test_bad_parameters_are_refused_with_the_right_code(chain: Running, method: str) -> None:
    _, _, bad, code = METHODS[method]
    answer = chain.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": bad})
    assert answer["error"]["code"] == code, answer


@pytest.mark.parametrize("method", ["eth_nonsense", "zgs_getStatus", "", "eth"])
def test_an_unknown_method_is_named_in_geths_words(chain: Running, method: str) -> None:
    refused = chain.refusal(method)
    assert refused.code == -32601
    assert refused.message == f"the method {method} does not exist/is not available"
