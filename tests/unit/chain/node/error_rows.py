"""How each row of docs/chain/errors.md is provoked: by its first cell, what is asked of a node, and what exactly must come back."""

import json
from collections.abc import Mapping
from typing import Any, Final

import rlp  # type: ignore[import-untyped]

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, Running, text
from tests.unit.chain.node.error_case import STRANGER, Outcome, Row, answered, asks, calls, elsewhere, imported, sends
from tests.unit.chain.node.programs import ECHO, INVALID, LOOP, REVERT_ECHO, error_text, panic, word
from zerog._kernel import keccak256, secp256k1_sign
from zerog.primitives import Account, checksum_address, decode_data

__all__ = ["ROWS"]

FIRST, SENDER, OTHER = ACCOUNTS[0], ACCOUNTS[1], ACCOUNTS[2]
POOR = Account.from_private_key(b"\x11" * 32)
STRANGER_NAME: Final = checksum_address(decode_data(STRANGER))
PLACE: Final = "0x" + "c0" * 20
ECRECOVER: Final = "0x" + "00" * 19 + "01"
HASH: Final = "0x" + "ab" * 32
CALL_GAS: Final = 50_000_000
FEE: Final = {"maxFeePerGas": hex(100 * GWEI)}
CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

# ---- calls -----------------------------------------------------------------------------------------------------------

CALLS: Final[Mapping[str, Row]] = {
    "a contract reverts with a reason": calls(
        "execution reverted: not yours", code=REVERT_ECHO, input=error_text("not yours"), data=error_text("not yours")
    ),
    "an `assert` of Solidity fails": calls("execution reverted: assert(false)", code=REVERT_ECHO, input=panic(1), data=panic(1)),
    "another check of Solidity fails": calls(
        "execution reverted: arithmetic underflow or overflow",
        code=REVERT_ECHO,
        input=panic(0x11),
        data=panic(0x11),
        method="eth_estimateGas",
    ),
    "a contract reverts with an error of its own": calls("execution reverted", code=REVERT_ECHO, input="0xdeadbeef", data="0xdeadbeef"),
    "a contract reverts without data": calls("execution reverted", code=REVERT_ECHO, data="0x"),
    "a call runs out of gas": calls("out of gas", code=LOOP, gas="0x1e8480"),
    "a call has less gas than any transaction needs": calls("err: intrinsic gas too low: have 1, want 21000 (supplied gas 1)", gas="0x1"),
    "no gas limit lets an estimate succeed": calls("gas required exceeds allowance (50000000)", code=LOOP, method="eth_estimateGas"),
    "a call takes too long": elsewhere({"call_time_s": 0.002}, calls("execution aborted (timeout = 0.002s)", code=LOOP)),
    "an invalid opcode": calls("invalid opcode", code=INVALID),
    "too few items on the stack": calls("stack underflow", code="0x50"),
    "the sender of a call cannot pay": calls(
        f"err: insufficient funds for gas * price + value: address {STRANGER_NAME} have 0 want 1 (supplied gas {CALL_GAS})",
        value="0x1",
        **{"from": STRANGER},
    ),
    "the sender of an estimate cannot pay": calls(
        f"failed with {CALL_GAS} gas: insufficient funds for gas * price + value: address {STRANGER_NAME} have 0 want 1",
        method="eth_estimateGas",
        value="0x1",
        **{"from": STRANGER},
    ),
    "an estimate with prices whose sender has nothing left for gas": calls(
        "insufficient funds for transfer", method="eth_estimateGas", gasPrice=hex(100 * GWEI), **{"from": STRANGER}
    ),
    "a field that the block's fork does not know": imported(
        asks(
            "eth_call",
            {"from": STRANGER, "to": PLACE, "accessList": []},
            "0x1",
            message=f"err: transaction type not supported: access list tx (sender {STRANGER_NAME}) (supplied gas {CALL_GAS})",
        )
    ),
    "a fee cap or a tip on a block before London": imported(
        asks(
            "eth_call",
            {"to": PLACE, "maxFeePerGas": "0x0"},
            "0x1",
            message="maxFeePerGas and maxPriorityFeePerGas are not valid before London is active",
        )
    ),
    "a call's fee cap lies below the base fee": lambda chain: Outcome(
        chain.refusal("eth_call", {"from": text(SENDER.address), "to": STRANGER, "maxFeePerGas": "0x1"}),
        f"err: max fee per gas less than block base fee: address {SENDER.address}, maxFeePerGas: 1, "
        f"baseFee: {int(chain.rpc('eth_getBlockByNumber', 'latest', False)['baseFeePerGas'], 16)} (supplied gas {CALL_GAS})",
    ),
    "a call's tip lies above its fee cap": calls(
        "maxFeePerGas (1) < maxPriorityFeePerGas (2)", maxFeePerGas="0x1", maxPriorityFeePerGas="0x2"
    ),
    "a call has both kinds of price": calls(
        "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified", gasPrice="0x1", maxFeePerGas="0x1"
    ),
    "`data` and `input` differ": asks(
        "eth_call",
        {"to": STRANGER, "data": "0x12", "input": "0x34"},
        message='both "data" and "input" are set and not equal. Please use "input" to pass transaction call data',
    ),
    "an override has `state` and `stateDiff`": asks(
        "eth_call",
        {"to": STRANGER},
        "latest",
        {STRANGER: {"state": {}, "stateDiff": {}}},
        message=f"account {STRANGER_NAME} has both 'state' and 'stateDiff'",
    ),
    "the block or its state is not there": asks("eth_getBalance", STRANGER, {"blockHash": HASH}, message="header not found"),
    "a proof of a block more than 128 before the newest": lambda chain: Outcome(
        chain.rpc("anvil_mine", hex(200)) or chain.refusal("eth_getProof", STRANGER, [], hex(chain.number() - 129)),
        f"distance to target block exceeds maximum proof window: block {chain.number() - 129} is before {chain.number() - 128}",
    ),
    "more than 1,024 slots at once": asks(
        "eth_getStorageValues", {STRANGER: [word(slot) for slot in range(1_025)]}, message="too many slots (max 1024)"
    ),
    "no slots at all": asks("eth_getStorageValues", {STRANGER: []}, message="empty request"),
}

