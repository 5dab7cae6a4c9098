"""gRPC for all roles: a server with reflection, health and limits, and channels to others. Its modules load grpcio; this file does not."""

__all__: list[str] = []
