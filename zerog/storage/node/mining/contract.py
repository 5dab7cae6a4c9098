"""The contracts of mining as one miner sees them: what to search for, how answers are sent, and what they earned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from zerog.chain.client import AsyncChainClient, NodeUnreachableError, RpcError
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer, ReceiptAnswer
from zerog.contracts.interface import AbiValue, Function
from zerog.contracts.mine import CALLER_OF_CALLS, MINE, NewMinerId, PoraAnswer, WorkerContext
from zerog.contracts.storage import FLOW, REWARD, DistributeReward, EpochRange, RewardState
from zerog.primitives import Account, Address, Data, Hash32, Wei, encode_data, encode_quantity
from zerog.storage.node.mining.errors import MinerIdNotGivenError

__all__ = ["ContractParameters", "MiningContract"]

GAS_ROOM_PERCENT: Final = 130
"""An epoch that ends between estimate and block costs more gas than was estimated."""
SEED: Final = 0
"""Source: 0gfoundation/0g-storage-node, `node/miner/src/miner_id.rs`."""
RECEIPT_S_MAX: Final = 5.0
"""How long a transaction is waited for at once; other work of the miner waits as well."""
LOG_BLOCKS: Final = 1 << 16
LOG_BLOCKS_MIN: Final = 1 << 7
"""Blocks of one look into the log: fewer where the chain's node refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractParameters:
    """How the contract was set up, as far as a forecast needs it."""

    target: int
    target_submissions: int
    target_mine_blocks: int
    blocks_per_epoch: int
    release_s: int


