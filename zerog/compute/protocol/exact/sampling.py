"""How the next token is chosen, as numbers and as the texts that stand in a receipt."""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from zerog.primitives import Hash32

__all__ = [
    "COMPLETION_NAME",
    "ENGINE",
    "PROMPT_NAME",
    "TRACE_NAME",
    "Sampling",
    "answer_texts",
    "decimal_text",
    "embedding_texts",
    "tokens_sha256",
]

ENGINE: Final = "exact"
"""Name of the engine in receipts."""
PROMPT_NAME: Final = "prompt_tokens_sha256"
"""Of the texts of a receipt, the one that names the tokens of the prompt, as the model's template makes it."""
COMPLETION_NAME: Final = "completion_tokens_sha256"
"""The one that names the tokens of the answer."""
TRACE_NAME: Final = "trace_root"
"""The one that commits to the logits of each of them."""
BETWEEN_TEXTS: Final = 2**32 - 1
"""Stands between the tokens of two texts where several are hashed; no token has this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Everything that decides which token comes next, beside model and prompt."""

    max_tokens: int
    """The answer's length at most."""
    seed: int
    """Where the dice begin: 0 to 2^64 − 1."""
    temperature: float = 1.0
    """0: always the likeliest token."""
    top_p: float = 1.0
    top_k: int = 0
    """0: all of them."""
    min_p: float = 0.0
    """Tokens go that are less likely than so much of the likeliest."""
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    """By token, in their order."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer, which does not hold them."""
    top_logprobs: int | None = None
    """Of how many tokens beside the chosen one the probability is told; `None`: of none at all."""
    trace: bool = False
    """Whether the logits of each token are committed to."""

    def texts(self) -> dict[str, str]:
        """As it stands in a receipt. What may be long stands there as its hash; the request, whose hash stands there too, has it."""
        told = {
            "max_tokens": str(self.max_tokens),
            "seed": str(self.seed),
            "temperature": decimal_text(self.temperature),
            "top_p": decimal_text(self.top_p),
            "top_k": str(self.top_k),
            "min_p": decimal_text(self.min_p),
            "repetition_penalty": decimal_text(self.repetition_penalty),
            "frequency_penalty": decimal_text(self.frequency_penalty),
            "presence_penalty": decimal_text(self.presence_penalty),
        }
        if self.logit_bias:
            told["logit_bias_sha256"] = _sha256_of({str(token): decimal_text(bias) for token, bias in self.logit_bias})
        if self.stop:
            told["stop_sha256"] = _sha256_of(self.stop)
        return told


def decimal_text(value: float) -> str:
    """The shortest decimal that is this double, without an exponent: `0.7`, `1`, `0`."""
    text = format(Decimal(repr(value)), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def tokens_sha256(tokens: Sequence[int]) -> Hash32:
    """Hash of a list of tokens: SHA-256 over their numbers, four bytes each, the lowest first."""
    return Hash32(hashlib.sha256(struct.pack(f"<{len(tokens)}I", *tokens)).digest())


def answer_texts(sampling: Sampling, prompt: Sequence[int], completion: Sequence[int], trace_root: bytes | None) -> dict[str, str]:
    """What a receipt says of a chat: how its tokens were chosen, and which they are."""
    told = {**sampling.texts(), PROMPT_NAME: str(tokens_sha256(prompt)), COMPLETION_NAME: str(tokens_sha256(completion))}
    return told if trace_root is None else {**told, TRACE_NAME: str(Hash32(trace_root))}


def embedding_texts(texts: Sequence[Sequence[int]]) -> dict[str, str]:
    """What a receipt says of embeddings: how a vector comes of many, and whose tokens they were."""
    tokens = [token for text in texts for token in (*text, BETWEEN_TEXTS)]
    return {"pooling": "mean", PROMPT_NAME: str(tokens_sha256(tokens))}


def _sha256_of(value: Mapping[str, str] | Sequence[str]) -> str:
    return str(Hash32(hashlib.sha256(msgspec.json.encode(value, order="sorted")).digest()))
