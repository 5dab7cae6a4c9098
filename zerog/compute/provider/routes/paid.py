"""The charged routes: a request is paid for before its last byte leaves, or it is not paid at all.

The order of checks is that of 0gfoundation/0g-serving-broker, `api/inference/internal/proxy/proxy.go` (2026): token, requests of the
minute, requests at once, model, account and balance. Then the most that it can cost is set aside, and the engine is asked. What comes is
passed on at once but for its end, which leaves when charge, receipt and signature are durable.
"""

import hashlib
import secrets
from collections.abc import Iterable
from typing import Final, Protocol

import anyio
import msgspec
import structlog
from anyio import to_thread

from zerog.compute.protocol.e2ee import ResponseSealer, is_sealed, open_request
from zerog.compute.protocol.errors import ComputeError, InsufficientBalanceError, UnsealableAnswerError
from zerog.compute.protocol.profiles import profile_of
from zerog.compute.provider.asked import Asked, PaidPath
from zerog.compute.provider.auth import FRESH_S, AccountState, Caller
from zerog.compute.provider.book import Book, Charge
from zerog.compute.provider.catalogue import today
from zerog.compute.provider.desk import Desk
from zerog.compute.provider.engines import EngineAnswer, EngineIdentity, EngineRequest
from zerog.compute.provider.errors import NoAccountError, NotAcknowledgedError, NotRecordedError, UpstreamRefusedError
from zerog.compute.provider.metering import AnswerReader, EventReader, JsonReader, RawReader
from zerog.compute.provider.orders import Order, capped, highest_wei, read_asked_anywhere, sha256_of, usage_of_answer
from zerog.compute.provider.pictures import PICTURES_PATH
from zerog.compute.provider.routes.exchange import Exchange, Header, error_body
from zerog.compute.provider.sanitising import AnswerNames
from zerog.primitives.errors import RefusalError, ZerogError
from zerog.runtime.http.errors import BrokenServerError

__all__ = ["PaidRoutes", "Sink"]

log = structlog.get_logger(__name__)

GONE_BYTES_MAX: Final = 10 << 20
"""So much of a stream is read on for a client that has gone, to charge what it asked for. Source: 0gfoundation/0g-serving-broker."""
SEED_BYTES: Final = 32
RECORD_S: Final = 40.0
"""How long it may take to write a charge down, or to give money back that was set aside."""
REFUSAL_BYTES_MAX: Final = 64 << 10
FORWARDED: Final = frozenset({b"accept-language", b"anthropic-version", b"anthropic-beta", b"openai-beta"})
"""Headers that an engine gets; nothing of who asks is among them."""
EVENTS: Final = b"text/event-stream"


class Sink(Protocol):
    """Where an answer goes: to a client, or to a job's result."""

    is_started: bool

    async def start(self, status: int, headers: Iterable[Header]) -> None: ...
    async def piece(self, body: bytes, *, is_last: bool = False) -> None: ...
    async def answer(self, status: int, body: bytes, *headers: Header) -> None: ...

    def is_gone(self) -> bool:
        """Whether nobody takes what is sent any more."""

    async def record(self, book: Book, charge: Charge, tail: bytes) -> None:
        """Write the charge down, durably, before `tail` is sent."""


