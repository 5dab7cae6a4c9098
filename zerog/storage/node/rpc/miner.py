"""`miner_*`, on a node that mines. The `get` methods and `withdraw` are ours.

Source: 0gfoundation/0g-storage-node, `node/rpc/src/miner/api.rs`.
"""

from anyio import to_thread

from zerog.runtime.jsonrpc import Namespace
from zerog.storage.node.keeper import Keeper
from zerog.storage.node.mining import Miner, NotMiningError, prospect
from zerog.storage.wire.mining import MinerForecast, MinerRewards, MinerStatus, MinerWithdrawal
from zerog.storage.wire.parameters import Number

__all__ = ["miner"]

miner = Namespace("miner")


@miner.method("start", dev=True)
def start(keeper: Keeper) -> bool:
    """Mine."""
    _miner(keeper).start()
    return True


@miner.method("stop", dev=True)
def stop(keeper: Keeper) -> bool:
    """Mine no more; what is sealed stays."""
    _miner(keeper).stop()
    return True


@miner.method("setStartPosition", dev=True)
def set_start_position(keeper: Keeper, position: Number) -> bool:
    """Search from a sector of the flow on, rounded down to a pricing chunk."""
    _miner(keeper).set_start(position)
    return True


@miner.method("getStatus", dev=True)
def get_status(keeper: Keeper) -> MinerStatus:
    """What the miner does and did."""
    return _miner(keeper).status()


@miner.method("getRewards", dev=True)
async def get_rewards(keeper: Keeper) -> MinerRewards:
    """What was earned in all, what can be withdrawn, and what the account holds, in wei."""
    found = _miner(keeper)
    miner_id = await to_thread.run_sync(lambda: found.identity.known)
    return MinerRewards(
        miner_id=miner_id,
        account=found.settings.account.address,
        earned_wei=str(0 if miner_id is None else await found.contract.earned_wei(miner_id)),
        withdrawable_wei=str(await found.contract.withdrawable_wei()),
        balance_wei=str(await found.contract.balance_wei()),
    )


@miner.method("withdraw", dev=True)
async def withdraw(keeper: Keeper) -> MinerWithdrawal:
    """Have what was earned paid out to the account."""
    found = _miner(keeper)
    amount_wei = await found.contract.withdrawable_wei()
    if not amount_wei:
        return MinerWithdrawal(withdrawn_wei="0")
    receipt = await found.withdraw()
    return MinerWithdrawal(withdrawn_wei=str(amount_wei if receipt.succeeded else 0), transaction_hash=receipt.transaction_hash)


@miner.method("getForecast", dev=True)
async def get_forecast(keeper: Keeper) -> MinerForecast:
    """What may be expected, if everything stays as it is."""
    return await prospect(_miner(keeper))


def _miner(keeper: Keeper) -> Miner:
    """Raises `NotMiningError`."""
    if keeper.miner is None:
        raise NotMiningError
    return keeper.miner
