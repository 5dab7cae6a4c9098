"""JSON-RPC over our own connections, and what a peer says when its HTTP status is no success."""

from http import HTTPStatus
from typing import Final, TypeVar

import msgspec

from zerog.storage.client.calls import Call, encode, read_answer
from zerog.storage.client.connection import Answer, Body, HttpServer
from zerog.storage.client.errors import PeerStatusError

__all__ = ["check_status", "run_call", "words"]

T = TypeVar("T")

JSON: Final = {"Content-Type": "application/json"}
CHARACTERS_MAX: Final = 500
"""Of what a peer says, in an error of ours."""


class _Refusal(msgspec.Struct):
    message: str = ""


class _RefusalBody(msgspec.Struct):
    error: _Refusal = msgspec.field(default_factory=_Refusal)


_refusal_decoder: Final = msgspec.json.Decoder(_RefusalBody)


def run_call(server: HttpServer, call: Call[T]) -> T:
    """Ask, and read the answer. Raises `PeerUnreachableError`, `PeerAnswerError`, `PeerStatusError` or `PeerRefusedError`."""
    target = "" if server.path else "/"
    answer = server.exchange("POST", target, encode(call), JSON, answer_bytes_max=server.limits.json_bytes_max)
    check_status(answer, server.url)
    return read_answer(call, answer.body, server.url)


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
