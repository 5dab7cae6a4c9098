"""Settling 10,000 requests of 200 users, beside the same settlement written with web3.py and eth-account as their manuals show it."""

import json
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import anyio
from eth_account import Account as EthAccount
from web3 import HTTPProvider, Web3

from benchmarks.bench import Bench
from benchmarks.compute.market import CHAIN_ID, NETWORK, SERVING, SIGNER, set_up
from benchmarks.nodes import Node, zerog
from benchmarks.report import Row
from zerog.chain.client import AsyncChainClient
from zerog.compute.protocol.receipts import leaf_of
from zerog.compute.provider.book import Book, Charge
from zerog.compute.provider.chain import ProviderChain
from zerog.compute.provider.settler import Settler
from zerog.contracts import load_artefact
from zerog.primitives import Account
from zerog.runtime.clock import SystemClock

__all__ = ["settlement", "web3_version"]

USERS: Final = 200
REQUESTS_A_USER: Final = 50
REQUESTS: Final = USERS * REQUESTS_A_USER
FEE_WEI: Final = 10**12
ENTRIES: Final = 50
TARGET_S: Final = 8.0
RECEIPT_BYTES: Final = 900
DOMAIN: Final = {"name": "0G Inference Serving", "version": "1", "chainId": CHAIN_ID, "verifyingContract": str(SERVING)}
TYPES: Final = {
    "TEESettlement": [
        {"name": "requestsHash", "type": "bytes32"},
        {"name": "nonce", "type": "uint256"},
        {"name": "provider", "type": "address"},
        {"name": "user", "type": "address"},
        {"name": "totalFee", "type": "uint256"},
    ]
}


def settlement(bench: Bench) -> None:
    """From the call until all is paid on chain and written down. The peer has its requests in memory and writes nothing down."""
    genesis = NETWORK.genesis
    if genesis is None:
        raise OSError("the network of our own has no genesis")
    with zerog(bench.environment) as node, tempfile.TemporaryDirectory(prefix="benchmark-settlement-") as folder:
        (provider, peer), users = set_up(node, genesis.mnemonic, USERS)
        seconds, transactions = anyio.run(settle, node, provider, users, Path(folder))
        theirs = settle_with_web3(node, peer, users)
    bench.details["settlement"] = {"zerog_s": seconds, "web3_s": theirs, "transactions": transactions}
    what = f"settlement of {REQUESTS:,} requests of {USERS} users"
    note = f"{transactions} transactions; the peer keeps no books"
    met = seconds <= TARGET_S and transactions == 4
    bench.rows.append(Row(what, "s", seconds, None, "≤ 8 s, 4 transactions", met, note, second_peer=theirs))


async def settle(node: Node, provider: Account, users: Sequence[Account], folder: Path) -> tuple[float, int]:
    """Seconds and transactions that our settler takes."""
    clock = SystemClock()
    async with await Book.open(f"sqlite:///{folder}/book.db", broker_id="a", clock=clock) as book, AsyncChainClient(node.url) as client:
        async with anyio.create_task_group() as group:
            for user in users:
                group.start_soon(bill, book, user)
        chain = ProviderChain(client, provider, SERVING, chain_id=CHAIN_ID, clock=clock)
        settler = Settler(book, chain, SIGNER, clock)
        started = time.perf_counter()
        report = await settler.settle()
        seconds = time.perf_counter() - started
        left = sum([await book.unsettled_wei(user.address) for user in users])
    if report.requests != REQUESTS or left:
        raise OSError(f"{report.requests} requests were settled, and {left} wei are left")
    return seconds, report.transactions


async def bill(book: Book, user: Account) -> None:
    """A user's requests."""
    for index in range(REQUESTS_A_USER):
        receipt = b'{"id":"%s-%d"}' % (user.address.hex().encode(), index)
        await book.charge(
            Charge(
                request_id=f"{user.address.hex()}-{index}",
                user=user.address,
                fee_wei=FEE_WEI,
                receipt=receipt.ljust(RECEIPT_BYTES),
                leaf=leaf_of(receipt),
                receipt_signature=bytes(65),
                signed_text=":".join(["00" * 32] * 2),
                text_signature=bytes(65),
                signing_address=SIGNER.address,
                created_at_ms=1_700_000_000_000,
            )
        )


def settle_with_web3(node: Node, provider: Account, users: Sequence[Account]) -> float:
    """Seconds that the official steps take: hash over all requests of a user, sign, preview and send in fifties, wait."""
    w3 = Web3(HTTPProvider(node.url))
    abi = json.loads(load_artefact("compute", "InferenceServing").abi_json)
    contract = w3.eth.contract(address=Web3.to_checksum_address(str(SERVING)), abi=abi)
    sender, signer = EthAccount.from_key(provider.private_key), EthAccount.from_key(SIGNER.private_key)
    names = {user.address: [f"{user.address.hex()}-{index}" for index in range(REQUESTS_A_USER)] for user in users}
    started = time.perf_counter()
    nonce, entries = int(time.time()) * 10**7, []
    for user in users:
        texts = [f"{name}{user.address}{FEE_WEI}{0}{FEE_WEI}" for name in names[user.address]]
        message = {
            "requestsHash": Web3.keccak(text="".join(texts)),
            "nonce": nonce,
            "provider": str(provider.address),
            "user": str(user.address),
            "totalFee": FEE_WEI * REQUESTS_A_USER,
        }
        signature = signer.sign_typed_data(DOMAIN, TYPES, message).signature
        entries.append((message["user"], message["provider"], message["totalFee"], message["requestsHash"], nonce, bytes(signature)))
    hashes = []
    for at in range(0, len(entries), ENTRIES):
        some = entries[at : at + ENTRIES]
        failed, _, partly, _ = contract.functions.previewSettlementResults(some).call({"from": sender.address})
        if failed or partly:
            raise OSError("the contract would not pay all of the peer's settlements")
        built = contract.functions.settleFeesWithTEE(some).build_transaction(
            {"from": sender.address, "nonce": w3.eth.get_transaction_count(sender.address, "pending")}
        )
        hashes.append(w3.eth.send_raw_transaction(sender.sign_transaction(built).raw_transaction))
    for sent in hashes:
        if w3.eth.wait_for_transaction_receipt(sent)["status"] != 1:
            raise OSError("a settlement of the peer failed")
    return time.perf_counter() - started


def web3_version() -> str:
    """Of the development environment."""
    return version("web3")
