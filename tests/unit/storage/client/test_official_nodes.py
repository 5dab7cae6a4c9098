"""Nodes without our methods and routes: the same uploads and downloads in the official JSON-RPC, and what nodes refuse in its words."""

import base64
import socket
from collections.abc import Iterator

import msgspec
import pytest

from tests.unit.storage.client.peers import Script, answer_of, peer, read_request
from tests.unit.storage.node.network import ACCOUNTS, Chain, Node, pattern
from zerog.storage.client import StorageClient, UploadOptions, UploadRefusedError
from zerog.storage.client.uploading import TRIES
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.files import FileInfo, FileTransaction

UNKNOWN = {"code": -32601, "message": "Method not found"}


def forwarding(node: Node, *, first_uploads: list[object] | None = None) -> Script:
    """An official node: `node` without our methods and routes. The first uploads get other answers: an error each, or `None` to go on."""
    first = [] if first_uploads is None else first_uploads

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            head, _, body = request.partition(b"\r\n\r\n")
            if not head.startswith(b"POST / "):
                connection.sendall(
                    answer_of(b"Used HTTP Method is not allowed. POST is required", status="405 Method Not Allowed", kind="text/plain")
                )
                continue
            call = msgspec.json.decode(body)
            calls = call if isinstance(call, list) else [call]
            answers = [answer_to(one) for one in calls]
            connection.sendall(answer_of(msgspec.json.encode(answers if isinstance(call, list) else answers[0])))

    def answer_to(call: dict[str, object]) -> object:
        method = str(call["method"])
        if method in ("zgs_getAvailability", "zgs_listFiles"):
            return {"jsonrpc": "2.0", "id": call["id"], "error": UNKNOWN}
        if method.startswith("zgs_upload") and first:
            error = first.pop(0)
            if error is not None:
                return {"jsonrpc": "2.0", "id": call["id"], "error": error}
        answer = node.post(call)
        return answer | ({"result": None} if method.startswith("zgs_upload") and "error" not in answer else {})

    return script


@pytest.fixture
def official(node: Node) -> Iterator[str]:
    with peer(forwarding(node)) as url:
        yield url


@pytest.mark.parametrize("segments", [1, 3, 25])
def test_files_go_up_and_down_in_the_official_words(chain: Chain, official: str, segments: int) -> None:
    data = pattern(segments * SEGMENT_BYTES - 100, seed=segments)
    with StorageClient(nodes=[official], chain=chain.client, account=ACCOUNTS[3]) as client:
        upload = client.upload(data)
        assert upload.sent_bytes == -(-len(data) // 256) * 256
        assert client.read(upload.root) == data
        assert client.read(upload.root, offset=SEGMENT_BYTES - 200, length=300) == data[SEGMENT_BYTES - 200 :][:300]
        assert client.upload(data).sent_bytes == 0
        facts = client.stat(upload.root)
        assert (facts.finalized, facts.nodes[0].held) == (True, None)


def test_many_files_go_to_official_nodes_too(chain: Chain, official: str) -> None:
    with StorageClient(nodes=[official], chain=chain.client, account=ACCOUNTS[3]) as client:
        contents = [pattern(300, seed=index) + b"official" for index in range(30)]
        uploads = client.upload_many(contents)
        assert [client.read(upload.root) for upload in uploads] == contents


HELD = {"code": -32602, "message": "Invalid params: root", "data": "already uploaded and finalized"}
UNDER_WAY = {"code": -32000, "message": "segment has already been uploaded or is being uploaded"}
BUSY = {"code": -32000, "message": "too many data writing: 16"}
GONE = {"code": -32603, "message": "Internal error", "data": "data root and tx seq not match"}
WRONG = {"code": -32602, "message": "Invalid params: proof", "data": "validation failed"}


@pytest.mark.parametrize("errors", [[BUSY, BUSY], [GONE], [BUSY, GONE]], ids=["busy", "gone", "both"])
def test_what_passes_is_waited_out(chain: Chain, node: Node, errors: list[object]) -> None:
    data = pattern(1000, seed=len(errors) + len(str(errors)))
    with (
        peer(forwarding(node, first_uploads=list(errors))) as url,
        StorageClient(nodes=[url], chain=chain.client, account=ACCOUNTS[3]) as client,
    ):
        assert client.read(client.upload(data).root) == data


@pytest.mark.parametrize("error", [HELD, UNDER_WAY], ids=["finalized", "under way"])
def test_what_the_node_has_is_success(chain: Chain, node: Node, error: object) -> None:
    data = pattern(1000, seed=len(str(error)))
    with (
        peer(forwarding(node, first_uploads=[error])) as url,
        StorageClient(nodes=[url], chain=chain.client, account=ACCOUNTS[3]) as client,
    ):
        client.upload(data, UploadOptions(await_finality=False))


def test_a_node_that_refuses_for_good_ends_the_upload_with_its_words(chain: Chain, node: Node) -> None:
    refusals: list[object] = [WRONG] * 100
    with (
        peer(forwarding(node, first_uploads=refusals)) as url,
        StorageClient(nodes=[url], chain=chain.client, account=ACCOUNTS[3]) as client,
    ):
        with pytest.raises(UploadRefusedError, match="validation failed"):
            client.upload(pattern(1000, seed=99))
        assert 100 - len(refusals) <= TRIES


def test_a_wrong_byte_from_an_official_node_is_seen(node: Node, chain: Chain) -> None:
    data = pattern(700, seed=55)
    tree = FileTree(data)
    info = FileInfo(tx=FileTransaction.of(0, tree.submission(), 1024), finalized=True, is_cached=False, uploaded_seg_num=1, pruned=False)
    segment = {
        "root": str(tree.root),
        "data": base64.b64encode(data[:-1].ljust(768, b"\0")).decode(),
        "index": 0,
        "proof": {"lemma": [str(tree.root)], "path": []},
        "fileSize": len(data),
    }
    results = {"zgs_getShardConfig": {"shardId": 0, "numShard": 1}, "zgs_getFileInfo": info, "zgs_downloadSegmentWithProofByTxSeq": segment}

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            call = msgspec.json.decode(request.partition(b"\r\n\r\n")[2])
            result = results.get(call["method"])
            answer = {"id": call["id"]} | ({"error": UNKNOWN} if result is None else {"result": result})
            connection.sendall(answer_of(msgspec.json.encode(answer, enc_hook=str)))

    with StorageClient(nodes=[node.url], chain=chain.client, account=ACCOUNTS[3]) as client:
        root = client.upload(data).root
    with peer(script) as liar, StorageClient(nodes=[liar, node.url]) as client:
        assert root == tree.root
        assert client.read(root) == data
