"""`/node` on the wire: JSON-RPC at every path below it, and the binary routes. One full node gets requests as they are, byte for byte."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs

import msgspec

from zerog.primitives import Hash32
from zerog.primitives.errors import RefusalError
from zerog.runtime.http.asgi import JSON, Receive, Scope, Send, read_body, respond
from zerog.runtime.http.errors import MethodNotAllowedError
from zerog.runtime.jsonrpc import ANYBODY, Dispatcher
from zerog.storage.client.errors import PeerError, PeerUnreachableError
from zerog.storage.indexer.errors import NoNodeError
from zerog.storage.indexer.nodes import Node
from zerog.storage.indexer.router.bulk import BulkFormError, BulkRoutes
from zerog.storage.indexer.router.methods import zgs
from zerog.storage.indexer.router.router import Router
from zerog.storage.indexer.upstream import Answer

__all__ = ["NODE_PATH", "RouterApplication"]

NODE_PATH: Final = "/node"
SEGMENTS_PATH: Final = f"{NODE_PATH}/segments"
MESSAGE_PACK: Final = "application/msgpack"
BULK_BODY_BYTES_MAX: Final = 16 << 20
FORWARD_S: Final = 120.0
UNDERSCORES_MAX: Final = 1_000
"""In a body that is passed on without a closer look: one for each call of a batch."""
OWN_METHODS: Final = b"zgs"
"""What stands before the underscore in the name of a method that the router has."""

Forward = Callable[[Node], Awaitable[Answer]]


class RouterApplication:
    """An ASGI application below `/node`; what it raises is answered by whoever mounts it."""

    def __init__(self, router: Router, *, body_bytes_max: int) -> None:
        self._router: Final = router
        self._body_bytes_max: Final = body_bytes_max
        self._bulk: Final = BulkRoutes(router.directory, router.finder, router.reader)
        self.dispatcher: Final = Dispatcher(router, [zgs])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if path == SEGMENTS_PATH and method == "POST":
            await self._take_segments(await read_body(receive, BULK_BODY_BYTES_MAX), send)
        elif path.startswith(f"{SEGMENTS_PATH}/") and method in ("GET", "HEAD"):
            await self._give_segments(path.removeprefix(f"{SEGMENTS_PATH}/"), scope["query_string"].decode("latin-1"), send)
        elif method == "POST":
            await self._answer_calls(await read_body(receive, self._body_bytes_max), send)
        else:
            raise MethodNotAllowedError(method, "POST, OPTIONS")

    async def _answer_calls(self, body: bytes, send: Send) -> None:
        node = self._router.directory.sole()
        if node is None or _may_call_others(body):
            answer = self.dispatcher.answer(body, ANYBODY)
            await respond(send, 200, answer if isinstance(answer, bytes) else await answer, JSON)
            return
        try:
            reply = await node.upstream.post("/", [body], limit_s=FORWARD_S)
        except PeerError as error:
            # As JSON-RPC with status 200, which official clients read; any other status makes them try again and again.
            _note(node, error)
            await respond(send, 200, _refusal(NoNodeError("this call")), JSON)
        else:
            await respond(send, reply.status, reply.body, (b"content-type", reply.content_type))

    async def _take_segments(self, body: bytes, send: Send) -> None:
        node = self._router.directory.sole()
        if node is None:
            outcomes = await self._bulk.upload(body)
            await respond(send, 200, msgspec.json.encode(outcomes), JSON)
            return
        await self._forward(node, lambda node: node.upstream.post("/segments", [body], content_type=MESSAGE_PACK, limit_s=FORWARD_S), send)

    async def _give_segments(self, name: str, query: str, send: Send) -> None:
        node = self._router.directory.sole()
        if node is not None:
            await self._forward(node, lambda node: node.upstream.get(f"/segments/{name}?{query}"), send)
            return
        try:
            root = Hash32.from_json(name)
            asked = parse_qs(query, max_num_fields=8)
            first, count = int(asked.get("first", ["0"])[0]), int(asked.get("count", ["1"])[0])
        except ValueError as error:
            raise BulkFormError(str(error)) from None
        body = await self._bulk.download(root, first, count)
        await respond(send, 200, body, (b"content-type", MESSAGE_PACK.encode()))

    async def _forward(self, node: Node, ask: Forward, send: Send) -> None:
        try:
            reply = await ask(node)
        except PeerError as error:
            _note(node, error)
            raise NoNodeError("segments") from error
        await respond(send, reply.status, reply.body, (b"content-type", reply.content_type))


def _may_call_others(body: bytes) -> bool:
    """Whether a body may call other methods than `zgs_*`, which a node may have for this machine alone, and the router for nobody.

    Data in base64 has neither of the two bytes that are looked for, and clients have no reason to escape the name of a method.
    """
    if b"\\" in body:
        return True
    place = body.find(b"_")
    for _ in range(UNDERSCORES_MAX):
        if place < 0:
            return False
        if not body.endswith(OWN_METHODS, 0, place):
            return True
        place = body.find(b"_", place + 1)
    return True


def _note(node: Node, error: PeerError) -> None:
    if isinstance(error, PeerUnreachableError):
        node.gone(error)


def _refusal(error: RefusalError) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": None, "error": {"code": error.rpc_code, "message": str(error)}})
