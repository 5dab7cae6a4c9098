"""`anvil_*` and `hardhat_*`: state edits and everything else that only a developer's chain does.

Most exist under both prefixes and differ in their answer alone: anvil says `null`, hardhat `true`.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Final, ParamSpec

import msgspec

from zerog.chain.node.chain import Chain
from zerog.chain.node.rpc.evm import check_count
from zerog.chain.node.rpc.web3 import client_version
from zerog.chain.node.state_dump import dump_state, load_state
from zerog.chain.protocol.errors import AlreadyMinedError, NonceLoweredError
from zerog.chain.wire.numbers import LooseNumber, StorageSlot
from zerog.primitives import (
    Address,
    Data,
    Hash32,
    InvalidParametersError,
    Quantity,
    Uint64,
    Uint128,
    decode_hook,
    encode_data,
    encode_quantity,
)
from zerog.runtime.jsonrpc import Namespace

__all__ = ["anvil", "hardhat"]

anvil = Namespace("anvil")
hardhat = Namespace("hardhat")

P = ParamSpec("P")
Edit = Callable[Concatenate[Chain, P], Awaitable[None]]

BASE_FEE_MAX: Final = 2**60
"""Full blocks raise the base fee by an eighth each; from here on some would overflow the header's 64 bits."""
HARDHAT_INTERVAL_S: Final = 1
"""Seconds between the blocks of `hardhat_mine`. Source: hardhat.org, Hardhat Network Reference."""


def both(name: str) -> Callable[[Edit[P]], Edit[P]]:
    """Declare a method under both prefixes."""

    def declare(edit: Edit[P]) -> Edit[P]:
        @functools.wraps(edit)
        async def answer_true(chain: Chain, *arguments: P.args, **names: P.kwargs) -> bool:
            await edit(chain, *arguments, **names)
            return True

        anvil.method(name, dev=True)(edit)
        hardhat.method(name, dev=True)(answer_true)
        return edit

    return declare


@anvil.method("mine", dev=True)
async def mine(chain: Chain, count: LooseNumber = LooseNumber(1), interval_s: LooseNumber | None = None) -> None:  # noqa: B008 - it is frozen.
    """Make `count` blocks, each so many seconds after the one before; without an interval, or with 0, as blocks always come."""
    await chain.producer.mine(check_count(count), interval_s=interval_s or None)


@hardhat.method("mine", dev=True)
async def hardhat_mine(chain: Chain, count: LooseNumber = LooseNumber(1), interval_s: LooseNumber | None = None) -> bool:  # noqa: B008
    """Make `count` blocks, one second apart unless told otherwise."""
    await chain.producer.mine(check_count(count), interval_s=HARDHAT_INTERVAL_S if interval_s is None else interval_s or None)
    return True


@both("setBalance")
async def set_balance(chain: Chain, address: Address, balance: Quantity) -> None:
    """Give an account a balance in wei."""
    async with chain.producer.edit():
        chain.ledger.set_balance(address, balance)


@anvil.method("setNonce", dev=True)
async def set_nonce(chain: Chain, address: Address, nonce: Uint64) -> None:
    """Give an account a nonce, also one that it had before."""
    async with chain.producer.edit():
        chain.ledger.set_nonce(address, nonce)


@hardhat.method("setNonce", dev=True)
async def hardhat_set_nonce(chain: Chain, address: Address, nonce: Uint64) -> bool:
    """Give an account a later nonce."""
    async with chain.producer.edit():
        if nonce < (present := chain.ledger.nonce(address)):
            raise NonceLoweredError(nonce, present)
        chain.ledger.set_nonce(address, nonce)
    return True


@both("setCode")
async def set_code(chain: Chain, address: Address, code: Data) -> None:
    """Give an account code."""
    async with chain.producer.edit():
        chain.ledger.set_code(address, code)


