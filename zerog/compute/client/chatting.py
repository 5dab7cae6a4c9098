"""One chat: what is sent, the words as they come, and the answer with all its bytes when they have come."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from zerog.chain.client.wallet import Spending
from zerog.compute.client.connection import ProviderConnection
from zerog.compute.client.errors import ProviderAnswerError
from zerog.compute.client.exchange import Answer, Asked, Exchange
from zerog.compute.client.verifying.kinds import EVENTS_TYPE, JSON_TYPE
from zerog.compute.client.words import EventWords, words_of
from zerog.runtime.deadlines import each_in_time, time_limit

__all__ = ["CHAT_PATH", "ChatOptions", "ChatStream", "Message", "chat_request"]

CHAT_PATH: Final = "/v1/proxy/chat/completions"

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
    token_ids: bool | None = None
    """Whether the answer is to hold its tokens, with which it is replayed quickly; by default where the service names its model's file."""
    further: tuple[tuple[str, Any], ...] = ()
    """Members of the request that stand here as they are, such as tools."""


def chat_request(messages: Sequence[Message], model: str, options: ChatOptions) -> Mapping[str, object]:
    """The request in the shape of OpenAI's API. A stream ends with what it used."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
    }
    given = {"max_tokens": options.max_tokens, "temperature": options.temperature, "seed": options.seed}
    body |= {name: value for name, value in given.items() if value is not None}
    if options.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if options.token_ids:
        body["return_token_ids"] = True
    return body | dict(options.further)


class ChatStream(Exchange):
    """An answer on its way: iterate over its words, then take `answer`. Use it in a `with` block.

    Whoever leaves early pays for the whole answer, which the provider finishes without a listener.
    """

    def __init__(self, connection: ProviderConnection, asked: Asked, spending: Spending, timeout_s: float | None = None) -> None:
        super().__init__(connection, asked, spending, timeout_s)
        self._texts: Final[list[str]] = []
        self._answer: Answer | None = None

    def __iter__(self) -> Iterator[str]:
        """The words, as they come: the next ones within the time that `chat` was given."""
        return each_in_time(self._all_words(), self._timeout_s, self._late)

    def _all_words(self) -> Iterator[str]:
        if self.media_type == EVENTS_TYPE:
            events = EventWords(self._connection.url, self._words)
            for piece in self.pieces():
                yield from self._keep(events.feed(piece))
            yield from self._keep(events.finish())
        elif self.media_type == JSON_TYPE:
            for _ in self.pieces():
                pass  # It can be read when all of it is there.
            yield from self._keep(iter(self._words(self.received())))
        else:
            raise ProviderAnswerError(self._connection.url, f"an answer of the type {self.media_type!r}")

    @property
    def answer(self) -> Answer:
        """The whole answer with what proves it, once all words have come. Raises `AnswerRefutedError` where that does not fit."""
        if self._answer is None:
            for _ in self if not self._received else ():
                pass  # Nobody wanted the words one by one.
            with time_limit(self._timeout_s, self._late):
                self._answer = self.proven("".join(self._texts))
        return self._answer

    def _keep(self, words: Iterator[str]) -> Iterator[str]:
        for word in words:
            self._texts.append(word)
            yield word

    def _words(self, payload: bytes) -> list[str]:
        talk = self._asked.talk
        return words_of(payload if talk is None else talk.opened(payload), self._connection.url)
