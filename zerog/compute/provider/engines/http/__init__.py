"""A client of HTTP/1.1 for servers of models: many requests, and streams of small events, at little cost.

Why not one of the usual clients: see decision 23.
"""

from zerog.compute.provider.engines.http.client import HttpClient
from zerog.compute.provider.engines.http.connection import ClientConnection, HttpRules
from zerog.compute.provider.engines.http.errors import BrokenExchangeError, ConnectError, ExchangeError, LateError

__all__ = ["BrokenExchangeError", "ClientConnection", "ConnectError", "ExchangeError", "HttpClient", "HttpRules", "LateError"]
