"""What a request asks of the exact engine. What it cannot do is refused in words, and never passed over where it would change the answer.

Sources: OpenAI's API reference, "Chat" and "Embeddings"; Anthropic's, "Messages"; vLLM's API for `top_k`, `min_p`, `repetition_penalty`,
`return_token_ids`, and the parameters of other engines that are refused.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from zerog.compute.protocol.exact.errors import ContextLengthError, InvalidChatError, UnsupportedParameterError
from zerog.compute.protocol.exact.sampling import Sampling
from zerog.primitives import is_nested_deeper

__all__ = ["ChatAsked", "EmbeddingAsked", "read_chat", "read_embedding", "read_messages"]

NESTING_MAX: Final = 32
STOPS_MAX: Final = 4
STOP_CHARACTERS_MAX: Final = 256
TOP_LOGPROBS_MAX: Final = 20
BIASES_MAX: Final = 1_024
INPUTS_MAX: Final = 2_048
"""Texts of one request for embeddings. Source: OpenAI's API reference."""
SEED_VALUES: Final = 1 << 64
USUAL_TOKENS: Final = 512
"""Longest answer to a request that names no length: a small model may otherwise go on until its context is full."""
USUAL_TEMPERATURE: Final = 0.2
"""Of a request that names none. OpenAI's is 1, at which small models wander. Source: the card of SmolLM2-135M-Instruct, "Usage"."""
USUAL_TOP_P: Final = 0.9
"""Likewise, of a request that names no temperature either: whoever does, decides alone."""
IMAGES: Final = "this model reads text alone"
TOOLS: Final = "the chat template of this model has no place for tools"