# ---- simulations -----------------------------------------------------------------------------------------------------


def simulates(message: str, *wanted: dict[str, object], validation: bool = False, **overrides: object) -> Row:
    """One block of calls, after a transaction of the sender."""
    block = {"calls": list(wanted), **overrides}

    def provoke(chain: Running) -> Outcome:
        chain.send(SENDER)
        payload = {"blockStateCalls": [block], "validation": validation}
        return Outcome(chain.refusal("eth_simulateV1", payload, "latest"), message)

    return provoke


def call_in_a_simulation(code: str, message: str, data: object = None) -> Row:
    """What becomes of a single call of a contract with this code."""

    def provoke(chain: Running) -> Outcome:
        call = {"to": PLACE, "gas": hex(100_000)} | ({} if data is None else {"input": data})
        block = {"calls": [call], "stateOverrides": {PLACE: {"code": code}}}
        ((answer,),) = (block["calls"] for block in chain.rpc("eth_simulateV1", {"blockStateCalls": [block]}, "latest"))
        assert answer["status"] == "0x0"
        return Outcome(answered(answer), message, data)

    return provoke


def by_sender(**fields: object) -> dict[str, object]:
    return {"from": text(SENDER.address), "to": STRANGER, **fields}


SIMULATIONS: Final[Mapping[str, Row]] = {
    "a simulated call reverts, in its own `error`": call_in_a_simulation(REVERT_ECHO, "execution reverted: no", error_text("no")),
    "a simulated call halts, in its own `error`": call_in_a_simulation(INVALID, "invalid opcode"),
    "no blocks": asks("eth_simulateV1", {"blockStateCalls": []}, "latest", message="empty input"),
    "with validation, a used nonce": simulates(
        f"err: nonce too low: address {SENDER.address}, tx: 0 state: 1 (supplied gas {CALL_GAS})",
        by_sender(nonce="0x0", **FEE),
        validation=True,
    ),
    "with validation, a nonce that leaves a gap": simulates(
        f"err: nonce too high: address {SENDER.address}, tx: 9 state: 1 (supplied gas {CALL_GAS})",
        by_sender(nonce="0x9", **FEE),
        validation=True,
    ),
    "a simulated fee cap below the base fee": simulates(
        f"err: max fee per gas less than block base fee: address {SENDER.address}, maxFeePerGas: 0, baseFee: 10 (supplied gas {CALL_GAS})",
        by_sender(),
        validation=True,
        blockOverrides={"baseFeePerGas": "0xa"},
    ),
    "too little gas to begin": simulates("err: intrinsic gas too low: have 7, want 21000 (supplied gas 7)", by_sender(gas="0x7")),
    "the sender of a simulated call cannot pay": simulates(
        f"err: insufficient funds for gas * price + value: address {STRANGER_NAME} have 0 want 1000 (supplied gas {CALL_GAS})",
        by_sender(value="0x3e8", **{"from": STRANGER}),
    ),
    "more gas than the block has left": simulates(
        "block gas limit reached: 0 >= 20000000", by_sender(gas=hex(20_000_001)), blockOverrides={"gasLimit": hex(20_000_000)}
    ),
    "block numbers that do not grow": simulates("block numbers must be in order: 0 <= 1", blockOverrides={"number": "0x0"}),
    "block times that do not grow": simulates("block timestamps must be in order: 1 <= …", blockOverrides={"time": "0x1"}),
    "a precompiled contract moved to itself": simulates(
        f"account {checksum_address(decode_data(ECRECOVER))} is moved to itself",
        stateOverrides={ECRECOVER: {"movePrecompileToAddress": ECRECOVER}},
    ),
    "init code beyond EIP-3860 in a simulation": simulates(
        f"err: max initcode size exceeded: code size 49153 limit 49152 (supplied gas {CALL_GAS})",
        {"from": text(SENDER.address), "input": text(bytes(49_153))},
    ),
    "more than 256 blocks": simulates("too many blocks", blockOverrides={"number": "0x1000"}),
    "a simulation takes too long": elsewhere(
        {"call_time_s": 0.002},
        simulates("execution aborted (timeout = 0.002s)", {"to": STRANGER}, stateOverrides={STRANGER: {"code": LOOP}}),
    ),
    "an account moved that is no precompiled contract": simulates(
        f"account {STRANGER_NAME} is not a precompile", stateOverrides={STRANGER: {"movePrecompileToAddress": PLACE}}
    ),
    "a precompiled contract moved onto an overridden account": simulates(
        f"account {STRANGER_NAME} is already overridden",
        stateOverrides={ECRECOVER: {"movePrecompileToAddress": STRANGER}, STRANGER: {"nonce": "0x1"}},
    ),
}

