"""A refusal before any method is reached, as an HTTP answer: status, cause and remedy, in the form that JSON-RPC clients can read."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from zerog.primitives.errors import RefusalError

__all__ = ["end_sending", "raw_response", "refusal_body"]


def refusal_body(error: RefusalError) -> bytes:
    """A JSON-RPC error without an id, for the request was not looked into."""
    message = f"{error}; {error.remedy}" if error.remedy else str(error)
    return msgspec.json.encode({"jsonrpc": "2.0", "id": None, "error": {"code": error.rpc_code, "message": message}})


def raw_response(error: RefusalError, write_body: Callable[[RefusalError], bytes] | None = None) -> bytes:
    """A complete HTTP/1.1 response that also ends the connection; `write_body` gives its JSON in another form than JSON-RPC's."""
    body = (write_body or refusal_body)(error)
    status = HTTPStatus(error.http_status)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def end_sending(transport: asyncio.Transport) -> None:
    """Say that nothing more comes. A client that has reset the connection cannot be told; its connection is cut."""
    if not transport.can_write_eof():
        return
    try:
        transport.write_eof()
    except OSError:
        transport.abort()
