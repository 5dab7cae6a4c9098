"""What answers say that they used: no receipt charges for more, whatever API it is."""

import json

import pytest

from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.client.verifying.kinds import EVENTS_TYPE, JSON_TYPE
from zerog.compute.client.verifying.used import check_used
from zerog.compute.protocol.fees import Usage

MESSAGES = b"".join(
    b"data: " + json.dumps(event).encode() + b"\n\n"
    for event in (
        {"type": "message_start", "message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 1}}},
        {"type": "message_delta", "usage": {"output_tokens": 9}},
    )
)


def answer(**members: object) -> bytes:
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    ("body", "media_type", "most"),
    [
        (answer(usage={"prompt_tokens": 5, "completion_tokens": 9}), JSON_TYPE, Usage(prompt_tokens=5, completion_tokens=9)),
        (MESSAGES, EVENTS_TYPE, Usage(prompt_tokens=9, completion_tokens=9)),
        (answer(usage={"type": "duration", "seconds": 3}), JSON_TYPE, Usage(seconds=3)),
        (answer(text="", duration=2.4), JSON_TYPE, Usage(seconds=2)),
        (answer(text="", duration=0.1), JSON_TYPE, Usage(seconds=1)),
        (answer(usage={"output_images": 2}), JSON_TYPE, Usage(images=2)),
    ],
)
def test_what_an_answer_says_is_the_most_that_is_charged(body: bytes, media_type: str, most: Usage) -> None:
    assert check_used(body, media_type, most, pictures=None)
    for name in ("prompt_tokens", "completion_tokens", "seconds", "images"):
        if getattr(most, name):
            more = Usage(**{name: getattr(most, name) + 1})
            with pytest.raises(AnswerRefutedError, match="are charged, and the answer says"):
                check_used(body, media_type, more, pictures=None)


def test_pictures_that_can_be_seen_are_counted() -> None:
    assert check_used(b"{}", JSON_TYPE, Usage(images=2), pictures=2)
    with pytest.raises(AnswerRefutedError, match="3 pictures"):
        check_used(answer(usage={"output_images": 3}), JSON_TYPE, Usage(images=3), pictures=2)


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"{}", answer(usage=[]), answer(usage={"prompt_tokens": True, "seconds": "9"})])
def test_what_says_nothing_proves_nothing(body: bytes) -> None:
    assert not check_used(body, JSON_TYPE, Usage(prompt_tokens=1, seconds=1), pictures=None)
    assert not check_used(body, "audio/wav", Usage(prompt_tokens=1), pictures=None)
