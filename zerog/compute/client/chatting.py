"""One chat: what is sent, the words as they come, and the answer with all its bytes when they have come."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import httpx
import msgspec

from zerog.compute.client.connection import ProviderConnection
from zerog.compute.client.errors import ProviderAnswerError, ProviderRefusedError
from zerog.compute.client.market import Contracts
from zerog.compute.client.verifying.offline import check_bytes
from zerog.compute.client.wallet import Spending
from zerog.compute.protocol.constants import BODY_BYTES_MAX, RESPONSE_KEY_HEADER
from zerog.compute.protocol.fees import Usage
from zerog.compute.protocol.signing import sha256_hash
from zerog.compute.wire.answer_file import AnswerFile, SavedRequest, SavedResponse
from zerog.compute.wire.provider import ReceiptAnswer, SignatureAnswer, SignedReceipt
from zerog.contracts.compute import InferenceService
from zerog.primitives import Wei
from zerog.runtime.files import write_atomically

__all__ = ["Answer", "ChatOptions", "ChatStream", "Message", "chat_body"]

CHAT_PATH: Final = "/v1/proxy/chat/completions"
JSON_TYPE: Final = "application/json"
EVENTS_TYPE: Final = "text/event-stream"
ANSWER_S: Final = 300.0
"""How long a provider may be silent while it answers."""
LINE_BYTES_MAX: Final = 16 << 20
NOT_FOUND: Final = (404, 501)

Role = Literal["system", "user", "assistant", "developer", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """How the model answers; what is left out, the provider chooses."""

    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stream: bool = True
    further: tuple[tuple[str, Any], ...] = ()
    """Members of the request that stand here as they are, such as tools."""


def chat_body(messages: Sequence[Message], model: str, options: ChatOptions) -> bytes:
    """The request in the shape of OpenAI's API. A stream ends with what it used."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
    }
    given = {"max_tokens": options.max_tokens, "temperature": options.temperature, "seed": options.seed}
    body |= {name: value for name, value in given.items() if value is not None}
    if options.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return msgspec.json.encode(body | dict(options.further))


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []
    error: msgspec.Raw | None = None


