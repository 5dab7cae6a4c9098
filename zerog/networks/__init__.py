"""The networks that zerog knows, one TOML file each."""

from zerog.networks.parameters import GenesisParams, NetworkParams, UnknownNetworkError, load, names

__all__ = ["GenesisParams", "NetworkParams", "UnknownNetworkError", "load", "names"]
