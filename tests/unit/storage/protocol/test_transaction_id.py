"""Names of submissions among nodes of the official network."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.storage.protocol.plain import pattern
from zerog.primitives import Hash32
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.submission import Submission, SubmissionNode
from zerog.storage.protocol.transaction_id import FIXED_BYTES, TransactionId, ssz_of_submission

NUMBERS = st.integers(min_value=0, max_value=2**64 - 1)
NODES = st.lists(st.builds(SubmissionNode, st.binary(min_size=32, max_size=32).map(Hash32), st.integers(0, 63)), min_size=1, max_size=4)


def test_a_submission_is_encoded_as_the_official_node_does() -> None:
    """Source: 0gfoundation/0g-storage-node, the encoding of a file of 513 bytes that begins at sector 4."""
    submission = FileTree(pattern(513)).submission()
    first, second = (node.root.hex() for node in submission.nodes)
    expected = "44000000 44000000" + submission.root.hex() + "44000000 0400000000000000 0102000000000000 0200000000000000"
    expected += "0200000000000000" + first + "0100000000000000" + second
    assert ssz_of_submission(submission, start_sector=4, seq=2) == bytes.fromhex(expected)
    identifier = TransactionId.of(submission, start_sector=4, seq=2)
    assert identifier.hash.hex() == "10057406e6d9810c98578234299ac5465b602928f93b9bb58968f941f959412f"
    assert identifier.to_ssz().hex() == "0200000000000000" + identifier.hash.hex()


@given(NODES, NUMBERS, NUMBERS, NUMBERS)
def test_every_member_is_in_its_place(nodes: list[SubmissionNode], start: int, size: int, seq: int) -> None:
    submission = Submission(size_bytes=size, nodes=tuple(nodes))
    encoded = ssz_of_submission(submission, start_sector=start, seq=seq)
    streams, data, root, list_begins, *numbers = struct.unpack_from("<II32sIQQQ", encoded)
    assert (streams, data, list_begins) == (FIXED_BYTES, FIXED_BYTES, FIXED_BYTES)
    assert (root, numbers) == (submission.root, [start, size, seq])
    assert list(struct.iter_unpack("<Q32s", encoded[FIXED_BYTES:])) == [(node.height + 1, node.root) for node in nodes]


def test_numbers_have_64_bits() -> None:
    submission = FileTree(b"x").submission()
    with pytest.raises(OverflowError):
        ssz_of_submission(submission, start_sector=2**64, seq=0)
