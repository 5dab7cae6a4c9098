"""How a request over HTTP fails, seen from its client. The engine, which knows its name, makes words for users of it.

ExchangeError
├── ConnectError         no connection: the server has seen nothing of the request
├── LateError            nothing came in time
└── BrokenExchangeError  the connection ended, or what came is no HTTP that can be used
"""

from dataclasses import dataclass

__all__ = ["BrokenExchangeError", "ConnectError", "ExchangeError", "LateError"]


@dataclass(eq=False)
class ExchangeError(Exception):
    """A request without its whole answer."""

    cause: str

    def __str__(self) -> str:
        return self.cause


class ConnectError(ExchangeError):
    """No connection: the server has seen nothing of the request, which may be sent again."""


class LateError(ExchangeError):
    """Nothing came in time; whether the server works on it, nobody knows."""


class BrokenExchangeError(ExchangeError):
    """The connection ended too early, or what came cannot be used."""
