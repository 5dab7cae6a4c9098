"""JSON-RPC over our own connections, and what a peer says when its HTTP status is no success."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec

from zerog.storage.client.calls import Call, encode, encode_batch, read_answer, read_batch
from zerog.storage.client.connection import Answer, Body, HttpServer
from zerog.storage.client.errors import PeerStatusError

__all__ = ["check_status", "run_batch", "run_call", "words"]

T = TypeVar("T")

JSON: Final = {"Content-Type": "application/json"}
BATCH_CALLS_MAX: Final = 200
CHARACTERS_MAX: Final = 500
"""Of what a peer says, in an error of ours."""


class _Refusal(msgspec.Struct):
    message: str = ""


class _RefusalBody(msgspec.Struct):
    error: _Refusal = msgspec.field(default_factory=_Refusal)


_refusal_decoder: Final = msgspec.json.Decoder(_RefusalBody)


def run_call(server: HttpServer, call: Call[T]) -> T:
    """Ask, and read the answer. Raises `PeerUnreachableError`, `PeerAnswerError`, `PeerStatusError` or `PeerRefusedError`."""
    return read_answer(call, _post(server, encode(call)), server.url)


def run_batch(server: HttpServer, calls: Sequence[Call[T]]) -> list[T]:
    """Ask several things, in requests of at most `BATCH_CALLS_MAX`. Raises as `run_call`, at the first refusal."""
    values = []
    for start in range(0, len(calls), BATCH_CALLS_MAX):
        some = calls[start : start + BATCH_CALLS_MAX]
        values += read_batch(some, _post(server, encode_batch(some)), server.url)
    return values


def _post(server: HttpServer, body: bytes) -> Body:
    target = "" if server.path else "/"
    answer = server.exchange("POST", target, body, JSON, answer_bytes_max=server.limits.json_bytes_max)
    check_status(answer, server.url)
    return answer.body


def check_status(answer: Answer, url: str) -> None:
    """Raises `PeerStatusError` unless it is 200."""
    if answer.status != HTTPStatus.OK:
        raise PeerStatusError(url, answer.status, words(answer.body))


def words(body: Body) -> str:
    """Why, in the peer's words, if it has any."""
    try:
        message = _refusal_decoder.decode(body).error.message
    except ValueError:
        message = ""
    text = message or bytes(body[:CHARACTERS_MAX]).decode("utf-8", errors="replace")
    return " ".join(text[:CHARACTERS_MAX].split()) or "without a word"
