"""Runs an ASGI application on a port, inside an anyio task: uvicorn with our connections, limits and way to stop."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, cast

import anyio.lowlevel
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from uvicorn.server import Server

from zerog.runtime.http.config import ServerConfig
from zerog.runtime.http.front import FrontDoor, OpenFront
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.protocol import HttpProtocol, new_connection
from zerog.runtime.http.watch import Sweeper
from zerog.runtime.http.websocket import WebSocketProtocol
from zerog.runtime.ports import listen, local_url

__all__ = ["let_connections_come_and_go", "serve", "stop_accepting"]

STOP_POLL_S: Final = 0.005
ACCEPT_TURNS: Final = 4
"""Turns of the event loop from accepting a connection until the server knows of it: whoever came last is closed like the others."""
OTHER_FILES: Final = 64
"""Descriptors that a role needs for anything but connections."""


async def serve(
    app: Any,
    host: str,
    port: int,
    *,
    limits: HttpLimits | None = None,
    grace_s: float = 5.0,
    open_front: OpenFront | None = None,
    task_status: TaskStatus[str] = TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, then finish what is under way within `grace_s`. Reports the URL (`http://…`, no slash) once it answers.

    With `open_front` somebody else accepts connections, and those that it does not want are served here. Port 0 lets the system
    choose. Raises `PortInUseError`.
    """
    limits = limits or HttpLimits()
    limits = replace(limits, connections_max=_affordable(limits.connections_max))
    listener = listen(host, port)
    config = _config(app, limits)
    server = Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[] if open_front else [listener])
    try:
        async with anyio.create_task_group() as tasks:
            if open_front:
                await tasks.start(FrontDoor(server, config, listener, open_front).run, name="http.front")
            tasks.start_soon(Sweeper(server.server_state, limits).run, name="http.sweeper")
            task_status.started(local_url(host, listener.getsockname()[1]))
    finally:
        if open_front:
            listener.close()
        with anyio.CancelScope(shield=True):
            await _stop(server, grace_s)


def _affordable(connections_max: int) -> int:
    """So many connections as this process may have files open, and some to spare; its own limit is raised as far as it may do that itself.

    A server that runs out of descriptors can accept nobody, not even to say so. Go's runtime raises the limit too.
    """
    if sys.platform == "win32":
        return connections_max
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections_max + connections_max // 2 + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections_max
    return max(1, (soft - OTHER_FILES) * 2 // 3)


def _config(app: Any, limits: HttpLimits) -> ServerConfig:
    """No part of uvicorn that costs time in each request and that nobody reads: access log, date, server name, proxy headers."""
    return ServerConfig(
        app,
        limits=limits,
        http=new_connection,
        ws=WebSocketProtocol,
        ws_max_size=limits.body_bytes_max,
        ws_ping_interval=limits.ping_s,
        ws_ping_timeout=limits.pong_s,
        ws_per_message_deflate=False,
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )


async def stop_accepting(servers: Sequence[asyncio.Server]) -> None:
    """Close servers once they know of every connection that was accepted.

    A server of asyncio that closes between accepting a connection and making its transport leaves that one open for good, since the
    transport refuses a server that is closed. So it accepts nobody first. Those who wait to be accepted are reset when it closes.
    """
    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.SelectorEventLoop):  # uvloop accepts in another way, without that gap.
        for listener in (listener for server in servers for listener in server.sockets):
            loop.remove_reader(listener.fileno())
        await let_connections_come_and_go()
    for server in servers:
        server.close()
    await let_connections_come_and_go()


async def let_connections_come_and_go() -> None:
    """Wait until connections that are just being accepted are known, and such as were just cut are gone."""
    for _ in range(ACCEPT_TURNS):
        await anyio.lowlevel.checkpoint()


async def _stop(server: Server, grace_s: float) -> None:
    """Take no new connection, let requests finish, close WebSockets with 1012, and cut what is left after `grace_s`."""
    state = server.server_state
    await stop_accepting(server.servers)
    for connection in list(state.connections):
        connection.shutdown()
    with anyio.move_on_after(grace_s):
        while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn's sets have no event to wait for.
            await anyio.sleep(STOP_POLL_S)
    for left in list(state.connections):
        cast("HttpProtocol | WebSocketProtocol", left).give_up()
    for task in list(state.tasks):
        task.cancel("the server stops")
    await let_connections_come_and_go()  # What was written last goes out, too.
