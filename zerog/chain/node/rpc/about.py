"""`eth_*`: what this node can answer, and which rules its chain follows."""

from typing import Any

import msgspec

from zerog.chain.node.chain import Chain
from zerog.chain.protocol.constants import PROOF_BLOCKS
from zerog.chain.protocol.fork_config import ChainStart, fork_configs
from zerog.primitives import Hash32, Quantity
from zerog.runtime.jsonrpc import Namespace

__all__ = ["eth"]

eth = Namespace("eth")

_decode: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


@eth.method("config")
def config(chain: Chain) -> dict[str, object]:
    """The rules that hold now, those that come next and the last that are known. Source: EIP-7910."""
    start = chain.ledger.block(0)
    head = chain.ledger.head()
    known = _decode.decode(chain.ledger.configuration)
    return fork_configs(ChainStart(known, chain.ledger.genesis_hash, head.timestamp if start is None else start.timestamp), head.timestamp)


@eth.method("capabilities")
def capabilities(chain: Chain) -> dict[str, object]:
    """How far back each kind of answer reaches. Source: ethereum/execution-apis, src/eth/capabilities.yaml."""
    head = chain.ledger.head()
    everything: dict[str, object] = {"disabled": False, "oldestBlock": Quantity(0)}
    return {
        "head": {"number": Quantity(head.number), "hash": Hash32(head.hash)},
        "state": _window(head.number, chain.settings.history_blocks),
        "tx": everything,
        "logs": everything,
        "receipts": everything,
        "blocks": everything,
        "stateproofs": _window(head.number, min(PROOF_BLOCKS, chain.settings.history_blocks or PROOF_BLOCKS)),
    }


def _window(head: int, blocks: int | None) -> dict[str, object]:
    """The newest `blocks` below the head and the head itself; without a limit, all of them."""
    if blocks is None:
        return {"disabled": False, "oldestBlock": Quantity(0)}
    return {
        "disabled": False,
        "oldestBlock": Quantity(max(head - blocks, 0)),
        "deleteStrategy": {"type": "window", "retentionBlocks": Quantity(blocks)},
    }
