"""The provider's ASGI application: the guard, the pages of every role, and the way from a path to what answers it.

It stands on bare ASGI, because routing and request objects would cost more than the rest of a small chat.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from zerog.compute.protocol.constants import BODY_BYTES_MAX
from zerog.compute.provider.asked import PAID_PATHS, PaidPath
from zerog.compute.provider.desk import Desk
from zerog.compute.provider.errors import EndpointNotSupportedError, RouteNotOfferedError
from zerog.compute.provider.jobs import JobRoutes
from zerog.compute.provider.routes.direct import DIRECT_PATHS, DIRECT_SCOPE, Collected, is_direct
from zerog.compute.provider.routes.exchange import Exchange, error_body, preflight_headers
from zerog.compute.provider.routes.free import FreeRoutes
from zerog.compute.provider.routes.paid import PaidRoutes
from zerog.compute.provider.routes.pictures import PictureRoutes, picture_at
from zerog.primitives.errors import RefusalError
from zerog.runtime.http.asgi import Receive, Scope, Send, refuse, respond
from zerog.runtime.http.config import DirectAnswers
from zerog.runtime.http.errors import ClientGoneError, MethodNotAllowedError
from zerog.runtime.http.guard import Guard, Headers, Verdict
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.http.pages import RolePages

__all__ = ["GETS", "HTTP_LIMITS", "NAMED_GETS", "ProviderApplication", "plain_path"]

Handler = Callable[[Exchange], Awaitable[None]]
HTTP_LIMITS: Final = HttpLimits(
    body_bytes_max=BODY_BYTES_MAX,
    headers_bytes_max=16 * 1024,
    body_s=120.0,
    requests_bytes_max=128 << 20,
    connections_max=4_096,
)
"""Bodies may be long, of pictures and sound; together they take so much memory, and the next one waits."""
PROXY: Final = "/v1/proxy"
ASYNC: Final = "/v1/async"
NOT_OFFERED: Final = (
    ("/v1/proxy/videos", "videos", "choose a provider of that service type: `zerog compute list`"),
    ("/v1/proxy/decisions", "decisions", "use POST /v1/proxy/chat/completions"),
    ("/v1/lora", "adapters of fine-tuned models", "use the models that GET /v1/models lists"),
    ("/v1/logs", "its logs", "ask the operator, who finds them in the provider's state folder under logs/"),
    ("/v1/task", "fine-tuning", "choose a provider of the fine-tuning service"),
    ("/v1/model", "fine-tuning", "choose a provider of the fine-tuning service"),
    ("/internal/v1/adapter-keys", "adapter keys", "use session tokens or API keys that a user signs"),
)
"""Routes of official brokers that are not here, and what to do instead."""
FINE_TUNING: Final = ("dataset", "task")
GETS: Final[dict[str, Callable[[FreeRoutes, Exchange], Awaitable[None]]]] = {
    "/v1/models": FreeRoutes.models,
    f"{PROXY}/models": FreeRoutes.models,  # Where clients of OpenAI's API look, whose base URL ends in /v1/proxy.
    "/v1/quote": FreeRoutes.quote,
    "/v1/proxy/attestation/report": FreeRoutes.report,
    "/v1/e2ee/pubkey": FreeRoutes.encryption_key,
    "/v1/receipts": FreeRoutes.receipts,
    "/v1/jobs": FreeRoutes.jobs,
}
"""What is read at a path, and costs nothing."""
NAMED_GETS: Final[tuple[tuple[str, Callable[[FreeRoutes, Exchange, str], Awaitable[None]]], ...]] = (
    ("/v1/proxy/signature/", FreeRoutes.signature),
    ("/v1/receipts/", FreeRoutes.receipt),
    ("/v1/async/jobs/", FreeRoutes.job),
)
"""The same of one thing, whose name ends the path."""


class ProviderApplication:
    """Answers everything on the provider's port."""

    def __init__(self, desk: Desk, guard: Guard, pages: RolePages) -> None:
        self._guard: Final = guard
        self._pages: Final = pages
        self._paid: Final = PaidRoutes(desk)
        self._free: Final = FreeRoutes(desk)
        self._pictures: Final = PictureRoutes(desk)
        self.jobs: Final = JobRoutes(desk, self._paid)
        self._tally: Final = desk.tally
        self._gate: Final = desk.gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            error = EndpointNotSupportedError(scope["path"])
            await refuse(send, error, body=self.refusal_body(error), kind="websocket.http.response")
            return
        verdict = self._guard.verdict(scope["headers"])
        exchange = Exchange(scope, receive, send, verdict, plain_path(scope["path"]), dict(scope["headers"]))
        if scope["method"] == "OPTIONS" and verdict.refusal is None:
            await respond(send, 204, b"", *preflight_headers(exchange.headers, verdict))
            return
        try:
            if verdict.refusal is not None:
                raise verdict.refusal  # noqa: TRY301 - one place writes every refusal.
            await self._answer(exchange)
        except ClientGoneError:
            return
        except Exception as error:
            if exchange.is_started:
                raise  # The server logs it and cuts the connection, so that half an answer is not taken for a whole one.
            self._tally.refused += 1
            await exchange.answer_error(error)

    def direct_answers(self, method: bytes, target: bytes, headers: Headers) -> DirectAnswers | None:
        """What answers chats and embeddings without ASGI, as far as they are no streams.

        Of all others, that there is a direct way lets the server read whole bodies, within the memory that it counts, before anything runs.
        """
        paid = DIRECT_PATHS.get(target) if method == b"POST" else None
        if paid is None:
            return None
        verdict = self._guard.verdict(headers)
        return None if verdict.refusal is not None else partial(self._answer_directly, paid, verdict, dict(headers))

    def _answer_directly(self, paid: PaidPath, verdict: Verdict, headers: dict[bytes, bytes], body: bytes) -> Awaitable[bytes] | None:
        return self._answer_whole(paid, verdict, headers, body) if is_direct(body) else None

    async def _answer_whole(self, paid: PaidPath, verdict: Verdict, headers: dict[bytes, bytes], body: bytes) -> bytes:
        collected = Collected(body)
        exchange = Exchange(DIRECT_SCOPE, collected.receive, collected.send, verdict, PROXY + paid.path, headers)
        try:
            async with self._gate.passing():
                await self._paid.answer(exchange, paid)
        except Exception as error:  # noqa: BLE001 - the answer says what it was, and the log what it does not say.
            self._tally.refused += 1
            collected.clear()  # Nothing of it has left.
            await exchange.answer_error(error)
        return collected.response()

    def refusal_body(self, error: RefusalError) -> bytes:
        """How the server writes what it refuses before a request gets here: a body that is too long, headers without end."""
        return error_body(error, error.http_status)

    async def _answer(self, exchange: Exchange) -> None:
        method, path = exchange.scope["method"], exchange.path
        if method == "POST" and path.startswith(PROXY):
            paid = PAID_PATHS.get(path[len(PROXY) :])
            if paid is not None:
                async with self._gate.passing():
                    await self._paid.answer(exchange, paid)
                return
        await self._find(method, path)(exchange)

    def _find(self, method: str, path: str) -> Handler:
        """What answers a path that is not charged at once. Raises `RefusalError`s."""
        if path.startswith(ASYNC) and method == "POST":
            paid = PAID_PATHS.get(path[len(ASYNC) :])
            if paid is not None and paid.has_images:
                return lambda exchange: self.jobs.create(exchange, paid)
        if method in ("GET", "HEAD"):
            found = self._find_get(path)
            if found is not None:
                return found
        raise self._refusal(method, path)

    def _find_get(self, path: str) -> Handler | None:
        plain = GETS.get(path)
        if plain is not None:
            return partial(plain, self._free)
        for prefix, named in NAMED_GETS:
            name = path.removeprefix(prefix)
            if name != path and name and "/" not in name:
                return lambda exchange: named(self._free, exchange, name)
        place = picture_at(path)
        if place is not None:
            return lambda exchange: self._pictures.picture(exchange, *place)
        parts = path.split("/")
        if len(parts) == 5 and parts[1:3] == ["v1", "user"] and parts[4] == "unsettledfee":
            return lambda exchange: self._free.unsettled_fee(exchange, parts[3])
        return self._page if path in ("/healthz", "/readyz", "/metrics") else None

    async def _page(self, exchange: Exchange) -> None:
        page = await self._pages.page(exchange.path)
        if page is None:
            raise EndpointNotSupportedError(exchange.path)
        await exchange.answer(page.status, page.body, (b"content-type", page.content_type))

    def _refusal(self, method: str, path: str) -> RefusalError:
        for prefix, what, advice in NOT_OFFERED:
            if path == prefix or path.startswith(prefix + "/"):
                return RouteNotOfferedError(what, advice)
        parts = path.split("/")
        if len(parts) >= 5 and parts[1:3] == ["v1", "user"] and parts[4] in FINE_TUNING:
            return RouteNotOfferedError("fine-tuning", "choose a provider of the fine-tuning service")
        if path.removeprefix(PROXY) in PAID_PATHS or (path.startswith(ASYNC) and path[len(ASYNC) :] in PAID_PATHS):
            return MethodNotAllowedError(method, "POST, OPTIONS")
        if self._find_get(path) is not None:
            return MethodNotAllowedError(method, "GET, HEAD, OPTIONS")
        return EndpointNotSupportedError(path)


def plain_path(path: str) -> str:
    """A path without slashes at its end, and without the second version that some clients put after the proxy's."""
    if path.endswith("/"):
        path = path.rstrip("/") or "/"
    if path.startswith("/v1/proxy/v1/"):
        path = PROXY + path[len("/v1/proxy/v1") :]
    return path
