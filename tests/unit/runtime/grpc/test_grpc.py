"""The gRPC server of all roles over a real socket: streams, memory, limits, refusals, health, reflection, cancelling."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import aio
from structlog.testing import capture_logs

from zerog.primitives.errors import RefusalError
from zerog.runtime.grpc.channel import GrpcChannel
from zerog.runtime.grpc.errors import GrpcCallError, GrpcTimeoutError, GrpcUnreachableError, ServerBusyError
from zerog.runtime.grpc.memory import MessageMemory
from zerog.runtime.grpc.messages import HEALTH_SERVICE, HealthCheckRequest, HealthCheckResponse, ReflectionRequest, ReflectionResponse
from zerog.runtime.grpc.methods import Caller, CallPool, Served, ServerCounters, Shape, served_stream, served_unary, served_upload
from zerog.runtime.grpc.pb.health_pb2 import DESCRIPTOR as SOME_FILE
from zerog.runtime.grpc.server import GrpcLimits, serve_grpc
from zerog.runtime.ports import PortInUseError

SERVICE = "zerog_health.Health"  # Any service that a file declares.
MIB = 1 << 20


def shape(name: str, **options: Any) -> Shape[Any, Any]:
    """Messages are JSON, or bytes as they are."""

    def encode(value: Any) -> bytes:
        return value if isinstance(value, bytes) else json.dumps(value).encode()

    def decode(raw: bytes) -> Any:
        return raw if len(raw) > 1000 else json.loads(raw)

    return Shape(
        service=SERVICE, name=name, encode_request=encode, decode_request=decode, encode_reply=encode, decode_reply=decode, **options
    )


ECHO = shape("Echo")
COUNT = shape("Count", streams_replies=True)
SUM = shape("Sum", streams_requests=True)
LARGE = shape("Large")
HOLD = shape("Hold")


@dataclass(eq=False)
class OutOfPaperError(RefusalError):
    """A refusal with a status of its own."""

    grpc_status = "DATA_LOSS"

    def __str__(self) -> str:
        return "no paper"


class Service:
    """What the tests call."""

    def __init__(self) -> None:
        self.release = anyio.Event()
        self.held = 0
        self.held_most = 0
        self.cancelled = anyio.Event()
        self.counted = 0
        self.callers: list[Caller] = []

    async def echo(self, request: Any, caller: Caller) -> Any:
        self.callers.append(caller)
        match request:
            case "refuse":
                raise OutOfPaperError
            case "break":
                raise RuntimeError("secret")
        return request

    async def count(self, request: int, _caller: Caller) -> AsyncIterator[int]:
        try:
            for number in range(request):
                self.counted = number
                yield number
                await anyio.lowlevel.checkpoint()
        finally:
            self.cancelled.set()

    async def sum(self, requests: AsyncIterator[int], _caller: Caller) -> int:
        total = 0
        async for number in requests:
            if number < 0:
                raise OutOfPaperError
            total += number
        return total

    async def large(self, request: bytes, _caller: Caller) -> int:
        self.held += 1
        self.held_most = max(self.held, self.held_most)
        await self.release.wait()
        self.held -= 1
        return len(request)

    async def hold(self, _request: Any, _caller: Caller) -> str:
        self.held += 1
        await self.release.wait()
        return "done"

    @property
    def methods(self) -> list[Served]:
        return [
            served_unary(ECHO, self.echo, seconds_max=0.2),
            served_stream(COUNT, self.count),
            served_upload(SUM, self.sum),
            served_unary(LARGE, self.large, memory_bytes=4 * MIB),
            served_unary(HOLD, self.hold, pool=CallPool(2)),
        ]


@asynccontextmanager
async def serving(service: Service, **limits: int) -> AsyncIterator[tuple[str, ServerCounters]]:
    counters = ServerCounters()
    async with anyio.create_task_group() as tasks:

        async def serve(*, task_status: Any) -> None:
            await serve_grpc(
                service.methods, [SOME_FILE], "127.0.0.1", 0, limits=GrpcLimits(**limits), counters=counters, task_status=task_status
            )

        yield await tasks.start(serve), counters
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def connected(service: Service, **limits: int) -> AsyncIterator[GrpcChannel]:
    async with serving(service, **limits) as (address, _), GrpcChannel(address) as channel:
        yield channel


async def until(fits: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not fits():  # noqa: ASYNC110 - what is waited for has no event of its own.
            await anyio.sleep(0.002)


async def test_one_request_and_streams_both_ways_are_answered() -> None:
    async with connected(Service()) as channel:
        assert await channel.call(ECHO, {"a": 1}, timeout_s=5) == {"a": 1}
        async with channel.stream(COUNT, 5, timeout_s=5) as replies:
            assert [reply async for reply in replies] == [0, 1, 2, 3, 4]

        async def numbers() -> AsyncIterator[int]:
            for number in (1, 2, 3):
                yield number

        assert await channel.upload(SUM, numbers(), timeout_s=5) == 6


async def test_the_caller_is_told() -> None:
    service = Service()
    async with serving(service) as (address, counters), aio.insecure_channel(address) as channel:
        call = channel.unary_unary(f"/{SERVICE}/Echo", None, None)
        await call(b'"x"', metadata=(("x-forwarded-for", "1.2.3.4"),), timeout=7)
        [caller] = service.callers
        assert (caller.metadata["x-forwarded-for"], caller.peer[:15]) == ("1.2.3.4", "ipv4:127.0.0.1:")
        assert caller.seconds_left is not None
        assert 5 < caller.seconds_left < 8
        assert counters.of("Echo").calls == 1
        assert counters.of("Echo").request_bytes == 3


async def test_refusals_have_their_status_and_bugs_a_reference() -> None:
    async with connected(Service()) as channel:
        with pytest.raises(GrpcCallError) as refused:
            await channel.call(ECHO, "refuse", timeout_s=5)
        assert (refused.value.status, refused.value.details) == ("DATA_LOSS", "no paper")
        with capture_logs() as logs, pytest.raises(GrpcCallError, match=r"internal error \(reference [0-9a-f]{8} in the log\)") as broken:
            await channel.call(ECHO, "break", timeout_s=5)
        assert broken.value.status == "INTERNAL"
        assert logs[0]["reference"] in str(broken.value)
        with pytest.raises(GrpcCallError) as malformed:
            await channel.call(ECHO, b"{", timeout_s=5)
        assert malformed.value.status == "INVALID_ARGUMENT"


async def test_a_call_without_its_message_is_refused_and_one_whose_message_does_not_come_ends() -> None:
    async with serving(Service()) as (address, _), aio.insecure_channel(address) as plain:
        silent: Any = plain.stream_unary(f"/{SERVICE}/Echo", None, None)
        call = silent()
        await call.done_writing()
        with pytest.raises(aio.AioRpcError, match="the call has no message"):
            await call
        with pytest.raises(aio.AioRpcError, match=r"has not come within 0\.2 s"):
            await silent(timeout=5)


async def test_a_stream_that_is_refused_early_is_not_made_to_its_end() -> None:
    made = 0

    async def numbers() -> AsyncIterator[Any]:
        nonlocal made
        yield -1
        while made < 100_000:
            made += 1
            yield b"0" * 1000
            await anyio.lowlevel.checkpoint()

    async with connected(Service()) as channel:
        with pytest.raises(GrpcCallError, match="no paper"):
            await channel.upload(SUM, numbers(), timeout_s=20)
    assert made < 10_000


async def test_leaving_a_stream_ends_it_on_the_server() -> None:
    service = Service()
    async with connected(service) as channel:
        async with channel.stream(COUNT, 10_000_000, timeout_s=60) as replies:
            assert await anext(replies) == 0
        with anyio.fail_after(10):
            await service.cancelled.wait()
        assert service.counted < 10_000_000 - 1


async def test_large_messages_wait_for_memory_before_they_are_read() -> None:
    service = Service()
    async with serving(service, memory_bytes_max=8 * MIB, waiting_max=1) as (address, counters), GrpcChannel(address) as channel:
        answers: list[int] = []

        async def send(size_bytes: int) -> None:
            answers.append(await channel.call(LARGE, bytes(size_bytes), timeout_s=30))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(send, 3 * MIB)
            await until(lambda: counters.of("Large").calls == 3 and service.held == 2)
            assert counters.of("Large").request_bytes == 6 * MIB
            with pytest.raises(GrpcCallError) as busy:
                await send(3 * MIB)
            assert (busy.value.status, busy.value.details) == ("RESOURCE_EXHAUSTED", str(ServerBusyError()))
            assert await channel.call(ECHO, "small", timeout_s=5) == "small"
            service.release.set()
        assert answers == [3 * MIB] * 3
        assert service.held_most == 2


async def test_a_full_pool_refuses_one_more_call() -> None:
    service = Service()
    async with connected(service) as channel, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(lambda: channel.call(HOLD, 1, timeout_s=30))
        await until(lambda: service.held == 2)
        with pytest.raises(GrpcCallError) as full:
            await channel.call(HOLD, 1, timeout_s=5)
        assert (full.value.status, full.value.details) == ("RESOURCE_EXHAUSTED", "request pool is full")
        service.release.set()


async def test_a_message_over_the_limit_and_a_method_that_is_not_there_are_refused() -> None:
    async with connected(Service(), message_bytes_max=MIB) as channel:
        with pytest.raises(GrpcCallError) as large:
            await channel.call(ECHO, bytes(MIB + 1), timeout_s=5)
        assert large.value.status == "RESOURCE_EXHAUSTED"
        with pytest.raises(GrpcCallError) as unknown:
            await channel.call(shape("Nothing"), 1, timeout_s=5)
        assert unknown.value.status == "UNIMPLEMENTED"


async def test_nobody_at_the_address_and_an_answer_that_takes_too_long() -> None:
    service = Service()
    async with serving(service) as (address, _), GrpcChannel(f"http://{address}") as channel:
        with pytest.raises(GrpcTimeoutError):
            await channel.call(HOLD, 1, timeout_s=0.05)
    async with GrpcChannel(address) as channel:
        with pytest.raises(GrpcUnreachableError):
            await channel.call(ECHO, 1, timeout_s=5)


async def test_who_is_cancelled_ends_the_call() -> None:
    service = Service()
    async with serving(service) as (address, counters), GrpcChannel(address) as channel:
        with anyio.move_on_after(0.05):
            await channel.call(HOLD, 1, timeout_s=60)
        await until(lambda: counters.of("Hold").failures == 1)


async def test_a_port_in_use_names_it() -> None:
    async with serving(Service()) as (address, _):
        port = int(address.rpartition(":")[2])
        with pytest.raises(PortInUseError, match=f"port {port} on 127.0.0.1 is in use"):
            await serve_grpc([], [], "127.0.0.1", port)


async def test_the_server_is_healthy_and_tells_of_itself() -> None:
    async with serving(Service()) as (address, _), aio.insecure_channel(address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        for service in ("", "anything"):
            assert (await check(HealthCheckRequest(service=service))).status == HealthCheckResponse.SERVING
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch", None, None)
        with pytest.raises(aio.AioRpcError) as unknown:
            await watch(b"").read()
        assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED
        reflect = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=ReflectionRequest.SerializeToString,
            response_deserializer=ReflectionResponse.FromString,
        )
        asked = [ReflectionRequest(list_services=""), ReflectionRequest(file_containing_symbol=f"{HEALTH_SERVICE}.Check")]
        names, file = [answer async for answer in reflect(iter(asked))]
        assert [service.name for service in names.list_services_response.service][:2] == [SERVICE, HEALTH_SERVICE]
        declared = FileDescriptorProto.FromString(file.file_descriptor_response.file_descriptor_proto[0])
        assert declared.service[0].method[0].input_type == ".grpc.health.v1.HealthCheckRequest"


async def test_memory_is_given_in_the_order_of_the_line_and_back_when_somebody_leaves_it() -> None:
    memory = MessageMemory(10, waiting_max=8)
    order: list[str] = []

    async def take(name: str, size_bytes: int, leave: anyio.Event) -> None:
        async with memory.share(size_bytes):
            order.append(name)
            await leave.wait()

    go = anyio.Event()
    async with anyio.create_task_group() as tasks:
        await memory.take(6)
        large = anyio.CancelScope()

        async def impatient() -> None:
            with large:
                await take("large", 10, go)

        tasks.start_soon(impatient)
        await until(lambda: memory.waiting == 1)
        tasks.start_soon(take, "small", 4, go)
        await until(lambda: memory.waiting == 2)
        assert order == []  # It does not pass the large one.
        large.cancel()
        await until(lambda: order == ["small"])
        tasks.start_soon(take, "all", 1_000, go)
        await until(lambda: memory.waiting == 1)
        memory.give(6)
        go.set()
    assert order == ["small", "all"]
    assert (memory.used_bytes, memory.waiting) == (0, 0)
