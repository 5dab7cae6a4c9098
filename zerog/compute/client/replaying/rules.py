"""The rules of a replay: first whether the receipt speaks of this request, then whether the model gives this answer to it.

With the tokens of the answer at hand the model only has to read them, and to choose each again (teacher forcing), which takes a fraction of
the time. They stand in the answer where they were asked for (`return_token_ids`), or are found from its text, and then the hash in the
receipt shows that they are the right ones. Where neither gives them, the model writes the answer anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from zerog.compute.client.replaying.differences import DifferenceError, NotReplayableError
from zerog.compute.client.replaying.said import read_chat_answer, read_messages_answer, read_vectors
from zerog.compute.client.verifying.replaying import ReplayTask
from zerog.compute.protocol.errors import ComputeError
from zerog.compute.protocol.exact import (
    COMPLETION_NAME,
    ENGINE,
    PROMPT_NAME,
    TRACE_NAME,
    ChatAsked,
    Sampling,
    ServedModel,
    Writing,
    embedding_texts,
    read_chat,
    read_embedding,
    read_messages,
    tokens_sha256,
)
from zerog.compute.protocol.receipts import EngineIdentity
from zerog.primitives import Hash32

__all__ = ["Replayed", "replay"]

CHAT_PATH: Final = "/v1/proxy/chat/completions"
MESSAGES_PATH: Final = "/v1/proxy/messages"
EMBEDDINGS_PATH: Final = "/v1/proxy/embeddings"
RESULTS: Final = frozenset((PROMPT_NAME, COMPLETION_NAME, TRACE_NAME))
SEED_VALUES: Final = 1 << 64

Method = Literal["read", "found", "written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The model gave the same."""

    model: str
    tokens: int
    """Of the answer, or of the texts whose vectors were asked for."""
    method: Method
    """How its tokens were known: they stood in it, were found from its text, or the model has written it anew."""

    def __str__(self) -> str:
        how = {
            "read": f"each of its {self.tokens} tokens was chosen again",
            "found": f"each of its {self.tokens} tokens, found from its text, was chosen again",
            "written": f"all of its {self.tokens} tokens were written anew, since the answer does not hold them",
        }
        return f"model {self.model}: {how[self.method]}"


def replay(task: ReplayTask, model: ServedModel) -> Replayed:
    """Run the model again. It takes as long as the model does.

    Raises `DifferenceError` with the first difference, and `NotReplayableError` where the answer cannot be made again here.
    """
    _check_engine(task.receipt.engine, model)
    if task.path not in (CHAT_PATH, MESSAGES_PATH, EMBEDDINGS_PATH):
        raise NotReplayableError(f"nothing answers {task.path} exactly", "replay chats and embeddings")
    try:
        return _replay_vectors(task, model) if task.path == EMBEDDINGS_PATH else _Chat(task, model).replay()
    except (DifferenceError, NotReplayableError):
        raise
    except ComputeError as error:  # The engine refuses such a request, so it never answered it.
        raise DifferenceError("prompt", f"the engine refuses the request: {error}") from error


def _check_engine(engine: EngineIdentity, model: ServedModel) -> None:
    if engine.name != ENGINE or engine.model_sha256 is None:
        raise NotReplayableError(f"the engine {engine.name!r} computed it, not the exact one", "only its answers can be made again")
    if engine.model_sha256 != model.sha256:
        raise DifferenceError("model", f"the receipt names the file {engine.model_sha256}, and this one is {model.sha256}")
    if engine.version != model.engine_version:
        versions = f"version {engine.version} of the engine computed it, and this one is {model.engine_version}"
        raise NotReplayableError(versions, "replay it with the zerog that has this version of the engine")


# ---- chats -------------------------------------------------------------------------------------------------------


