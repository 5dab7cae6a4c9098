"""What is asked of a provider, as it is before it is paid for and sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from zerog.compute.client.chatting import CHAT_PATH, ChatOptions, Message, chat_request
from zerog.compute.client.market import weights_of
from zerog.compute.client.verifying.kinds import JSON_TYPE, KINDS, Kind, json_object
from zerog.compute.wire.forms import read_fields
from zerog.contracts.compute import InferenceService

__all__ = ["Request", "chat_with", "named_model"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be asked, in clear."""

    kind: Kind
    model: str
    body: bytes = field(repr=False)
    content_type: str
    encrypted: bool = field(kw_only=True)


def chat_with(
    service: InferenceService, prompt: str | Sequence[Message], model: str | None, options: ChatOptions, *, encrypted: bool
) -> Request:
    """A chat with a service. One whose weights are known is asked for the numbers of its tokens too, with which it can be replayed."""
    messages = [Message("user", prompt)] if isinstance(prompt, str) else list(prompt)
    named = model or service.params.model
    if options.token_ids is None:
        options = replace(options, token_ids=weights_of(service) is not None)
    body = msgspec.json.encode(chat_request(messages, named, options))
    return Request(KINDS[CHAT_PATH], named, body, JSON_TYPE, encrypted=encrypted)


def named_model(body: bytes, content_type: str) -> str | None:
    """The model that a request names. Raises `FormError`."""
    if content_type == JSON_TYPE:
        named = (json_object(body) or {}).get("model")
        return named if isinstance(named, str) else None
    value = read_fields(body, content_type).get("model")
    return None if value is None else value.decode(errors="replace")
