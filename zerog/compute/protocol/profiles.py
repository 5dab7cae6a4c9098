"""Which members of a request and of an answer are secret, for each kind of call that can be encrypted.

A profile is not on the wire: both sides know it by the path of the call. What it demands is checked by whoever receives; the sender's check
only keeps an honest one from mistakes.

Source: 0gfoundation/0g-pc-e2ee, `protocol/SPEC.md` 5.1, 7.1, 7.2 and 12; 0gfoundation/0g-serving-broker,
`api/inference/internal/ctrl/e2ee.go` (which members stay readable).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zerog.compute.protocol.errors import EncryptionError

__all__ = ["ANTHROPIC", "CHAT", "EMBEDDING", "IMAGE", "RESPONSE_UNBOUND_FIELDS", "Profile", "profile_of"]

RESPONSE_UNBOUND_FIELDS: Final = ("model", "x_0g_trace")
"""What a router may change in an answer: it writes back the name that its client asked for, and adds a trace. Nobody may trust these."""
NEVER_UNBOUND: Final = frozenset({"usage"})
"""Somebody is charged by it, so that its value must be authentic."""
NEVER_SEALED: Final = frozenset({"usage", "model"})
"""Routers read these without a key."""
READABLE: Final = frozenset(
    {
        "created", "id", "index", "model", "object", "role", "service_tier", "stop_reason", "stop_sequence", "system_fingerprint", "type",
        "usage", "x_0g_trace",
    }
)  # fmt: skip
"""Members of answers that say nothing of the content. All others are sealed: also those that nobody has heard of."""

SHAPES: Final[Mapping[str, str | None]] = {
    "message": "content",
    "message_start": None,
    "content_block_start": "content_block",
    "content_block_delta": "delta",
    "content_block_stop": None,
    "message_delta": "delta",
    "message_stop": None,
    "ping": None,
    "error": "error",
}
"""Events of the Messages API by their `type`, with the member that holds content."""
SHAPE_CONTENT: Final = frozenset(content for content in SHAPES.values() if content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of call. `payload` must be sealed, `payload_if_present` whenever a request has it, `pinned` must be readable and so."""

    name: str
    payload: str
    payload_if_present: tuple[str, ...] = ()
    default_sealed: tuple[str, ...]
    pinned: Mapping[str, str] = field(default_factory=dict)
    response_content: str
    has_shapes: bool = False
    """Whether each frame of an answer says by its `type` what it holds."""
    counts_images: bool = False

    def check_request(self, readable: Mapping[str, object], sealed: Sequence[str], unbound: Sequence[str]) -> None:
        """What a request must keep secret, and what it must not. Raises `EncryptionError`."""
        if self.payload not in sealed:
            raise EncryptionError(f"a sealed {self.name} request must seal {self.payload}")
        for name in self.payload_if_present:
            if name in readable:
                raise EncryptionError(f"a sealed {self.name} request must seal {name} if it has one")
        for name, value in self.pinned.items():
            if name in sealed or name in unbound or readable.get(name) != value:
                raise EncryptionError(f"a sealed {self.name} request must say {name}: {value!r}, readable and bound")

    def sealed_fields_of(self, frame: Mapping[str, object]) -> tuple[str, ...]:
        """Members of an answer's frame that must be sealed: the content, then all that are not known to be harmless.

        Raises `EncryptionError` for a frame of an unknown kind.
        """
        content = self._content_of(frame)
        further = sorted(name for name in frame if name not in READABLE and name != content)
        if not self.has_shapes:
            return (self.response_content, *further)
        if content is None:
            return ()
        return (content, *further)

    def fitted(self, frame: Mapping[str, object]) -> dict[str, object]:
        """A frame with all members that its kind needs, and none that it must not have. Raises `EncryptionError`."""
        members = dict(frame)
        if not self.has_shapes:
            members.setdefault(self.response_content, [])
            if self.counts_images:
                members["usage"] = _with_images(members.get("usage"), members[self.response_content])
            return members
        if self._content_of(frame) is None:  # Nothing of such a frame is sealed, so nothing unknown may stay in it.
            members = {name: value for name, value in frame.items() if name in READABLE or name == "message"}
            _check_message_start(members)
        return members

    def check_frame(self, frame: Mapping[str, object], sealed: Sequence[str], unbound: Sequence[str], *, is_final: bool) -> None:
        """What the receiver of a frame must refuse. `frame` holds what is readable. Raises `EncryptionError`."""
        if NEVER_UNBOUND.intersection(unbound) or NEVER_SEALED.intersection(sealed):
            raise EncryptionError("usage must be readable and bound, and model readable")
        if self.has_shapes:
            self._check_shape(frame, sealed, unbound)
        elif not sealed or self.response_content in frame:
            raise EncryptionError(f"the frame does not seal {self.response_content}")
        if self.counts_images and is_final and not _is_count(_member(frame.get("usage"), "output_images")):
            raise EncryptionError("the answer does not count its images")

    def _check_shape(self, frame: Mapping[str, object], sealed: Sequence[str], unbound: Sequence[str]) -> None:
        if "type" in unbound or "type" in sealed:
            raise EncryptionError("a frame's type must be readable and bound")
        content = self._content_of(frame)
        if content is None and sealed:
            raise EncryptionError("a frame without content seals something")
        if content is not None and content not in sealed:
            raise EncryptionError(f"the frame does not seal {content}")
        if SHAPE_CONTENT.intersection(frame):
            raise EncryptionError("a frame has content in clear")
        _check_message_start(frame)

    def _content_of(self, frame: Mapping[str, object]) -> str | None:
        if not self.has_shapes:
            return self.response_content
        shape = frame.get("type")
        if not isinstance(shape, str) or shape not in SHAPES:
            raise EncryptionError("a frame is of no known type")
        return SHAPES[shape]


def _check_message_start(frame: Mapping[str, object]) -> None:
    """The count of tokens is inside `message`, which stays readable; so there must be no answer in it."""
    if _member(frame.get("message"), "content"):
        raise EncryptionError("message_start has content in clear")


def _with_images(usage: object, images: object) -> dict[str, object]:
    if not isinstance(images, list):
        raise EncryptionError("the answer holds no list of images")
    return {**(usage if isinstance(usage, dict) else {}), "output_images": len(images)}


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


CHAT: Final = Profile(name="chat", payload="messages", default_sealed=("messages", "tools"), response_content="choices")
IMAGE: Final = Profile(
    name="image",
    payload="prompt",
    default_sealed=("prompt",),
    pinned={"response_format": "b64_json"},
    response_content="data",
    counts_images=True,
)
ANTHROPIC: Final = Profile(
    name="anthropic",
    payload="messages",
    payload_if_present=("system",),
    default_sealed=("messages", "system", "tools"),
    response_content="content",
    has_shapes=True,
)
EMBEDDING: Final = Profile(name="embedding", payload="input", default_sealed=("input",), response_content="data")

_BY_PATH: Final = {"/chat/completions": CHAT, "/images/generations": IMAGE, "/messages": ANTHROPIC, "/embeddings": EMBEDDING}


def profile_of(path: str) -> Profile:
    """The profile of a call by its path behind `/v1/proxy`. Raises `EncryptionError` where nothing can be encrypted."""
    profile = _BY_PATH.get(path.rstrip("/").removeprefix("/v1"))
    if profile is None:
        raise EncryptionError(f"{path} takes no sealed requests")
    return profile
