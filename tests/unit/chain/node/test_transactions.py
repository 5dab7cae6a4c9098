"""Sending transactions: every type, every refusal, and what becomes visible when."""

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import rlp  # type: ignore[import-untyped]

from tests.unit.chain.node.conftest import ACCOUNTS, GWEI, LOCAL, Running, run_node, text
from tests.unit.chain.node.programs import ECHO, creation
from zerog._kernel import Transaction, keccak256, secp256k1_sign
from zerog.chain.node.settings import ChainNodeSettings
from zerog.primitives import Account

SENDER, OTHER = ACCOUNTS[1], ACCOUNTS[2]
POOR = Account.from_private_key(b"\x11" * 32)
BALANCE = 10_000 * 10**18


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_transaction_is_mined_before_its_hash_is_answered(chain: Running, kind: int) -> None:
    price: dict[str, Any] = {"max_priority_fee_per_gas": None, "max_fee_per_gas": 3 * GWEI} if kind < 2 else {}
    height, nonce = chain.number(), chain.nonce(SENDER)
    access_list = [(OTHER.address, [bytes(32)])] if kind else []
    sent = chain.send(SENDER, kind=kind, access_list=access_list, gas_limit=30_000, **price)
    receipt = chain.rpc("eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    assert receipt["type"] == hex(kind)
    assert chain.number() == height + 1
    assert chain.nonce(SENDER) == nonce + 1
    whole = chain.rpc("eth_getTransactionByHash", sent)
    assert whole["type"] == hex(kind)
    assert whole["from"] == text(SENDER.address)
    assert ("accessList" in whole) == (kind > 0)
    assert ("maxFeePerGas" in whole) == (kind == 2)
    assert int(whole["gasPrice"], 16) == int(receipt["effectiveGasPrice"], 16)
    assert chain.rpc("eth_getTransactionByBlockHashAndIndex", receipt["blockHash"], "0x0") == whole
    assert chain.rpc("eth_getTransactionByBlockNumberAndIndex", receipt["blockNumber"], "0x0") == whole
    assert chain.rpc("eth_getBlockReceipts", receipt["blockNumber"]) == [receipt]
    assert chain.rpc("eth_getBlockTransactionCountByNumber", "latest") == "0x1"
    assert chain.rpc("eth_getBlockByHash", receipt["blockHash"], True)["transactions"] == [whole]


def test_a_delegated_account_runs_the_code_it_names(chain: Running) -> None:
    target = chain.place(ECHO)
    authority = ACCOUNTS[5]
    authorization = sign_authorization(authority, bytes.fromhex(target[2:]), chain.nonce(authority))
    sent = chain.send(SENDER, kind=4, to=authority.address, gas_limit=100_000, authorization_list=[authorization])
    assert chain.rpc("eth_getTransactionReceipt", sent)["type"] == "0x4"
    listed = chain.rpc("eth_getTransactionByHash", sent)["authorizationList"]
    assert set(listed[0]) >= {"chainId", "address", "nonce", "yParity", "r", "s"}
    assert chain.rpc("eth_getCode", text(authority.address)) == "0xef0100" + target[2:]
    assert chain.rpc("eth_call", {"to": text(authority.address), "data": "0x1234"}) == "0x1234"


def sign_authorization(
    account: Account, target: bytes, nonce: int, chain_id: int = LOCAL.chain_id
) -> tuple[int, bytes, int, int, int, int]:
    """An authorization of EIP-7702: keccak256(0x05 || rlp([chain id, address, nonce]))."""
    items = [rlp_number(chain_id), b"\x94" + target, rlp_number(nonce)]
    payload = b"".join(items)
    signature = secp256k1_sign(keccak256(b"\x05" + bytes([0xC0 + len(payload)]) + payload), account.private_key)
    return (chain_id, target, nonce, signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"))


def rlp_number(number: int) -> bytes:
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return digits if len(digits) == 1 and digits[0] < 0x80 else bytes([0x80 + len(digits)]) + digits


def test_a_creation_names_its_contract(chain: Running) -> None:
    sent = chain.send(SENDER, to=None, value=0, data=bytes.fromhex(creation(ECHO)[2:]), gas_limit=200_000)
    receipt = chain.rpc("eth_getTransactionReceipt", sent)
    assert receipt["to"] is None
    assert chain.rpc("eth_getCode", receipt["contractAddress"]) == ECHO


# What a node must say for each row of errors that libraries recognise: (changes of a transfer, start of the message).
REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "tip above cap": (
        {"max_priority_fee_per_gas": 11 * GWEI},
        "max priority fee per gas higher than max fee per gas",
    ),
    "gas below what any transfer needs": ({"gas_limit": 20_000}, "intrinsic gas too low: gas 20000, minimum needed 21000"),
    "limit above the block's": ({"gas_limit": 120_000_001}, "exceeds block gas limit"),
    "wrong chain": ({"chain_id": 1}, "invalid sender: invalid chain id for signer: have 1 want 31337"),
    "wrong chain in a legacy transaction": (
        {"kind": 0, "chain_id": 1, "max_priority_fee_per_gas": None},
        "invalid sender: invalid chain id for signer: have 1 want 31337",
    ),
    "replayable on any chain": (
        {"kind": 0, "chain_id": None, "max_priority_fee_per_gas": None},
        "only replay-protected (EIP-155) transactions allowed over RPC",
    ),
    "init code beyond EIP-3860": (
        {"to": None, "data": bytes(49_153), "gas_limit": 10_000_000},
        "max initcode size exceeded: code size 49153, limit 49152",
    ),
    "more bytes than the pool takes": ({"data": bytes(140_000), "gas_limit": 10_000_000}, "oversized data: transaction size "),
    "gas below the floor of its data": (
        {"data": b"\x01" * 1_000, "gas_limit": 40_000},
        "insufficient gas for floor data gas cost: gas 40000, minimum needed 61000",
    ),
    "no authorization in a delegation": (
        {"kind": 4, "authorization_list": []},
        "set code tx must have at least one authorization tuple",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_the_pool_refuses_in_geths_words(chain: Running, name: str) -> None:
    changes, start = REFUSALS[name]
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(SENDER, **changes))
    assert refused.code == -32000
    assert refused.message.startswith(start), refused.message


def test_a_used_nonce_is_too_low(chain: Running) -> None:
    nonce = chain.nonce(SENDER)
    chain.send(SENDER)
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(SENDER, nonce=nonce, value=9))
    assert (refused.code, refused.message) == (-32000, f"nonce too low: next nonce {nonce + 1}, tx nonce {nonce}")


def test_the_same_transaction_again_is_already_known(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    raw = chain.raw(SENDER)
    chain.rpc("eth_sendRawTransaction", raw)
    refused = chain.refusal("eth_sendRawTransaction", raw)
    assert (refused.code, refused.message) == (-32000, "already known")


def test_a_replacement_pays_a_tenth_more(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    nonce = chain.nonce(SENDER)
    chain.send(SENDER, nonce=nonce)
    cheap = chain.raw(SENDER, nonce=nonce, value=2, max_fee_per_gas=109 * GWEI // 10, max_priority_fee_per_gas=109 * GWEI // 100)
    refused = chain.refusal("eth_sendRawTransaction", cheap)
    assert (refused.code, refused.message) == (-32000, "replacement transaction underpriced")
    better = chain.send(SENDER, nonce=nonce, value=2, max_fee_per_gas=11 * GWEI, max_priority_fee_per_gas=11 * GWEI // 10)
    chain.rpc("evm_mine")
    assert chain.rpc("eth_getBlockByNumber", "latest", False)["transactions"] == [better]


def test_a_tip_below_the_pools_minimum_is_underpriced(chain: Running) -> None:
    chain.rpc("anvil_setMinGasPrice", hex(2 * GWEI))
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(SENDER))
    assert refused.code == -32000
    assert refused.message == f"transaction underpriced: gas tip cap {GWEI}, minimum needed {2 * GWEI}"


def test_funds_must_cover_gas_and_value(chain: Running) -> None:
    cost = 21_000 * 10 * GWEI + 1
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(POOR))
    assert refused.code == -32000
    assert refused.message == f"insufficient funds for gas * price + value: balance 0, tx cost {cost}, overshot {cost}"


def test_funds_must_cover_what_waits_already(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    chain.rpc("anvil_setBalance", text(POOR.address), hex(3 * 10**15))
    chain.send(POOR, value=2 * 10**15)
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(POOR, value=2 * 10**15))
    queued = 2 * 10**15 + 21_000 * 10 * GWEI
    overshot = 2 * queued - 3 * 10**15
    assert refused.message == (
        f"insufficient funds for gas * price + value: balance {3 * 10**15}, queued cost {queued}, tx cost {queued}, overshot {overshot}"
    )


def test_an_account_with_code_does_not_send(chain: Running) -> None:
    chain.place(ECHO, text(ACCOUNTS[7].address))
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(ACCOUNTS[7]))
    assert (refused.code, refused.message) == (-32000, f"sender not an eoa: address {ACCOUNTS[7].address}")


def test_the_highest_nonce_is_never_used(chain: Running) -> None:
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(SENDER, nonce=2**64 - 1))
    assert (refused.code, refused.message) == (-32000, "nonce has max value")


@pytest.mark.parametrize(
    ("raw", "start"),
    [
        ("0x", "typed transaction too short"),
        ("0x02", "typed transaction too short"),
        ("0xc0", "rlp: "),
        ("0x02c0", "rlp: "),
        ("0xf86b", "rlp: "),
        ("0x05c0", "transaction type not supported"),
        ("0x7f00", "transaction type not supported"),
    ],
)
def test_bytes_that_are_no_transaction_are_refused(chain: Running, raw: str, start: str) -> None:
    refused = chain.refusal("eth_sendRawTransaction", raw)
    assert refused.code in (-32000, -32602)
    assert refused.message.startswith(start), refused.message


def test_blobs_are_not_accepted(chain: Running) -> None:
    """A whole transaction of type 3, which other chains take."""
    fields = [LOCAL.chain_id, 0, 1, GWEI, 21_000, OTHER.address, 0, b"", [], 1, [b"\x01" + bytes(31)]]
    signature = secp256k1_sign(keccak256(b"\x03" + rlp.encode(fields)), SENDER.private_key)
    signed = [*fields, signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")]
    refused = chain.refusal("eth_sendRawTransaction", text(b"\x03" + rlp.encode(signed)))
    assert (refused.code, refused.message) == (-32000, "transaction type not supported")


def test_trailing_bytes_are_refused(chain: Running) -> None:
    refused = chain.refusal("eth_sendRawTransaction", chain.raw(SENDER) + "00")
    assert refused.message.startswith("rlp: ")


def test_a_signature_with_a_high_s_is_refused(chain: Running) -> None:
    raw = bytes.fromhex(chain.raw(SENDER)[2:])
    high = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - int.from_bytes(raw[-32:], "big")
    refused = chain.refusal("eth_sendRawTransaction", text(raw[:-32] + high.to_bytes(32, "big")))
    assert (refused.code, refused.message) == (-32000, "invalid sender: invalid transaction v, r, s values")


def test_a_transaction_that_pays_too_little_for_now_waits_and_is_mined_later(chain: Running) -> None:
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(20 * GWEI))
    waiting = chain.send(SENDER)
    assert chain.rpc("eth_getTransactionReceipt", waiting) is None
    assert chain.rpc("eth_getTransactionByHash", waiting)["blockHash"] is None
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    assert chain.rpc("eth_getTransactionReceipt", waiting)["status"] == "0x1"


def test_a_gap_is_kept_until_it_closes(chain: Running) -> None:
    nonce = chain.nonce(SENDER)
    later = chain.send(SENDER, nonce=nonce + 1)
    assert chain.rpc("eth_getTransactionReceipt", later) is None
    assert chain.nonce(SENDER, "pending") == nonce
    sooner = chain.send(SENDER, nonce=nonce)
    receipts = [chain.rpc("eth_getTransactionReceipt", sent) for sent in (sooner, later)]
    assert [receipt["status"] for receipt in receipts] == ["0x1", "0x1"]
    assert chain.nonce(SENDER) == nonce + 2


def test_a_batch_is_mined_together_and_in_order(chain: Running) -> None:
    height, nonce = chain.number(), chain.nonce(SENDER)
    raws = [chain.raw(SENDER, nonce=nonce + index) for index in range(50)]
    calls = [{"jsonrpc": "2.0", "id": index, "method": "eth_sendRawTransaction", "params": [raw]} for index, raw in enumerate(raws)]
    calls.append({"jsonrpc": "2.0", "id": "after", "method": "eth_blockNumber"})
    answers = chain.post(calls)
    assert [answer["id"] for answer in answers] == [*range(50), "after"]
    assert answers[-1]["result"] == hex(height + 1)
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    assert block["transactions"] == [answer["result"] for answer in answers[:50]]


def test_one_bad_transaction_in_a_batch_harms_no_other(chain: Running) -> None:
    nonce = chain.nonce(SENDER)
    raws = [chain.raw(SENDER, nonce=nonce), "0xc0", chain.raw(SENDER, nonce=nonce + 1), chain.raw(POOR)]
    calls = [{"jsonrpc": "2.0", "id": index, "method": "eth_sendRawTransaction", "params": [raw]} for index, raw in enumerate(raws)]
    answers = chain.post(calls)
    assert ["result" in answer for answer in answers] == [True, False, True, False]
    assert chain.nonce(SENDER) == nonce + 2


def test_a_wave_of_senders_leaves_nothing_behind(chain: Running) -> None:
    calls = []
    for sender in ACCOUNTS:
        nonce = chain.nonce(sender)
        calls += [chain.raw(sender, nonce=nonce + index) for index in reversed(range(20))]
    bodies = [[{"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]}] for raw in calls]
    answers = [chain.post(body)[0] for body in bodies]
    assert all("result" in answer for answer in answers)
    assert all(chain.rpc("eth_getTransactionReceipt", answer["result"]) for answer in answers)


def test_many_connections_at_once_leave_nothing_behind(chain: Running) -> None:
    """Eight clients, each with its own account and connection, some with single calls and some with batches."""

    def send_all(index: int) -> list[str]:
        sender, size = ACCOUNTS[index + 1], 1 + index % 3
        raws = [chain.raw(sender, nonce=number) for number in range(30)]
        calls = [{"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]} for raw in raws]
        with httpx.Client(timeout=60) as http:
            bodies = [calls[begin : begin + size] for begin in range(0, len(calls), size)]
            return [answer["result"] for body in bodies for answer in http.post(chain.url, json=body).json()]

    with ThreadPoolExecutor(8) as threads:
        hashes = [sent for sents in threads.map(send_all, range(8)) for sent in sents]
    assert len(hashes) == 240
    assert all(chain.rpc("eth_getTransactionReceipt", sent) for sent in hashes)
    assert chain.node.chain.pool.counts() == (0, 0)


def test_a_client_that_hangs_up_takes_nothing_along(chain: Running) -> None:
    raw = chain.raw(SENDER)
    body = f'{{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["{raw}"]}}'
    with chain.websocket() as watcher:
        watcher.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}')
        watcher.recv(timeout=10)
        address = httpx.URL(chain.url)
        with socket.create_connection((address.host, address.port)) as rude:
            rude.sendall(f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        watcher.recv(timeout=10)
    assert chain.nonce(SENDER) == 1


def test_a_pending_transaction_is_seen_in_the_pending_block_only(chain: Running) -> None:
    chain.rpc("evm_setAutomine", False)
    height = chain.number()
    sent = chain.send(SENDER)
    pending = chain.rpc("eth_getBlockByNumber", "pending", False)
    assert pending["number"] == hex(height + 1)
    assert pending["transactions"] == [sent]
    assert chain.rpc("eth_getBlockTransactionCountByNumber", "pending") == "0x1"
    assert chain.number() == height
    assert chain.nonce(SENDER, "pending") == chain.nonce(SENDER) + 1
    assert chain.balance(OTHER.address, "pending") == chain.balance(OTHER.address) + 1


def test_a_large_pool_is_seen_in_the_pending_block(chain: Running) -> None:
    """So much gas is executed on a thread."""
    chain.rpc("evm_setAutomine", False)
    nonce = chain.nonce(SENDER)
    hashes = [chain.send(SENDER, nonce=nonce + index) for index in range(40)]
    assert chain.balance(OTHER.address, "pending") == chain.balance(OTHER.address) + 40
    assert chain.rpc("eth_getBlockByNumber", "pending", False)["transactions"] == hashes
    assert chain.rpc("eth_getBlockTransactionCountByNumber", "pending") == "0x28"
    assert chain.rpc("eth_call", {"to": text(OTHER.address)}, "pending") == "0x"
    chain.rpc("evm_mine")
    assert chain.rpc("eth_getBlockTransactionCountByNumber", "pending") == "0x0"


def test_a_full_pool_takes_only_what_pays_more() -> None:
    for node in run_node(ChainNodeSettings(rpc_port=0, automine=False, pool_transactions_max=2)):
        first = node.send(ACCOUNTS[1])
        node.send(ACCOUNTS[2], max_priority_fee_per_gas=2 * GWEI)
        refused = node.refusal("eth_sendRawTransaction", node.raw(ACCOUNTS[3]))
        assert (refused.code, refused.message) == (-32000, "txpool is full")
        node.send(ACCOUNTS[3], max_priority_fee_per_gas=3 * GWEI)
        assert node.rpc("eth_getTransactionByHash", first) is None


def test_one_account_has_only_its_share_of_the_pool() -> None:
    for node in run_node(ChainNodeSettings(rpc_port=0, automine=False, account_transactions_max=2)):
        node.send(ACCOUNTS[1])
        node.send(ACCOUNTS[1])
        refused = node.refusal("eth_sendRawTransaction", node.raw(ACCOUNTS[1]))
        assert (refused.code, refused.message) == (-32000, "account limit exceeded: pooled 2 txs")
        node.send(ACCOUNTS[2])


def test_unprotected_transactions_pass_where_they_are_allowed() -> None:
    for node in run_node(ChainNodeSettings(rpc_port=0, allow_unprotected=True)):
        sent = node.send(SENDER, kind=0, chain_id=None, max_priority_fee_per_gas=None)
        assert node.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"


def test_osaka_caps_the_gas_of_a_transaction() -> None:
    for node in run_node(ChainNodeSettings(rpc_port=0, hardfork="osaka")):
        refused = node.refusal("eth_sendRawTransaction", node.raw(SENDER, gas_limit=16_777_217))
        assert (refused.code, refused.message) == (-32000, "transaction gas limit too high (cap: 16777216, tx: 16777217)")
        assert node.rpc("anvil_nodeInfo")["hardFork"] == "osaka"


def test_impersonated_bytes_do_not_pass_as_signed_ones(chain: Running) -> None:
    forged = Transaction(
        kind=2,
        chain_id=LOCAL.chain_id,
        nonce=chain.nonce(SENDER),
        gas_limit=21_000,
        max_fee_per_gas=10 * GWEI,
        max_priority_fee_per_gas=0,
        to=OTHER.address,
        value=BALANCE // 2,
    ).impersonate(SENDER.address)
    before = chain.balance(SENDER.address)
    chain.refusal("eth_sendRawTransaction", text(forged))
    assert chain.balance(SENDER.address) == before
