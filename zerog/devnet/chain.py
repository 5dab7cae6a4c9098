"""The chain node as a local network has it: its state lies in the network's folder."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from anyio import to_thread

from zerog.chain.client import AsyncChainClient
from zerog.chain.client.patience import patiently
from zerog.chain.node.follow import fetch_genesis
from zerog.chain.node.foreign import foreign_genesis, foreign_network, keep_genesis, served
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.devnet.folder import NetworkFolder
from zerog.networks import own_network

__all__ = ["make_chain_node", "make_follower"]


def make_chain_node(settings: ChainNodeSettings, state_folder: Path, *, ephemeral: bool) -> ChainNode:
    """A node that keeps its state in `state_folder`/chain unless the settings name another folder; in memory if `ephemeral`.

    Where that folder holds a chain of others, the node serves it. It may also follow another node's.

    Raises `GenesisFileError`, `LeaderMismatchError`, `NodeUnreachableError`.
    """
    if ephemeral:
        settings = replace(settings, data_dir=None)
    elif settings.data_dir is None:
        settings = replace(settings, data_dir=state_folder / "chain")
    supervisor = NetworkFolder(state_folder).control("supervisor")
    genesis = foreign_genesis(settings.data_dir)
    if genesis is None and settings.follow is not None:
        genesis = fetch_genesis(settings.follow)
        keep_genesis(settings.data_dir, genesis)
    if genesis is not None:
        return ChainNode(served(settings), foreign_network(genesis), others=genesis, supervisor=supervisor)
    return ChainNode(settings, own_network(settings.like, settings.rules, chain_id=settings.chain_id), supervisor=supervisor)


async def make_follower(settings: ChainNodeSettings, state_folder: Path, *, ephemeral: bool) -> ChainNode:
    """The same for a node that follows `settings.follow`: where it has nothing of that chain yet, it waits until that node answers."""
    folder = None if ephemeral else settings.data_dir or state_folder / "chain"
    if settings.follow is not None and foreign_genesis(folder) is None:
        async with AsyncChainClient(settings.follow) as leader:
            await patiently(leader.chain_id)
    return await to_thread.run_sync(partial(make_chain_node, settings, state_folder, ephemeral=ephemeral))
