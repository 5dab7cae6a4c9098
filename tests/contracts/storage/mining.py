"""A mine on a running chain with something to mine, as its tests use it."""

import random
from dataclasses import dataclass
from typing import Any

from web3 import Web3
from web3.contract import Contract

from tests.contracts.storage.deployment import RevertedError, Storage, deploy_storage, submission_of
from tests.contracts.storage.model import heights, node_roots
from tests.contracts.storage.pora_model import Search, StoredFlow, whole_flow
from tests.interop.web3py.common import Context, artefact, deploy
from zerog._kernel import keccak256
from zerog.chain.protocol.reverts import revert_reason
from zerog.contracts.mine import CALLER_OF_CALLS, MINE, MineParams, NewMinerId, NewSubmission, PoraAnswer, RecallRange, WorkerContext
from zerog.contracts.storage import FLOW, DistributeReward, EpochRange
from zerog.primitives import Address, Hash32, decode_data

CHUNK = 1 << 12
ZERO = Hash32(bytes(32))
BLOCKS_PER_EPOCH = 400
PARAMS = MineParams(difficulty=40, target_mine_blocks=100, target_submissions=2, max_shards=8, subtasks=3, subtask_interval_blocks=120)


@dataclass
class Mining:
    """Contracts, the bytes of the flow, and a miner."""

    storage: Storage
    mine: Contract
    flow: StoredFlow
    params: MineParams
    miner_id: Hash32 = ZERO

    @property
    def beneficiary(self) -> Address:
        return Address(decode_data(self.storage.user.address))

    def store(self, data: bytes) -> None:
        """Submit a file and keep its bytes."""
        padded = sum(1 << height for height in heights(len(data))) * 256
        event = self.storage.submit(submission_of(len(data), zip(node_roots(data), heights(len(data)), strict=True)))
        self.flow.files[event.placement.start] = data.ljust(padded, b"\0")
        self.flow.length = event.placement.start + event.placement.sectors

    def go_to(self, block: int) -> None:
        """Mine so that the next transaction stands in `block`."""
        count = block - 1 - self.storage.context.w3.eth.block_number
        if count > 0:
            self.storage.context.send("hardhat_mine", hex(count))

    def number(self, name: str) -> int:
        """What the mine tells about one of its numbers."""
        return int.from_bytes(self.storage.read(MINE.function(name).encode(), to=self.mine))

    def request_miner_id(self, seed: int = 0) -> Hash32:
        """Get an id for the user."""
        data = MINE.function("requestMinerId").encode(self.beneficiary, seed)
        [log] = self.storage.send(self.storage.user, self.mine, data)["logs"]
        return NewMinerId.decode([decode_data(topic) for topic in log["topics"]], decode_data(log["data"])).miner_id

    def worker(self, miner_id: Hash32 | None = None) -> WorkerContext:
        """What the mine tells a miner to do in the newest block."""
        data = MINE.function("computeWorkerContext").encode(miner_id or self.miner_id)
        request = {"from": Web3.to_checksum_address(CALLER_OF_CALLS), "to": self.mine.address, "data": "0x" + data.hex()}
        return WorkerContext.decode(decode_data(self.storage.context.send("eth_call", request, "latest")))

    def window_start(self, miner_id: Hash32 | None = None) -> int:
        """The block after which the miner's window opens."""
        context = self.worker(miner_id).context
        number = int.from_bytes(keccak256(context.digest + (miner_id or self.miner_id))) % self.params.subtasks
        return context.mine_start + number * self.params.subtask_interval_blocks

    def next_epoch(self) -> None:
        """Let the running epoch end, and make the context of the next."""
        first, epoch = (int.from_bytes(self.storage.read(FLOW.function(name).encode())) for name in ("firstBlock", "epoch"))
        self.go_to(first + (epoch + 1) * BLOCKS_PER_EPOCH + 1)
        self.storage.send(self.storage.user, self.storage.flow, FLOW.function("makeContext").encode())

    def open_window(self) -> None:
        """Go to the first block of the miner's window."""
        self.go_to(self.window_start() + 2)

    def search(self, part: RecallRange | None = None) -> Search:
        """What a miner begins with, in its window."""
        worker = self.worker()
        starts = {start: self.sealed_in(start) for start in self.flow.files}
        assert worker.context.flow_length == self.flow.length
        return Search(
            flow=self.flow,
            miner_id=self.miner_id,
            context_digest=worker.context.digest,
            subtask_digest=worker.subtask_digest,
            target=worker.pora_target,
            part=part or whole_flow(self.flow.length),
            sealed_in=starts,
        )

    def sealed_in(self, position: int) -> Hash32:
        """Digest of the epoch that added a position."""
        data = self.storage.read(FLOW.function("queryContextAtPosition").encode(position))
        return EpochRange.decode(data).context_digest

    def submit(self, answer: PoraAnswer, *, succeeds: bool = True) -> dict[str, Any]:
        """The receipt of an answer's transaction."""
        return self.storage.send(self.storage.user, self.mine, answer.submit_call(), succeeds=succeeds)

    def refusal(self, answer: PoraAnswer) -> str | None:
        """The text by which the mine refuses an answer in the newest block; `None` for one that it takes."""
        try:
            self.storage.read(answer.submit_call(), to=self.mine)
        except RevertedError as error:
            return revert_reason(error.data)
        return None


def deploy_mining(context: Context, params: MineParams = PARAMS, settings: int = 0, chunk: int = CHUNK) -> Mining:
    """Deploy and set up all, with an id for the user. The flow is empty and its first epoch has begun."""
    admin = context.accounts[1]
    mine = deploy(context, admin, artefact("storage/PoraMine"), settings, chunk)
    storage = deploy_storage(context, blocks_per_epoch=BLOCKS_PER_EPOCH, pricing_chunk_sectors=chunk, mine=mine.address)
    flow, reward = (Address(decode_data(contract.address)) for contract in (storage.flow, storage.reward))
    storage.send(admin, mine, params.initialize_call(flow, reward))
    mining = Mining(storage, mine, StoredFlow(1), params)
    mining.miner_id = mining.request_miner_id()
    return mining


def begin_mining(context: Context, params: MineParams = PARAMS, settings: int = 0) -> Mining:
    """The same with two files of which each came in an epoch of its own, in the miner's window of the third."""
    mining = deploy_mining(context, params, settings)
    rng = random.Random(1)
    for size in (1 << 22, 900_000):
        mining.store(rng.randbytes(size))
        mining.next_epoch()
    mining.open_window()
    return mining


def submissions_of(receipt: dict[str, Any]) -> list[NewSubmission]:
    """What the mine told of answers in a transaction."""
    logs = [([decode_data(topic) for topic in log["topics"]], decode_data(log["data"])) for log in receipt["logs"]]
    return [NewSubmission.decode(topics, data) for topics, data in logs if topics[0] == NewSubmission.TOPIC]


def rewards_of(receipt: dict[str, Any]) -> list[DistributeReward]:
    """What was credited in a transaction."""
    logs = [([decode_data(topic) for topic in log["topics"]], decode_data(log["data"])) for log in receipt["logs"]]
    return [DistributeReward.decode(topics, data) for topics, data in logs if topics[0] == DistributeReward.TOPIC]