# ---- transactions ----------------------------------------------------------------------------------------------------


def used_nonce(chain: Running) -> Outcome:
    nonce = chain.nonce(SENDER)
    chain.send(SENDER)
    raw = chain.raw(SENDER, nonce=nonce, value=9)
    return Outcome(chain.refusal("eth_sendRawTransaction", raw), f"nonce too low: next nonce {nonce + 1}, tx nonce {nonce}")


def known_already(chain: Running) -> Outcome:
    chain.rpc("evm_setAutomine", False)
    raw = chain.raw(SENDER)
    chain.rpc("eth_sendRawTransaction", raw)
    return Outcome(chain.refusal("eth_sendRawTransaction", raw), "already known")


def cheap_replacement(chain: Running) -> Outcome:
    chain.rpc("evm_setAutomine", False)
    nonce = chain.nonce(SENDER)
    chain.send(SENDER, nonce=nonce)
    cheap = {"max_fee_per_gas": 109 * GWEI // 10, "max_priority_fee_per_gas": 109 * GWEI // 100}
    return Outcome(
        chain.refusal("eth_sendRawTransaction", chain.raw(SENDER, nonce=nonce, value=2, **cheap)), "replacement transaction underpriced"
    )


def low_tip(chain: Running) -> Outcome:
    chain.rpc("anvil_setMinGasPrice", hex(2 * GWEI))
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(SENDER))
    return Outcome(refused, f"transaction underpriced: gas tip cap {GWEI}, minimum needed {2 * GWEI}")


