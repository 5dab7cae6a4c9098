"""Blocks, receipts and transactions in the encoding that consensus hashes: `debug_getRaw*` and `eth_getRawTransaction*`."""

from zerog.chain.node.chain import Chain
from zerog.chain.node.rpc.blocks import number_or_none
from zerog.chain.protocol.errors import HeaderNotFoundError
from zerog.chain.wire.blocks import BlockId, BlockNumber
from zerog.primitives import Data, Hash32, Uint64
from zerog.runtime.jsonrpc import Namespace

__all__ = ["debug", "eth"]

debug = Namespace("debug")
eth = Namespace("eth")


def data_or_null(answer: bytes | None) -> Data | None:
    """Bytes as hex."""
    return None if answer is None else Data(answer)


def known(answer: bytes | None) -> Data:
    """Bytes as hex. Raises `HeaderNotFoundError` when there are none."""
    if answer is None:
        raise HeaderNotFoundError
    return Data(answer)


def sealed(chain: Chain, block: BlockId) -> int:
    """The height of a block of the chain. Raises `HeaderNotFoundError`, also for the pending one."""
    number = chain.number(block.selector)
    if number is None:
        raise HeaderNotFoundError
    return number


@debug.method("getRawHeader")
def get_raw_header(chain: Chain, block: BlockId) -> Data:
    """RLP of a header; its hash is the block's."""
    return known(chain.ledger.raw_header(sealed(chain, block)))


@debug.method("getRawBlock")
def get_raw_block(chain: Chain, block: BlockId) -> Data:
    """RLP of a block with its transactions and withdrawals."""
    return known(chain.ledger.raw_block(sealed(chain, block)))


@debug.method("getRawReceipts")
def get_raw_receipts(chain: Chain, block: BlockId) -> list[Data]:
    """Each receipt of a block as the receipts' trie holds it."""
    receipts = chain.ledger.raw_receipts(sealed(chain, block))
    if receipts is None:
        raise HeaderNotFoundError
    return [Data(receipt) for receipt in receipts]


@debug.method("getRawTransaction")
def get_raw_transaction(chain: Chain, transaction_hash: Hash32) -> Data | None:
    """EIP-2718 bytes of a transaction in a block or in the pool."""
    return data_or_null(chain.ledger.raw_transaction(transaction_hash) or chain.pool.raw_transaction(transaction_hash))


@eth.method("getRawTransactionByHash")
def get_raw_transaction_by_hash(chain: Chain, transaction_hash: Hash32) -> Data | None:
    """As `debug_getRawTransaction`."""
    return get_raw_transaction(chain, transaction_hash)


@eth.method("getRawTransactionByBlockHashAndIndex")
def get_raw_transaction_by_block_hash_and_index(chain: Chain, block_hash: Hash32, index: Uint64) -> Data | None:
    """EIP-2718 bytes of a transaction by its place."""
    return data_or_null(chain.ledger.raw_transaction_at(block_hash, index))


@eth.method("getRawTransactionByBlockNumberAndIndex")
def get_raw_transaction_by_block_number_and_index(chain: Chain, block: BlockNumber, index: Uint64) -> Data | None:
    """EIP-2718 bytes of a transaction by its place."""
    number = number_or_none(chain, block.selector)
    return None if number is None else data_or_null(chain.ledger.raw_transaction_at(number, index))