_COMPLETION: Final = msgspec.json.Decoder(_Completion)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    text: str
    request_id: str
    """By which the provider knows its signature and receipt."""
    file: AnswerFile
    """All that proves it."""

    @property
    def usage(self) -> Usage | None:
        """What was charged for; `None` where the provider gives no receipts."""
        return None if self.file.receipt is None else self.file.receipt.receipt.usage

    @property
    def fee_wei(self) -> Wei | None:
        """Likewise."""
        return None if self.file.receipt is None else Wei(int(self.file.receipt.receipt.fee))

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_atomically(path, self.file.to_bytes())


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and whom it goes to."""

    service: InferenceService
    contracts: Contracts
    chain_id: int
    model: str
    body: bytes
    key: str


class ChatStream:
    """An answer on its way: iterate over its words, then take `answer`. Use it in a `with` block.

    Whoever leaves early pays for the whole answer, which the provider finishes without a listener.
    """

    def __init__(self, connection: ProviderConnection, asked: Asked, spending: Spending) -> None:
        self._connection: Final = connection
        self._asked: Final = asked
        self._spending: Final = spending
        self._stack: Final = ExitStack()
        self._received: Final = bytearray()
        self._texts: Final[list[str]] = []
        self._response: httpx.Response | None = None
        self._answer: Answer | None = None

    def __enter__(self) -> Self:
        try:
            self._response = self._stack.enter_context(
                self._connection.ask("POST", CHAT_PATH, self._asked.body, key=self._asked.key, answer_s=ANSWER_S)
            )
        except ProviderRefusedError:
            self._spending.wei = 0  # A refused request is not charged.
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    @property
    def request_id(self) -> str:
        """By which the provider knows signature and receipt; there as soon as the first byte is."""
        return self._head.headers.get(RESPONSE_KEY_HEADER, "") or _completion_id(bytes(self._received), self._connection.url)

    def __iter__(self) -> Iterator[str]:
        """The words, as they come."""
        media_type = self._media_type
        if media_type == EVENTS_TYPE:
            yield from self._events()
        elif media_type == JSON_TYPE:
            for piece in self._connection.pieces(self._head, BODY_BYTES_MAX):
                self._received.extend(piece)
            yield from self._keep(_words(bytes(self._received), self._connection.url))
        else:
            raise ProviderAnswerError(self._connection.url, f"an answer of the type {media_type!r}")

    @property
    def answer(self) -> Answer:
        """The whole answer with what proves it, once all words have come. Raises `AnswerRefutedError` where that does not fit."""
        if self._answer is None:
            for _ in self if not self._received else ():
                pass  # Nobody wanted the words one by one.
            self._answer = self._proven()
        return self._answer

    @property
    def _head(self) -> httpx.Response:
        if self._response is None:
            raise RuntimeError("a chat is used in a `with` block")
        return self._response

    @property
    def _media_type(self) -> str:
        return str(self._head.headers.get("content-type", "")).split(";", 1)[0].strip().lower()

    def _events(self) -> Iterator[str]:
        rest = b""
        for piece in self._connection.pieces(self._head, BODY_BYTES_MAX):
            self._received.extend(piece)
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > LINE_BYTES_MAX:
                raise ProviderAnswerError(self._connection.url, "an event that does not end")
            for line in lines:
                yield from self._keep(_words_of_line(line, self._connection.url))
        yield from self._keep(_words_of_line(rest, self._connection.url))

    def _keep(self, texts: Sequence[str]) -> Sequence[str]:
        self._texts.extend(texts)
        return texts

    def _proven(self) -> Answer:
        """Ask for signature and receipt, and hold them against the bytes."""
        asked, request_id = self._asked, self.request_id
        service = asked.service
        signature = self._connection.get(f"/v1/proxy/signature/{request_id}?model={service.params.model}", SignatureAnswer)
        receipt = self._receipt(request_id)
        received = bytes(self._received)
        file = AnswerFile(
            chain_id=asked.chain_id,
            contract=asked.contracts.serving,
            provider=service.provider,
            url=service.params.url,
            model=asked.model,
            request=SavedRequest(path=CHAT_PATH, content_type=JSON_TYPE, body=asked.body, sha256=sha256_hash(asked.body)),
            response=SavedResponse(
                status=self._head.status_code, content_type=self._media_type, body=received, sha256=sha256_hash(received)
            ),
            signature=signature,
            receipt=receipt,
        )
        check_bytes(file)
        if receipt is not None:
            self._spending.wei = int(receipt.receipt.fee)
        return Answer("".join(self._texts), request_id, file)

    def _receipt(self, request_id: str) -> SignedReceipt | None:
        """`None` from an official provider, which gives none."""
        try:
            return self._connection.get(f"/v1/receipts/{request_id}", ReceiptAnswer).signed
        except ProviderRefusedError as error:
            if error.status in NOT_FOUND:
                return None
            raise


def _words_of_line(line: bytes, url: str) -> list[str]:
    """Of one line of a stream of events. Source: WHATWG HTML, server-sent events."""
    if not line.startswith(b"data:"):
        return []
    data = line[len(b"data:") :].strip()
    return [] if data in (b"", b"[DONE]") else _words(data, url)


def _words(body: bytes, url: str) -> list[str]:
    try:
        completion = _COMPLETION.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderAnswerError(url, f"an answer that cannot be read ({error})") from None
    if completion.error is not None:
        raise ProviderAnswerError(url, f"the answer breaks off: {bytes(completion.error).decode(errors='replace')}")
    parts = (choice.delta or choice.message for choice in completion.choices[:1])
    return [part.content for part in parts if part is not None and part.content]


class _Identified(msgspec.Struct):
    id: str


def _completion_id(body: bytes, url: str) -> str:
    """Where the model's own enclave signs, the id of the completion names the signature."""
    first = next((line[5:].strip() for line in body.split(b"\n") if line.startswith(b"data:")), body)
    try:
        return msgspec.json.decode(first, type=_Identified).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProviderAnswerError(url, "neither the answer nor its headers say what it is called") from None
