"""web3.py: account 0 deploys twenty contracts, one after the other and all at once with the nonces upside down."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from eth_typing import ChecksumAddress

from tests.interop.web3py.common import COUNTER, GAS_PRICE, Context, deploy, sign

COUNT = 20


def _report(context: Context, nonce: int, addresses: Sequence[ChecksumAddress]) -> Mapping[str, object]:
    eth, account = context.w3.eth, context.accounts[0]
    starts = [eth.contract(address=address, abi=COUNTER["abi"]).functions.value().call() for address in addresses]
    assert starts == list(range(COUNT))
    assert eth.get_transaction_count(account.address) == nonce + COUNT
    return {"deployer": account.address, "nonce": nonce, "addresses": list(addresses)}


def sequential_deployments(context: Context) -> Mapping[str, object]:
    """Each waits for the one before."""
    account = context.accounts[0]
    nonce = context.w3.eth.get_transaction_count(account.address)
    return _report(context, nonce, [deploy(context, account, COUNTER, index).address for index in range(COUNT)])


def parallel_deployments(context: Context) -> Mapping[str, object]:
    """The highest nonce is sent first, four at a time: the pool keeps what has a gap before it."""
    eth, account = context.w3.eth, context.accounts[0]
    nonce = eth.get_transaction_count(account.address)
    factory = eth.contract(abi=COUNTER["abi"], bytecode=COUNTER["bytecode"])
    chain_id = eth.chain_id

    def creation(index: int) -> bytes:
        fees = {"maxFeePerGas": GAS_PRICE, "maxPriorityFeePerGas": GAS_PRICE}
        data = factory.constructor(index).data_in_transaction
        return sign(account, {"nonce": nonce + index, "gas": 1_000_000, "chainId": chain_id, "data": data, "value": 0, **fees})

    with ThreadPoolExecutor(max_workers=4) as threads:
        hashes = list(threads.map(eth.send_raw_transaction, [creation(index) for index in reversed(range(COUNT))]))
    receipts = [eth.wait_for_transaction_receipt(sent, poll_latency=0.02) for sent in reversed(hashes)]
    addresses = [receipt["contractAddress"] for receipt in receipts]
    assert None not in addresses
    return _report(context, nonce, [address for address in addresses if address is not None])
