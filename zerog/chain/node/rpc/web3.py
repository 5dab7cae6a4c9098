"""`web3_*`: who we are, and a hash."""

import platform
import sys

from zerog import __version__
from zerog._kernel import keccak256
from zerog.chain.node.chain import Chain
from zerog.primitives import Data
from zerog.runtime.jsonrpc import Namespace

__all__ = ["client_version", "web3"]

web3 = Namespace("web3")

DEV_NAME = "anvil/v1.7.1-compatible"
"""hardhat-network-helpers works only with nodes whose version begins with anvil, hardhatnetwork or zksync."""


def client_version(chain: Chain) -> str:
    """Name, version, system and language. A node with developer methods begins with the name that tools look for; a local copy
    of a public network ends with the name of the copy."""
    own = f"zerog/v{__version__}/{sys.platform}-{platform.machine()}/python{platform.python_version()}"
    name = f"{DEV_NAME} {own}" if chain.has_dev_methods else own
    return f"{name} {chain.network.name}" if chain.network.is_clone else name


@web3.method("clientVersion")
def web3_client_version(chain: Chain) -> str:
    """Name and version of this node."""
    return client_version(chain)


@web3.method("sha3")
def web3_sha3(_chain: Chain, data: Data) -> Data:
    """Keccak-256."""
    return Data(keccak256(data))
