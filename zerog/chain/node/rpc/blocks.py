"""`eth_*`: blocks, and the transactions and receipts in them. What is unknown is `null`, never an error."""

import msgspec

from zerog.chain.node.chain import Chain
from zerog.chain.node.soon import Soon, then
from zerog.chain.protocol.errors import HeaderNotFoundError
from zerog.chain.protocol.tags import BlockSelector
from zerog.chain.wire.blocks import BlockId, BlockNumber
from zerog.primitives import Hash32, Quantity, Uint64
from zerog.runtime.jsonrpc import Namespace

__all__ = ["erigon", "eth", "number_or_none", "raw_or_null"]

eth = Namespace("eth")
erigon = Namespace("erigon")


def raw_or_null(answer: bytes | None) -> msgspec.Raw | None:
    """JSON from the kernel as it is."""
    return None if answer is None else msgspec.Raw(answer)


def number_or_none(chain: Chain, selector: BlockSelector) -> int | None:
    """The height, or `None` when there is no such block in the chain (the pending one is not)."""
    try:
        return chain.number(selector)
    except HeaderNotFoundError:
        return None


@eth.method("chainId")
def chain_id(chain: Chain) -> Quantity:
    """The chain id that signatures carry (EIP-155)."""
    return Quantity(chain.ledger.chain_id)


@eth.method("syncing")
def syncing(chain: Chain) -> bool | dict[str, Quantity]:
    """How far a node that follows another still has to go; false where there is nothing to catch up with."""
    follower = chain.follower
    if follower is None or not follower.behind:
        return False
    current = Quantity(chain.head_number)
    return {"startingBlock": Quantity(0), "currentBlock": current, "highestBlock": Quantity(follower.leader_number)}


@eth.method("blockNumber")
def block_number(chain: Chain) -> Quantity:
    """Height of the newest block."""
    return Quantity(chain.head_number)


@eth.method("getBlockByNumber")
def get_block_by_number(chain: Chain, block: BlockNumber, full: bool = False) -> Soon[msgspec.Raw | None]:
    """A block with whole transactions or their hashes."""
    try:
        number = chain.number(block.selector)
    except HeaderNotFoundError:
        return None
    if number is None:
        return then(chain.producer.pending(), lambda executed: msgspec.Raw(executed.block_json(full)))
    return raw_or_null(chain.ledger.block_json(number, full))


@eth.method("getBlockByHash")
def get_block_by_hash(chain: Chain, block_hash: Hash32, full: bool = False) -> msgspec.Raw | None:
    """A block with whole transactions or their hashes."""
    return raw_or_null(chain.ledger.block_json(block_hash, full))


@eth.method("getBlockTransactionCountByNumber")
def get_block_transaction_count_by_number(chain: Chain, block: BlockNumber) -> Soon[Quantity | None]:
    """How many transactions a block has."""
    try:
        number = chain.number(block.selector)
    except HeaderNotFoundError:
        return None
    if number is None:
        return then(chain.producer.pending(), lambda executed: Quantity(executed.summary.transaction_count))
    summary = chain.ledger.block(number)
    return None if summary is None else Quantity(summary.transaction_count)


@eth.method("getBlockTransactionCountByHash")
def get_block_transaction_count_by_hash(chain: Chain, block_hash: Hash32) -> Quantity | None:
    """How many transactions a block has."""
    summary = chain.ledger.block(block_hash)
    return None if summary is None else Quantity(summary.transaction_count)


@eth.method("getTransactionByHash")
def get_transaction_by_hash(chain: Chain, transaction_hash: Hash32) -> msgspec.Raw | None:
    """A transaction of a block, or one that waits in the pool."""
    return raw_or_null(chain.ledger.transaction_json(transaction_hash) or chain.pool.transaction_json(transaction_hash))


@eth.method("getTransactionByBlockHashAndIndex")
def get_transaction_by_block_hash_and_index(chain: Chain, block_hash: Hash32, index: Uint64) -> msgspec.Raw | None:
    """A transaction by its place."""
    return raw_or_null(chain.ledger.transaction_at_json(block_hash, index))


@eth.method("getTransactionByBlockNumberAndIndex")
def get_transaction_by_block_number_and_index(chain: Chain, block: BlockNumber, index: Uint64) -> msgspec.Raw | None:
    """A transaction by its place."""
    number = number_or_none(chain, block.selector)
    return None if number is None else raw_or_null(chain.ledger.transaction_at_json(number, index))


@eth.method("getTransactionReceipt")
def get_transaction_receipt(chain: Chain, transaction_hash: Hash32) -> msgspec.Raw | None:
    """What a transaction did, once it is in a block."""
    return raw_or_null(chain.ledger.receipt_json(transaction_hash))


@eth.method("getBlockReceipts")
def get_block_receipts(chain: Chain, block: BlockId) -> msgspec.Raw | None:
    """All receipts of a block."""
    number = number_or_none(chain, block.selector)
    return None if number is None else raw_or_null(chain.ledger.receipts_json(number))


@eth.method("getHeaderByNumber")
def get_header_by_number(chain: Chain, block: BlockNumber) -> Soon[msgspec.Raw | None]:
    """A block without its transactions. Source: ethereum/go-ethereum, internal/ethapi/api.go."""
    try:
        number = chain.number(block.selector)
    except HeaderNotFoundError:
        return None
    if number is None:
        return then(chain.producer.pending(), lambda executed: msgspec.Raw(executed.header_json()))
    return raw_or_null(chain.ledger.header_json(number))


@eth.method("getHeaderByHash")
def get_header_by_hash(chain: Chain, block_hash: Hash32) -> msgspec.Raw | None:
    """A block without its transactions."""
    return raw_or_null(chain.ledger.header_json(block_hash))


@erigon.method("getHeaderByNumber")
def erigon_get_header_by_number(chain: Chain, block: BlockNumber) -> Soon[msgspec.Raw | None]:
    """As `eth_getHeaderByNumber`, by the name that Otterscan asks for."""
    return get_header_by_number(chain, block)


@eth.method("getUncleCountByBlockNumber")
def get_uncle_count_by_block_number(chain: Chain, block: BlockNumber) -> Quantity | None:
    """None of our blocks has uncles: they went with the merge."""
    try:
        chain.number(block.selector)
    except HeaderNotFoundError:
        return None
    return Quantity(0)


@eth.method("getUncleCountByBlockHash")
def get_uncle_count_by_block_hash(chain: Chain, block_hash: Hash32) -> Quantity | None:
    """As by number."""
    return None if chain.ledger.block(block_hash) is None else Quantity(0)


@eth.method("getUncleByBlockNumberAndIndex")
def get_uncle_by_block_number_and_index(_chain: Chain, _block: BlockNumber, _index: Uint64) -> None:
    """There is none."""


@eth.method("getUncleByBlockHashAndIndex")
def get_uncle_by_block_hash_and_index(_chain: Chain, _block_hash: Hash32, _index: Uint64) -> None:
    """There is none."""
