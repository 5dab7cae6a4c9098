"""What a batch becomes: the bytes of the published vector, tags, limits, and never the same bytes twice."""

import pytest

from zerog._kernel import keccak256
from zerog.primitives import Address, Hash32
from zerog.storage.client import Encryption
from zerog.storage.client.kv import (
    AsyncKvClient,
    Batch,
    BatchInvalidError,
    BatchRejectedError,
    ControlDeniedError,
    ItemInvalidError,
    ItemMissingError,
    KvClient,
    TagsMismatchError,
    VersionConflictError,
    WriteDeniedError,
    stream_id,
)
from zerog.storage.client.kv.errors import rejection
from zerog.storage.protocol.encryption import FileKeys, SecretKey, cipher_of_file
from zerog.storage.protocol.streams import ENTRIES_MAX, KEY_BYTES_MAX, STREAM_DOMAIN, VERSION_ANY, StreamReader, stream_ids_of_tags

STREAM = Hash32(bytes(30) + b"\xf2\xbd")
OTHER = Hash32(bytes(31) + b"\x01")
ACCOUNT = Address(b"\x11" * 20)


def vector() -> Batch:
    """The item of section «Encryption and KV» of the vectors that the official client made."""
    batch = Batch(version=7).watch(STREAM, b"k1").set(STREAM, b"k1", b"hello").set(STREAM, b"key2", b"\x01\x02\x03")
    return batch.grant_writer(STREAM, ACCOUNT).grant_writer_of_key(STREAM, b"k1", ACCOUNT).renounce_admin(STREAM)


def test_a_batch_is_encoded_as_the_official_client_does() -> None:
    stream, account = STREAM.hex(), ACCOUNT.hex()
    expected = (
        f"0000000000000007 00000001 {stream} 000002 6b31 00000002 {stream} 000002 6b31 0000000000000005 {stream} 000004 6b657932"
        f"0000000000000003 68656c6c6f 010203 00000003 20 {stream} {account} 30 {stream} 000002 6b31 {account} 01 {stream}"
    )
    assert vector().encode() == bytes.fromhex(expected)
    assert len(vector().encode()) == 301
    assert vector().seal().tags == STREAM_DOMAIN + STREAM


def test_two_batches_with_the_same_content_are_two_files_and_one_that_is_sealed_is_one() -> None:
    batch = vector()
    first, second = batch.seal(), batch.seal()
    assert first.data != second.data
    assert first.data[:301] == second.data[:301] == batch.encode()
    assert len(first.data) == len(second.data) > 301


def test_an_encrypted_batch_opens_to_the_item() -> None:
    key = SecretKey(bytes(range(32)))
    for form in ("sealed", "official"):
        sealed = vector().seal(Encryption(key=key, form=form))
        opened = cipher_of_file(sealed.data[:100], FileKeys(shared=key)).decrypt(sealed.data)
        assert opened[:301] == vector().encode()


def test_a_batch_is_tagged_with_what_it_changes_and_not_with_what_it_watches() -> None:
    third = Hash32(bytes(31) + b"\x02")
    batch = Batch(version=1).set(STREAM, b"a", b"1").grant_admin(OTHER, ACCOUNT).watch(third, b"c")
    assert stream_ids_of_tags(batch.seal().tags) == batch.streams == (OTHER, STREAM)


def test_the_last_of_several_writes_to_a_key_counts() -> None:
    batch = Batch().set(STREAM, b"a", b"1").set(STREAM, b"b", b"2").set(STREAM, b"a", b"").delete(STREAM, b"b")
    reader = StreamReader(batch.encode())
    assert reader.version() == VERSION_ANY
    assert reader.reads() == []
    assert {key: span.size for (_, key), span in reader.writes().items()} == {b"a": 0, b"b": 0}


def test_a_word_names_a_stream_by_its_hash() -> None:
    assert stream_id("notes") == keccak256(b"notes")
    assert stream_id(str(STREAM)) == stream_id(STREAM) == STREAM
    for name in ("", "0xf2bd", "0x"):
        with pytest.raises(BatchInvalidError):
            Batch().delete(name, b"k")


def test_what_no_node_would_take_is_refused_at_once() -> None:
    with pytest.raises(BatchInvalidError, match="writes nothing"):
        Batch(version=1).watch(STREAM, b"a").seal()
    with pytest.raises(BatchInvalidError, match="watched from a version on"):
        Batch().watch(STREAM, b"a")
    with pytest.raises(BatchInvalidError, match="number of a submission"):
        Batch(version=-1)
    for key in (b"", bytes(KEY_BYTES_MAX + 1)):
        with pytest.raises(BatchInvalidError, match=f"not {len(key)}"):
            Batch().set(STREAM, key, b"1")
    full = Batch()
    for number in range(ENTRIES_MAX):
        full.set(STREAM, number.to_bytes(4), b"1")
    with pytest.raises(BatchInvalidError, match="at most 65536"):
        full.set(STREAM, b"more", b"1")


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("VersionConfliction", VersionConflictError),
        ("SenderNoWritePermission", WriteDeniedError),
        ("WritePermissionDenied: stream: 0x01, key: k", WriteDeniedError),
        ("AccessControlPermissionDenied: operation: GRANT_ADMIN_ROLE, stream: 0x01, key: NONE, account: 0x11", ControlDeniedError),
        ("DataParseError: Invalid stream data", ItemInvalidError),
        ("TagsMismatch", TagsMismatchError),
        ("DownloadFailed", ItemMissingError),
        ("SomethingElse", BatchRejectedError),
    ],
)
def test_each_result_is_an_error_with_the_node_s_words(result: str, kind: type[BatchRejectedError]) -> None:
    error = rejection(5, result)
    assert type(error) is kind
    assert str(error) == f"submission 5 has no effect: {result}"
    assert error.remedy
    assert rejection(5, "Commit") is None


def test_the_asynchronous_twin_has_every_method() -> None:
    mine = {name for name in dir(KvClient) if not name.startswith("_")}
    assert {name for name in dir(AsyncKvClient) if not name.startswith("_")} == mine