class MiningContract:
    """Every method raises `NodeUnreachableError`, `AnswerError`, `RpcError` and `DecodeError` when the chain does not answer well."""

    def __init__(self, client: AsyncChainClient, *, mine: Address, flow: Address, account: Account, first_block: int = 0) -> None:
        self._client: Final = client
        self.mine: Final = mine
        self._flow: Final = flow
        self._account: Final = account
        self._first_block: Final = first_block
        self._reward: Address | None = None
        self.receipt_s_max = RECEIPT_S_MAX

    async def _read(self, to: Address, function: Function, *arguments: AbiValue) -> tuple[Any, ...]:
        return function.decode_result(await self._call(to, function.encode(*arguments)))

    async def _call(self, to: Address, data: bytes, *, sender: Address | None = None, block: str = "latest") -> bytes:
        call = {"from": encode_data(sender or self._account.address), "to": encode_data(to), "input": encode_data(data)}
        return Data.from_json(await self._client.request("eth_call", call, block))

    async def worker(self, miner_id: Hash32) -> WorkerContext:
        """What to search for. The context is the one that the next transaction would make."""
        function = MINE.function("computeWorkerContext")
        return WorkerContext.decode(await self._call(self.mine, function.encode(miner_id), sender=CALLER_OF_CALLS))

    async def range_at(self, sector: int) -> EpochRange:
        """The epoch that a sector of the flow came with. Raises `RpcError` for one beyond the newest context."""
        return EpochRange.decode(await self._call(self._flow, FLOW.function("queryContextAtPosition").encode(sector)))

    async def beneficiary(self, miner_id: Hash32) -> Address:
        """Who is paid for a miner's answers; zero for an id that was never given."""
        [address] = await self._read(self.mine, MINE.function("beneficiaries"), miner_id)
        return Address(address)

    async def request_miner_id(self) -> Hash32:
        """Have an id of one's own made, by a transaction. Raises `MinerIdNotGivenError`."""
        account = self._account.address
        try:
            receipt = await self._send(MINE.function("requestMinerId").encode(account, SEED))
        except RpcError as error:
            raise MinerIdNotGivenError.of(account, error) from None
        given = next((log for log in receipt.logs if log.address == self.mine and log.topics[:1] == [NewMinerId.TOPIC]), None)
        if not receipt.succeeded or given is None:
            raise MinerIdNotGivenError(account, f"transaction {receipt.transaction_hash} gave none")
        return NewMinerId.decode(given.topics, given.data).miner_id

    async def miner_ids(self) -> list[Hash32]:
        """Ids that the account was given, the newest first."""
        account = Hash32(bytes(12) + self._account.address)
        logs = await self._logs(self.mine, (NewMinerId.TOPIC,), (), (account,))
        return [NewMinerId.decode(log.topics, log.data).miner_id for log in reversed(logs)]

    async def _logs(self, address: Address, *topics: tuple[Hash32, ...]) -> list[LogAnswer]:
        """All logs of a contract with these topics."""
        criteria = LogCriteria((address,), topics)
        last, first, blocks = await self._client.block_number(), self._first_block, LOG_BLOCKS
        found: list[LogAnswer] = []
        while first <= last:
            try:
                found += await self._client.logs(criteria, first, min(last, first + blocks - 1))
            except RpcError:
                if blocks <= LOG_BLOCKS_MIN:
                    raise
                blocks //= 8
            else:
                first += blocks
        return found

    async def submit(self, answer: PoraAnswer) -> ReceiptAnswer:
        """Send an answer, and wait until it is in a block. Raises `RpcError` where it would be refused, and then sends nothing."""
        return await self._send(answer.submit_call())

    async def why(self, answer: PoraAnswer, block_number: int) -> str:
        """Why an answer was refused in a block: it is tried again on the block before."""
        try:
            await self._call(self.mine, answer.submit_call(), block=encode_quantity(block_number - 1))
        except RpcError as error:
            return error.message
        return "something before it in its block stood in its way"

    async def _send(self, data: bytes, to: Address | None = None) -> ReceiptAnswer:
        """Raises `ReceiptTimeoutError` when the chain knows the transaction and takes it into no block for long."""
        to = to or self.mine
        gas = await self._client.estimate_gas(self._account.address, to, data=data)
        sent = await self._client.send(to, data=data, gas_limit=gas * GAS_ROOM_PERCENT // 100, account=self._account)
        return await self._client.wait_for_receipt(sent, timeout_s=self.receipt_s_max)

    async def is_known(self, transaction_hash: Hash32) -> bool:
        """Whether the chain's node has a transaction, in a block or waiting."""
        [place] = await self._client.places([transaction_hash])
        return place is not None

    async def receipt(self, transaction_hash: Hash32) -> ReceiptAnswer | None:
        """What became of a transaction."""
        return await self._client.receipt(transaction_hash)

    def credited_wei(self, receipt: ReceiptAnswer, reward: Address) -> Wei:
        """What an answer earned."""
        logs = [log for log in receipt.logs if log.address == reward and log.topics[:1] == [DistributeReward.TOPIC]]
        return Wei(sum(DistributeReward.decode(log.topics, log.data).amount_wei for log in logs))

    async def reward(self) -> Address:
        """The contract that pays."""
        if self._reward is None:
            [address] = await self._read(self.mine, MINE.function("reward"))
            self._reward = Address(address)
        return self._reward

    async def withdrawable_wei(self) -> Wei:
        """What is credited to the account and not yet paid out."""
        [amount] = await self._read(await self.reward(), REWARD.function("payments"), self._account.address)
        return Wei(amount)

    async def withdraw(self) -> ReceiptAnswer:
        """Have it paid out."""
        return await self._send(REWARD.function("withdrawPayments").encode(self._account.address), await self.reward())

    async def earned_wei(self, miner_id: Hash32) -> Wei:
        """What all answers of a miner earned."""
        logs = await self._logs(await self.reward(), (DistributeReward.TOPIC,), (), (), (miner_id,))
        return Wei(sum(DistributeReward.decode(log.topics, log.data).amount_wei for log in logs))

    async def reward_states(self, pricing_indexes: Sequence[int]) -> list[RewardState]:
        """What is kept for those who store each pricing chunk."""
        reward = await self.reward()
        function = REWARD.function("rewards")
        return [RewardState.decode(await self._call(reward, function.encode(index))) for index in pricing_indexes]

    async def balance_wei(self) -> Wei:
        """What the account holds."""
        return Wei(await self._client.balance(self._account.address))

    async def parameters(self) -> ContractParameters:
        """How mining is set up now."""

        async def number(of: Address, function: Function) -> int:
            [value] = await self._read(of, function)
            return int(value)

        return ContractParameters(
            target=await number(self.mine, MINE.function("poraTarget")),
            target_submissions=await number(self.mine, MINE.function("targetSubmissions")),
            target_mine_blocks=await number(self.mine, MINE.function("targetMineBlocks")),
            blocks_per_epoch=await number(self._flow, FLOW.function("blocksPerEpoch")),
            release_s=await number(await self.reward(), REWARD.function("releaseSeconds")),
        )

    async def block_times(self, blocks: int) -> tuple[int, float]:
        """Time of the newest block in seconds since 1970, and the seconds between two of the newest `blocks`.

        The first one does not count: its time may be that of a network's design.
        """
        head = await self._client.block("latest")
        if head is None:
            raise NodeUnreachableError(self._client.url, "there is no newest block")
        before = await self._client.block(max(1, head.number - blocks))
        if before is None or before.number >= head.number:
            return head.timestamp, 0.0
        return head.timestamp, (head.timestamp - before.timestamp) / (head.number - before.number)
