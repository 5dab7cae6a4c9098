"""Which chain and which flow a role's data belongs to: asked once, kept beside the data, and held against the chain at each start."""

from pathlib import Path
from typing import Final

import msgspec
import structlog

from zerog import networks
from zerog.chain.client import AnswerError, AsyncChainClient, NodeUnreachableError, RpcError
from zerog.chain.client.patience import patiently
from zerog.primitives import Address, decode_hook
from zerog.runtime.files import make_private_folder, write_atomically
from zerog.storage.following.errors import FlowUnknownError, ForeignChainError

__all__ = ["Identity", "identify"]

IDENTITY_FILE: Final = "identity.json"

log = structlog.get_logger(__name__)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What data belongs to."""

    chain_id: int
    flow: Address

    def __str__(self) -> str:
        return f"chain {self.chain_id} with the flow {self.flow}"


async def identify(client: AsyncChainClient, *, data_dir: Path | None, flow: Address | None) -> Identity:
    """Chain and flow of a role whose data is in `data_dir`. One that has been started before does without the chain until that answers.

    `flow` is the contract that somebody named; by default it is that of the network that the chain is of.

    Raises `NodeUnreachableError` when a first start finds no chain, `FlowUnknownError`, `ForeignChainError` when the data is of another.
    """
    path = None if data_dir is None else data_dir / IDENTITY_FILE
    kept = _read(path)
    chain_id = await _chain_id(client, patient=kept is None)
    if chain_id is None and kept is not None:
        return kept
    found = Identity(chain_id=chain_id or 0, flow=flow or await _known_flow(client, chain_id or 0))
    if kept is not None and kept != found:
        raise ForeignChainError(str(kept), str(found))
    if path is not None and kept is None:
        make_private_folder(path.parent)
        write_atomically(path, msgspec.json.encode(found, enc_hook=str) + b"\n")
    return found


async def _chain_id(client: AsyncChainClient, *, patient: bool) -> int | None:
    """The chain's id; `None` if it does not answer and need not."""
    if patient:
        return int(await patiently(client.chain_id))
    try:
        return int(await client.chain_id())
    except (NodeUnreachableError, AnswerError, RpcError) as error:
        log.warning("chain_unreachable_at_start", cause=str(error))
        return None


async def _known_flow(client: AsyncChainClient, chain_id: int) -> Address:
    """The flow of the network that we know by its chain id, or of `local`, which may have any other. Raises `FlowUnknownError`."""
    for name in networks.names():
        network = networks.load(name)
        if network.chain_id == chain_id and "flow" in network.addresses:
            return network.addresses["flow"]
    flow = networks.load("local").addresses["flow"]  # No other chain has a contract there, since nobody has its key.
    if await client.code(flow):
        return flow
    raise FlowUnknownError(chain_id)


def _read(path: Path | None) -> Identity | None:
    if path is None or not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=Identity, dec_hook=decode_hook)