def funds_that_wait(chain: Running) -> Outcome:
    chain.rpc("evm_setAutomine", False)
    balance, value = 3 * 10**15, 2 * 10**15
    chain.rpc("anvil_setBalance", text(POOR.address), hex(balance))
    chain.send(POOR, value=value)
    cost = value + 21_000 * 10 * GWEI
    return Outcome(
        chain.refusal("eth_sendRawTransaction", chain.raw(POOR, value=value)),
        f"insufficient funds for gas * price + value: balance {balance}, queued cost {cost}, tx cost {cost}, overshot {2 * cost - balance}",
    )


def high_s(chain: Running) -> Outcome:
    raw = decode_data(chain.raw(SENDER))
    high = (CURVE_ORDER - int.from_bytes(raw[-32:], "big")).to_bytes(32, "big")
    refused = chain.refusal("eth_sendRawTransaction", text(raw[:-32] + high))
    return Outcome(refused, "invalid sender: invalid transaction v, r, s values")


def with_blobs(chain: Running) -> Outcome:
    """A whole transaction of type 3."""
    fields = [chain.node.network.chain_id, 0, 1, GWEI, 21_000, OTHER.address, 0, b"", [], 1, [b"\x01" + bytes(31)]]
    signature = secp256k1_sign(keccak256(b"\x03" + rlp.encode(fields)), SENDER.private_key)
    signed = [*fields, signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")]
    return Outcome(chain.refusal("eth_sendRawTransaction", text(b"\x03" + rlp.encode(signed))), "transaction type not supported")


def oversized(chain: Running) -> Outcome:
    raw = chain.raw(SENDER, data=bytes(140_000), gas_limit=10_000_000)
    size = len(decode_data(raw))
    return Outcome(chain.refusal("eth_sendRawTransaction", raw), f"oversized data: transaction size {size}, limit 131072")


def sender_with_code(chain: Running) -> Outcome:
    chain.place(ECHO, text(ACCOUNTS[7].address))
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(ACCOUNTS[7]))
    return Outcome(refused, f"sender not an eoa: address {ACCOUNTS[7].address}")


def full_pool(node: Running) -> Outcome:
    node.send(ACCOUNTS[1], max_priority_fee_per_gas=2 * GWEI)
    return Outcome(node.refusal("eth_sendRawTransaction", node.raw(ACCOUNTS[3])), "txpool is full")


def crowded_account(node: Running) -> Outcome:
    node.send(ACCOUNTS[1])
    return Outcome(node.refusal("eth_sendRawTransaction", node.raw(ACCOUNTS[1])), "account limit exceeded: pooled 1 txs")


def unlisted_key(node: Running) -> Outcome:
    node.rpc("anvil_setBalance", text(POOR.address), hex(10**18))
    refused = node.refusal("eth_sendRawTransaction", node.raw(POOR))
    return Outcome(refused, f"only listed test keys may sign on a clone of a public network, and {POOR.address} is none of them")


def late_receipt(chain: Running) -> Outcome:
    raw = chain.raw(nonce=chain.nonce(SENDER) + 9)
    message = "the transaction was added to the pool but was not in a block within 0.001s"
    return Outcome(chain.refusal("eth_sendRawTransactionSync", raw, "0x1"), message, text(keccak256(decode_data(raw))))


def by_account(message: str, **fields: object) -> Row:
    """`eth_sendTransaction` of an unlocked account."""
    return asks("eth_sendTransaction", {"from": text(SENDER.address)} | fields, message=message)


TRANSFER_COST: Final = 21_000 * 10 * GWEI + 1
LEGACY: Final[dict[str, Any]] = {"kind": 0, "max_priority_fee_per_gas": None}

