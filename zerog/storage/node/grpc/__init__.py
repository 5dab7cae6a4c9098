"""The gRPC surface of a storage node. Importing it loads grpcio, so a node does that when it serves."""

from zerog.storage.node.grpc.server import serve_grpc

__all__ = ["serve_grpc"]
