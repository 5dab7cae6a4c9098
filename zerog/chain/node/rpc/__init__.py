"""The node's JSON-RPC: one file a namespace, or a part of a large one."""

from typing import Final

from zerog.chain.node.rpc import (
    about,
    anvil,
    blocks,
    call_many,
    deals,
    debug,
    evm,
    fees,
    filters,
    net,
    ots,
    personal,
    proofs,
    raw,
    signing,
    simulate,
    state,
    subscriptions,
    trace,
    transactions,
    txpool,
    web3,
    zerog,
)
from zerog.runtime.jsonrpc import Namespace

__all__ = ["NAMESPACES"]

NAMESPACES: Final[tuple[Namespace, ...]] = (
    web3.web3,
    zerog.zerog,
    net.net,
    about.eth,
    blocks.eth,
    blocks.erigon,
    raw.eth,
    raw.debug,
    debug.debug,
    trace.namespace,
    trace.eth,
    ots.ots,
    state.eth,
    proofs.eth,
    simulate.eth,
    call_many.eth,
    fees.eth,
    transactions.eth,
    txpool.txpool,
    filters.eth,
    subscriptions.eth,
    signing.eth,
    personal.personal,
    evm.evm,
    anvil.anvil,
    deals.anvil,
    deals.tenderly,
    anvil.hardhat,
)