TRANSACTIONS: Final[Mapping[str, Row]] = {
    "a used nonce": used_nonce,
    "nonce 2⁶⁴ − 1": sends("nonce has max value", nonce=2**64 - 1),
    "the same transaction again, while it waits": known_already,
    "the same nonce for less than a tenth more": cheap_replacement,
    "a tip below the pool's minimum": low_tip,
    "too little money": sends(
        f"insufficient funds for gas * price + value: balance 0, tx cost {TRANSFER_COST}, overshot {TRANSFER_COST}", sender=POOR
    ),
    "too little money beside what waits already": funds_that_wait,
    "too little gas for any transaction": sends("intrinsic gas too low: gas 20000, minimum needed 21000", gas_limit=20_000),
    "too little gas for its data (EIP-7623)": sends(
        "insufficient gas for floor data gas cost: gas 40000, minimum needed 61000", data=b"\x01" * 1_000, gas_limit=40_000
    ),
    "more gas than a block has": sends("exceeds block gas limit: gas 120000001, limit 120000000", gas_limit=120_000_001),
    "more gas than EIP-7825 allows (Osaka)": elsewhere(
        {"hardfork": "osaka"}, sends("transaction gas limit too high (cap: 16777216, tx: 16777217)", gas_limit=16_777_217)
    ),
    "a tip above the fee cap": sends(
        f"max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {11 * GWEI}, maxFeePerGas: {10 * GWEI}",
        max_priority_fee_per_gas=11 * GWEI,
    ),
    "another chain's id": sends("invalid sender: invalid chain id for signer: have 1 want 31337", chain_id=1, **LEGACY),
    "no chain id at all": sends("only replay-protected (EIP-155) transactions allowed over RPC", chain_id=None, **LEGACY),
    "a signature that recovers nobody, or has a high `s`": high_s,
    "a type that this chain does not take": with_blobs,
    "bytes that are no transaction": asks("eth_sendRawTransaction", "0x02c0", message="rlp: …"),
    "bytes that are too few": asks("eth_sendRawTransaction", "0x02", message="typed transaction too short"),
    "init code beyond EIP-3860": sends(
        "max initcode size exceeded: code size 49153, limit 49152", to=None, data=bytes(49_153), gas_limit=10_000_000
    ),
    "more bytes than the pool takes": oversized,
    "a sender with code (EIP-3607)": sender_with_code,
    "a delegation without an authorization": sends("set code tx must have at least one authorization tuple", kind=4, authorization_list=[]),
    "a full pool": elsewhere({"automine": False, "pool_transactions_max": 1}, full_pool),
    "too many transactions of one account": elsewhere({"automine": False, "account_transactions_max": 1}, crowded_account),
    "a key that is not listed, on a clone of a public network": elsewhere({"like": "galileo"}, unlisted_key),
    "a chain that was imported": imported(
        asks(
            "eth_sendRawTransaction",
            "0x01",
            message="this chain was imported and nobody makes blocks for it here, so no transaction can be taken",
        )
    ),
    "a synchronous send that is in no block in time (EIP-7966)": late_receipt,
    "blobs in `eth_sendTransaction`": by_account(
        "blob transactions are not accepted by this chain", to=STRANGER, blobVersionedHashes=["0x01" + "06" * 31]
    ),
    "another chain's id in `eth_sendTransaction`": by_account(
        "chainId does not match node's (have=1, want=31337)", to=STRANGER, chainId="0x1"
    ),
    "neither recipient nor code in `eth_sendTransaction`": by_account("contract creation without any data provided"),
    "an account whose key the node does not hold": by_account(f"unknown account {STRANGER_NAME}", to=STRANGER, **{"from": STRANGER}),
}


# ---- logs, filters, subscriptions ------------------------------------------------------------------------------------


BATCH_CALLS: Final = 500


def pushes(method: str, *params: object, message: str, times: int = 1) -> Row:
    """A request over WebSocket, the last of so many."""

    def provoke(chain: Running) -> Outcome:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answers = []
        with chain.websocket() as socket:
            for begin in range(0, times, BATCH_CALLS):
                socket.send(json.dumps([request] * min(BATCH_CALLS, times - begin)))
                answers += json.loads(socket.recv(timeout=30))
        assert all("result" in answer for answer in answers[:-1])
        return Outcome(answered(answers[-1]), message)

    return provoke