class _Chat:
    """One chat."""

    def __init__(self, task: ReplayTask, model: ServedModel) -> None:
        self._texts: Final = task.receipt.engine.parameters or {}
        self._model: Final = model
        is_openai = task.path == CHAT_PATH
        size = model.vocabulary.vocabulary_size
        self._asked: Final = read_chat(task.request, size) if is_openai else read_messages(task.request)
        read = read_chat_answer if is_openai else read_messages_answer
        self._said: Final = read(task.answer, is_stream=self._asked.stream)
        self._prompt: Final = model.prompt(self._asked.messages)
        self._sampling: Final = self._agreed_sampling()

    def replay(self) -> Replayed:
        """Raises `DifferenceError`."""
        self._check_prompt()
        tokens, method = self._tokens()
        if method != "written":
            self._choose_again(tokens)
        self._check_answer(tokens)
        return Replayed(model=self._model.id, tokens=len(tokens), method=method)

    # Does the receipt speak of this request?

    def _agreed_sampling(self) -> Sampling:
        """How tokens are chosen, by request and receipt: they agree, and the seed that nobody named is the receipt's."""
        said, texts = self._said, self._texts
        seed = _number(texts, "seed")
        if seed is None or seed >= SEED_VALUES:
            raise DifferenceError("seed", "the receipt names none")
        if self._asked.is_seeded and self._asked.sampling.seed != seed:
            raise DifferenceError("seed", f"the request asks for {self._asked.sampling.seed}, and the receipt says {seed}")
        if said.seed is not None and said.seed != seed:
            raise DifferenceError("seed", f"the answer says {said.seed}, and the receipt {seed}")
        sampling = _bounded(self._asked, texts, len(self._prompt), self._model.machine.context, seed)
        if TRACE_NAME in texts:
            sampling = replace(sampling, trace=True)
        elif sampling.trace:
            raise DifferenceError("trace", "the request asks for one, and the receipt has none")
        expected = sampling.texts()
        for name in sorted({*expected, *(name for name in texts if name not in RESULTS)}):
            if expected.get(name) != texts.get(name):
                told = f"{name} is {expected.get(name, 'not given')} by the request and {texts.get(name, 'not given')} in the receipt"
                raise DifferenceError("parameters", told)
        return sampling

    def _check_prompt(self) -> None:
        told = self._said.prompt_tokens
        if told is not None and told != self._prompt:
            raise DifferenceError("prompt", _first_difference("the answer's prompt", told, self._prompt))
        if self._texts.get(PROMPT_NAME) != str(tokens_sha256(self._prompt)):
            raise DifferenceError("prompt", "the request does not have the tokens that the receipt names")
        if self._said.prompt_count not in (None, len(self._prompt)):
            raise DifferenceError("usage", f"the prompt has {len(self._prompt)} tokens, and the answer says {self._said.prompt_count}")

    # Does the model give this answer?

    def _tokens(self) -> tuple[list[int], Method]:
        """The tokens of the answer, and how they are known."""
        committed = self._texts.get(COMPLETION_NAME)
        if self._said.tokens is not None:
            if str(tokens_sha256(_within(self._said.tokens, self._model))) != committed:
                raise DifferenceError("token", "the tokens in the answer are not those that the receipt names")
            return self._said.tokens, "read"
        plain = self._model.vocabulary.encode(self._said.text)
        for ending in ((), *((token,) for token in self._model.vocabulary.end_tokens)):
            if str(tokens_sha256([*plain, *ending])) == committed:
                return [*plain, *ending], "found"
        tokens = self._written()
        if str(tokens_sha256(tokens)) == committed:
            return tokens, "written"
        if self._words(tokens)[0] == self._said.text:
            raise DifferenceError("token", "the model gives the same words by other tokens than the receipt names")
        raise DifferenceError("text", self._text_difference(tokens))

    def _written(self) -> list[int]:
        """What the model writes to the request."""
        machine = self._model.machine
        writing = Writing(self._model.vocabulary.decode, self._sampling.stop)
        sequence, _ = machine.add(self._prompt, replace(self._sampling, top_logprobs=None))
        tokens: list[int] = []
        while True:
            for news in machine.step():
                tokens.append(news.token)
                if news.finish != "stop":
                    writing.add(news.token)
                if news.finish is not None:
                    self._check_trace(news.trace_root)
                    return tokens
                if writing.stopped_by is not None:
                    self._check_trace(machine.cancel(sequence))
                    return tokens

    def _choose_again(self, tokens: Sequence[int]) -> None:
        """Let the model read the answer, and choose each of its tokens."""
        first = len(self._prompt)
        score = self._model.machine.score([*self._prompt, *tokens], first, self._sampling)
        if score.position is not None and score.expected is not None:
            position = score.position - first
            given, expected = (self._shown(token) for token in (tokens[position], score.expected))
            raise DifferenceError("token", f"number {position + 1} of {len(tokens)} is {given}, and the model gives {expected}")
        self._check_trace(score.trace_root)
        end_tokens = self._model.vocabulary.end_tokens
        computed = [logprob for token, logprob in zip(tokens, score.logprobs, strict=False) if token not in end_tokens]
        if self._said.logprobs and computed != self._said.logprobs:
            raise DifferenceError("probabilities", "the logarithms in the answer are not those of its tokens")

    def _check_answer(self, tokens: Sequence[int]) -> None:
        """The words are those of the tokens, they end where they have to, and their number is the one that is told."""
        text, finish, stopped_by = self._words(tokens)
        said = self._said
        if said.text != text:
            raise DifferenceError("text", self._text_difference(tokens))
        if said.finish != finish or (said.stopped_by is not None and said.stopped_by != stopped_by):
            raise DifferenceError("end", f"the answer says that it ended by {said.finish!r}, and it ended by {finish!r}")
        if said.completion_count not in (None, len(tokens)):
            raise DifferenceError("usage", f"the answer has {len(tokens)} tokens, and says {said.completion_count}")

    def _words(self, tokens: Sequence[int]) -> tuple[str, str, str | None]:
        writing, text, vocabulary = Writing(self._model.vocabulary.decode, self._sampling.stop), "", self._model.vocabulary
        for number, token in enumerate(tokens, 1):
            ends = token in vocabulary.end_tokens
            text += "" if ends else writing.add(token)
            if ends or writing.stopped_by is not None:
                if number < len(tokens):
                    raise DifferenceError("end", f"token {number} ends the answer, and {len(tokens) - number} follow")
                return text + writing.end(), "stop", writing.stopped_by
        if len(tokens) != self._sampling.max_tokens:
            raise DifferenceError("end", f"it breaks off after {len(tokens)} tokens, where the model goes on")
        return text + writing.end(), "length", None

    def _check_trace(self, trace_root: bytes | None) -> None:
        told = self._texts.get(TRACE_NAME)
        computed = None if trace_root is None else str(Hash32(trace_root))
        if told is not None and told != computed:
            raise DifferenceError("trace", f"the receipt commits to {told}, and the logits have {computed}")
        if self._said.trace_root is not None and self._said.trace_root != computed:
            raise DifferenceError("trace", f"the answer commits to {self._said.trace_root}, and the logits have {computed}")

    def _text_difference(self, tokens: Sequence[int]) -> str:
        text = self._words(tokens)[0]
        said = self._said.text
        at = next((at for at, (ours, theirs) in enumerate(zip(text, said, strict=False)) if ours != theirs), min(len(text), len(said)))
        return f"from character {at + 1} on the answer says {said[at : at + 20]!r}, and the model {text[at : at + 20]!r}"

    def _shown(self, token: int) -> str:
        return f"{token} ({self._model.vocabulary.decode((token,)).decode(errors='replace')!r})"


