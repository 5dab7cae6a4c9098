"""JSON-RPC on a WebSocket: bodies are answered one after the other, pushes come in between."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import anyio

from zerog.runtime.jsonrpc.connection import Connection, ConnectionLimits
from zerog.runtime.jsonrpc.dispatcher import Caller, Dispatcher

__all__ = ["serve_websocket"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

UNSENT_MESSAGES_MAX: Final = 64
"""With more than this on the way to a client, its next request waits."""


async def serve_websocket(dispatcher: Dispatcher, receive: Receive, send: Send, *, may_use_dev: bool, limits: ConnectionLimits) -> None:
    """Accept the connection and serve it until either side closes; then end its subscriptions."""
    await receive()  # The connect event.
    await send({"type": "websocket.accept"})
    connection = Connection(limits)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_write, connection, send, tasks.cancel_scope, name="jsonrpc.websocket_writer")
            await _read(connection, receive, dispatcher, Caller(may_use_dev=may_use_dev, connection=connection))
            tasks.cancel_scope.cancel()
    finally:
        connection.end()


async def _read(connection: Connection, receive: Receive, dispatcher: Dispatcher, caller: Caller) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        answer = dispatcher.answer(text.encode() if text is not None else message["bytes"], caller)
        connection.put_answer(answer if isinstance(answer, bytes) else await answer)
        await connection.drained(UNSENT_MESSAGES_MAX)


async def _write(connection: Connection, send: Send, scope: anyio.CancelScope) -> None:
    try:
        while (message := await connection.next_message()) is not None:
            await send({"type": "websocket.send", "text": message.decode()})
        await send({"type": "websocket.close", "code": connection.close_code, "reason": connection.close_reason})
    except OSError:
        scope.cancel()  # ASGI's way to say that the client has gone.