_Unit = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
_Asked = TypeVar("_Asked", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAsked:
    """One request for a chat, looked at but for its length in tokens."""

    messages: bytes
    """JSON: a list of objects with `role` and `content`, for the model's template."""
    sampling: Sampling
    """`max_tokens` 0: what is usual, as far as it fits. The seed counts only if `is_seeded`."""
    is_seeded: bool
    stream: bool
    includes_usage: bool
    returns_token_ids: bool

    def sampling_for(self, prompt_tokens: int, context_tokens: int, seed: int) -> Sampling:
        """What decides the answer to a prompt of this length; `seed` where the request has none. Raises `ContextLengthError`."""
        wanted = self.sampling.max_tokens
        if prompt_tokens >= context_tokens or prompt_tokens + wanted > context_tokens:
            raise ContextLengthError(context_tokens, prompt_tokens, max(wanted, 1))
        seeded = self.sampling.seed if self.is_seeded else seed
        return replace(self.sampling, max_tokens=wanted or min(USUAL_TOKENS, context_tokens - prompt_tokens), seed=seeded)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingAsked:
    """One request for embeddings."""

    inputs: tuple[str | tuple[int, ...], ...]
    """Texts, or tokens."""
    is_base64: bool


# ---- chats -------------------------------------------------------------------------------------------------------


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _ResponseFormat(msgspec.Struct):
    type: str = "text"


class _Common(msgspec.Struct, kw_only=True):
    """What would change an answer and is not done: each is taken only with the value that changes nothing."""

    n: int | None = None
    best_of: int | None = None
    min_tokens: int | None = None
    length_penalty: float | None = None
    use_beam_search: bool | None = None
    ignore_eos: bool | None = None
    stop_token_ids: list[int] | None = None
    bad_words: list[str] | None = None
    prompt_logprobs: int | None = None
    guided_json: Any = None
    guided_regex: Any = None
    guided_choice: Any = None
    guided_grammar: Any = None
    structured_outputs: Any = None
    chat_template: Any = None
    chat_template_kwargs: Any = None
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None
    echo: bool | None = None
    audio: Any = None
    web_search_options: Any = None
    functions: list[Any] | None = None
    function_call: Any = None


NEUTRAL: Final[dict[str, tuple[object, ...]]] = {
    "n": (1,), "best_of": (1,), "min_tokens": (0,), "length_penalty": (1.0,),
    "use_beam_search": (False,), "ignore_eos": (False,), "stop_token_ids": ([],), "bad_words": ([],), "prompt_logprobs": (),
    "guided_json": (), "guided_regex": (), "guided_choice": (), "guided_grammar": (), "structured_outputs": (), "chat_template": (),
    "chat_template_kwargs": ({},), "continue_final_message": (False,), "add_generation_prompt": (True,), "echo": (False,), "audio": (),
    "web_search_options": (), "functions": ([],), "function_call": ("none",),
}  # fmt: skip
"""Of each of them, the values that change nothing."""
REASONS: Final = {
    "n": "one answer a request",
    "best_of": "one answer a request",
    "functions": TOOLS,
    "function_call": TOOLS,
    "audio": "this model writes text alone",
    "web_search_options": "nothing is looked up for an answer",
}


class _Chat(_Common, kw_only=True):
    messages: list[_Message]
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: _Unit | None = None
    top_k: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: _Unit | None = None
    repetition_penalty: Annotated[float, msgspec.Meta(gt=0, le=2)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    logit_bias: dict[str, Annotated[float, msgspec.Meta(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=TOP_LOGPROBS_MAX)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    response_format: _ResponseFormat | None = None
    modalities: list[str] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    return_token_ids: bool | None = None
    return_trace_root: bool | None = None


def read_chat(body: bytes, vocabulary_size: int) -> ChatAsked:
    """A request to `/chat/completions`. Raises `InvalidChatError`, `UnsupportedParameterError`."""
    asked = _decoded(body, _Chat)
    _refuse_unsupported(asked)
    if asked.tools or asked.tool_choice not in (None, "none", "auto"):
        raise UnsupportedParameterError("tools" if asked.tools else "tool_choice", TOOLS)
    if asked.response_format is not None and asked.response_format.type != "text":
        raise UnsupportedParameterError("response_format", "answers are not held to a grammar, so nothing would make them JSON")
    if asked.modalities not in (None, [], ["text"]):
        raise UnsupportedParameterError("modalities", "this model writes text alone")
    if asked.top_logprobs is not None and not asked.logprobs:
        raise InvalidChatError("top_logprobs is told only with logprobs")
    limit = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
    temperature, top_p = _heat(asked.temperature, asked.top_p)
    return ChatAsked(
        messages=_plain(asked.messages),
        sampling=Sampling(
            max_tokens=limit or 0,
            seed=_seed(asked.seed),
            temperature=temperature,
            top_p=top_p,
            top_k=max(asked.top_k or 0, 0),
            min_p=asked.min_p or 0.0,
            repetition_penalty=asked.repetition_penalty or 1.0,
            frequency_penalty=asked.frequency_penalty or 0.0,
            presence_penalty=asked.presence_penalty or 0.0,
            logit_bias=_biases(asked.logit_bias, vocabulary_size),
            stop=_stops("stop", asked.stop),
            top_logprobs=(asked.top_logprobs or 0) if asked.logprobs else None,
            trace=bool(asked.return_trace_root),
        ),
        is_seeded=asked.seed is not None,
        stream=bool(asked.stream),
        includes_usage=asked.stream_options is not None and bool(asked.stream_options.include_usage),
        returns_token_ids=bool(asked.return_token_ids),
    )


class _AnthropicMessages(_Common, kw_only=True):
    messages: list[_Message]
    max_tokens: _Count
    system: str | list[_Part] | None = None
    temperature: _Unit | None = None
    top_p: _Unit | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    thinking: dict[str, Any] | None = None


def read_messages(body: bytes) -> ChatAsked:
    """A request to `/messages`. Raises `InvalidChatError`, `UnsupportedParameterError`."""
    asked = _decoded(body, _AnthropicMessages)
    _refuse_unsupported(asked)
    if asked.tools or asked.tool_choice is not None:
        raise UnsupportedParameterError("tools", TOOLS)
    if asked.thinking is not None and asked.thinking.get("type") != "disabled":
        raise UnsupportedParameterError("thinking", "this model does not think before it answers")
    system = [_Message("system", asked.system)] if asked.system else []
    temperature, top_p = _heat(asked.temperature, asked.top_p)
    if any(message.role not in ("user", "assistant") for message in asked.messages):
        raise InvalidChatError("a message's role is user or assistant")
    return ChatAsked(
        messages=_plain([*system, *asked.messages]),
        sampling=Sampling(
            max_tokens=asked.max_tokens,
            seed=0,
            temperature=temperature,
            top_p=top_p,
            top_k=asked.top_k or 0,
            stop=_stops("stop_sequences", asked.stop_sequences),
        ),
        is_seeded=False,
        stream=bool(asked.stream),
        includes_usage=True,
        returns_token_ids=False,
    )


# ---- embeddings --------------------------------------------------------------------------------------------------


class _Embedding(msgspec.Struct):
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


def read_embedding(body: bytes, vocabulary_size: int) -> EmbeddingAsked:
    """A request to `/embeddings`. Raises `InvalidChatError`, `UnsupportedParameterError`."""
    asked = _decoded(body, _Embedding)
    if asked.dimensions is not None:
        raise UnsupportedParameterError("dimensions", "the vectors have the model's width, and nothing in the model lets them be shortened")
    inputs = _inputs(asked.input)
    if not 1 <= len(inputs) <= INPUTS_MAX or not all(inputs):
        raise InvalidChatError(f"input is one text or list of tokens that is not empty, or up to {INPUTS_MAX} of them")
    if any(not 0 <= token < vocabulary_size for each in inputs if isinstance(each, tuple) for token in each):
        raise InvalidChatError(f"input: the model's tokens are 0 to {vocabulary_size - 1}")
    return EmbeddingAsked(inputs=inputs, is_base64=asked.encoding_format == "base64")


def _inputs(given: str | list[str | int | list[int]]) -> tuple[str | tuple[int, ...], ...]:
    if isinstance(given, str):
        return (given,)
    numbers = [each for each in given if isinstance(each, int)]
    if numbers and len(numbers) == len(given):
        return (tuple(numbers),)
    if numbers:
        raise InvalidChatError("input is a list of texts, of tokens, or of lists of tokens, not a mixture")
    return tuple(each if isinstance(each, str) else tuple(each) for each in given if not isinstance(each, int))


# ---- what they share ---------------------------------------------------------------------------------------------


def _decoded(body: bytes, kind: type[_Asked]) -> _Asked:
    if is_nested_deeper(body, NESTING_MAX):
        raise InvalidChatError("the body is nested too deeply")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidChatError(f"the body is not a request: {error}") from None


def _refuse_unsupported(asked: _Common) -> None:
    for name, neutral in NEUTRAL.items():
        value = getattr(asked, name)
        if value is not None and value not in neutral:
            raise UnsupportedParameterError(name, REASONS.get(name, "this engine does not do that"))


def _plain(messages: list[_Message]) -> bytes:
    """The messages as a template reads them: a role and a text each."""
    if not messages:
        raise InvalidChatError("messages has at least one message")
    plain = []
    for number, message in enumerate(messages):
        if message.tool_calls or message.function_call or message.role in ("tool", "function"):
            raise UnsupportedParameterError(f"messages[{number}]", TOOLS)
        role = "system" if message.role == "developer" else message.role
        if role not in ("system", "user", "assistant"):
            raise InvalidChatError(f"messages[{number}]: the role is system, developer, user or assistant")
        plain.append({"role": role, "content": _text(message.content, number)})
    return msgspec.json.encode(plain)


def _text(content: str | list[_Part] | None, number: int) -> str:
    if content is None:
        raise InvalidChatError(f"messages[{number}] has no content")
    if isinstance(content, str):
        return content
    texts = []
    for part in content:
        if part.type not in ("text", "input_text", "output_text"):
            raise UnsupportedParameterError(f"messages[{number}].content", f"{IMAGES}, and no part of the type {part.type[:40]!r}")
        texts.append(part.text or "")
    return "".join(texts)


def _heat(temperature: float | None, top_p: float | None) -> tuple[float, float]:
    """Temperature and top_p: what is named, else what is usual."""
    if top_p == 0:
        raise InvalidChatError("top_p is more than 0")
    usual_top_p = USUAL_TOP_P if temperature is None else 1.0
    return USUAL_TEMPERATURE if temperature is None else temperature, usual_top_p if top_p is None else top_p


def _seed(seed: int | None) -> int:
    """Any number of 64 bits; those below zero count from the other end."""
    if seed is None:
        return 0
    if not -SEED_VALUES // 2 <= seed < SEED_VALUES:
        raise InvalidChatError("seed is a number of 64 bits")
    return seed % SEED_VALUES


def _stops(name: str, given: str | list[str] | None) -> tuple[str, ...]:
    stops = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    if len(stops) > STOPS_MAX or any(not 1 <= len(stop) <= STOP_CHARACTERS_MAX for stop in stops):
        raise InvalidChatError(f"{name} is up to {STOPS_MAX} texts of 1 to {STOP_CHARACTERS_MAX} characters")
    return stops


def _biases(given: dict[str, float] | None, vocabulary_size: int) -> tuple[tuple[int, float], ...]:
    if not given:
        return ()
    if len(given) > BIASES_MAX:
        raise InvalidChatError(f"logit_bias names up to {BIASES_MAX} tokens")
    biases = {}
    for name, bias in given.items():
        if not (name.isascii() and name.isdecimal() and len(name) <= 9 and int(name) < vocabulary_size):
            raise InvalidChatError(f"logit_bias: the model's tokens are 0 to {vocabulary_size - 1}")
        biases[int(name)] = bias
    return tuple(sorted(biases.items()))