LOGS: Final[Mapping[str, Row]] = {
    "`fromBlock` after `toBlock`": asks("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x0"}, message="invalid block range params"),
    "`toBlock` beyond the newest block": asks(
        "eth_getLogs", {"fromBlock": "0x0", "toBlock": "0xffffff"}, message="block range extends beyond current head block"
    ),
    "`blockHash` beside a range": asks(
        "eth_getLogs",
        {"blockHash": HASH, "fromBlock": "0x0"},
        message="invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
    ),
    "more than 1,000 addresses, or topics in a position": asks(
        "eth_getLogs", {"address": [STRANGER] * 1_001}, message="invalid argument 0: exceed max addresses or topics per search position"
    ),
    "more than four positions of topics": asks("eth_newFilter", {"topics": [HASH] * 5}, message="invalid argument 0: exceed max topics"),
    "an unknown `blockHash`": asks("eth_getLogs", {"blockHash": HASH}, message="unknown block"),
    "logs of the pending block": asks("eth_getLogs", {"fromBlock": "pending"}, message="pending logs are not supported"),
    "an unknown, uninstalled or forgotten filter": asks("eth_getFilterChanges", "0x1", message="filter not found"),
    "`eth_subscribe` over HTTP": asks("eth_subscribe", "newHeads", message="notifications not supported"),
    "`eth_subscribe` for what does not exist": pushes("eth_subscribe", "weather", message='no "weather" subscription in eth namespace'),
    "`eth_unsubscribe` for what does not exist": pushes("eth_unsubscribe", "0x1", message="subscription not found"),
    "more than 1,000 subscriptions of a connection": pushes(
        "eth_subscribe", "syncing", message="limit exceeded: a connection has at most 1000 subscriptions; …", times=1_001
    ),
    "`eth_feeHistory` beyond the newest block": lambda chain: Outcome(
        chain.refusal("eth_feeHistory", "0x1", hex(chain.number() + 5), []),
        f"request beyond head block: requested {chain.number() + 5}, head {chain.number()}",
    ),
    "percentiles of `eth_feeHistory` beyond 0 to 100": asks(
        "eth_feeHistory", "0x1", "latest", [101], message="invalid reward percentile: 101.000000"
    ),
}

# ---- traces ----------------------------------------------------------------------------------------------------------

ENDLESS: Final = {"to": STRANGER, "gas": hex(CALL_GAS)}
LOOPING: Final = {"stateOverrides": {STRANGER: {"code": LOOP}}}


def block_without_parent(chain: Running) -> Outcome:
    header, *rest = rlp.decode(decode_data(chain.rpc("debug_getRawBlock", "latest")))
    orphan = text(rlp.encode([[decode_data(HASH), *header[1:]], *rest]))
    return Outcome(chain.refusal("debug_traceBlock", orphan), f"parent {HASH} not found")


TRACES: Final[Mapping[str, Row]] = {
    "a tracer that is not built in": asks(
        "debug_traceCall",
        {"to": STRANGER},
        "latest",
        {"tracer": "nice"},
        message='tracer not found: "nice" (JavaScript tracers are not run; built in are callTracer, prestateTracer, 4byteTracer, '
        "noopTracer, flatCallTracer, muxTracer)",
    ),
    "options that make no sense": asks("debug_traceCall", {"to": STRANGER}, "latest", 5, message="invalid argument 2: …"),
    "the sender of a traced call cannot pay": asks(
        "debug_traceCall",
        {"from": STRANGER, "to": PLACE, "value": "0x1"},
        "latest",
        message=f"tracing failed: insufficient funds for gas * price + value: address {STRANGER_NAME} have 0 want 1",
    ),
    "a transaction that is not in the chain": asks("debug_traceTransaction", HASH, message="transaction not found"),
    "the first block": asks("debug_traceBlockByNumber", "0x0", message="genesis is not traceable"),
    "a block whose parent is not in the chain": block_without_parent,
    "a trace takes too long": asks(
        "debug_traceCall",
        ENDLESS,
        "latest",
        {"tracer": "callTracer", "timeout": "10ms", **LOOPING},
        message="execution timeout after 0.01 s",
    ),
    "a trace becomes too large": asks("debug_traceCall", ENDLESS, "latest", LOOPING, message="the trace is larger than 134217728 bytes"),
    "a page of more than 1,000 transactions": asks(
        "ots_searchTransactionsBefore", STRANGER, 0, 1_001, message="max allowed page size: 1000"
    ),
}

