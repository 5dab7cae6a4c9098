"""httpx, the library of our HTTP clients, without its command line: that would load click, rich and pygments, in a tenth of a second."""

import sys
from typing import Final

__all__ = ["httpx"]

COMMAND_LINE: Final = "httpx._main"

if "httpx" not in sys.modules:
    # For httpx, its command line is not installed then. Source: encode/httpx, httpx/__init__.py.
    sys.modules[COMMAND_LINE] = None  # type: ignore[assignment]
    try:
        import httpx
    finally:
        del sys.modules[COMMAND_LINE]
else:
    import httpx
