"""Encrypted files: the bytes of the official clients, ranges, streams, and what version 3 refuses."""

import hashlib
import hmac
import itertools
from collections.abc import Callable

import pytest
from Crypto.Cipher import AES
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.storage.protocol.plain import pattern
from zerog.primitives import ZerogError
from zerog.storage.protocol.encryption import (
    HEADER_BYTES_MAX,
    FileKeys,
    PublicKey,
    SecretKey,
    best_effort_decrypt,
    cipher_of_file,
    cipher_v1,
    cipher_v2,
    cipher_v3,
    cipher_v3_for_recipient,
    header_bytes_of,
    recipient_key_of,
)
from zerog.storage.protocol.errors import EncryptedFileDamagedError, EncryptionKeyError, NotEncryptedError, WrongKeyError
from zerog.storage.protocol.file_cipher import SEALED_BLOCK_BYTES, DecryptStream, EncryptStream, FileCipher
from zerog.storage.protocol.merkle import file_root

KEY = SecretKey(bytes(range(32)))
OTHER_KEY = SecretKey(bytes(range(1, 33)))
NONCE = b"\xff" * 16
SALT = b"\x55" * 32
PRIVATE = SecretKey(b"\x01" * 32)
EPHEMERAL = SecretKey(b"\x02" * 32)
RECIPIENT = recipient_key_of(PRIVATE)
KEYS = FileKeys(shared=KEY, private=PRIVATE)

CIPHERS = {
    "v1": cipher_v1(KEY, nonce=NONCE),
    "v2": cipher_v2(RECIPIENT, ephemeral_key=EPHEMERAL, nonce=NONCE),
    "v3": cipher_v3(KEY, salt=SALT),
    "v3-recipient": cipher_v3_for_recipient(RECIPIENT, ephemeral_key=EPHEMERAL, salt=SALT),
}
SEALED = [CIPHERS["v3"], CIPHERS["v3-recipient"]]
every_cipher = pytest.mark.parametrize("cipher", CIPHERS.values(), ids=list(CIPHERS))
every_sealed = pytest.mark.parametrize("cipher", SEALED, ids=["v3", "v3-recipient"])

SHARED_X = "d0158a38faf6118af133af12d9bfa388eab4a08d1a2088ea6e6ec1269e03567f"
"""What the two key pairs have in common; computed with plain integers."""
V3_HELLO = (
    "0301"
    + "55" * 32
    + "76f5d1866ce3b7f5767263805f0762dd689c4772b3419774af9e0d9fa3191724"
    + "1a6c057299ccf835590bad5dd110a949f4a239bbb070f1599c575f"
)
V3_RECIPIENT_HELLO = (
    "0302024d4b6cd1361032ca9bd2aeb9d900aa4d45d9ead80ac9423374c451a7254d0766"
    + "55" * 32
    + "7848c1c3a228c1a1bad5d2c6585b70928db856db5a9752cd39a6a7b41ec534aa"
    + "9042c397dc458b8e08b01f2eb9fc31f2df3ed87cc812f126caf3f4"
)

PAYLOAD = SEALED_BLOCK_BYTES - 16
EDGES = sorted({0, 1, 17} | {blocks * PAYLOAD - header + more for blocks in (1, 2, 3) for header in (66, 99) for more in (-1, 0, 1)})
"""Sizes around the ends of blocks."""


# Source of the vectors: npm `@0gfoundation/0g-ts-sdk` 1.2.8.


def test_version_1_agrees_with_the_official_client() -> None:
    cipher = CIPHERS["v1"]
    text = b"hello world, 0G!"
    assert cipher.encrypt(text)[17:].hex() == "81fc8871238707b521eb75577dbf10cf"
    assert cipher.encrypt(bytes(17) + text)[-16:].hex() == "f865da4626bfa7c681f60ef10e47c7d1"
    stored = cipher.encrypt(b"hello world")
    assert stored.hex() == "01" + "ff" * 16 + "81fc8871238707b521eb75"
    assert file_root(stored).hex() == "7c41cadcafaaf1aad2256744b2e6923e1a3b46c770b518ccb7ba1eeec42bcaa0"


def test_version_2_agrees_with_the_official_client() -> None:
    assert RECIPIENT.hex() == "031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f"
    cipher = CIPHERS["v2"]
    assert cipher.header.hex() == "02" + "024d4b6cd1361032ca9bd2aeb9d900aa4d45d9ead80ac9423374c451a7254d0766" + "ff" * 16
    assert cipher.key.hex() == "bafff50dbf572481b5c777fc5c530c88cf2ff7756c0e00a1dab859891b9d7795"
    assert cipher.encrypt(b"hello world")[50:].hex() == "a4f9020ddb1ede65a6b25f"