# ---- developer methods -----------------------------------------------------------------------------------------------

DEVELOPER: Final[Mapping[str, Row]] = {
    "a time before the newest block's": lambda chain: Outcome(
        chain.refusal("evm_setNextBlockTimestamp", chain.timestamp() - 1),
        f"timestamp {chain.timestamp() - 1} is lower than the earliest that the next block may have ({chain.timestamp()})",
    ),
    "more than a million blocks at once": asks("hardhat_mine", hex(1_000_001), message="at most 1000000 blocks in one call, not 1000001"),
    "a gas limit that no block can have": asks(
        "evm_setBlockGasLimit", "0x10", message=f"a block's gas limit lies between 5000 and {2**63 - 1}, unlike 16"
    ),
    "a base fee that would overflow": asks(
        "anvil_setNextBlockBaseFeePerGas", hex(2**60 + 1), message=f"a base fee is at most {2**60}, not {2**60 + 1}"
    ),
    "more blocks taken back than there are": lambda chain: Outcome(
        chain.refusal("anvil_rollback", chain.number() + 1), f"{chain.number() + 1} blocks cannot be taken back at height {chain.number()}"
    ),
    "a lower nonce, under Hardhat's name": lambda chain: Outcome(
        chain.refusal("hardhat_setNonce", text(FIRST.address), hex(chain.nonce(FIRST) - 1)),
        f"New nonce ({chain.nonce(FIRST) - 1}) must not be smaller than the existing nonce ({chain.nonce(FIRST)})",
    ),
    "a mined transaction dropped, under Hardhat's name": lambda chain: Outcome(
        chain.refusal("hardhat_dropTransaction", sent := chain.send()),
        f"Transaction {sent} cannot be dropped because it's already mined",
    ),
    "bytes that are no dump": asks("anvil_loadState", "0x00", message="not a dump of a state: …"),
    "a token whose balances lie in no single slot": lambda chain: Outcome(
        chain.refusal("anvil_dealERC20", STRANGER, chain.place(ECHO), "0x1"),
        f"no slot of {checksum_address(decode_data(PLACE))} decides alone what balanceOf(address) answers",
    ),
}

# ---- any method ------------------------------------------------------------------------------------------------------


def body(content: bytes, message: str) -> Row:
    """Bytes in the place of a request."""
    return lambda chain: Outcome(answered(chain.http.post(chain.url, content=content, timeout=30).json()), message)


def large_batch(chain: Running) -> Outcome:
    (answer,) = chain.post([{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}] * 1_001)
    return Outcome(answered(answer), "batch too large: more than 1000 calls; …")


def large_answer(chain: Running) -> Outcome:
    """Each call returns a mebibyte, in twice as many digits."""
    mebibyte = chain.place("0x621000005ff3")
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": mebibyte}, "latest"]}
    answers = chain.post([call] * 14)
    assert all("result" in answer for answer in answers[:-2])
    return Outcome(answered(answers[-1]), "response too large")


ANY: Final[Mapping[str, Row]] = {
    "no such method": asks("eth_weather", message="the method eth_weather does not exist/is not available"),
    "a parameter is missing": asks("eth_getBalance", message="missing value for required argument 0"),
    "a parameter does not fit": asks("eth_getBalance", "0x12", message="invalid argument 0: …"),
    "parameters by name": lambda chain: Outcome(
        answered(chain.post({"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": {"address": STRANGER}})), "non-array args"
    ),
    "no JSON": body(b"{", "parse error: …"),
    "no request": body(b'{"jsonrpc":"2.0","id":1}', "invalid request: …"),
    "an empty batch": body(b"[]", "invalid request: empty batch"),
    "more than 1,000 requests in a batch": large_batch,
    "a batch whose answers exceed 25 MB": large_answer,
}

ROWS: Final[Mapping[str, Row]] = {**CALLS, **SIMULATIONS, **TRANSACTIONS, **LOGS, **TRACES, **DEVELOPER, **ANY}
"""By the first cell of the row."""
