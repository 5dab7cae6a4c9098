"""Stubs of DA nodes and retrievers from a description that was written from the published facts alone, not from our files.

Source: 0glabs/0g-da-node, `grpc/proto/signer.proto`; 0glabs/0g-da-retriever, `grpc/proto/retriever.proto`.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc import aio
from grpc_tools import protoc  # type: ignore[import-untyped]

SIGNER = """
syntax = "proto3";
package signer;
service Signer {
  rpc BatchSign(BatchSignRequest) returns (BatchSignReply) {}
  rpc BatchRetrieve(BatchRetrieveRequest) returns (BatchRetrieveReply) {}
  rpc GetStatus(Empty) returns (StatusReply) {}
}
message Empty {}
message BatchSignRequest { repeated SignRequest requests = 1; }
message SignRequest {
  uint64 epoch = 1; uint64 quorum_id = 2; bytes erasure_commitment = 3; bytes storage_root = 4; repeated bytes encoded_slice = 5;
}
message BatchSignReply { repeated bytes signatures = 1; }
message BatchRetrieveRequest { repeated RetrieveRequest requests = 1; }
message RetrieveRequest { uint64 epoch = 1; uint64 quorum_id = 2; bytes storage_root = 3; repeated uint32 row_indexes = 4; }
message Slices { repeated bytes encoded_slice = 1; }
message BatchRetrieveReply { repeated Slices encoded_slice = 1; }
message StatusReply { uint64 status_code = 1; string entrance_contract = 2; }
"""
RETRIEVER = """
syntax = "proto3";
package retriever;
service Retriever { rpc RetrieveBlob(BlobRequest) returns (BlobReply) {} }
message BlobRequest { bytes storage_root = 1; uint64 epoch = 2; uint64 quorum_id = 3; }
message BlobReply { bytes data = 1; }
"""
MESSAGE_BYTES_MAX = 1 << 30


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    """A pool of its own, since ours knows messages of the same names."""
    pool = descriptor_pool.DescriptorPool()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("signer", SIGNER), ("retriever", RETRIEVER)):
            Path(folder, f"{name}.proto").write_text(text)
        output = Path(folder, "set")
        code = protoc.main(["", f"-I{folder}", f"--descriptor_set_out={output}", f"{folder}/signer.proto", f"{folder}/retriever.proto"])
        assert code == 0
        for file in descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file:
            pool.Add(file)
    return pool


def message(name: str, **fields: Any) -> Any:
    """A message by its full name."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))(**fields)


async def call(address: str, service: str, method: str, request: Any, *, timeout_s: float = 60.0) -> Any:
    """The reply to one request, with the caps that official clients raise. Raises `grpc.aio.AioRpcError`."""
    found = _pool().FindServiceByName(service).FindMethodByName(method)
    reply = message_factory.GetMessageClass(found.output_type)
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX), ("grpc.max_send_message_length", MESSAGE_BYTES_MAX)]
    async with aio.insecure_channel(address, options=options) as channel:
        make = channel.unary_unary(f"/{service}/{method}", lambda sent: sent.SerializeToString(), reply.FromString)
        return await make(request, timeout=timeout_s)
