"""The methods that a node of the chain is to serve, by how much depends on them, and those that it serves beside them.

Sources: ethereum/execution-apis, src/; ethereum/go-ethereum v1.17.5, internal/ethapi and eth/tracers; foundry-rs/foundry,
crates/anvil/core/src/eth/mod.rs; otterscan/otterscan, docs/custom-jsonrpc.md; erigontech/erigon, rpc/jsonrpc.
"""

from typing import Final

__all__ = ["BESIDE", "SPECIFIED"]


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def both(text: str) -> frozenset[str]:
    """Methods that exist under the prefixes of anvil and of hardhat."""
    return frozenset(f"{prefix}_{name}" for name in text.split() for prefix in ("anvil", "hardhat"))


MAINSTREAM: Final = names("""
    web3_clientVersion web3_sha3 net_version net_listening eth_chainId eth_syncing
    eth_blockNumber eth_getBlockByNumber eth_getBlockByHash eth_getBlockTransactionCountByNumber eth_getBlockTransactionCountByHash
    eth_getTransactionByHash eth_getTransactionByBlockHashAndIndex eth_getTransactionByBlockNumberAndIndex eth_getTransactionReceipt
    eth_getBlockReceipts
    eth_getBalance eth_getTransactionCount eth_getCode eth_getStorageAt eth_call eth_estimateGas
    eth_gasPrice eth_maxPriorityFeePerGas eth_feeHistory eth_blobBaseFee
    eth_sendRawTransaction
    eth_getLogs eth_newFilter eth_newBlockFilter eth_newPendingTransactionFilter eth_getFilterChanges eth_getFilterLogs eth_uninstallFilter
    eth_subscribe eth_unsubscribe
""")
"""Without one of them a mainstream tool fails."""

DEVELOPER: Final = both("""
    mine setBalance setCode setNonce setStorageAt setCoinbase impersonateAccount stopImpersonatingAccount reset dropTransaction
    setNextBlockBaseFeePerGas setMinGasPrice getAutomine metadata
""") | names("""
    eth_accounts eth_sendTransaction eth_sign personal_sign eth_signTypedData_v4 eth_signTransaction eth_requestAccounts eth_coinbase
    evm_snapshot evm_revert evm_mine evm_increaseTime evm_setNextBlockTimestamp evm_setAutomine evm_setIntervalMining evm_setBlockGasLimit
    hardhat_setPrevRandao anvil_autoImpersonateAccount anvil_dumpState anvil_loadState anvil_nodeInfo anvil_setBlockTimestampInterval
    anvil_removeBlockTimestampInterval
""")
"""Without one of them a test framework fails."""

EXPLORING: Final = names("""
    eth_getProof eth_createAccessList eth_simulateV1 eth_getStorageValues eth_config eth_capabilities eth_sendRawTransactionSync
    eth_getRawTransactionByHash eth_getTransactionBySenderAndNonce eth_fillTransaction
    eth_getUncleCountByBlockNumber eth_getUncleCountByBlockHash eth_getUncleByBlockNumberAndIndex eth_getUncleByBlockHashAndIndex
    txpool_status txpool_content txpool_contentFrom txpool_inspect net_peerCount
    debug_traceTransaction debug_traceCall debug_traceBlockByNumber debug_traceBlockByHash
    debug_getRawHeader debug_getRawBlock debug_getRawTransaction debug_getRawReceipts
    trace_block trace_transaction trace_filter trace_replayBlockTransactions trace_replayTransaction trace_call
""")
"""Explorers, indexers, debuggers and the official tests ask for them."""

COMFORT: Final = names("""
    ots_getApiLevel ots_hasCode ots_getInternalOperations ots_getTransactionError ots_traceTransaction ots_getBlockDetails
    ots_getBlockDetailsByHash ots_getBlockTransactions ots_getTransactionBySenderAndNonce ots_getContractCreator
    ots_searchTransactionsBefore ots_searchTransactionsAfter
    eth_getHeaderByNumber eth_getHeaderByHash erigon_getHeaderByNumber eth_callMany eth_getAccount debug_storageRangeAt
    anvil_reorg anvil_rollback anvil_dealERC20 anvil_setERC20Allowance tenderly_setBalance
""")
"""Otterscan, and what single tools make use of."""

SPECIFIED: Final = MAINSTREAM | DEVELOPER | EXPLORING | COMFORT

BESIDE: Final = names("""
    zerog_getGenesis zerog_getBlocks zerog_waitForBlock zerog_waitForRoles
    debug_traceBlock trace_get trace_callMany trace_rawTransaction
    eth_getRawTransactionByBlockHashAndIndex eth_getRawTransactionByBlockNumberAndIndex
    eth_sendTransactionSync evm_setTime anvil_setTime anvil_addBalance tenderly_addBalance anvil_dealErc20 anvil_setErc20Allowance
    hardhat_dumpState hardhat_loadState
    anvil_snapshot anvil_revert anvil_increaseTime anvil_setNextBlockTimestamp anvil_setAutomine anvil_setIntervalMining
    anvil_setBlockGasLimit anvil_getIntervalMining anvil_dropAllTransactions anvil_removePoolTransactions eth_sendUnsignedTransaction
""")
"""Beside that table: how nodes of zerog follow each other, the rest of namespaces whose other methods are there, other spellings."""
