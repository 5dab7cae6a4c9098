"""The gRPC surface, asked by the official Python implementation of gRPC: ping, uploads, refusals, limits, reflection."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tests.unit.storage.node.network import Chain, File, Network, Node, pattern
from zerog.runtime.grpc.messages import HEALTH_SERVICE, ReflectionRequest, ReflectionResponse
from zerog.storage.node.grpc.server import MESSAGE_BYTES_MAX
from zerog.storage.protocol.units import SEGMENT_BYTES
from zerog.storage.wire.grpc_messages import SERVICE, Empty, PingReply, PingRequest, UploadRequest
from zerog.storage.wire.pb.zgs_pb2 import DataRoot, FileProof, SegmentWithProof

ROOT = Path(__file__).parents[4]
WAIT_S = 20.0
seeds = count(7_000)


class Client:
    """Calls both methods, and reflection."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def ping(self, message: str) -> str:
        call = self._channel.unary_unary(f"/{SERVICE}/Ping", PingRequest.SerializeToString, PingReply.FromString)
        answer: PingReply = call(PingRequest(message=message), timeout=WAIT_S)
        return answer.message

    def upload(self, segments: Sequence[SegmentWithProof], tx_seq: int) -> Empty:
        call = self._channel.unary_unary(f"/{SERVICE}/UploadSegmentsByTxSeq", UploadRequest.SerializeToString, Empty.FromString)
        answer: Empty = call(UploadRequest(segments=segments, tx_seq=tx_seq), timeout=WAIT_S)
        return answer

    def refusal(self, segments: Sequence[SegmentWithProof], tx_seq: int) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as caught:
            self.upload(segments, tx_seq)
        return caught.value.code(), caught.value.details() or ""

    def reflect(self, version: str, question: ReflectionRequest) -> ReflectionResponse:
        call = self._channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            ReflectionRequest.SerializeToString,
            ReflectionResponse.FromString,
        )
        answers: list[ReflectionResponse] = list(call(iter([question]), timeout=WAIT_S))
        [answer] = answers
        return answer


@pytest.fixture(scope="module")
def client(node: Node) -> Iterator[Client]:
    node.wait(lambda: node.node.grpc_address is not None)
    with grpc.insecure_channel(str(node.node.grpc_address), options=[("grpc.max_send_message_length", -1)]) as channel:
        yield Client(channel)


@pytest.fixture
def file(chain: Chain, node: Node) -> tuple[File, int]:
    """Of three segments, announced."""
    file = File(pattern(2 * SEGMENT_BYTES + 1000, next(seeds)))
    [seq] = chain.submit(file.submission())
    node.wait_for_seq(seq)
    return file, seq


def segment_of(file: File, index: int) -> SegmentWithProof:
    [segment] = file.bulk([index]).segments
    proof = FileProof(lemma=segment.lemma, path=segment.path)
    root = DataRoot(value=file.bulk([]).root)
    return SegmentWithProof(root=root, data=bytes(segment.data), index=index, proof=proof, file_size=file.size)


def test_a_ping_is_echoed(client: Client) -> None:
    assert client.ping("hé") == "Echo: hé"


def test_segments_are_stored_as_by_every_other_way(node: Node, client: Client, file: tuple[File, int]) -> None:
    what, seq = file
    assert client.upload([segment_of(what, 0), segment_of(what, 2)], seq) == Empty()
    assert not node.is_finalized_now(seq)
    client.upload([segment_of(what, 1)], seq)
    assert node.is_finalized_now(seq)
    assert client.refusal([segment_of(what, 1)], seq) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Invalid params: root; data: already uploaded and finalized",
    )


def test_a_wrong_segment_is_refused_in_the_words_of_json_rpc(client: Client, file: tuple[File, int]) -> None:
    what, seq = file
    wrong = segment_of(what, 0)
    wrong.data = bytes(SEGMENT_BYTES)
    code, words = client.refusal([wrong], seq)
    assert (code, words) == (grpc.StatusCode.FAILED_PRECONDITION, "data hash mismatch")
    wrong.data = b""
    assert client.refusal([wrong], seq) == (grpc.StatusCode.FAILED_PRECONDITION, "data is empty")
    wrong = segment_of(what, 0)
    wrong.root.value = bytes(31)
    assert client.refusal([wrong], seq)[0] is grpc.StatusCode.INVALID_ARGUMENT
    wrong.root.value = bytes(32)
    code, words = client.refusal([wrong], seq)
    assert (code, words) == (grpc.StatusCode.INTERNAL, "Internal error; data root and tx seq not match")


def test_a_message_over_the_limit_is_refused(client: Client, file: tuple[File, int]) -> None:
    what, seq = file
    large = segment_of(what, 0)
    large.data = bytes(MESSAGE_BYTES_MAX)
    assert client.refusal([large], seq)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    client.upload([segment_of(what, 0)], seq)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_the_server_tells_of_itself(client: Client, version: str) -> None:
    services = client.reflect(version, ReflectionRequest(host="here", list_services=""))
    names = [service.name for service in services.list_services_response.service]
    assert names == [SERVICE, HEALTH_SERVICE, "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]
    assert services.valid_host == "here"
    for symbol in (SERVICE, f"{SERVICE}.Ping", "zgs_grpc.SegmentWithProof", "zgs_grpc.SegmentWithProof.file_size"):
        [encoded] = client.reflect(version, ReflectionRequest(file_containing_symbol=symbol)).file_descriptor_response.file_descriptor_proto
        described = FileDescriptorProto.FromString(encoded)
        assert [method.name for method in described.service[0].method] == ["Ping", "UploadSegmentsByTxSeq"]
        assert client.reflect(
            version, ReflectionRequest(file_by_filename=described.name)
        ).file_descriptor_response.file_descriptor_proto == [encoded]
    for symbol in ("zgs_grpc", "zgs_grpc.Nothing", f"{SERVICE}.Nothing", "other.Ping"):
        assert (
            client.reflect(version, ReflectionRequest(file_containing_symbol=symbol)).error_response.error_code
            == grpc.StatusCode.NOT_FOUND.value[0]
        )
    assert client.reflect(version, ReflectionRequest(all_extension_numbers_of_type="zgs_grpc.Empty")).error_response.error_code == 12


def test_a_port_in_use_ends_the_node_with_the_reason(network: Network, chain: Chain, node: Node, client: Client) -> None:
    port = int(str(node.node.grpc_address).rpartition(":")[2])
    with network.running(chain, grpc_port=port) as second:
        assert f"port {port} on 127.0.0.1 is in use" in str(network.failure(second))
    assert client.ping("still there") == "Echo: still there"


def test_a_node_loads_grpc_only_to_serve_it() -> None:
    code = "import sys, zerog.storage.node.service; raise SystemExit('grpc' in sys.modules or 'google.protobuf' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_generated_classes_are_those_of_the_proto_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts" / "make_proto.py"), str(tmp_path)], check=True)
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert made
    for path in made:
        assert path.read_text(encoding="utf-8") == (ROOT / path.relative_to(tmp_path)).read_text(encoding="utf-8"), path.name
