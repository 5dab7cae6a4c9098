"""The most that a request can cost, by its bytes: what the wallet counts before anything is signed."""

from typing import Final

from zerog.compute.client.verifying.kinds import Kind, json_object
from zerog.compute.protocol.additional_info import AdditionalInfo
from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.errors import AdditionalInfoError
from zerog.compute.protocol.fees import Prices, Usage, highest_fee
from zerog.compute.wire.forms import FORM_TYPE, read_fields
from zerog.contracts.compute import InferenceService

__all__ = ["highest_fee_wei"]

TOKENS_ASSUMED: Final = 131_072
"""Of an answer that nobody bounded, or of a prompt whose bytes do not tell."""
TOKENS_PER_MESSAGE: Final = 16
"""What a model's template puts around each message, at most."""
SECOND_BYTES_MIN: Final = 500
"""A second of sound takes at least so many bytes (Opus at 4 kbit/s)."""
UNBOUNDED_MARKS: Final = (b'"image_url"', b'"input_audio"', b'"input_image"', b'"file"', b'"image"', b'"document"')


def highest_fee_wei(service: InferenceService, kind: Kind, body: bytes, content_type: str) -> int:
    """Of a request in clear. Raises `FormError`."""
    usages = _highest_usages(kind, body, content_type)
    return max(highest_fee(kind.service_type, _prices(service), usage).total_wei for usage in usages)


def _prices(service: InferenceService) -> Prices:
    params = service.params
    try:
        info = AdditionalInfo.from_json(params.additional_info)
    except AdditionalInfoError:
        return Prices(input_wei=params.input_price_wei, output_wei=params.output_price_wei)
    return info.prices(input_wei=params.input_price_wei, output_wei=params.output_price_wei)


def _highest_usages(kind: Kind, body: bytes, content_type: str) -> tuple[Usage, ...]:
    is_form = content_type.startswith(FORM_TYPE)
    asked: dict[str, object] = dict(_form(body, content_type)) if is_form else json_object(body) or {}
    choices = max(_count(asked, "n") or 1, 1)
    if kind.has_images:
        return (Usage(images=choices),)
    if is_form:  # Sound is paid by the second or by tokens, as its server counts.
        return Usage(seconds=len(body) // SECOND_BYTES_MIN + 1), Usage(prompt_tokens=TOKENS_ASSUMED, completion_tokens=TOKENS_ASSUMED)
    messages = asked.get("messages")
    # A token of a prompt has a byte at least, so a prompt has no more tokens than bytes.
    prompt = len(body) + TOKENS_PER_MESSAGE * (len(messages) if isinstance(messages, list) else 1)
    if any(mark in body for mark in UNBOUNDED_MARKS):
        prompt = max(prompt, TOKENS_ASSUMED)
    if kind.service_type not in (ServiceType.CHATBOT, ServiceType.TEXT_TO_SPEECH):
        return (Usage(prompt_tokens=prompt),)
    bounds = [bound for name in ("max_tokens", "max_completion_tokens") if (bound := _count(asked, name)) is not None]
    return (Usage(prompt_tokens=prompt, completion_tokens=choices * max(bounds, default=TOKENS_ASSUMED)),)


def _form(body: bytes, content_type: str) -> dict[str, int]:
    """Numbers of a form."""
    return {name: int(value) for name, value in read_fields(body, content_type).items() if value.isdigit() and len(value) < 16}


def _count(asked: dict[str, object], name: str) -> int | None:
    value = asked.get(name)
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else None
