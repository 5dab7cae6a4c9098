"""An item that arrives segment by segment: in memory or in a file, plain or encrypted, and what is not encrypted as expected."""

from pathlib import Path

import pytest

from zerog.storage.kv.arriving import Arriving
from zerog.storage.protocol.encryption import FileKeys, SecretKey, cipher_v1, cipher_v2, cipher_v3, recipient_key_of
from zerog.storage.protocol.padding import segments_of, uploaded_bytes_of_segment
from zerog.storage.protocol.units import SEGMENT_BYTES

KEY = SecretKey(bytes(range(32)))
PRIVATE = SecretKey(b"\1" * 32)
SIZES = (1, 255, 256, 1000, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES - 7)


def content(size: int) -> bytes:
    return bytes(index * 7 % 251 for index in range(size))


def segments(stored: bytes) -> list[memoryview]:
    """As nodes send them: whole sectors."""
    found = []
    for index in range(segments_of(len(stored))):
        part = stored[index * SEGMENT_BYTES : (index + 1) * SEGMENT_BYTES]
        found.append(memoryview(part.ljust(uploaded_bytes_of_segment(len(stored), index), b"\0")))
    return found


def arrive(stored: bytes, path: Path, keys: FileKeys | None, *, in_memory: bool, at_once: int = 1) -> Arriving:
    arriving = Arriving(len(stored), path, keys, bytes_in_memory=1 << 30 if in_memory else 0)
    parts = segments(stored)
    while not arriving.is_complete:
        arriving.take(parts[arriving.next_segment : arriving.next_segment + at_once])
    return arriving


def result(arriving: Arriving) -> bytes:
    found = arriving.finish()
    return found.read_bytes() if isinstance(found, Path) else found


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_plain_items_come_out_as_they_are(size: int, in_memory: bool, tmp_path: Path) -> None:
    for at_once in (1, 16):
        arriving = arrive(content(size), tmp_path / "item", None, in_memory=in_memory, at_once=at_once)
        assert result(arriving) == content(size)
        assert (tmp_path / "item").exists() != in_memory
        arriving.discard()
        assert not (tmp_path / "item").exists()


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_encrypted_items_come_out_plain(size: int, in_memory: bool, tmp_path: Path) -> None:
    plain = content(size)
    ciphers = [
        (cipher_v1(KEY, nonce=b"\xff" * 16), FileKeys(shared=KEY)),
        (cipher_v2(recipient_key_of(PRIVATE), ephemeral_key=SecretKey(b"\2" * 32), nonce=bytes(16)), FileKeys(private=PRIVATE)),
        (cipher_v3(KEY, salt=bytes(32)), FileKeys(shared=KEY, private=PRIVATE)),
    ]
    for number, (cipher, keys) in enumerate(ciphers):
        arriving = arrive(cipher.encrypt(plain), tmp_path / str(number), keys, in_memory=in_memory)
        assert (result(arriving), arriving.is_undecodable) == (plain, False)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    "stored",
    [
        content(1),
        b"\x09" + content(SEGMENT_BYTES * 3),
        b"\x01" + content(15),
        b"\x02" + content(200),
        b"\x03\x01" + content(400),
        cipher_v3(KEY, salt=bytes(32)).encrypt(content(200_000))[:-3],
        cipher_v3(SecretKey(bytes(32)), salt=bytes(32)).encrypt(content(200)),
    ],
    ids=["too short", "of no version", "header cut off", "for nobody", "damaged", "end cut off", "other key"],
)
def test_what_is_not_encrypted_as_expected_is_told_once_and_takes_no_room(stored: bytes, in_memory: bool, tmp_path: Path) -> None:
    """The result is empty, which is no item; of a long one the rest is not waited for."""
    arriving = arrive(stored, tmp_path / "item", FileKeys(shared=KEY), in_memory=in_memory)
    assert arriving.is_complete
    assert result(arriving) == b""
    assert not (tmp_path / "item").exists()
