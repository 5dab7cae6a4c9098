"""What the chain is told of a file."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.storage.protocol.plain import pattern
from tests.unit.storage.protocol.vectors import FILES, FileVector
from zerog.primitives import Hash32, Wei
from zerog.storage.protocol.errors import InvalidSubmissionError
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.padding import padded_sectors_of
from zerog.storage.protocol.submission import Submission, SubmissionNode, check_submission, node_heights


def submission_of_heights(size_bytes: int, *heights: int) -> Submission:
    nodes = tuple(SubmissionNode(Hash32(bytes([index]) * 32), height) for index, height in enumerate(heights))
    return Submission(size_bytes=size_bytes, nodes=nodes)


@pytest.mark.parametrize("vector", FILES, ids=lambda vector: str(vector.size_bytes))
def test_nodes_agree_with_the_official_client_and_fold_to_the_root(vector: FileVector) -> None:
    submission = FileTree(pattern(vector.size_bytes)).submission()
    assert tuple(node.height for node in submission.nodes) == vector.heights == node_heights(vector.padded_sectors)
    assert submission.root.hex() == vector.root_hex
    assert submission.sectors == vector.padded_sectors
    check_submission(submission)


def test_roots_of_nodes_agree_with_the_official_client() -> None:
    """Size 513: npm `@0gfoundation/0g-ts-sdk` 1.2.8."""
    high, low = FileTree(pattern(513)).submission().nodes
    assert high.root.hex() == "5f4f176b8a1f76b09aa50006224b5e638d202941d2ef4f57f370305852864645"
    assert low.root.hex() == "5292490f5faa591c2b4c55646eb4537265041f04dd7367592de505485467e2dc"


def test_the_fee_agrees_with_the_official_client() -> None:
    assert FileTree(pattern(513)).submission().fee_wei(Wei(10)) == 30


@pytest.mark.parametrize(("size", "same"), [(256, False), (513, True), (4097, True), (10485761, False)])
def test_the_identity_is_the_root_only_for_two_nodes(size: int, same: bool) -> None:
    submission = FileTree(pattern(size)).submission()
    assert (submission.identity == submission.root) == same == (len(submission.nodes) == 2)


@pytest.mark.parametrize(
    ("submission", "cause"),
    [
        (submission_of_heights(1), "no nodes"),
        (submission_of_heights(1, 64), "0 to 63"),
        (submission_of_heights(1, -1), "0 to 63"),
        (submission_of_heights(768, 0, 1), "must fall"),
        (submission_of_heights(512, 0, 0), "must fall"),
        (submission_of_heights(4352, 4, 0), "span more than 3"),
        (submission_of_heights(0, 0), "0 bytes are not submitted as 1 sectors"),
        (submission_of_heights(257, 0), "257 bytes are not submitted as 1 sectors"),
        (submission_of_heights(512, 1, 0), "512 bytes are not submitted as 3 sectors"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_submission_is_refused(submission: Submission, cause: str) -> None:
    with pytest.raises(InvalidSubmissionError, match=cause):
        check_submission(submission)


@given(st.integers(min_value=1, max_value=2**63), st.integers(min_value=-(2**20), max_value=2**20), st.integers(min_value=0, max_value=55))
def test_nodes_are_taken_for_the_sizes_that_they_pad_and_no_others(size_bytes: int, steps: int, height: int) -> None:
    submission = submission_of_heights(size_bytes, *node_heights(padded_sectors_of(size_bytes)))
    check_submission(submission)
    other = max(1, size_bytes + (steps << height))
    if padded_sectors_of(other) == submission.sectors:
        check_submission(replace(submission, size_bytes=other))
    else:
        with pytest.raises(InvalidSubmissionError, match="are not submitted as"):
            check_submission(replace(submission, size_bytes=other))