@anvil.method("setStorageAt", dev=True, aliases=("hardhat_setStorageAt",))
async def set_storage_at(chain: Chain, address: Address, slot: StorageSlot, value: Hash32) -> bool:
    """Write a word of an account's storage."""
    async with chain.producer.edit():
        chain.ledger.set_storage(address, slot, value)
    return True


@both("setCoinbase")
async def set_coinbase(chain: Chain, address: Address) -> None:
    """Name who gets the tips of the blocks to come."""
    async with chain.producer.exclusive():
        chain.producer.coinbase = address


@both("impersonateAccount")
async def impersonate_account(chain: Chain, address: Address) -> None:
    """Let `eth_sendTransaction` act as this account without its key, also when it is a contract."""
    async with chain.producer.exclusive():
        chain.accounts.impersonated.add(address)


@anvil.method("stopImpersonatingAccount", dev=True)
async def stop_impersonating_account(chain: Chain, address: Address) -> None:
    """Undo `impersonateAccount`."""
    async with chain.producer.exclusive():
        chain.accounts.impersonated.discard(address)


@hardhat.method("stopImpersonatingAccount", dev=True)
async def hardhat_stop_impersonating_account(chain: Chain, address: Address) -> bool:
    """Undo `impersonateAccount`; says whether there was anything to undo."""
    was_impersonated = address in chain.accounts.impersonated
    await stop_impersonating_account(chain, address)
    return was_impersonated


@anvil.method("autoImpersonateAccount", dev=True)
async def auto_impersonate_account(chain: Chain, enabled: bool) -> None:
    """Let `eth_sendTransaction` act as any account."""
    async with chain.producer.exclusive():
        chain.accounts.impersonates_all = enabled


@both("reset")
async def reset(chain: Chain, _forking: Any = None) -> None:
    """Go back to the first block. A fork of another chain is not offered, so its options change nothing."""
    await chain.reset()


@anvil.method("dropTransaction", dev=True)
async def drop_transaction(chain: Chain, transaction_hash: Hash32) -> Hash32 | None:
    """Take a transaction out of the pool; `null` when it is not there."""
    async with chain.producer.exclusive():
        return transaction_hash if chain.pool.drop(transaction_hash) else None


@hardhat.method("dropTransaction", dev=True)
async def hardhat_drop_transaction(chain: Chain, transaction_hash: Hash32) -> bool:
    """Take a transaction out of the pool; false when there is none."""
    if chain.ledger.transaction_json(transaction_hash) is not None:
        raise AlreadyMinedError(transaction_hash)
    return await drop_transaction(chain, transaction_hash) is not None


@anvil.method("dropAllTransactions", dev=True)
async def drop_all_transactions(chain: Chain) -> None:
    """Take all transactions out of the pool."""
    async with chain.producer.exclusive():
        chain.pool.clear()


@anvil.method("removePoolTransactions", dev=True)
async def remove_pool_transactions(chain: Chain, sender: Address) -> None:
    """Take the transactions of one sender out of the pool."""
    async with chain.producer.exclusive():
        content = msgspec.json.decode(chain.pool.content_from_json(sender), type=dict[str, dict[str, _Pooled]], dec_hook=decode_hook)
        for waiting in content.values():
            for transaction in waiting.values():
                chain.pool.drop(transaction.hash)


class _Pooled(msgspec.Struct):
    """What is read of a transaction in the pool."""

    hash: Hash32


@both("setNextBlockBaseFeePerGas")
async def set_next_block_base_fee_per_gas(chain: Chain, base_fee: Uint64) -> None:
    """Fix the next block's base fee in wei."""
    if base_fee > BASE_FEE_MAX:
        raise InvalidParametersError(f"a base fee is at most {BASE_FEE_MAX}, not {base_fee:d}")
    async with chain.producer.edit():
        chain.producer.next_block.base_fee_wei = int(base_fee)


