"""Following the entrance's log on a real chain: pages, chains that go back, and chain nodes that go away.

A contract that logs what it is called with stands in the entrance's place, so that any event can be told.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import anyio
import pytest
from anyio.abc import TaskStatus

from zerog import networks
from zerog._kernel import abi_encode
from zerog.chain.client import AsyncChainClient
from zerog.chain.client.level import ChainBehindError, wait_until_level
from zerog.chain.node.chain import network_accounts
from zerog.chain.node.service import ChainNode
from zerog.chain.node.settings import ChainNodeSettings
from zerog.contracts.da import DataUpload, ErasureCommitmentVerified
from zerog.da.client.chain import BlobEvent, DaChain
from zerog.da.following import BlockMark, EntranceFollower, FollowOptions
from zerog.da.protocol.names import BlobName
from zerog.primitives import Address, Hash32, encode_data

ENTRANCE = Address(b"\xda" * 20)
ECHO = bytes.fromhex("36600060003760005160203603" + "6020a100")
"""Runtime code: LOG1 with the first word of the call as its topic, and the rest as its data."""
SENDER = network_accounts(networks.load("local"))[1]


@dataclass
class Memory:
    """A sink that keeps everything in lists."""

    taken: list[tuple[BlockMark, Sequence[BlobEvent]]] = field(default_factory=list)
    unwound: int = 0

    def mark(self) -> BlockMark | None:
        return self.taken[-1][0] if self.taken else None

    def marks(self) -> Sequence[BlockMark]:
        return [mark for mark, _ in reversed(self.taken)]

    async def take(self, mark: BlockMark, events: Sequence[BlobEvent]) -> None:
        self.taken.append((mark, events))

    async def unwind(self, mark: BlockMark | None) -> None:
        self.unwound += 1
        self.taken = [each for each in self.taken if mark is not None and each[0].number <= mark.number]

    @property
    def events(self) -> list[BlobEvent]:
        return [event for _, events in self.taken for event in events]

    @property
    def blobs(self) -> list[tuple[BlobName, bool]]:
        return [(event.blob, event.is_verified) for event in self.events]


class Stand:
    """A chain with an entrance that says what it is told to."""

    def __init__(self, client: AsyncChainClient) -> None:
        self.client = client
        self.chain = DaChain(client, ENTRANCE, chain_id=31337, is_own=True)

    async def tell(self, blob: BlobName, *, verified: bool = False) -> None:
        facts = (blob.root, blob.epoch, blob.quorum_id)
        if verified:
            await self.say(ErasureCommitmentVerified.TOPIC + abi_encode(["bytes32", "uint256", "uint256"], facts))
        else:
            kinds = ["address", "bytes32", "uint256", "uint256", "uint256"]
            await self.say(DataUpload.TOPIC + abi_encode(kinds, (SENDER.address, *facts, 0)))

    async def say(self, data: bytes) -> None:
        sent = await self.client.send(ENTRANCE, data=data, account=SENDER)
        assert (await self.client.wait_for_receipt(sent)).succeeded

    async def read_to_tip(self, follower: EntranceFollower) -> None:
        tip = await self.client.block()
        assert tip is not None
        with anyio.fail_after(20):
            while follower.read is None or follower.read.hash != tip.hash:
                await follower.wait_for_news()


def blob(number: int) -> BlobName:
    return BlobName(Hash32(number.to_bytes(32, "big")), number, 0)


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with anyio.create_task_group() as roles:
        url = await roles.start(ChainNode(ChainNodeSettings(rpc_port=0), networks.load("local")).run)
        async with AsyncChainClient(url) as client:
            await client.request("anvil_setCode", encode_data(ENTRANCE), encode_data(ECHO))
            yield Stand(client)
        roles.cancel_scope.cancel()


async def test_events_come_in_the_order_of_the_chain(stand: Stand) -> None:
    memory = Memory()
    follower = EntranceFollower(stand.chain, memory, FollowOptions(page_blocks=2))
    for number in range(5):
        await stand.tell(blob(number))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await stand.read_to_tip(follower)
        await stand.tell(blob(2), verified=True)
        await stand.read_to_tip(follower)
        tasks.cancel_scope.cancel()
    assert memory.blobs == [*((blob(number), False) for number in range(5)), (blob(2), True)]
    assert follower.counters.events_read == 6
    assert [event.block_number for event in memory.events] == sorted(event.block_number for event in memory.events)


async def test_what_is_no_event_is_passed_over(stand: Stand) -> None:
    memory = Memory()
    follower = EntranceFollower(stand.chain, memory, FollowOptions())
    await stand.say(DataUpload.TOPIC + b"\1" * 31)
    await stand.say(bytes(64))
    too_large = abi_encode(["address", "bytes32", "uint256", "uint256", "uint256"], (SENDER.address, bytes(32), 1 << 64, 0, 0))
    await stand.say(DataUpload.TOPIC + too_large)
    await stand.tell(blob(1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await stand.read_to_tip(follower)
        tasks.cancel_scope.cancel()
    assert memory.blobs == [(blob(1), False)]


async def test_it_says_when_it_is_level_with_the_chain_and_when_it_does_not_get_there(stand: Stand) -> None:
    memory = Memory()
    follower = EntranceFollower(stand.chain, memory, FollowOptions())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        snapshot = await stand.client.request("evm_snapshot")
        await stand.tell(blob(1))
        await follower.wait_until_level()
        assert memory.blobs == [(blob(1), False)]
        await stand.client.request("evm_revert", snapshot)
        await follower.wait_until_level()
        assert memory.blobs == []
        tasks.cancel_scope.cancel()
    await stand.tell(blob(2))
    with pytest.raises(ChainBehindError, match=r"not seen within 0\.05 seconds: it is still reading"):
        await wait_until_level(follower, stand.client.block, timeout_s=0.05)


async def test_a_chain_that_goes_back_takes_its_events_with_it(stand: Stand) -> None:
    memory = Memory()
    follower = EntranceFollower(stand.chain, memory, FollowOptions())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await stand.tell(blob(1))
        await stand.read_to_tip(follower)
        snapshot = await stand.client.request("evm_snapshot")
        await stand.tell(blob(2))
        await stand.tell(blob(2), verified=True)
        await stand.read_to_tip(follower)
        assert len(memory.events) == 3
        await stand.client.request("evm_revert", snapshot)
        await stand.tell(blob(3))
        await stand.read_to_tip(follower)
        tasks.cancel_scope.cancel()
    assert memory.blobs == [(blob(1), False), (blob(3), False)]
    assert (memory.unwound, follower.counters.reorganizations) == (1, 1)


async def test_a_chain_that_began_anew_is_read_anew(stand: Stand) -> None:
    memory = Memory()
    memory.taken.append((BlockMark(7, Hash32(b"\1" * 32)), ()))
    await stand.tell(blob(1))
    follower = EntranceFollower(stand.chain, memory, FollowOptions())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await stand.read_to_tip(follower)
        tasks.cancel_scope.cancel()
    assert memory.blobs == [(blob(1), False)]


async def test_blocks_wait_for_their_confirmations_and_for_the_limit(stand: Stand) -> None:
    memory = Memory()
    follower = EntranceFollower(stand.chain, memory, FollowOptions(confirmations=1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.run)
        await stand.tell(blob(1))
        await stand.tell(blob(2))
        first = await stand.client.block_number() - 1
        with anyio.fail_after(20):
            await follower.wait_until_read(first)
        assert memory.blobs == [(blob(1), False)]
        follower.limit(first)
        await stand.tell(blob(3))
        assert memory.blobs == [(blob(1), False)]
        follower.limit(None)
        with anyio.fail_after(20):
            await follower.wait_until_read(first + 1)
        assert memory.blobs == [(blob(1), False), (blob(2), False)]
        tasks.cancel_scope.cancel()


async def test_a_chain_node_that_goes_away_is_trouble_until_it_is_back() -> None:
    async with anyio.create_task_group() as tasks:
        first = anyio.CancelScope()
        url = await tasks.start(_node_within, first, 0)
        async with AsyncChainClient(url) as client:
            follower = EntranceFollower(DaChain(client, ENTRANCE, chain_id=31337), Memory(), FollowOptions())
            tasks.start_soon(follower.run)
            with anyio.fail_after(20):
                await wait(follower, lambda: follower.is_synced)
                first.cancel()
                await wait(follower, lambda: follower.trouble is not None)
                await tasks.start(_node_within, anyio.CancelScope(), int(url.rpartition(":")[2]))
                await wait(follower, lambda: follower.trouble is None and follower.is_synced)
        assert follower.counters.chain_failures > 0
        tasks.cancel_scope.cancel()


async def wait(follower: EntranceFollower, fits: Callable[[], bool]) -> None:
    while not fits():
        await follower.wait_for_news()


async def _node_within(scope: anyio.CancelScope, port: int, *, task_status: TaskStatus[str]) -> None:
    with scope:
        await ChainNode(ChainNodeSettings(rpc_port=port), networks.load("local")).run(task_status=task_status)
