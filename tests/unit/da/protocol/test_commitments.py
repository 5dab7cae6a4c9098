"""Commitments of the OP Stack and certificates of Nitro: every one reads back, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.da.protocol.certificates import (
    FORK_HEADER,
    PROVIDER_HEADER,
    CertificateInvalidError,
    certificate_of_message,
    decode_certificate,
    encode_certificate,
)
from zerog.da.protocol.commitments import (
    BLOBS_MAX,
    CommitmentBrokenError,
    CommitmentUnknownError,
    GenericCommitment,
    KeccakCommitment,
    decode_commitment,
    split_payload,
)
from zerog.da.protocol.names import BlobName, BlobNameError
from zerog.primitives import Hash32, rlp

ROOT = Hash32(bytes(range(32)))
uint64 = st.integers(0, 2**64 - 1)
names = st.builds(BlobName, st.binary(min_size=32, max_size=32).map(Hash32), uint64, uint64)
some_names = st.lists(names, min_size=1, max_size=BLOBS_MAX).map(tuple)
items = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=6), max_leaves=20)


def test_one_blob_is_committed_to_in_the_50_bytes_of_the_official_server() -> None:
    encoded = GenericCommitment((BlobName(ROOT, 0x0102, 3),)).encode()
    assert encoded == bytes.fromhex("014702010000000000000300000000000000") + ROOT
    assert len(encoded) == 50
    # As the official server reads it.
    assert (int.from_bytes(encoded[2:10], "little"), int.from_bytes(encoded[10:18], "little"), encoded[18:]) == (0x0102, 3, ROOT)


@given(some_names)
def test_a_generic_commitment_reads_back(blobs: tuple[BlobName, ...]) -> None:
    encoded = GenericCommitment(blobs).encode()
    assert decode_commitment(encoded) == GenericCommitment(blobs)
    assert encoded[:50] == GenericCommitment(blobs[:1]).encode()


@given(st.binary(max_size=200))
def test_a_digest_reads_back(payload: bytes) -> None:
    commitment = KeccakCommitment.of(payload)
    assert decode_commitment(commitment.encode()) == commitment
    assert commitment.encode()[0] == 0


@given(st.binary(max_size=120))
def test_whatever_is_read_as_a_commitment_is_written_as_the_same_bytes(data: bytes) -> None:
    try:
        commitment = decode_commitment(data)
    except (CommitmentUnknownError, CommitmentBrokenError):
        return
    assert commitment.encode() == data


@pytest.mark.parametrize("data", [b"", b"\x00" * 32, b"\x00" * 34, b"\x02" + bytes(49), b"\x01", b"\x01\x0c" + bytes(48)])
def test_what_is_not_ours_is_unknown(data: bytes) -> None:
    with pytest.raises(CommitmentUnknownError):
        decode_commitment(data)


@pytest.mark.parametrize("size", [0, 1, 47, 49, 95, 48 * (BLOBS_MAX + 1)])
def test_what_says_it_is_ours_and_names_no_blob_is_broken(size: int) -> None:
    with pytest.raises(CommitmentBrokenError):
        decode_commitment(b"\x01G" + bytes(size))


@given(st.binary(max_size=200), st.integers(1, 50))
def test_a_payload_is_its_blobs_one_after_the_other(payload: bytes, blob_bytes_max: int) -> None:
    blobs = split_payload(payload, blob_bytes_max)
    assert b"".join(blobs) == payload
    assert all(0 < len(blob) <= blob_bytes_max for blob in blobs)
    assert all(len(blob) == blob_bytes_max for blob in blobs[:-1])


@given(names)
def test_a_name_reads_back(name: BlobName) -> None:
    assert BlobName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["", str(ROOT), f"{ROOT}/1", f"{ROOT}/1/2/3", f"{ROOT}/-1/0", f"{ROOT}/1/٣", "0x12/1/0", f"{ROOT}/{2**64}/0"]
)
def test_no_name_is_no_name(text: str) -> None:
    with pytest.raises(BlobNameError):
        BlobName.parse(text)


def test_a_name_fits_into_the_fields_of_the_wire() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        BlobName(ROOT, 2**64, 0)


def test_a_certificate_is_the_list_that_the_fork_of_nitro_writes() -> None:
    root = "a0" + ROOT.hex()
    assert encode_certificate([BlobName(ROOT, 0, 1)], FORK_HEADER).hex() == "20" + "e4" + "e3" + root + "80" + "01"
    assert encode_certificate([BlobName(ROOT, 300, 128)]).hex() == "01" + "e7" + "e6" + root + "82012c" + "8180"
    two = encode_certificate([BlobName(ROOT, 0, 1)] * 2)
    assert two.hex() == "01" + "f848" + ("e3" + root + "8001") * 2


@given(some_names, st.sampled_from([PROVIDER_HEADER, FORK_HEADER]))
def test_a_certificate_reads_back(blobs: tuple[BlobName, ...], header: int) -> None:
    certificate = encode_certificate(blobs, header)
    assert decode_certificate(certificate) == blobs
    assert decode_certificate(certificate_of_message(bytes(40) + certificate)) == blobs


@given(some_names, st.data())
def test_a_changed_certificate_is_refused_or_another_one(blobs: tuple[BlobName, ...], data: st.DataObject) -> None:
    certificate = bytearray(encode_certificate(blobs))
    certificate[data.draw(st.integers(0, len(certificate) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        decoded = decode_certificate(bytes(certificate))
    except CertificateInvalidError:
        return
    assert encode_certificate(decoded, certificate[0]) == certificate


@pytest.mark.parametrize("text", ["", "01", "02c0", "01c0", "0180", "01c1c0", "01c2c180", "01e4e3a0" + "00" * 32 + "00" + "01"])
def test_no_certificate_is_no_certificate(text: str) -> None:
    with pytest.raises(CertificateInvalidError):
        decode_certificate(bytes.fromhex(text))


def test_a_message_without_a_certificate_is_refused() -> None:
    with pytest.raises(CertificateInvalidError):
        certificate_of_message(bytes(40))


@given(items)
def test_an_item_of_rlp_reads_back(item: rlp.Item) -> None:
    assert rlp.decode(rlp.encode(item)) == item


@given(st.binary(max_size=80))
def test_each_item_of_rlp_has_one_form(data: bytes) -> None:
    try:
        item = rlp.decode(data)
    except rlp.RlpError:
        return
    assert rlp.encode(item) == data


@pytest.mark.parametrize("text", ["817f", "b837" + "00" * 55, "b90038" + "00" * 56, "c1c1", "8261", "c38261", "0000"])
def test_other_forms_of_rlp_are_refused(text: str) -> None:
    with pytest.raises(rlp.RlpError):
        rlp.decode(bytes.fromhex(text))


def test_deep_lists_are_refused() -> None:
    with pytest.raises(rlp.RlpError, match="deeper"):
        rlp.decode(bytes([0xC0 + depth for depth in range(20, 0, -1)]) + b"\xc0")