class PaidRoutes:
    """Answers what is charged."""

    def __init__(self, desk: Desk) -> None:
        self._desk: Final = desk

    async def answer(self, exchange: Exchange, path: PaidPath) -> None:
        """One charged request, from its token to its last byte."""
        desk = self._desk
        caller = await desk.authenticator.caller(exchange.authorization)
        body = await exchange.body()
        content_type = exchange.headers.get(b"content-type", b"application/json").decode("latin-1")
        received, sealer = body, None
        if is_sealed(body):
            opened = await to_thread.run_sync(open_request, body, profile_of(path.path), desk.enclave)
            body, sealer = opened.body, ResponseSealer(profile_of(path.path), opened, secrets.token_bytes(SEED_BYTES))
        asked = await read_asked_anywhere(path, body, content_type)
        desk.limits.admit(caller.user, asked.images)
        with desk.limits.slot(caller.user):
            sealed_sha256 = await sha256_of(received) if sealer is not None else None
            order = await self.order(caller, path, asked, body, content_type, exchange.query)
            # From here on money is set aside: nothing may be waited for, or fail, before `deliver`, which gives it back.
            if sealed_sha256 is not None:
                order.sealer, order.request_sha256 = sealer, sealed_sha256
            headers = tuple((name, value) for name, value in exchange.headers.items() if name in FORWARDED)
            with desk.keeping(order.key):
                await self.deliver(exchange, order, headers)

    async def order(
        self, caller: Caller, path: PaidPath, asked: Asked, body: bytes, content_type: str, query: str, *, key: str | None = None
    ) -> Order:
        """Look into a request, and set aside what it can cost. Raises `RefusalError`s, and then nothing is set aside."""
        desk = self._desk
        model = desk.catalogue.find(asked.model, path.service_types, today(desk.clock.unix_s()))
        engine, upstream_model = desk.engines.choose(model.service_type, model.id)
        account = caller.account
        if account is None:
            raise NoAccountError(str(caller.user), str(desk.address))
        if not account.acknowledged:
            raise NotAcknowledgedError(by_user=True)
        if not await desk.is_acknowledged():
            raise NotAcknowledgedError(by_user=False)
        order = Order(
            key=key or desk.new_key(),
            user=caller.user,
            path=path,
            asked=asked,
            model=model,
            upstream_model=upstream_model,
            engine=engine,
            body=body,
            content_type=content_type,
            query=query,
            request_sha256=await sha256_of(body),
        )
        order.highest_wei = highest_wei(order)
        try:
            await self._reserve(order, account)
        except InsufficientBalanceError:
            fresh = await desk.authenticator.account(caller.user, max_age_s=FRESH_S)
            if fresh is None or fresh.locked_wei <= account.locked_wei:
                raise
            await self._reserve(order, fresh)
        return order

    async def _reserve(self, order: Order, account: AccountState) -> None:
        """Set the most aside that a request can cost. Raises `InsufficientBalanceError`."""
        await self._desk.book.reserve(
            order.key, order.user, expected_wei=_expected_wei(order), highest_wei=order.highest_wei, locked_wei=account.locked_wei
        )

    async def deliver(self, sink: Sink, order: Order, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        """Ask the engine, pass its answer on, and charge it. If anything goes wrong before it is charged, it costs nothing."""
        desk = self._desk
        try:
            async with order.engine.answer(_engine_request(order, headers)) as answer:
                if not 200 <= answer.status < 300:
                    raise await _refusal(answer, order)  # noqa: TRY301 - what follows is done for every failure.
                await self._relay(sink, order, answer)
        except BaseException as error:
            desk.tally.broken_off += 1
            with anyio.CancelScope(shield=True):
                await desk.give_back(order.key, RECORD_S)
            if not isinstance(error, Exception) or not sink.is_started:
                raise
            await self._break_off(sink, order, error)

    async def _relay(self, sink: Sink, order: Order, answer: EngineAnswer) -> None:
        content_type = answer.content_type
        reader = self._reader(order, content_type)
        digest = hashlib.sha256()
        head = self._head(order, content_type.encode("latin-1"))
        unread_bytes = 0
        async for chunk in answer.chunks():
            passed = reader.feed(chunk)
            if not passed:
                continue
            digest.update(passed)
            if not sink.is_started:
                await sink.start(answer.status, head)
            await sink.piece(passed)
            if sink.is_gone():
                unread_bytes += len(passed)
                if unread_bytes > GONE_BYTES_MAX:
                    reader.drop_unfinished()
                    break
        tail = await to_thread.run_sync(reader.finish) if reader.is_large else reader.finish()
        digest.update(tail)
        await self._charge(sink, order, reader, digest.digest(), tail, answer.identity)
        if sink.is_started:
            await sink.piece(tail, is_last=True)
        else:
            await sink.answer(answer.status, tail, *head)

    async def _charge(
        self, sink: Sink, order: Order, reader: AnswerReader, response_sha256: bytes, tail: bytes, computed: EngineIdentity
    ) -> None:
        desk = self._desk
        usage = await usage_of_answer(order, reader)
        fee = capped(order, usage)
        charge = desk.billing.charge(order, usage, fee, response_sha256, reader.image_hashes, computed)
        rules = desk.picture_rules
        with anyio.move_on_after(RECORD_S, shield=True) as waiting:
            if reader.pictures:  # Before the charge: nobody pays for an address at which there is nothing.
                await desk.book.keep_pictures(order.key, reader.pictures, kept_s=rules.kept_s, bytes_max=rules.bytes_max)
            await sink.record(desk.book, charge, tail)
        if waiting.cancelled_caught:
            raise NotRecordedError
        tally = desk.tally
        tally.charged += 1
        tally.fees_wei += fee.total_wei
        tally.prompt_tokens += usage.prompt_tokens
        tally.completion_tokens += usage.completion_tokens
        desk.limits.count_tokens(order.user, usage.prompt_tokens + usage.completion_tokens)

    def _reader(self, order: Order, content_type: str) -> AnswerReader:
        kind = content_type.partition(";")[0].strip().lower()
        names = AnswerNames(order.key, order.model.id, keeps_fingerprint=order.engine.identity.model_sha256 is not None)
        if kind == "text/event-stream":
            return EventReader(names, order.sealer)
        if kind == "application/json":
            addresses = f"{self._desk.public_url()}{PICTURES_PATH}{order.key}/" if order.asked.wants_addresses else None
            return JsonReader(names, order.sealer, has_images=order.path.has_images, addresses=addresses)
        if order.sealer is not None:
            raise UnsealableAnswerError(f"it is {kind or 'of no type'}")
        return RawReader(is_text=kind.startswith("text/"))

    def _head(self, order: Order, content_type: bytes) -> tuple[Header, ...]:
        desk = self._desk
        extra = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")) if content_type.startswith(EVENTS) else ()
        return (
            (b"content-type", content_type),
            (b"zg-res-key", order.key.encode()),
            (b"provider", desk.address_header),
            (b"x-content-type-options", b"nosniff"),
            *extra,
            *desk.limits.headers(order.user, is_anthropic=order.path.is_anthropic),
        )

    async def _break_off(self, sink: Sink, order: Order, error: Exception) -> None:
        """Tell a client in mid-stream why nothing more comes: there is no `[DONE]`, no signature and no charge."""
        if not isinstance(error, ZerogError):
            log.error("answer_failed", key=order.key, exc_info=error)
            error = BrokenServerError()
        else:
            log.warning("answer_broke_off", key=order.key, cause=str(error))
        if not order.asked.stream:
            raise error  # The server cuts the connection, so that half an answer is not taken for a whole one.
        status = error.http_status if isinstance(error, RefusalError) else 500
        body = error_body(error, status, is_anthropic=order.path.is_anthropic)
        kind = b"event: error\n" if order.path.is_anthropic else b""
        await sink.piece(kind + b"data: " + body + b"\n\n", is_last=True)


def _engine_request(order: Order, headers: tuple[tuple[bytes, bytes], ...]) -> EngineRequest:
    return EngineRequest(
        service_type=order.model.service_type,
        path=order.path.path,
        body=order.asked.upstream_body(order.body, order.path, order.upstream_model),
        content_type=order.content_type,
        model=order.upstream_model,
        stream=order.asked.stream,
        query=order.query,
        user=order.user,
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers),
    )


