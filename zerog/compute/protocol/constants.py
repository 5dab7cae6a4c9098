"""Numbers and words on which all clients and providers of the marketplace agree.

Sources: npm `@0gfoundation/0g-compute-ts-sdk` 0.9.0; 0gfoundation/0g-serving-broker, `doc/api-token.md`, `api/inference`.
"""

from enum import StrEnum
from typing import Final

__all__ = [
    "ADDITIONAL_INFO_BYTES_MAX",
    "API_KEY_PREFIX",
    "BODY_BYTES_MAX",
    "EPHEMERAL_LIFETIME_MS_MAX",
    "EPHEMERAL_TOKEN_ID",
    "LOCKED_BALANCE_WEI_MIN",
    "PERSISTENT_TOKEN_ID_MAX",
    "RESPONSE_KEY_HEADER",
    "SIGNING_ALGORITHM",
    "VERIFIABLE",
    "ProviderType",
    "ServiceType",
]

API_KEY_PREFIX: Final = "app-sk-"
"""How every key of a user begins; a `Bearer ` before it makes the header."""
EPHEMERAL_TOKEN_ID: Final = 255
"""Tokens of this id end by themselves and cannot be revoked one by one."""
PERSISTENT_TOKEN_ID_MAX: Final = EPHEMERAL_TOKEN_ID - 1
EPHEMERAL_LIFETIME_MS_MAX: Final = 24 * 60 * 60 * 1000

LOCKED_BALANCE_WEI_MIN: Final = 10**18
"""What stays locked beside the fees before a provider answers (MinimumLockedBalance of the official broker)."""
BODY_BYTES_MAX: Final = 32 << 20
"""Longest body of a request."""
ADDITIONAL_INFO_BYTES_MAX: Final = 4096
"""Longest `additionalInfo` that the contract takes."""

RESPONSE_KEY_HEADER: Final = "ZG-Res-Key"
"""Header of an answer that names its signature and its receipt."""
SIGNING_ALGORITHM: Final = "ecdsa"
VERIFIABLE: Final = ("OpML", "TeeML", "ZKML")
"""Values of `verifiability` for which the official client asks for a signature at all."""


class ServiceType(StrEnum):
    """What a service does; the names stand on chain."""

    CHATBOT = "chatbot"
    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_EDITING = "image-editing"
    SPEECH_TO_TEXT = "speech-to-text"
    TEXT_TO_SPEECH = "text-to-speech"
    EMBEDDING = "embedding"
    VIDEO_GENERATION = "video-generation"


class ProviderType(StrEnum):
    """Who runs the model: the enclave itself, a company behind it, or nobody that proves anything."""

    DECENTRALIZED = "decentralized"
    CENTRALIZED = "centralized"
    STANDARD = "standard"
