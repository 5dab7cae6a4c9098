"""Messages of DA nodes and retrievers as others write and read them."""

import pytest

from tests.unit.da.stubs import message
from zerog.da.protocol.constants import ROW_BYTES
from zerog.da.wire import retriever, signer
from zerog.runtime.grpc.methods import Shape

HEAD = signer.SignHead(epoch=1 << 63, quorum_id=9, commitment=b"c" * 64, data_root=b"r" * 32)


def test_a_request_for_signatures_is_that_of_others() -> None:
    batch = signer.SignBatch([signer.SignRequest(head=HEAD, slices=[b"one", b"two"]), signer.SignRequest(head=HEAD, slices=[])])
    theirs = message(
        "signer.BatchSignRequest",
        requests=[
            message(
                "signer.SignRequest",
                epoch=1 << 63,
                quorum_id=9,
                erasure_commitment=b"c" * 64,
                storage_root=b"r" * 32,
                encoded_slice=slices,
            )
            for slices in ([b"one", b"two"], [])
        ],
    ).SerializeToString()
    assert signer.BATCH_SIGN.encode_request(batch) == theirs
    assert signer.BATCH_SIGN.decode_request(theirs) == batch
    reply = message("signer.BatchSignReply", signatures=[b"s" * 64]).SerializeToString()
    assert signer.BATCH_SIGN.decode_reply(reply) == [b"s" * 64]
    assert signer.BATCH_SIGN.encode_reply([b"s" * 64]) == reply
    assert signer.BATCH_SIGN.path == "/signer.Signer/BatchSign"


def test_rows_have_a_count_before_them() -> None:
    request = signer.RetrieveRequest(epoch=1, quorum_id=2, data_root=b"r" * 32, rows=[3, 1, 3071])
    theirs = message(
        "signer.BatchRetrieveRequest",
        requests=[message("signer.RetrieveRequest", epoch=1, quorum_id=2, storage_root=b"r" * 32, row_indexes=[3, 1, 3071])],
    ).SerializeToString()
    assert signer.BATCH_RETRIEVE.encode_request(signer.RetrieveBatch([request])) == theirs
    assert signer.BATCH_RETRIEVE.decode_request(theirs) == signer.RetrieveBatch([request])
    rows = [b"\1" * ROW_BYTES, b"\2" * ROW_BYTES]
    counted = [(1024).to_bytes(8, "little") + row for row in rows]
    reply = message("signer.BatchRetrieveReply", encoded_slice=[message("signer.Slices", encoded_slice=counted)]).SerializeToString()
    assert signer.BATCH_RETRIEVE.decode_reply(reply) == signer.RowBatch([signer.RowSet(rows=rows)])
    assert signer.BATCH_RETRIEVE.encode_reply(signer.RowBatch([signer.RowSet(rows=rows)])) == reply


@pytest.mark.parametrize("row", [b"", bytes(ROW_BYTES), (1023).to_bytes(8, "little") + bytes(ROW_BYTES)])
def test_rows_of_another_shape_are_no_rows(row: bytes) -> None:
    reply = message("signer.BatchRetrieveReply", encoded_slice=[message("signer.Slices", encoded_slice=[row])]).SerializeToString()
    with pytest.raises(ValueError, match="a row of"):
        signer.BATCH_RETRIEVE.decode_reply(reply)


def test_others_pass_over_what_is_ours() -> None:
    status = signer.NodeStatus(code=200, entrance="ab" * 20, setup_fingerprint=b"f" * 32)
    theirs = message("signer.StatusReply")
    theirs.ParseFromString(signer.GET_STATUS.encode_reply(status))
    assert (theirs.status_code, theirs.entrance_contract) == (200, "ab" * 20)
    plain = message("signer.StatusReply", status_code=200, entrance_contract="ab" * 20).SerializeToString()
    assert signer.GET_STATUS.decode_reply(plain) == signer.NodeStatus(code=200, entrance="ab" * 20)
    rows = signer.RowSet(rows=[bytes(ROW_BYTES)], coset_roots=(b"1" * 32, b"2" * 32, b"3" * 32))
    slices = message("signer.BatchRetrieveReply")
    slices.ParseFromString(signer.BATCH_RETRIEVE.encode_reply(signer.RowBatch([rows])))
    assert len(slices.encoded_slice[0].encoded_slice) == 1


def test_a_request_in_parts_comes_together_again() -> None:
    request = signer.SignRequest(head=HEAD, slices=[bytes([number]) for number in range(7)])
    parts = [signer.SIGN_STREAM.decode_request(signer.SIGN_STREAM.encode_request(part)) for part in request.parts(3)]
    assert [part.head for part in parts] == [HEAD, None, None, None]
    assert [piece for part in parts for piece in part.slices] == request.slices


def test_a_blob_request_is_that_of_others() -> None:
    theirs = message("retriever.BlobRequest", storage_root=b"r" * 32, epoch=4, quorum_id=5).SerializeToString()
    assert retriever.RETRIEVE_BLOB.encode_request(retriever.BlobRequest(data_root=b"r" * 32, epoch=4, quorum_id=5)) == theirs
    reply = message("retriever.BlobReply", data=b"data").SerializeToString()
    assert retriever.RETRIEVE_BLOB.decode_reply(reply) == retriever.BlobReply(data=b"data")


@pytest.mark.parametrize("shape", [signer.BATCH_SIGN, signer.SIGN_STREAM, signer.BATCH_RETRIEVE, signer.RETRIEVE_STREAM, signer.SAMPLE])
def test_bytes_that_are_no_message_are_refused(shape: Shape[object, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        shape.decode_request(b"\xff\xff\xff")