def _bounded(asked: ChatAsked, texts: Mapping[str, str], prompt_tokens: int, context_tokens: int, seed: int) -> Sampling:
    """The sampling of the request; a length that it does not name is the receipt's, since providers may hold less than the model can."""
    if asked.sampling.max_tokens:
        return asked.sampling_for(prompt_tokens, context_tokens, seed)
    told = _number(texts, "max_tokens")
    if not told:
        raise DifferenceError("parameters", "the receipt does not say how long the answer may be")
    return replace(asked, sampling=replace(asked.sampling, max_tokens=told)).sampling_for(prompt_tokens, context_tokens, seed)


def _number(texts: Mapping[str, str], name: str) -> int | None:
    text = texts.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 20 else None


def _within(tokens: Sequence[int], model: ServedModel) -> Sequence[int]:
    size = model.vocabulary.vocabulary_size
    strange = next((token for token in tokens if not 0 <= token < size), None)
    if strange is not None or not tokens:
        raise DifferenceError("token", f"the model has no token {strange}" if tokens else "the answer has none")
    return tokens


def _first_difference(what: str, told: Sequence[int], ours: Sequence[int]) -> str:
    at = next((at for at, (one, other) in enumerate(zip(told, ours, strict=False)) if one != other), min(len(told), len(ours)))
    return f"{what} has other tokens than the request's from number {at + 1} on"


# ---- vectors -----------------------------------------------------------------------------------------------------


def _replay_vectors(task: ReplayTask, model: ServedModel) -> Replayed:
    asked = read_embedding(task.request, model.vocabulary.vocabulary_size)
    texts = [model.vocabulary.encode(each) if isinstance(each, str) else list(each) for each in asked.inputs]
    expected, texts_told = embedding_texts(texts), dict(task.receipt.engine.parameters or {})
    if texts_told != expected:
        part: Literal["prompt", "parameters"] = "prompt" if texts_told.get("pooling") == expected["pooling"] else "parameters"
        raise DifferenceError(part, "the receipt speaks of other texts, or of another way from many vectors to one")
    told = read_vectors(task.answer)
    if len(told) != len(texts):
        raise DifferenceError("vector", f"{len(texts)} were asked for, and the answer has {len(told)}")
    for number, (vector, text) in enumerate(zip(told, texts, strict=True), 1):
        if model.machine.embed(text) != vector:
            raise DifferenceError("vector", f"number {number} is not the one that the model gives")
    return Replayed(model=model.id, tokens=sum(map(len, texts)), method="read")
