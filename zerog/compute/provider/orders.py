"""A charged request on its way: what was asked by whom, at which price, and what of it ends up on the bill."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from anyio import to_thread

from zerog.compute.protocol.constants import ServiceType
from zerog.compute.protocol.e2ee import ResponseSealer
from zerog.compute.protocol.fees import Fee, Usage, fee_of, highest_fee
from zerog.compute.provider.asked import Asked, PaidPath, read_asked
from zerog.compute.provider.catalogue import OfferedModel
from zerog.compute.provider.engines import Engine
from zerog.compute.provider.errors import BrokenAnswerError
from zerog.compute.provider.metering import AnswerReader
from zerog.compute.provider.texts import request_words
from zerog.primitives import Address, Wei

__all__ = ["THREAD_BYTES_MIN", "Order", "capped", "highest_wei", "read_asked_anywhere", "sha256_of", "sound_seconds", "usage_of_answer"]

PROMPT_OVERHEAD_TOKENS: Final = 1_024
"""What a model's template may add to the words of a request."""
SECOND_BYTES_MIN: Final = 500
"""A second of sound takes at least so many bytes (Opus at 4 kbit/s)."""
USUAL_SECOND_BYTES: Final = 16_000
WAV_HEADER_BYTES: Final = 44
UNBOUNDED_MARKS: Final = (b'"image_url"', b'"input_audio"', b'"input_image"', b'"file"', b'"image"', b'"document"')
"""Where one of them stands in a prompt, its bytes do not tell how many tokens it has."""
THREAD_BYTES_MIN: Final = 512 << 10
"""Work on more bytes than this goes to a thread."""


@dataclass(slots=True, kw_only=True)
class Order:
    """One charged request."""

    key: str
    """`ZG-Res-Key`: names the answer, its signature and its receipt."""
    user: Address
    path: PaidPath
    asked: Asked
    model: OfferedModel
    upstream_model: str
    engine: Engine
    body: bytes = field(repr=False)
    """As the model reads it."""
    content_type: str
    query: str
    request_sha256: bytes
    """Of the body as the client sent it."""
    sealer: ResponseSealer | None = None
    """For a client that encrypts."""
    highest_wei: int = 0


def highest_wei(order: Order) -> int:
    """What no answer can cost more than: it is set aside before the engine is asked."""
    usages = _highest_usages(order.path, order.asked, order.body, order.model.context_tokens)
    return max(highest_fee(order.model.service_type, order.model.prices, usage).total_wei for usage in usages)


def _highest_usages(path: PaidPath, asked: Asked, body: bytes, context: int) -> tuple[Usage, ...]:
    if path.has_images:
        return (Usage(images=asked.images),)
    if path.is_form:  # Sound is paid by the second or by tokens, as its server counts.
        return Usage(seconds=len(body) // SECOND_BYTES_MIN + 1), Usage(prompt_tokens=context, completion_tokens=context)
    is_bounded = not any(mark in body for mark in UNBOUNDED_MARKS)
    prompt = min(context, len(body) + PROMPT_OVERHEAD_TOKENS) if is_bounded else context
    if not (path.is_chat or path.is_anthropic):
        return (Usage(prompt_tokens=prompt, completion_tokens=context if ServiceType.TEXT_TO_SPEECH in path.service_types else 0),)
    bound = asked.completion_tokens_max
    return (Usage(prompt_tokens=prompt, completion_tokens=asked.choices * (context if bound is None else min(bound, context))),)


async def usage_of_answer(order: Order, reader: AnswerReader) -> Usage:
    """What an answer used: as the server says, else counted. Raises `BrokenAnswerError` for pictures that are none."""
    usage = reader.usage()
    if order.path.has_images and not reader.image_hashes:
        raise BrokenAnswerError("there is no picture in it")
    if usage is not None:
        return usage
    if len(order.body) > THREAD_BYTES_MIN or reader.is_large:
        return await to_thread.run_sync(_count, order, reader)
    return _count(order, reader)


def _count(order: Order, reader: AnswerReader) -> Usage:
    count = order.engine.count_tokens
    words = reader.words()
    if order.path.is_form:
        return Usage(seconds=sound_seconds(order.body))
    is_chat = order.path.is_chat or order.path.is_anthropic
    return Usage(prompt_tokens=count(request_words(order.body)), completion_tokens=count(words) if is_chat else 0)


def capped(order: Order, usage: Usage) -> Fee:
    """The fee, never more than was set aside: a server that counts wildly cannot take more of a user's money than the user knew of."""
    fee = fee_of(order.model.service_type, order.model.prices, usage)
    if fee.total_wei <= order.highest_wei:
        return fee
    input_wei = min(fee.input_wei, order.highest_wei)
    return Fee(Wei(input_wei), Wei(min(fee.output_wei, order.highest_wei - input_wei)))


def sound_seconds(form: bytes) -> int:
    """How long a recording in a form is: a WAV file says it; others are taken for sound at 128 kbit/s. At least a second.

    Source of the header: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", WAVE.
    """
    at = form.find(b"RIFF")
    header = form[at : at + WAV_HEADER_BYTES] if at >= 0 else b""
    if header[8:16] == b"WAVEfmt " and len(header) == WAV_HEADER_BYTES:
        byte_rate = int.from_bytes(header[28:32], "little")
        if byte_rate:
            return max(1, round((len(form) - at) / byte_rate))
    return max(1, round(len(form) / USUAL_SECOND_BYTES))


async def read_asked_anywhere(path: PaidPath, body: bytes, content_type: str) -> Asked:
    """`read_asked`, in a thread if that takes a while."""
    if len(body) > THREAD_BYTES_MIN:
        return await to_thread.run_sync(read_asked, path, body, content_type)
    return read_asked(path, body, content_type)


async def sha256_of(data: bytes) -> bytes:
    """SHA-256, in a thread if that takes a while."""
    return await to_thread.run_sync(_sha256, data) if len(data) > THREAD_BYTES_MIN else _sha256(data)


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
