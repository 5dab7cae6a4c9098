"""`ots_*`: what the block explorer Otterscan asks beyond the rest. Source: otterscan/otterscan, docs/custom-jsonrpc.md."""

from typing import Any, Final

import msgspec

from zerog._kernel import StateNotKeptError
from zerog.chain.node.chain import Chain
from zerog.chain.node.rpc.blocks import number_or_none
from zerog.chain.node.soon import Soon
from zerog.chain.node.traces import Trace, on_thread, trace
from zerog.chain.protocol.errors import HeaderNotFoundError
from zerog.chain.wire.blocks import LATEST, BlockId, BlockNumber
from zerog.chain.wire.numbers import LooseNumber
from zerog.primitives import Address, Data, Hash32, InvalidParametersError, Quantity, Uint64, encode_data
from zerog.runtime.jsonrpc import Namespace

__all__ = ["ots"]

ots = Namespace("ots")

API_LEVEL: Final = 8
"""Version of the set of methods. Source: otterscan/otterscan, docs/custom-jsonrpc.md."""
PAGE_TRANSACTIONS_MAX: Final = 1_000
"""Most transactions that one page may ask for."""
SELECTOR_TEXT_LENGTH: Final = 10
"""`0x` and the four bytes by which a contract tells its functions apart."""

Answer = dict[str, Any]


@ots.method("getApiLevel")
def get_api_level(_chain: Chain) -> int:
    """Which version of these methods we speak."""
    return API_LEVEL


@ots.method("hasCode")
def has_code(chain: Chain, address: Address, block: BlockId = LATEST) -> Soon[bool]:
    """Whether an account is a contract."""
    return chain.read(block.selector, lambda state: bool(chain.ledger.code(address, state)))


@ots.method("getInternalOperations")
async def get_internal_operations(chain: Chain, transaction_hash: Hash32) -> Trace:
    """Transfers by contracts (0), self-destructions (1), and creations by CREATE (2) and CREATE2 (3) inside a transaction."""
    return await trace(chain, lambda: chain.ledger.internal_operations(transaction_hash))


@ots.method("getTransactionError")
async def get_transaction_error(chain: Chain, transaction_hash: Hash32) -> Data:
    """The data with which a transaction reverted; empty when it did not."""
    return Data(await on_thread(chain, lambda: chain.ledger.transaction_error(transaction_hash)))


@ots.method("traceTransaction")
async def trace_transaction(chain: Chain, transaction_hash: Hash32) -> Trace:
    """The calls of a transaction as a list with depths."""
    return await trace(chain, lambda: chain.ledger.call_list(transaction_hash))


@ots.method("getBlockDetails")
def get_block_details(chain: Chain, block: BlockNumber) -> Answer | None:
    """A block without its transactions, with their number and fees; null when there is none."""
    number = number_or_none(chain, block.selector)
    return None if number is None else _details(chain, number)


@ots.method("getBlockDetailsByHash")
def get_block_details_by_hash(chain: Chain, block_hash: Hash32) -> Answer | None:
    """As by number."""
    return _details(chain, block_hash)


@ots.method("getBlockTransactions")
def get_block_transactions(chain: Chain, block: BlockNumber, page: Uint64, size: Uint64) -> Answer | None:
    """A page of a block's transactions, counted from the last one; call data is cut down to the function's selector."""
    number = number_or_none(chain, block.selector)
    if number is None:
        return None
    whole = _whole(chain, number)
    receipts = msgspec.json.decode(chain.ledger.receipts_json(number) or b"[]")
    count = len(whole["transactions"])
    end = max(0, count - page * _page_size(size))
    begin = max(0, end - size)
    transactions = whole["transactions"][begin:end]
    for transaction in transactions:
        transaction["input"] = transaction["input"][:SELECTOR_TEXT_LENGTH]
    shown = receipts[begin:end]
    for receipt in shown:
        receipt |= {"logs": None, "logsBloom": None, "timestamp": whole["timestamp"]}
    return {
        "fullblock": whole | {"transactions": transactions, "transactionCount": Quantity(count), "logsBloom": None},
        "receipts": shown,
    }


