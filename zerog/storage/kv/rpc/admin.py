"""`admin_*` of a key-value node. Source: 0gfoundation/0g-storage-kv, `node/rpc/src/admin/`."""

from functools import partial
from typing import Final

from anyio import to_thread

from zerog.primitives import Address, Data, Hash32
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.kv.keeper import Keeper
from zerog.storage.kv.registration import check_registration

__all__ = ["admin"]

admin: Final = Namespace("admin")


@admin.method("addStream", dev=True)
async def add_stream(keeper: Keeper, stream: Hash32, wallet: Address, signature: Data) -> bool:
    """Follow a stream from its first item on, also after a new start; true also where it was followed before."""
    check_registration(keeper.chain_id, wallet, stream, signature)
    await to_thread.run_sync(partial(keeper.store.add_stream, stream), limiter=keeper.slow_reads)
    await keeper.fetcher.look(0)
    keeper.replay.order()
    return True
