"""The 0G stack as one Python package: `zerog.connect("local")` talks to a network, `zerog up` on the command line is one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zerog.sdk import connect, connect_async

__all__ = ["__version__", "connect", "connect_async"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load the client library on first use, so that the command line starts quickly."""
    if name in ("connect", "connect_async"):
        from zerog import sdk

        return getattr(sdk, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