@ots.method("getTransactionBySenderAndNonce")
def get_transaction_by_sender_and_nonce(chain: Chain, sender: Address, nonce: LooseNumber) -> str | None:
    """Hash of the transaction of a sender with this nonce; null when there is none."""
    try:
        found = chain.ledger.transaction_by_sender_and_nonce_json(sender, nonce)
    except StateNotKeptError:
        raise HeaderNotFoundError from None
    if found is None:
        return None
    transaction_hash: str = msgspec.json.decode(found)["hash"]
    return transaction_hash


@ots.method("getContractCreator")
async def get_contract_creator(chain: Chain, address: Address) -> Answer | None:
    """Who created a contract, and in which transaction; null for what is none, or was there from the beginning."""
    found = await on_thread(chain, lambda: chain.ledger.contract_creator(address))
    return None if found is None else {"hash": encode_data(found[0]), "creator": encode_data(found[1])}


@ots.method("searchTransactionsBefore")
async def search_transactions_before(chain: Chain, address: Address, block: LooseNumber, size: LooseNumber) -> Answer:
    """Transactions in which an address took part before a block, newest first; block 0 begins with the newest one.

    A page is at least `size` long, if there are so many, and holds all of a block or nothing of it.
    """
    count = _page_size(size)
    last = chain.head_number if block == 0 else block - 1
    places, more = await on_thread(chain, lambda: chain.ledger.address_transactions(address, 0, last, count, newest_first=True))
    return _page(chain, places, is_first=block == 0 or last >= chain.head_number, is_last=not more)


@ots.method("searchTransactionsAfter")
async def search_transactions_after(chain: Chain, address: Address, block: LooseNumber, size: LooseNumber) -> Answer:
    """The same after a block: the ones that are nearest to it, newest first. Block 0 begins with the oldest one."""
    count = _page_size(size)
    first = 0 if block == 0 else block + 1
    places, more = await on_thread(chain, lambda: chain.ledger.address_transactions(address, first, 2**63, count))
    return _page(chain, places[::-1], is_first=not more, is_last=block == 0)


def _page_size(size: int) -> int:
    if not 0 < size <= PAGE_TRANSACTIONS_MAX:
        raise InvalidParametersError(f"max allowed page size: {PAGE_TRANSACTIONS_MAX}")
    return int(size)


def _page(chain: Chain, places: list[tuple[int, int]], *, is_first: bool, is_last: bool) -> Answer:
    transactions, receipts = [], []
    for number, index in places:
        transaction = chain.ledger.transaction_at_json(number, index)
        summary = chain.ledger.block(number)
        if transaction is None or summary is None:  # The chain was taken back since.
            continue
        decoded = msgspec.json.decode(transaction)
        receipt = msgspec.json.decode(chain.ledger.receipt_json(bytes.fromhex(decoded["hash"][2:])) or b"{}")
        transactions.append(decoded)
        receipts.append(receipt | {"timestamp": Quantity(summary.timestamp)})
    return {"txs": transactions, "receipts": receipts, "firstPage": is_first, "lastPage": is_last}


def _whole(chain: Chain, block: int | bytes) -> Answer:
    whole: Answer = msgspec.json.decode(chain.ledger.block_json(block, full=True) or b"{}")
    return whole


def _details(chain: Chain, block: int | bytes) -> Answer | None:
    whole, receipts = chain.ledger.block_json(block, full=False), chain.ledger.receipts_json(block)
    if whole is None or receipts is None:
        return None
    details: Answer = msgspec.json.decode(whole)
    count = len(details.pop("transactions"))
    fees = sum(int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16) for receipt in msgspec.json.decode(receipts))
    nothing = Quantity(0)
    return {
        "block": details | {"transactionCount": Quantity(count), "logsBloom": None},
        "issuance": {"blockReward": nothing, "uncleReward": nothing, "issuance": nothing},
        "totalFees": Quantity(fees),
    }
