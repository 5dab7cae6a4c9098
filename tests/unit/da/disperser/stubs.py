"""Stubs of dispersers and encoders from a description that was written from the published facts alone, not from our files.

Source: 0glabs/0g-da-client, `api/proto/disperser/disperser.proto`; 0glabs/0g-da-encoder, `grpc/proto/encoder.proto`.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc import aio
from grpc_tools import protoc  # type: ignore[import-untyped]

DISPERSER = """
syntax = "proto3";
package disperser;
service Disperser {
  rpc DisperseBlob(DisperseBlobRequest) returns (DisperseBlobReply) {}
  rpc GetBlobStatus(BlobStatusRequest) returns (BlobStatusReply) {}
  rpc RetrieveBlob(RetrieveBlobRequest) returns (RetrieveBlobReply) {}
}
message DisperseBlobRequest { bytes data = 1; }
message DisperseBlobReply { BlobStatus result = 1; bytes request_id = 2; }
message BlobStatusRequest { bytes request_id = 1; }
message BlobStatusReply { BlobStatus status = 1; BlobInfo info = 2; }
message RetrieveBlobRequest { bytes storage_root = 1; uint64 epoch = 2; uint64 quorum_id = 3; }
message RetrieveBlobReply { bytes data = 1; }
enum BlobStatus { UNKNOWN = 0; PROCESSING = 1; CONFIRMED = 2; FAILED = 3; FINALIZED = 4; INSUFFICIENT_SIGNATURES = 5; }
message BlobInfo { BlobHeader blob_header = 1; }
message BlobHeader { bytes storage_root = 1; uint64 epoch = 2; uint64 quorum_id = 3; }
"""
ENCODER = """
syntax = "proto3";
package encoder;
service Encoder { rpc EncodeBlob(EncodeBlobRequest) returns (EncodeBlobReply) {} }
message EncodeBlobRequest { bytes data = 1; bool require_data = 2; }
message EncodeBlobReply {
  uint32 version = 1; bytes erasure_commitment = 2; bytes storage_root = 3; bytes encoded_data = 4; repeated bytes encoded_slice = 5;
}
"""
MESSAGE_BYTES_MAX = 1 << 30


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    """A pool of its own, since ours knows messages of the same names."""
    pool = descriptor_pool.DescriptorPool()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("disperser", DISPERSER), ("encoder", ENCODER)):
            Path(folder, f"{name}.proto").write_text(text, encoding="utf-8")
        output = Path(folder, "set")
        sources = [f"{folder}/disperser.proto", f"{folder}/encoder.proto"]
        assert protoc.main(["", f"-I{folder}", f"--descriptor_set_out={output}", *sources]) == 0
        for file in descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file:
            pool.Add(file)
    return pool


def message(name: str) -> Any:
    """The class of a message, such as `disperser.BlobStatusRequest`."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


def channel(address: str) -> Any:
    """A channel as the official programs open one, with their caps."""
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX), ("grpc.max_send_message_length", MESSAGE_BYTES_MAX)]
    return aio.insecure_channel(address, options=options)


async def call(channel: Any, service: str, method: str, **fields: Any) -> Any:
    """Call a method with a request of these fields. Raises `AioRpcError`."""
    described = _pool().FindServiceByName(service).methods_by_name[method]
    request = message_factory.GetMessageClass(described.input_type)(**fields)
    reply = message_factory.GetMessageClass(described.output_type)
    stub = channel.unary_unary(
        f"/{service}/{method}", request_serializer=lambda each: each.SerializeToString(), response_deserializer=reply.FromString
    )
    return await stub(request, timeout=120)
