"""Encryption of a file before it is stored: the versions 1 and 2 of the official clients, and an authenticated version 3 of ours.

Servers never look at any of this. There are no dice here: nonces, salts and ephemeral keys are arguments, and must come from the system's
randomness, fresh for each file.

| version | header | key of the file |
|---|---|---|
| 1 | 01, nonce (16) | the caller's |
| 2 | 02, ephemeral public key (33), nonce (16) | from ECDH on secp256k1 |
| 3 | 03, 01, salt (32), commitment (32) | derived from the caller's |
| 3 | 03, 02, ephemeral public key (33), salt (32), commitment (32) | derived from ECDH on secp256k1 |

Source of 1 and 2: 0gfoundation/0g-storage-client, `core/encryption.go`; npm `@0gfoundation/0g-ts-sdk` 1.2.8. Version 3 is ours
(docs/storage/encryption.md).
"""

from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final, NewType

from zerog._kernel import SignatureError, hkdf_sha256, public_key_of, secp256k1_shared_x
from zerog.storage.protocol.errors import EncryptedFileDamagedError, EncryptionKeyError, NotEncryptedError, WrongKeyError
from zerog.storage.protocol.file_cipher import CounterCipher, FileCipher, SealedCipher

__all__ = [
    "HEADER_BYTES_MAX",
    "NONCE_BYTES",
    "SALT_BYTES",
    "FileKeys",
    "PublicKey",
    "SecretKey",
    "best_effort_decrypt",
    "cipher_of_file",
    "cipher_v1",
    "cipher_v2",
    "cipher_v3",
    "cipher_v3_for_recipient",
    "header_bytes_of",
    "recipient_key_of",
]

SecretKey = NewType("SecretKey", bytes)
"""32 bytes: a key that all share who may read the file, or the private key of an account."""
PublicKey = NewType("PublicKey", bytes)
"""The public key of an account, compressed to 33 bytes."""

KEY_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 33
NONCE_BYTES: Final = 16
SALT_BYTES: Final = 32
COMMITMENT_BYTES: Final = 32

V1: Final = b"\x01"
V2: Final = b"\x02"
V3_SHARED: Final = b"\x03\x01"
V3_RECIPIENT: Final = b"\x03\x02"
HEADER_BYTES: Final = {
    V1: len(V1) + NONCE_BYTES,
    V2: len(V2) + PUBLIC_KEY_BYTES + NONCE_BYTES,
    V3_SHARED: len(V3_SHARED) + SALT_BYTES + COMMITMENT_BYTES,
    V3_RECIPIENT: len(V3_RECIPIENT) + PUBLIC_KEY_BYTES + SALT_BYTES + COMMITMENT_BYTES,
}
"""Length of each header, by how it begins."""
FOR_RECIPIENT: Final = (V2, V3_RECIPIENT)
HEADER_BYTES_MAX: Final = max(HEADER_BYTES.values())
"""So much of a file tells whether and how it is encrypted."""

V2_INFO: Final = b"0g-storage-client/ecies/v1/aes-256"
V3_INFO: Final = b"zerog/file-encryption/v3"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKeys:
    """What a reader has: a key that was shared, the private key of an account, or both."""

    shared: SecretKey | None = field(default=None, repr=False)
    private: SecretKey | None = field(default=None, repr=False)


def recipient_key_of(private_key: SecretKey) -> PublicKey:
    """What others need to encrypt for the account of a private key. Raises `EncryptionKeyError`."""
    try:
        point = public_key_of(private_key)
    except SignatureError as error:
        raise EncryptionKeyError(str(error)) from None
    return PublicKey(bytes([2 + point[-1] % 2]) + point[:KEY_BYTES])


def cipher_v1(key: SecretKey, *, nonce: bytes) -> FileCipher:
    """Version 1: AES-256-CTR with the key itself. `nonce`: 16 random bytes. Raises `EncryptionKeyError`."""
    return CounterCipher(header=V1 + _random(nonce, NONCE_BYTES), key=_shared(key))


def cipher_v2(recipient: PublicKey, *, ephemeral_key: SecretKey, nonce: bytes) -> FileCipher:
    """Version 2: for who has the private key of `recipient`. `ephemeral_key`: a random private key; `nonce`: 16 random bytes.

    Raises `EncryptionKeyError`.
    """
    header = V2 + recipient_key_of(ephemeral_key) + _random(nonce, NONCE_BYTES)
    return CounterCipher(header=header, key=_v2_key(_shared_x(ephemeral_key, recipient)))


def cipher_v3(key: SecretKey, *, salt: bytes) -> FileCipher:
    """Version 3: authenticated, for those who share the key. `salt`: 32 random bytes. Raises `EncryptionKeyError`."""
    return _sealed(V3_SHARED + _random(salt, SALT_BYTES), _shared(key), None)