@both("setMinGasPrice")
async def set_min_gas_price(chain: Chain, price: Uint128) -> None:
    """Refuse transactions whose tip in wei is lower: since EIP-1559 that is the part of the price which is the node's to set."""
    async with chain.producer.exclusive():
        chain.pool.minimum_tip = int(price)


@hardhat.method("setPrevRandao", dev=True)
async def set_prev_randao(chain: Chain, value: StorageSlot) -> bool:
    """Fix what PREVRANDAO gives in the next block."""
    async with chain.producer.exclusive():
        chain.producer.next_block.prev_randao = value
    return True


@anvil.method("setBlockTimestampInterval", dev=True)
async def set_block_timestamp_interval(chain: Chain, seconds: LooseNumber) -> None:
    """Make each block so much later than the one before, whatever the clock says."""
    async with chain.producer.exclusive():
        chain.producer.block_clock.set_interval(int(seconds))


@anvil.method("removeBlockTimestampInterval", dev=True)
async def remove_block_timestamp_interval(chain: Chain) -> bool:
    """Undo `anvil_setBlockTimestampInterval`; says whether there was anything to undo."""
    async with chain.producer.exclusive():
        was_set, chain.producer.block_clock.interval_s = chain.producer.block_clock.interval_s is not None, None
    return was_set


@anvil.method("getAutomine", dev=True, aliases=("hardhat_getAutomine",))
def get_automine(chain: Chain) -> bool:
    """Whether each transaction is mined when it arrives."""
    return chain.producer.automine


@anvil.method("getIntervalMining", dev=True)
def get_interval_mining(chain: Chain) -> float | int | None:
    """Seconds between two blocks that come by themselves; `null` when none do."""
    seconds = chain.producer.interval_s
    return int(seconds) if seconds is not None and seconds.is_integer() else seconds


@anvil.method("dumpState", dev=True, aliases=("hardhat_dumpState",))
async def dump(chain: Chain) -> Data:
    """The newest state of all accounts, as one file."""
    return Data(await dump_state(chain))


@anvil.method("loadState", dev=True, aliases=("hardhat_loadState",))
async def load(chain: Chain, dump: Data) -> bool:
    """Make the accounts of a dump what it says they are; all others stay."""
    await load_state(chain, dump)
    return True


@anvil.method("metadata", dev=True, aliases=("hardhat_metadata",))
def metadata(chain: Chain) -> dict[str, object]:
    """Which node and chain this is."""
    head = chain.ledger.head()
    return {
        "clientVersion": client_version(chain),
        "chainId": chain.ledger.chain_id,
        "instanceId": encode_data(chain.instance_id),
        "latestBlockNumber": head.number,
        "latestBlockHash": encode_data(head.hash),
        "forkedNetwork": None,
        "snapshots": {
            encode_quantity(snapshot_id): [snapshot.block, encode_data(block.hash)]
            for snapshot_id, snapshot in chain.snapshots.entries.items()
            if (block := chain.ledger.block(snapshot.block)) is not None
        },
    }


@anvil.method("nodeInfo", dev=True)
def node_info(chain: Chain) -> dict[str, object]:
    """How this node makes its blocks."""
    head = chain.ledger.head()
    base_fee = chain.producer.next_base_fee()
    return {
        "currentBlockNumber": encode_quantity(head.number),
        "currentBlockTimestamp": head.timestamp,
        "currentBlockHash": encode_data(head.hash),
        "network": chain.network.name,
        "hardFork": chain.settings.hardfork,
        "transactionOrder": "fees",
        "environment": {
            "baseFee": encode_quantity(base_fee),
            "chainId": chain.ledger.chain_id,
            "gasLimit": encode_quantity(chain.producer.gas_limit),
            "gasPrice": encode_quantity(base_fee + chain.pool.minimum_tip),
        },
        "forkConfig": {"forkUrl": None, "forkBlockNumber": None, "forkRetryBackoff": None},
    }
