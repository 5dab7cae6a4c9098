"""The chain node as a local network has it: its state lies in the network's folder."""

from dataclasses import replace
from pathlib import Path

from zerog.chain.node.follow import fetch_genesis
from zerog.chain.node.foreign import foreign_genesis, foreign_network, keep_genesis, served
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import own_network

__all__ = ["make_chain_node"]


def make_chain_node(settings: ChainNodeSettings, state_folder: Path, *, ephemeral: bool) -> ChainNode:
    """A node that keeps its state in `state_folder`/chain unless the settings name another folder; in memory if `ephemeral`.

    Where that folder holds a chain of others, the node serves it. It may also follow another node's.

    Raises `GenesisFileError`, `LeaderMismatchError`, `NodeUnreachableError`.
    """
    if ephemeral:
        settings = replace(settings, data_dir=None)
    elif settings.data_dir is None:
        settings = replace(settings, data_dir=state_folder / "chain")
    genesis = foreign_genesis(settings.data_dir)
    if genesis is None and settings.follow is not None:
        genesis = fetch_genesis(settings.follow)
        keep_genesis(settings.data_dir, genesis)
    if genesis is not None:
        return ChainNode(served(settings), foreign_network(genesis), others=genesis)
    return ChainNode(settings, own_network(settings.like, settings.rules, chain_id=settings.chain_id))
