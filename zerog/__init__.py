"""The 0G stack as one Python package: `zerog.connect("local")` talks to a network, `zerog up` on the command line is one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zerog import errors
    from zerog.chain.client import Limits, Signer
    from zerog.sdk import AsyncNetwork, Network, connect, connect_async

__all__ = ["AsyncNetwork", "Limits", "Network", "Signer", "__version__", "connect", "connect_async", "errors"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load the client library on first use, so that the command line starts quickly."""
    from importlib import import_module

    if name in ("AsyncNetwork", "Network", "connect", "connect_async"):
        return getattr(import_module("zerog.sdk"), name)
    if name in ("Limits", "Signer"):
        return getattr(import_module("zerog.chain.client"), name)
    if name == "errors":
        return import_module("zerog.errors")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
