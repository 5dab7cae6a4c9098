"""The HTTP side of a role whose own surface is gRPC: `/healthz`, `/readyz`, `/metrics`, and lists of what it holds."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from zerog.primitives.errors import RefusalError
from zerog.runtime.http.asgi import JSON, Receive, Scope, Send, refuse, respond
from zerog.runtime.http.errors import MethodNotAllowedError
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.pages import RolePages
from zerog.runtime.report import report_of
from zerog.runtime.server import serve

__all__ = ["Listing", "PageMissingError", "SidePages", "serve_side_pages"]

Listing = Callable[[Mapping[str, str]], Awaitable[object]]
"""From the query of a request to what msgspec writes as JSON. Raises `RefusalError`s."""


class PageMissingError(RefusalError):
    """No page has this path."""

    code = "page_missing"
    remedy = "ask for /healthz, /readyz, /metrics, or a list that the documentation of the role names"
    http_status = 404

    def __str__(self) -> str:
        return "there is no such page"


class SidePages:
    """An ASGI application."""

    def __init__(self, guard: Guard, pages: RolePages, listings: Mapping[str, Listing] | None = None) -> None:
        """`listings` by their paths, such as `/blobs`."""
        self._guard: Final = guard
        self._pages: Final = pages
        self._listings: Final = dict(listings or {})

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await refuse(send, PageMissingError(), kind="websocket.http.response")
            return
        verdict = self._guard.verdict(scope["headers"])
        try:
            if verdict.refusal is not None:
                raise verdict.refusal
            status, body, kind = await self._answer(scope)
        except RefusalError as error:
            await refuse(send, error, *verdict.cors_headers, body=msgspec.json.encode({"error": report_of(error)}))
            return
        await respond(send, status, b"" if scope["method"] == "HEAD" else body, (b"content-type", kind), *verdict.cors_headers)

    async def _answer(self, scope: Scope) -> tuple[int, bytes, bytes]:
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowedError(scope["method"], "GET, HEAD")
        page = await self._pages.page(scope["path"])
        if page is not None:
            return page.status, page.body, page.content_type
        listing = self._listings.get(scope["path"])
        if listing is None:
            raise PageMissingError
        found = await listing(dict(parse_qsl(scope["query_string"].decode("latin-1"))))
        return 200, msgspec.json.encode(found), JSON[1]


async def serve_side_pages(
    pages: RolePages,
    access: AccessRules,
    port: int,
    listings: Mapping[str, Listing] | None = None,
    *,
    task_status: TaskStatus[str] = TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, where `access` binds. Reports the URL; port 0 lets the system choose. Raises `PortInUseError`."""
    await serve(SidePages(Guard(access), pages, listings), access.bind_host, port, task_status=task_status)
