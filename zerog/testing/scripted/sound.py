"""Speech without a model: it tells how long it heard, and says a tone a word. Source: OpenAI's API reference, "Audio"."""

import io
import math
import struct
import wave
from array import array
from dataclasses import dataclass
from typing import Any, Final

from zerog.compute.provider.engines.tokens import count_tokens, split_tokens
from zerog.testing.scripted.answers import ENGINE, NOTE, InvalidRequestError, digest_of
from zerog.testing.scripted.chat import encode

__all__ = ["Speech", "duration_s", "spoken", "transcribed"]

RATE: Final = 24_000
"""Samples a second of what it says; one channel of 16 bits. That is also what OpenAI's `pcm` is."""
TONE_SAMPLES: Final = RATE // 20
LOUDNESS: Final = 8_000
TOKENS_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class Speech:
    """Bytes of a sound, and what they are."""

    data: bytes
    content_type: str


def transcribed(fields: dict[str, str], sound: bytes) -> Speech:
    """What it heard, in the form that `response_format` asks for. Raises `InvalidRequestError`."""
    seconds = duration_s(sound)
    text = f"[{NOTE}] It heard {seconds:.2f} seconds of sound, with the fingerprint {digest_of(ENGINE, sound.hex()).hex()[:8]}."
    form = fields.get("response_format") or "json"
    if form == "text":
        return Speech(text.encode() + b"\n", "text/plain; charset=utf-8")
    if form == "srt":
        return Speech(f"1\n00:00:00,000 --> {_clock(seconds, ',')}\n{text}\n\n".encode(), "text/plain; charset=utf-8")
    if form == "vtt":
        return Speech(f"WEBVTT\n\n00:00:00.000 --> {_clock(seconds, '.')}\n{text}\n\n".encode(), "text/vtt; charset=utf-8")
    if form == "json":
        usage = {"type": "duration", "seconds": max(1, round(seconds))}
        return Speech(encode({"text": text, "usage": usage, "system_fingerprint": ENGINE}), "application/json")
    if form == "verbose_json":
        return Speech(encode(_detailed(text, seconds, fields.get("language") or "english")), "application/json")
    raise InvalidRequestError("response_format is json, text, srt, vtt or verbose_json")


def _detailed(text: str, seconds: float, language: str) -> dict[str, object]:
    segment = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": seconds,
        "text": text,
        "tokens": list(range(count_tokens(text))),
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    usage = {"type": "duration", "seconds": max(1, round(seconds))}
    return {
        "task": "transcribe",
        "language": language,
        "duration": seconds,
        "text": text,
        "segments": [segment],
        "usage": usage,
        "system_fingerprint": ENGINE,
    }


def duration_s(sound: bytes) -> float:
    """How long a WAV file lasts, by its header. Raises `InvalidRequestError`."""
    try:
        with wave.open(io.BytesIO(sound)) as opened:
            rate = opened.getframerate()
            if rate < 1:
                raise InvalidRequestError("file is a WAV without samples a second")
            return float(opened.getnframes() / rate)
    except (wave.Error, EOFError, struct.error) as error:
        raise InvalidRequestError(f"file is a WAV, the only sound that the scripted test engine reads: {error}") from error


def spoken(asked: dict[str, Any]) -> Speech:
    """A sound for `input`: WAV, or the bare samples (`pcm`). Raises `InvalidRequestError`."""
    text, form = asked.get("input"), asked.get("response_format") or "wav"
    if not isinstance(text, str) or not text:
        raise InvalidRequestError("input is a text")
    if form not in ("wav", "pcm"):
        raise InvalidRequestError("response_format is wav or pcm, the only sounds that the scripted test engine makes")
    tokens = split_tokens(text)
    if len(tokens) > TOKENS_MAX:
        raise InvalidRequestError("input is too long")
    samples = b"".join(_tone(digest_of(ENGINE, asked.get("voice"), token)) for token in tokens)
    return Speech(samples, "audio/pcm") if form == "pcm" else Speech(_wav(samples), "audio/wav")


def _tone(digest: bytes) -> bytes:
    """A twentieth of a second between 100 and 400 Hz, little-endian."""
    period = 60 + digest[0] % 181
    once = array("h", (round(LOUDNESS * math.sin(2 * math.pi * sample / period)) for sample in range(period)))
    tone = (once * (TONE_SAMPLES // period + 1))[:TONE_SAMPLES]
    return struct.pack(f"<{TONE_SAMPLES}h", *tone)


def _wav(samples: bytes) -> bytes:
    """A RIFF file whose list of facts names the program. Source: Microsoft and IBM, Multimedia Programming Interface 1.0."""
    note = NOTE.encode("latin-1") + b"\0"
    note += b"\0" * (len(note) % 2)
    facts = b"INFOISFT" + struct.pack("<I", len(note)) + note
    body = b"".join(
        (
            b"WAVEfmt ",
            struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16),
            b"LIST",
            struct.pack("<I", len(facts)),
            facts,
            b"data",
            struct.pack("<I", len(samples)),
            samples,
        )
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    return f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}:{milliseconds // 1000 % 60:02}{point}{milliseconds % 1000:03}"
