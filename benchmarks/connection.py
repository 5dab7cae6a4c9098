"""A JSON-RPC client that costs as little as Python allows: one blocking socket, keep-alive, requests built beforehand."""

import json
import socket
import time
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Connection", "PeerSpokeWronglyError", "RpcFailedError", "rpc_body"]

RECEIVE_BYTES = 1 << 18
POLL_S = 0.002


class PeerSpokeWronglyError(Exception):
    """The node closed the connection or answered something that is not HTTP/1.1 with a body of known length."""


class RpcFailedError(Exception):
    """The node answered a call with a JSON-RPC error."""


def rpc_body(method: str, *params: object, request_id: int = 1) -> bytes:
    """One JSON-RPC call as bytes."""
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}, separators=(",", ":")).encode()


@dataclass(slots=True)
class Connection:
    """One connection to a node. `send` takes what `prepare` made, so that a measured loop builds nothing."""

    url: str
    timeout_s: float = 30.0
    _socket: socket.socket = field(init=False)
    _head: bytes = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        self._socket = socket.create_connection((host, port), timeout=self.timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: ".encode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def prepare(self, body: bytes) -> bytes:
        """The whole HTTP request that carries `body`."""
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)

    def send(self, request: bytes) -> bytes:
        """Send a prepared request and return the body of the answer."""
        self._socket.sendall(request)
        received = self._socket.recv(RECEIVE_BYTES)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        length = content_length(received[:end])
        if length is None:
            return self._chunks(received[end + 4 :])
        wanted = end + 4 + length
        if len(received) < wanted:
            chunks = [received]
            missing = wanted - len(received)
            while missing > 0:
                chunks.append(self._more())
                missing -= len(chunks[-1])
            received = b"".join(chunks)
        return received[end + 4 :]

    def call(self, method: str, *params: object) -> object:
        """Make one call and return its result. Raises `RpcFailedError`."""
        answer = json.loads(self.send(self.prepare(rpc_body(method, *params))))
        if "error" in answer:
            raise RpcFailedError(f"{method}: {answer['error']}")
        return answer["result"]

    def call_many(self, calls: list[tuple[str, list[object]]]) -> list[object]:
        """Make calls in one batch and return their results in order. Raises `RpcFailedError`."""
        body = json.dumps(
            [{"jsonrpc": "2.0", "id": index, "method": method, "params": params} for index, (method, params) in enumerate(calls)]
        )
        answers = sorted(json.loads(self.send(self.prepare(body.encode()))), key=lambda answer: int(answer["id"]))
        failures = [answer["error"] for answer in answers if "error" in answer]
        if failures or len(answers) != len(calls):
            raise RpcFailedError(f"{len(failures)} of {len(calls)} failed, {len(answers)} answered: {failures[:1]}")
        return [answer["result"] for answer in answers]

    def wait_for_receipt(self, transaction_hash: str) -> dict[str, object]:
        """The receipt of a transaction that succeeded. Raises `RpcFailedError` when it failed or is in no block for long."""
        deadline = time.perf_counter() + self.timeout_s
        while time.perf_counter() < deadline:
            receipt = self.call("eth_getTransactionReceipt", transaction_hash)
            if isinstance(receipt, dict):
                if receipt["status"] != "0x1":
                    raise RpcFailedError(f"{transaction_hash} failed: {receipt}")
                return receipt
            time.sleep(POLL_S)  # noqa: TID251 - a foreign node tells nobody when it has made a block.
        raise RpcFailedError(f"{transaction_hash} is in no block after {self.timeout_s} s")

    def _chunks(self, received: bytes) -> bytes:
        """A body that comes in chunks (RFC 9112, 7.1), as Hardhat sends it."""
        body = b""
        while True:
            while (end := received.find(b"\r\n")) < 0:
                received += self._more()
            size, received = int(received[:end].split(b";")[0], 16), received[end + 2 :]
            while len(received) < size + 2:
                received += self._more()
            body, received = body + received[:size], received[size + 2 :]
            if size == 0:
                return body

    def _more(self) -> bytes:
        chunk = self._socket.recv(RECEIVE_BYTES)
        if not chunk:
            raise PeerSpokeWronglyError(f"{self.url} closed the connection")
        return chunk


def content_length(head: bytes) -> int | None:
    """Length of the body that an HTTP head announces; `None` when it comes in chunks."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
        if name.lower() == b"transfer-encoding" and value.strip() == b"chunked":
            return None
    raise PeerSpokeWronglyError(f"neither a length nor chunks in {head[:200]!r}")
