"""`txpool_*`: what waits for a block. Source: ethereum/go-ethereum, internal/ethapi/api.go (TxPoolAPI)."""

import msgspec

from zerog.chain.node.chain import Chain
from zerog.primitives import Address, Quantity
from zerog.runtime.jsonrpc import Namespace

__all__ = ["txpool"]

txpool = Namespace("txpool")


@txpool.method("status")
def status(chain: Chain) -> dict[str, Quantity]:
    """How many transactions could run, and how many wait for an earlier nonce."""
    pending, queued = chain.pool.counts()
    return {"pending": Quantity(pending), "queued": Quantity(queued)}


@txpool.method("content")
def content(chain: Chain) -> msgspec.Raw:
    """All transactions by sender and nonce."""
    return msgspec.Raw(chain.pool.content_json())


@txpool.method("contentFrom")
def content_from(chain: Chain, sender: Address) -> msgspec.Raw:
    """The transactions of one sender by nonce."""
    return msgspec.Raw(chain.pool.content_from_json(sender))


@txpool.method("inspect")
def inspect(chain: Chain) -> msgspec.Raw:
    """A line for each transaction, for people."""
    return msgspec.Raw(chain.pool.inspect_json())