# Version 3 by its description alone, with another library.


def plain_hkdf(material: bytes, salt: bytes, info: bytes) -> bytes:
    root = hmac.digest(salt, material, hashlib.sha256)
    first = hmac.digest(root, info + b"\1", hashlib.sha256)
    return first + hmac.digest(root, first + info + b"\2", hashlib.sha256)


def plain_v3(opening: bytes, material: bytes, recipient: bytes, data: bytes) -> bytes:
    derived = plain_hkdf(material, opening[-32:], b"zerog/file-encryption/v3" + opening + recipient)
    header = opening + derived[32:]
    cuts = [0, *range(PAYLOAD - len(header), len(data), PAYLOAD), len(data)] if data else [0, 0]
    stored = header
    for index, (start, end) in enumerate(itertools.pairwise(cuts)):
        nonce = index.to_bytes(8, "big") + bytes([0, 0, 0, end == len(data)])
        body, tag = AES.new(derived[:32], AES.MODE_GCM, nonce=nonce).encrypt_and_digest(data[start:end])
        stored += body + tag
    return stored


@pytest.mark.parametrize("size_bytes", EDGES)
def test_version_3_is_what_its_description_says(size_bytes: int) -> None:
    data = pattern(size_bytes)
    assert SEALED[0].encrypt(data) == plain_v3(b"\3\1" + SALT, KEY, b"", data)
    opening = b"\3\2" + recipient_key_of(EPHEMERAL) + SALT
    shared = bytes.fromhex(SHARED_X)
    assert SEALED[1].encrypt(data) == plain_v3(opening, shared, RECIPIENT, data)


def test_the_bytes_of_version_3_stay_as_they_are() -> None:
    assert SEALED[0].encrypt(b"hello world").hex() == V3_HELLO
    assert SEALED[1].encrypt(b"hello world").hex() == V3_RECIPIENT_HELLO


# Ranges and streams, all versions.


@every_cipher
@pytest.mark.parametrize("size_bytes", EDGES)
def test_a_file_comes_back(cipher: FileCipher, size_bytes: int) -> None:
    data = pattern(size_bytes)
    stored = cipher.encrypt(data)
    assert len(stored) == cipher.stored_bytes_of(size_bytes)
    assert cipher.plain_bytes_of(len(stored)) == size_bytes
    reader = cipher_of_file(stored[:HEADER_BYTES_MAX], KEYS)
    assert reader.decrypt(stored) == data
    assert stored[:HEADER_BYTES_MAX].startswith(reader.header)
    assert header_bytes_of(stored) == len(reader.header)


def sizes_and_ranges() -> st.SearchStrategy[tuple[int, int, int]]:
    size = st.one_of(st.sampled_from(EDGES), st.integers(min_value=0, max_value=4 * PAYLOAD))

    def with_range(size_bytes: int) -> st.SearchStrategy[tuple[int, int, int]]:
        places = st.lists(st.integers(min_value=0, max_value=size_bytes), min_size=2, max_size=2).map(sorted)
        return places.map(lambda pair: (size_bytes, pair[0], pair[1]))

    return size.flatmap(with_range)


@every_cipher
@given(case=sizes_and_ranges())
@settings(deadline=None, max_examples=50)
def test_any_range_is_read_from_its_window(cipher: FileCipher, case: tuple[int, int, int]) -> None:
    size_bytes, start, end = case
    data = pattern(size_bytes)
    stored = cipher.encrypt(data)
    window = cipher.window(start, end, len(stored))
    assert len(window) <= end - start + 2 * SEALED_BLOCK_BYTES
    assert cipher.decrypt_range(stored[window.start : window.stop], start, end, len(stored)) == data[start:end]


