"""The providers that a client talks to: one connection to each, and the evidence that each has shown."""

import threading
from typing import Final

from zerog.compute.client.connection import ProviderConnection
from zerog.compute.client.market import Market
from zerog.compute.client.sealing import shown_evidence
from zerog.contracts.compute import InferenceService
from zerog.primitives import Address

__all__ = ["Providers"]


class Providers:
    """For any number of threads. To be closed."""

    def __init__(self, market: Market) -> None:
        self._market: Final = market
        self._lock: Final = threading.Lock()
        self._connections: dict[str, ProviderConnection] = {}
        self._evidence: Final[dict[tuple[str, Address], bytes | None]] = {}

    def of(self, service: InferenceService) -> ProviderConnection:
        """The connection to whoever offers a service."""
        return self.at(service.params.url)

    def at(self, url: str) -> ProviderConnection:
        """The connection to a URL."""
        with self._lock:
            connection = self._connections.get(url)
            if connection is None:
                connection = self._connections[url] = ProviderConnection(url, self._market.chain.url, self._market.chain_id)
            return connection

    def evidence(self, service: InferenceService) -> bytes | None:
        """What its enclave shows of the signer that stands on chain; asked for once. `None` where it shows nothing."""
        connection, signer = self.of(service), service.params.signer
        known = (connection.url, signer)
        with self._lock:
            if known in self._evidence:
                return self._evidence[known]
        evidence = shown_evidence(connection, signer)
        with self._lock:
            self._evidence[known] = evidence
        return evidence

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            connections, self._connections = self._connections, {}
        for connection in connections.values():
            connection.close()
