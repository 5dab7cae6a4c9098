"""For whom a file is encrypted, and the randomness that each file needs."""

import secrets
from dataclasses import dataclass, field
from typing import Literal

from zerog._kernel import SignatureError, public_key_of
from zerog.storage.protocol.encryption import (
    NONCE_BYTES,
    SALT_BYTES,
    PublicKey,
    SecretKey,
    cipher_v1,
    cipher_v2,
    cipher_v3,
    cipher_v3_for_recipient,
)
from zerog.storage.protocol.errors import EncryptionKeyError
from zerog.storage.protocol.file_cipher import FileCipher

__all__ = ["Encryption", "random_private_key"]

EncryptionForm = Literal["sealed", "official"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """For those who share `key`, or for the `recipient` with the private key of a public one; exactly one of them is given."""

    key: SecretKey | None = field(default=None, repr=False)
    recipient: PublicKey | None = None
    form: EncryptionForm = "sealed"
    """`sealed` is authenticated: what was changed is refused (version 3). `official` is what official clients read (versions 1 and 2)."""

    def __post_init__(self) -> None:
        if (self.key is None) == (self.recipient is None):
            raise EncryptionKeyError("either a shared key or a recipient is needed")

    def cipher(self) -> FileCipher:
        """The cipher of one more file. Raises `EncryptionKeyError`."""
        if self.key is not None:
            if self.form == "official":
                return cipher_v1(self.key, nonce=secrets.token_bytes(NONCE_BYTES))
            return cipher_v3(self.key, salt=secrets.token_bytes(SALT_BYTES))
        if self.recipient is None:
            raise EncryptionKeyError("either a shared key or a recipient is needed")
        ephemeral = random_private_key()
        if self.form == "official":
            return cipher_v2(self.recipient, ephemeral_key=ephemeral, nonce=secrets.token_bytes(NONCE_BYTES))
        return cipher_v3_for_recipient(self.recipient, ephemeral_key=ephemeral, salt=secrets.token_bytes(SALT_BYTES))


def random_private_key() -> SecretKey:
    """A private key of secp256k1 that nobody has."""
    while True:
        key = secrets.token_bytes(32)
        try:
            public_key_of(key)
        except SignatureError:
            continue  # Zero, or beyond the order of the curve: one in 2^128.
        return SecretKey(key)