def _expected_wei(order: Order) -> int:
    """What is surely due, for the official rule of balances: of edited pictures their price, else nothing. Source: `proxy.go`."""
    return order.highest_wei if order.path.path == "/images/edits" else 0


class _UpstreamError(msgspec.Struct):
    error: msgspec.Raw = msgspec.Raw(b"null")
    message: str = ""


class _UpstreamDetails(msgspec.Struct):
    message: str = ""
    code: str | int | None = None


async def _refusal(answer: EngineAnswer, order: Order) -> ComputeError:
    """What a client is told of an engine's refusal: its words, unless the fault is the engine's, or lies between it and the provider."""
    body = b""
    async for chunk in answer.chunks():
        body += chunk
        if len(body) > REFUSAL_BYTES_MAX:
            break
    if answer.status in (401, 403, 407) or answer.status >= 500 or answer.status < 400:
        said = body[:500].decode(errors="replace") if order.sealer is None else None  # It may quote a prompt that came sealed.
        log.warning("engine_refused", status=answer.status, body=said)
        status = answer.status if answer.status in (503, 504) else 502
        return UpstreamRefusedError(status, f"the model's server failed with status {answer.status}", "")
    message, code = _words_of(body) if order.sealer is None else ("", "")  # Its words may be those of a prompt that came sealed.
    if order.upstream_model:
        message = message.replace(order.upstream_model, order.model.id)
    return UpstreamRefusedError(answer.status, message or f"the model's server refused the request with status {answer.status}", code)


def _words_of(body: bytes) -> tuple[str, str]:
    try:
        told = msgspec.json.decode(body, type=_UpstreamError)
        if bytes(told.error)[:1] == b'"':
            return msgspec.json.decode(told.error, type=str), ""
        if bytes(told.error)[:1] != b"{":
            return told.message, ""
        details = msgspec.json.decode(told.error, type=_UpstreamDetails)
        return details.message, str(details.code or "")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", ""
