"""The server of alternative DA that OP Stack chains talk to: `POST /put`, `POST /put/0x…`, `GET /get/0x…`.

Commitments are answered as raw bytes, as the clients read them; the specification's text says hex. Sources: ethereum-optimism/specs,
specs/experimental/alt-da.md; ethereum-optimism/optimism, op-alt-da/daclient.go.
"""

from typing import Final

import msgspec

from zerog.da.gateway.errors import PayloadTooLargeError
from zerog.da.gateway.payloads import Payloads
from zerog.da.protocol.commitments import Commitment, CommitmentBrokenError, CommitmentUnknownError, KeccakCommitment, decode_commitment
from zerog.primitives import decode_data
from zerog.runtime.http.asgi import JSON, Receive, Scope, Send, hold_memory, read_body, respond
from zerog.runtime.http.errors import BodyTooLargeError, MethodNotAllowedError, PathNotFoundError

__all__ = ["BYTES_HEADERS", "GET_PATH", "PUT_PATH", "AltDaRoutes"]

PUT_PATH: Final = "/put"
GET_PATH: Final = "/get"
DROP: Final = 418
"""On `get`: this commitment can never be resolved, so derive as if it were not there."""
DROP_UNREADABLE: Final = 1
"""Why, as clients know it: the commitment cannot be read. Source: Layr-Labs/eigenda, api/proxy (statuses 1 to 4)."""
BYTES_HEADERS: Final = (
    (b"content-type", b"application/octet-stream"),
    (b"content-disposition", b"attachment"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
)
"""What users stored is never run by a browser."""


class AltDaRoutes:
    """Applications for both paths."""

    def __init__(self, payloads: Payloads) -> None:
        self._payloads: Final = payloads

    async def answer_put(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/put` and `/put/` answer with the commitment; `/put/0x…` names it, and answers nothing."""
        if scope["method"] != "POST":
            raise MethodNotAllowedError(scope["method"], "POST")
        named = str(scope["path"]).removeprefix(PUT_PATH).removeprefix("/")
        commitment = None if not named else _named(named)
        try:
            payload = bytes(await read_body(receive, self._payloads.bytes_max))  # A large one is read in place, into bytes that can change.
        except BodyTooLargeError:
            raise PayloadTooLargeError(_announced(scope), self._payloads.bytes_max) from None
        if commitment is None:
            stored = await self._payloads.put(payload)
            await respond(send, 200, stored.encode(), *BYTES_HEADERS)
            return
        if not isinstance(commitment, KeccakCommitment):
            raise CommitmentUnknownError("a payload is put under a Keccak-256 commitment, or under none")
        await self._payloads.put_as(commitment, payload)
        await respond(send, 200, b"", *BYTES_HEADERS)

    async def answer_get(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """The payload. What can be no commitment of ours is to be dropped (418); what is unknown may be challenged (404)."""
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowedError(scope["method"], "GET, HEAD")
        named = str(scope["path"]).removeprefix(GET_PATH).removeprefix("/")
        if not named:
            raise PathNotFoundError(scope["path"])
        try:
            commitment = _named(named)
        except CommitmentBrokenError as error:
            await respond(send, DROP, msgspec.json.encode({"StatusCode": DROP_UNREADABLE, "Msg": str(error)}), JSON)
            return
        payload = await self._payloads.get(commitment)
        await hold_memory(scope, len(payload))
        await respond(send, 200, payload, *BYTES_HEADERS)


def _named(text: str) -> Commitment:
    """The commitment in a path. Raises `CommitmentUnknownError`, `CommitmentBrokenError`."""
    try:
        data = decode_data(text)
    except ValueError as error:
        raise CommitmentUnknownError(f"a commitment in a path is 0x and hex digits: {error}") from None
    return decode_commitment(data)


def _announced(scope: Scope) -> int:
    """How long the body says that it is; 0 where it does not say."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length" and value.isdigit()), 0)