def cipher_v3_for_recipient(recipient: PublicKey, *, ephemeral_key: SecretKey, salt: bytes) -> FileCipher:
    """Version 3: authenticated, for who has the private key of `recipient`. `ephemeral_key`: a random private key; `salt`: 32 random bytes.

    Raises `EncryptionKeyError`.
    """
    opening = V3_RECIPIENT + recipient_key_of(ephemeral_key) + _random(salt, SALT_BYTES)
    return _sealed(opening, _shared_x(ephemeral_key, recipient), recipient)


def _v2_key(shared_x: bytes) -> bytes:
    return hkdf_sha256(shared_x, b"", V2_INFO, KEY_BYTES)


def _sealed(opening: bytes, material: bytes, recipient: PublicKey | None) -> SealedCipher:
    """The key is of this file alone, and depends on all of the header: what comes after `opening` commits to the key."""
    derived = hkdf_sha256(material, opening[-SALT_BYTES:], V3_INFO + opening + (recipient or b""), KEY_BYTES + COMMITMENT_BYTES)
    return SealedCipher(header=opening + derived[KEY_BYTES:], key=derived[:KEY_BYTES])


def _shared(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise EncryptionKeyError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    return key


def _random(given: bytes, size: int) -> bytes:
    if len(given) != size:
        raise ValueError(f"{size} random bytes are needed, not {len(given)}")
    return given


def _shared_x(private_key: bytes, public_key: bytes) -> bytes:
    try:
        return secp256k1_shared_x(private_key, public_key)
    except SignatureError as error:
        raise EncryptionKeyError(str(error)) from None


def header_bytes_of(head: bytes) -> int | None:
    """Length of the header that a file begins with; `None` if it does not begin as an encrypted one."""
    return next((length for opening, length in HEADER_BYTES.items() if head.startswith(opening)), None)


def cipher_of_file(head: bytes, keys: FileKeys) -> FileCipher:
    """The cipher of a stored file from its first bytes: `HEADER_BYTES_MAX`, or all of a shorter file.

    Raises `NotEncryptedError`, `EncryptionKeyError`, `EncryptedFileDamagedError`, and for version 3 `WrongKeyError`; in versions 1 and 2 a
    wrong key shows by nothing but what comes out.
    """
    length = header_bytes_of(head)
    if length is None:
        raise NotEncryptedError
    if len(head) < length:
        raise EncryptedFileDamagedError("it ends within its header")
    header = head[:length]
    key = _fitting(header, keys)
    if key is None:
        needed = "the private key of its recipient" if header.startswith(FOR_RECIPIENT) else "the key that was shared"
        raise EncryptionKeyError(f"the file needs {needed}")
    return _cipher_of_header(header, key)


def _fitting(header: bytes, keys: FileKeys) -> SecretKey | None:
    return keys.private if header.startswith(FOR_RECIPIENT) else keys.shared


def _cipher_of_header(header: bytes, key: SecretKey) -> FileCipher:
    if header.startswith(V1):
        return CounterCipher(header=header, key=_shared(key))
    if header.startswith(V2):
        return CounterCipher(header=header, key=_v2_key(_received_x(key, header[len(V2) :])))
    opening = header[:-COMMITMENT_BYTES]
    if header.startswith(V3_SHARED):
        cipher = _sealed(opening, _shared(key), None)
    else:
        cipher = _sealed(opening, _received_x(key, header[len(V3_RECIPIENT) :]), recipient_key_of(key))
    if not compare_digest(cipher.header, header):
        raise WrongKeyError
    return cipher


def _received_x(private_key: SecretKey, after: bytes) -> bytes:
    """What a private key and the ephemeral key, with which `after` begins, have in common."""
    recipient_key_of(private_key)  # So that what fails next is the file's fault.
    try:
        return secp256k1_shared_x(private_key, after[:PUBLIC_KEY_BYTES])
    except SignatureError:
        raise EncryptedFileDamagedError("its ephemeral key is no point of the curve") from None


def best_effort_decrypt(stored: bytes, keys: FileKeys) -> bytes:
    """As the official TypeScript and Python clients read: decrypted where the header is whole and a fitting key is there, else as it is.

    A plain file that happens to begin with 01 or 02 comes out garbled if a key is given. A file of version 3 that was encrypted for the key
    and damaged since raises `EncryptedFileDamagedError`; a key that cannot be one raises `EncryptionKeyError`.
    """
    length = header_bytes_of(stored)
    if length is None or len(stored) < length or _fitting(stored[:length], keys) is None:
        return stored
    try:
        cipher = cipher_of_file(stored[:length], keys)
    except (EncryptedFileDamagedError, WrongKeyError):  # No point of the curve, or a commitment to another key.
        return stored
    return cipher.decrypt(stored)
