"""What an answer itself says that it used: no receipt may charge for more."""

import math
from collections.abc import Iterable, Mapping

from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.client.verifying.kinds import EVENTS_TYPE, JSON_TYPE, json_object
from zerog.compute.protocol.fees import Usage
from zerog.compute.protocol.sealed_proof import event_payloads

__all__ = ["check_used"]


def check_used(body: bytes, content_type: str, charged: Usage, *, pictures: int | None) -> bool:
    """Hold what was charged against what the answer says, where it says something; `pictures` is how many it holds, if that can be seen.

    Returns whether there was anything to hold it against. Raises `AnswerRefutedError`.
    """
    told = _told(body, content_type)
    prompt, completion, seconds, images = _prompt(told), _number(told, "completion_tokens", "output_tokens"), _seconds(told), pictures
    if images is None:
        images = _number(told, "output_images")
    pairs = (
        ("prompt tokens", charged.prompt_tokens, prompt),
        ("completion tokens", charged.completion_tokens, completion),
        ("seconds", charged.seconds, seconds),
        ("pictures", charged.images, images),
    )
    for what, paid, said in pairs:
        if said is not None and paid > said:
            raise AnswerRefutedError("receipt", f"{paid} {what} are charged, and the answer says {said}")
    return all(said is not None for _, paid, said in pairs if paid)


def _told(body: bytes, content_type: str) -> Mapping[str, object]:
    """All members of `usage`; of two that tell of the same thing, the later one. A stream of the Messages API tells it in two events."""
    if content_type == JSON_TYPE:
        found: Iterable[dict[str, object] | None] = [json_object(body)]
    elif content_type == EVENTS_TYPE:
        found = (json_object(payload) for payload in event_payloads(body) if b'"usage"' in payload)
    else:
        return {}
    merged: dict[str, object] = {}
    for answer in found:
        if answer is None:
            continue
        message = answer.get("message")
        for holder in (message if isinstance(message, dict) else {}, answer):
            usage = holder.get("usage")
            if isinstance(usage, dict):
                merged |= {name: value for name, value in usage.items() if value is not None}
        if "duration" in answer:
            merged.setdefault("seconds", answer["duration"])
    return merged


def _prompt(told: Mapping[str, object]) -> int | None:
    """The Messages API counts what was cached beside the rest."""
    if "prompt_tokens" in told:
        return _number(told, "prompt_tokens")
    plain = _number(told, "input_tokens")
    cached = (_number(told, name) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens"))
    return None if plain is None else plain + sum(cached)


def _number(told: Mapping[str, object], *names: str) -> int | None:
    values = (told.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), None)


def _seconds(told: Mapping[str, object]) -> int | None:
    """Rounded as they are charged; a shorter recording counts as one second."""
    value = told.get("seconds")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return max(1, round(value))
