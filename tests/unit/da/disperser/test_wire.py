"""What official clients see of a disperser: replies, statuses, texts and codes, through stubs that were not made from our files."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import aio

from tests.unit.da.disperser.network import DaNetwork, Disperser, open_da, pattern
from tests.unit.da.disperser.stubs import call, channel
from zerog.runtime.grpc.messages import HealthCheckResponse, ReflectionRequest, ReflectionResponse

SERVICE = "disperser.Disperser"
PROCESSING, CONFIRMED, FINALIZED = 1, 2, 4


@pytest.fixture(scope="module")
async def da(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DaNetwork]:
    async with open_da(tmp_path_factory.mktemp("da")) as network:
        yield network


@pytest.fixture(scope="module")
async def disperser(da: DaNetwork) -> AsyncIterator[Disperser]:
    async with da.disperser(pending_mib=32) as running:
        yield running


@pytest.fixture(scope="module")
async def official(disperser: Disperser) -> AsyncIterator[Any]:
    async with channel(disperser.address) as opened:
        yield opened


async def refusal(official: Any, method: str, **fields: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(aio.AioRpcError) as caught:
        await call(official, SERVICE, method, **fields)
    return caught.value.code(), caught.value.details() or ""


@pytest.mark.parametrize("size", [5_000, 5 << 20], ids=["short", "longer than gRPC's own cap"])
async def test_the_way_of_a_blob_as_an_official_client_sees_it(official: Any, size: int) -> None:
    data = pattern(size, 1)
    reply = await call(official, SERVICE, "DisperseBlob", data=data)
    assert reply.result == PROCESSING
    assert len(reply.request_id) == 169
    assert reply.request_id.count(b"-") == 1
    status = await call(official, SERVICE, "GetBlobStatus", request_id=reply.request_id)
    assert status.status == PROCESSING
    assert status.HasField("info")
    assert not status.info.HasField("blob_header")
    with anyio.fail_after(100):
        while status.status != FINALIZED:
            assert status.status in (PROCESSING, CONFIRMED)
            await anyio.sleep(0.02)
            status = await call(official, SERVICE, "GetBlobStatus", request_id=reply.request_id)
    header = status.info.blob_header
    assert (len(header.storage_root), header.epoch, header.quorum_id) == (32, 1, 0)
    back = await call(official, SERVICE, "RetrieveBlob", storage_root=header.storage_root, epoch=header.epoch, quorum_id=header.quorum_id)
    assert back.data == data


async def test_refusals_have_the_official_texts_and_the_code_unknown(official: Any) -> None:
    unknown = grpc.StatusCode.UNKNOWN
    assert await refusal(official, "DisperseBlob", data=b"") == (unknown, "blob size must be greater than 0")
    assert await refusal(official, "DisperseBlob", data=bytes(32_505_853)) == (unknown, "blob size cannot exceed 31744 KiB")
    assert await refusal(official, "GetBlobStatus", request_id=b"") == (unknown, "invalid request: request_id must not be empty")
    assert await refusal(official, "GetBlobStatus", request_id=b"abc") == (unknown, "invalid metadata key: abc")
    assert await refusal(official, "GetBlobStatus", request_id=b"ab-cd") == (
        unknown,
        "failed to retrieve blob status: disperse failed or request may not exist",
    )
    assert await refusal(official, "RetrieveBlob", storage_root=bytes(31)) == (unknown, "parameter StorageRoot len is not accepted")


async def test_limits_on_clients_and_on_memory(da: DaNetwork) -> None:
    async with (
        da.disperser(rate_limit=True, client_header="x-forwarded-for", pending_mib=32) as limited,
        channel(limited.address) as official,
    ):
        assert (await call(official, SERVICE, "DisperseBlob", data=b"one")).result == PROCESSING
        assert await refusal(official, "DisperseBlob", data=b"two") == (grpc.StatusCode.UNKNOWN, "request ratelimited")
        await refusal(official, "RetrieveBlob", storage_root=bytes(32))
        assert await refusal(official, "RetrieveBlob", storage_root=bytes(32)) == (grpc.StatusCode.UNKNOWN, "request rate limited")


async def test_blobs_under_way_are_charged_by_their_true_size(da: DaNetwork) -> None:
    go = anyio.Event()

    async def hold(_blob: object) -> None:
        await go.wait()

    async with da.disperser(on_step=hold, pending_mib=32) as full, channel(full.address) as official:
        for seed in range(3):
            await call(official, SERVICE, "DisperseBlob", data=pattern(10 << 20, seed))
        assert await refusal(official, "DisperseBlob", data=bytes(3 << 20)) == (grpc.StatusCode.UNKNOWN, "memory db is full")
        assert (await call(official, SERVICE, "DisperseBlob", data=bytes(1 << 20))).result == PROCESSING


async def test_the_server_is_healthy_and_tells_of_itself(official: Any) -> None:
    check = official.unary_unary("/grpc.health.v1.Health/Check", lambda raw: raw, HealthCheckResponse.FromString)
    assert (await check(b"")).status == HealthCheckResponse.SERVING
    reflect = official.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ReflectionRequest.SerializeToString,
        ReflectionResponse.FromString,
    )
    asked = [ReflectionRequest(list_services=""), ReflectionRequest(file_containing_symbol=SERVICE)]
    names, file = [answer async for answer in reflect(iter(asked))]
    assert {service.name for service in names.list_services_response.service} >= {SERVICE, "grpc.health.v1.Health"}
    declared = FileDescriptorProto.FromString(file.file_descriptor_response.file_descriptor_proto[0])
    assert [method.name for method in declared.service[0].method] == ["DisperseBlob", "GetBlobStatus", "RetrieveBlob", "ListBlobs"]
