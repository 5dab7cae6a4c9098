"""The one gRPC server of all roles: limits, memory, refusals as statuses, reflection and health. Importing it loads grpcio.

A method of one request is served as if it took a stream, which is the same on the wire: grpcio would otherwise read a message of a hundred
megabytes before anybody can tell it to wait. So a call begins with its head alone, is counted, waits for memory, and only then is its
message read.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import anyio
import grpc
import structlog
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from google.protobuf.descriptor import FileDescriptor
from grpc import aio

from zerog.runtime.grpc.calls import Refuse, call_handler, plain_refusal
from zerog.runtime.grpc.health import health_handler
from zerog.runtime.grpc.memory import MessageMemory
from zerog.runtime.grpc.messages import HEALTH_FILE, HEALTH_SERVICE, FileDescriptorProto, file_of
from zerog.runtime.grpc.methods import Served, ServerCounters
from zerog.runtime.grpc.reflection import reflection_handlers
from zerog.runtime.ports import PortInUseError, holder_of_port, reserve_port

__all__ = ["GrpcLimits", "serve_grpc"]

log = structlog.get_logger(__name__)

STOP_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcLimits:
    """What a server takes at once."""

    message_bytes_max: int = 16 << 20
    """A longer message is refused with RESOURCE_EXHAUSTED by grpcio itself."""
    calls_max: int = 256
    """At once; a further one is refused with RESOURCE_EXHAUSTED."""
    calls_of_connection_max: int = 64
    """At once; further ones of the same client wait on its side."""
    memory_bytes_max: int = 256 << 20
    """For the messages of large calls, together."""
    waiting_max: int = 64
    """Large calls that may wait for memory."""


async def serve_grpc(
    methods: Sequence[Served],
    files: Sequence[FileDescriptor],
    host: str,
    port: int,
    *,
    limits: GrpcLimits | None = None,
    refuse: Refuse = plain_refusal,
    counters: ServerCounters | None = None,
    task_status: TaskStatus[str] = TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, then let calls finish for a moment. Reports the address (`host:port`) once it answers.

    `files` declare the services, for reflection. `refuse` gives an expected error its status and words. Port 0 lets the system choose.
    Raises `PortInUseError`.
    """
    limits = limits or GrpcLimits()
    server = aio.server(options=_options(limits), maximum_concurrent_rpcs=limits.calls_max)
    memory = MessageMemory(limits.memory_bytes_max, waiting_max=limits.waiting_max)
    counters = counters or ServerCounters()
    by_service: dict[str, dict[str, Any]] = {}
    for method in methods:
        handler = call_handler(method, memory, counters.of(method.shape.name), refuse)
        by_service.setdefault(method.shape.service, {})[method.shape.name] = handler
    handlers = [grpc.method_handlers_generic_handler(name, each) for name, each in by_service.items()]
    server.add_generic_rpc_handlers((*handlers, health_handler(), *reflection_handlers(_described(by_service, files))))
    name, bound = _bind(server, host, port)
    await server.start()
    try:
        task_status.started(f"{name}:{bound}")
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await server.stop(STOP_S)


def _options(limits: GrpcLimits) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.message_bytes_max),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", limits.calls_of_connection_max),
        ("grpc.so_reuseport", 0),  # Otherwise a second server on one port would take half of the first one's clients.
    ]


def _described(services: Mapping[str, object], files: Sequence[FileDescriptor]) -> dict[str, FileDescriptorProto]:
    """The services by name, with the files that declare them. Raises `LookupError` for one that no file declares."""
    declared = {service.full_name: file_of(file) for file in files for service in file.services_by_name.values()}
    return {name: declared[name] for name in services} | {HEALTH_SERVICE: HEALTH_FILE}


def _bind(server: aio.Server, host: str, port: int) -> tuple[str, int]:
    name = f"[{host}]" if ":" in host else host
    with ExitStack() as until_bound:
        chosen = port or reserve_port(until_bound, host)
        try:
            return name, server.add_insecure_port(f"{name}:{chosen}")
        except RuntimeError:
            raise PortInUseError(host, chosen, holder_of_port(chosen)) from None
