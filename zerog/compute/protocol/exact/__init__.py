"""Rules of the exact engine that provider and verifier share: what a request asks for, what its receipt says, how tokens become text."""

from zerog.compute.protocol.exact.errors import ContextLengthError, InvalidChatError, UnsupportedParameterError
from zerog.compute.protocol.exact.model import Finish, Machine, Score, ServedModel, TokenNews, Vocabulary
from zerog.compute.protocol.exact.requests import ChatAsked, EmbeddingAsked, read_chat, read_embedding, read_messages
from zerog.compute.protocol.exact.sampling import (
    COMPLETION_NAME,
    ENGINE,
    PROMPT_NAME,
    TRACE_NAME,
    Sampling,
    answer_texts,
    decimal_text,
    embedding_texts,
    tokens_sha256,
)
from zerog.compute.protocol.exact.writing import Writing

__all__ = [
    "COMPLETION_NAME",
    "ENGINE",
    "PROMPT_NAME",
    "TRACE_NAME",
    "ChatAsked",
    "ContextLengthError",
    "EmbeddingAsked",
    "Finish",
    "InvalidChatError",
    "Machine",
    "Sampling",
    "Score",
    "ServedModel",
    "TokenNews",
    "UnsupportedParameterError",
    "Vocabulary",
    "Writing",
    "answer_texts",
    "decimal_text",
    "embedding_texts",
    "read_chat",
    "read_embedding",
    "read_messages",
    "tokens_sha256",
]