@every_cipher
@given(case=sizes_and_ranges())
@settings(deadline=None, max_examples=50)
def test_any_stored_range_is_written_alone(cipher: FileCipher, case: tuple[int, int, int]) -> None:
    size_bytes, _, _ = case
    data = pattern(size_bytes)
    stored = cipher.encrypt(data)
    start, end = (place * len(stored) // max(1, size_bytes) for place in case[1:])
    assert cipher.encrypt_range(memoryview(data), start, end) == stored[start:end]


@every_cipher
@given(size_bytes=st.sampled_from(EDGES), pieces=st.lists(st.integers(min_value=0, max_value=2 * SEALED_BLOCK_BYTES), max_size=12))
@settings(deadline=None, max_examples=50)
def test_streams_take_pieces_of_any_size(cipher: FileCipher, size_bytes: int, pieces: list[int]) -> None:
    data = pattern(size_bytes)
    encrypt, decrypt = EncryptStream(cipher), DecryptStream(cipher)
    stored = in_pieces(data, pieces, encrypt.update) + encrypt.finish()
    assert stored == cipher.encrypt(data)
    assert in_pieces(stored, pieces, decrypt.update) + decrypt.finish() == data


def in_pieces(data: bytes, pieces: list[int], update: Callable[[bytes], bytes]) -> bytes:
    """All of `data` in pieces of the sizes given, and the rest at once."""
    out, start = [], 0
    for size in [*pieces, len(data)]:
        out.append(update(data[start : start + size]))
        start += size
    return b"".join(out)


@every_cipher
def test_ranges_outside_of_a_file_are_mistakes(cipher: FileCipher) -> None:
    stored = cipher.encrypt(b"abc")
    for start, end in [(-1, 2), (2, 1), (0, 4)]:
        with pytest.raises(ValueError, match="has none from"):
            cipher.window(start, end, len(stored))
    for start, end in [(-1, 2), (2, 1), (0, len(stored) + 1)]:
        with pytest.raises(ValueError, match="has none from"):
            cipher.encrypt_range(b"abc", start, end)
    with pytest.raises(ValueError, match="are needed, not 0 bytes"):
        cipher.decrypt_range(b"", 0, 1, len(stored))
    assert (cipher.encrypt_range(b"abc", 1, 1), cipher.decrypt_range(b"", 1, 1, len(stored))) == (b"", b"")


# What is refused.


@every_sealed
@given(draw=st.data())
@settings(deadline=None, max_examples=100)
def test_version_3_refuses_every_changed_byte(cipher: FileCipher, draw: st.DataObject) -> None:
    stored = bytearray(cipher.encrypt(pattern(draw.draw(st.sampled_from(EDGES)))))
    place = draw.draw(st.integers(min_value=0, max_value=len(stored) - 1) | st.integers(min_value=0, max_value=len(cipher.header) - 1))
    stored[place] ^= draw.draw(st.integers(min_value=1, max_value=255))
    with pytest.raises(ZerogError):
        read_v3(bytes(stored))


@every_sealed
@given(draw=st.data())
@settings(deadline=None, max_examples=100)
def test_version_3_refuses_every_cut(cipher: FileCipher, draw: st.DataObject) -> None:
    stored = cipher.encrypt(pattern(draw.draw(st.sampled_from(EDGES))))
    blocks = st.integers(min_value=0, max_value=len(stored) // SEALED_BLOCK_BYTES).map(lambda count: count * SEALED_BLOCK_BYTES)
    length = draw.draw((st.integers(min_value=0, max_value=len(stored) - 1) | blocks).filter(lambda length: length < len(stored)))
    with pytest.raises((EncryptedFileDamagedError, NotEncryptedError)):
        read_v3(stored[:length])
    stream = DecryptStream(cipher)
    with pytest.raises(EncryptedFileDamagedError):
        (stream.update(stored[:length]), stream.finish())


def read_v3(stored: bytes) -> bytes:
    """As a reader does who expects version 3."""
    cipher = cipher_of_file(stored[:HEADER_BYTES_MAX], KEYS)
    if not cipher.header.startswith(b"\3"):
        raise NotEncryptedError
    return cipher.decrypt(stored)


@every_sealed
def test_version_3_refuses_moved_repeated_and_added_blocks(cipher: FileCipher) -> None:
    stored = cipher.encrypt(pattern(4 * PAYLOAD))
    blocks = [stored[start : start + SEALED_BLOCK_BYTES] for start in range(0, len(stored), SEALED_BLOCK_BYTES)]
    first, second, third, fourth, rest = blocks
    for wrong in (
        [first, third, second, fourth, rest],
        [first, second, second, fourth, rest],
        [*blocks[:4], fourth, rest],
        [*blocks[:4], first],
    ):
        with pytest.raises(EncryptedFileDamagedError, match="block"):
            cipher.decrypt(b"".join(wrong))


def test_blocks_of_one_file_are_none_of_another() -> None:
    other = cipher_v3(KEY, salt=b"\x56" * 32)
    ours, theirs = SEALED[0].encrypt(pattern(3 * PAYLOAD)), other.encrypt(pattern(3 * PAYLOAD))
    with pytest.raises(EncryptedFileDamagedError, match="block 1"):
        SEALED[0].decrypt(ours[:SEALED_BLOCK_BYTES] + theirs[SEALED_BLOCK_BYTES:])


def test_the_last_block_needs_the_true_size() -> None:
    cipher, data = SEALED[0], pattern(3 * PAYLOAD)
    stored = cipher.encrypt(data)
    shorter = 2 * SEALED_BLOCK_BYTES
    end = cipher.plain_bytes_of(shorter)
    window = cipher.window(end - 1, end, shorter)
    with pytest.raises(EncryptedFileDamagedError, match="block 1"):
        cipher.decrypt_range(stored[window.start : window.stop], end - 1, end, shorter)


def test_another_key_is_told_apart_from_damage() -> None:
    other = FileKeys(shared=OTHER_KEY, private=EPHEMERAL)
    for cipher in SEALED:
        with pytest.raises(WrongKeyError, match="another key"):
            cipher_of_file(cipher.encrypt(b"x"), other)
    assert cipher_of_file(CIPHERS["v1"].encrypt(b"x"), other).decrypt(CIPHERS["v1"].encrypt(b"x")) != b"x"


def test_a_header_needs_its_key_and_all_its_bytes() -> None:
    for name, cipher in CIPHERS.items():
        stored = cipher.encrypt(b"x")
        with pytest.raises(EncryptionKeyError, match="private key of its recipient" if name in ("v2", "v3-recipient") else "was shared"):
            cipher_of_file(stored, FileKeys())
        with pytest.raises(EncryptedFileDamagedError, match="within its header"):
            cipher_of_file(stored[: len(cipher.header) - 1], KEYS)
    for plain in (b"", b"\0", b"\4", b"\3", b"\3\3" + bytes(100)):
        with pytest.raises(NotEncryptedError, match="does not begin"):
            cipher_of_file(plain, KEYS)
    no_point = b"\2\2" + b"\xff" * 48
    with pytest.raises(EncryptedFileDamagedError, match="no point"):
        cipher_of_file(no_point, KEYS)


def test_keys_that_cannot_be_one_are_refused() -> None:
    short, zero = SecretKey(bytes(31)), SecretKey(bytes(32))
    for refused in (
        lambda: cipher_v1(short, nonce=NONCE),
        lambda: cipher_v3(short, salt=SALT),
        lambda: cipher_v2(PublicKey(bytes(33)), ephemeral_key=EPHEMERAL, nonce=NONCE),
        lambda: cipher_v2(RECIPIENT, ephemeral_key=zero, nonce=NONCE),
        lambda: cipher_v3_for_recipient(PublicKey(RECIPIENT[1:]), ephemeral_key=EPHEMERAL, salt=SALT),
        lambda: recipient_key_of(zero),
        lambda: cipher_of_file(CIPHERS["v1"].header, FileKeys(shared=short)),
        lambda: cipher_of_file(CIPHERS["v2"].header, FileKeys(private=zero)),
        lambda: best_effort_decrypt(CIPHERS["v1"].header, FileKeys(shared=short)),
    ):
        with pytest.raises(EncryptionKeyError):
            refused()
    with pytest.raises(ValueError, match="16 random bytes"):
        cipher_v1(KEY, nonce=b"")
    with pytest.raises(ValueError, match="32 random bytes"):
        cipher_v3(KEY, salt=b"")


def test_keys_are_not_shown() -> None:
    assert KEY.hex() not in repr(KEYS)
    assert "key" not in repr(CIPHERS["v1"])


def test_best_effort_reads_as_the_official_clients_do() -> None:
    for cipher in CIPHERS.values():
        stored = cipher.encrypt(b"hello world")
        assert best_effort_decrypt(stored, KEYS) == b"hello world"
        assert best_effort_decrypt(stored, FileKeys()) == stored
        assert best_effort_decrypt(stored[: len(cipher.header) - 1], KEYS) == stored[: len(cipher.header) - 1]
    for plain in (b"", b"plain", b"\2\2" + b"\xff" * 60, b"\3\1" + bytes(100), b"\1short"):
        assert best_effort_decrypt(plain, KEYS) == plain
    assert best_effort_decrypt(b"\1 is how this plain file begins", KEYS) != b"\1 is how this plain file begins"
    damaged = bytearray(SEALED[0].encrypt(b"hello world"))
    damaged[-1] ^= 1
    with pytest.raises(EncryptedFileDamagedError):
        best_effort_decrypt(bytes(damaged), KEYS)
