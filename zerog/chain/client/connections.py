"""What the clients' connections have in common."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

__all__ = ["JSON", "trust_of"]

JSON: Final = {"content-type": "application/json"}
"""Headers of every request."""


def trust_of(url: str) -> "ssl.SSLContext | bool":
    """Whose certificates count for connections to `url`: those of the system for https.

    For http nobody's do. To load the system's takes 20 to 40 ms for each client, and most clients talk to a node on this machine.
    """
    import ssl

    return True if url.startswith("https://") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
