"""Following another node: its blocks are fetched, executed again and compared, and what it takes back is taken back here too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

import anyio
import msgspec
import structlog
from anyio import to_thread

from zerog._kernel import BlockRefusedError, BlockSummary, DecodeError
from zerog.chain.client import AsyncChainClient, ChainClient
from zerog.chain.client.errors import AnswerError, ChainClientError, RpcError
from zerog.chain.protocol.errors import ChainError
from zerog.primitives import Data, Hash32, Quantity, decode_data, decode_hook, encode_data, encode_quantity

if TYPE_CHECKING:
    from zerog.chain.node.chain import Chain

__all__ = ["Follower", "ForwardedError", "LeaderMismatchError", "fetch_genesis"]

BLOCKS_A_REQUEST: Final = 64
WAIT_MS: Final = 10_000
"""How long the leader may wait for a block before it answers that there is none."""
PAUSE_S_MIN: Final = 0.05
PAUSE_S_MAX: Final = 5.0
"""Between two attempts to reach a leader that does not answer: the pause doubles, and half of it is drawn."""

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class LeaderMismatchError(ChainError):
    """The leader's chain is not the one that is followed here."""

    url: str
    cause: str

    code = "leader_mismatch"
    remedy = "follow a node of the same chain, or follow this one in an empty folder"
    http_status = 409

    def __str__(self) -> str:
        return f"{self.url} cannot be followed: {self.cause}"


@dataclass(eq=False)
class ForwardedError(ChainError):
    """What the leader answered to a transaction that was handed on to it."""

    message: str
    rpc_code: int
    data: object = None

    code = "leader_refused"
    remedy = "read the leader's message"

    @property
    def rpc_data(self) -> object | None:
        """As the leader gave it."""
        return self.data

    def __str__(self) -> str:
        return self.message


class _Block(msgspec.Struct):
    block: Data
    edits: Data


class _Head(msgspec.Struct):
    number: Quantity
    hash: Hash32


class _Blocks(msgspec.Struct, rename="camel"):
    head: _Head
    is_known: bool
    blocks: list[_Block]


def _genesis_of(answer: object, url: str) -> bytes:
    """The document in an answer. Raises `AnswerError`."""
    try:
        genesis = decode_data(str(answer))
        msgspec.json.decode(genesis)
    except (ValueError, msgspec.DecodeError) as error:
        raise AnswerError(url, f"this is no genesis: {error}") from None
    return genesis


def fetch_genesis(url: str) -> bytes:
    """The document that the leader's chain began with. Raises `LeaderMismatchError`, `NodeUnreachableError`."""
    with ChainClient(url) as client:
        try:
            return _genesis_of(client.request("zerog_getGenesis"), url)
        except (RpcError, AnswerError) as error:
            raise LeaderMismatchError(url, f"it does not hand on its chain as a node of zerog does ({error})") from None


@dataclass(slots=True, kw_only=True)
class Follower:
    """Brings a chain up to its leader's, and keeps it there."""

    chain: "Chain"
    url: str
    client: AsyncChainClient
    leader_number: int = 0
    """Height of the leader when it was last heard."""
    is_connected: bool = False
    """Whether it answered the last time."""
    _failures: int = 0
    _dice: Random = field(default_factory=Random)

    @property
    def behind(self) -> int:
        """Blocks that the leader has and this node lacks, as far as is known."""
        return max(self.leader_number - self.chain.head_number, 0)

    async def run(self) -> None:
        """Follow until cancelled. Raises `LeaderMismatchError` when the leader's chain is another one."""
        async with self.client:
            while True:
                try:
                    if not self.is_connected:
                        await self._check_leader()
                    await self._advance()
                except ChainClientError as error:
                    await self._pause(error)
                else:
                    self._failures = 0

    async def forward(self, method: str, *parameters: object) -> object:
        """Let the leader answer. Raises `ForwardedError`, `NodeUnreachableError`, `AnswerError`."""
        try:
            return await self.client.request(method, *parameters)
        except RpcError as error:
            raise ForwardedError(error.message, error.number, error.data) from None

    async def _check_leader(self) -> None:
        given = _genesis_of(await self.client.request("zerog_getGenesis"), self.url)
        # Blocks before the first difference of two sets of rules are the same, so hashes would not tell.
        if msgspec.json.decode(given) != msgspec.json.decode(self.chain.genesis):
            raise LeaderMismatchError(self.url, "its chain began with another genesis, or goes by other rules")
        self.is_connected = True
        log.info("leader_found", url=self.url)

    async def _advance(self) -> None:
        """Ask for what follows on our newest block, and take it; or go back when the leader no longer knows that block."""
        head = self.chain.ledger.head()
        given = await self.client.request(
            "zerog_getBlocks", encode_quantity(head.number + 1), encode_data(head.hash), BLOCKS_A_REQUEST, WAIT_MS
        )
        try:
            answer = msgspec.convert(given, _Blocks, dec_hook=decode_hook)
        except msgspec.ValidationError as error:
            raise AnswerError(self.url, str(error)) from None
        self.leader_number = answer.head.number
        if not answer.is_known:
            await self._go_back(head.number)
        elif answer.blocks:
            await self._take(answer.blocks)

    async def _take(self, blocks: Sequence[_Block]) -> None:
        work = partial(
            self.chain.ledger.import_blocks,
            [each.block for each in blocks],
            edits=[each.edits for each in blocks],
            developer=True,
        )
        async with self.chain.producer.exclusive():
            begin = self.chain.head_number
            try:
                await to_thread.run_sync(work)
            except (BlockRefusedError, DecodeError) as error:
                raise LeaderMismatchError(self.url, f"a block of it does not come out the same here: {error.args}") from None
            finally:
                self._publish(begin)

    def _publish(self, begin: int) -> None:
        blocks = (self.chain.ledger.block(number) for number in range(begin + 1, self.chain.head_number + 1))
        if made := [block for block in blocks if isinstance(block, BlockSummary)]:
            self.chain.feed.mined(made)

    async def _go_back(self, newest: int) -> None:
        """Unwind to the newest block that both have: found by halving, because what both have is a beginning."""
        low, high = 0, newest
        while high - low > 1:
            middle = (low + high) // 2
            if await self._is_shared(middle):
                low = middle
            else:
                high = middle
        log.info("leader_went_back", block=low)
        await self.chain.go_back(low)

    async def _is_shared(self, number: int) -> bool:
        theirs = await self.client.request("eth_getBlockByNumber", encode_quantity(number), False)
        ours = self.chain.ledger.block(number)
        return isinstance(theirs, dict) and ours is not None and theirs.get("hash") == encode_data(ours.hash)

    async def _pause(self, error: ChainClientError) -> None:
        if self.is_connected or self._failures == 0:
            log.warning("leader_lost", url=self.url, cause=str(error))
        self.is_connected = False
        pause_s = min(PAUSE_S_MIN * 2 ** min(self._failures, 10), PAUSE_S_MAX)
        self._failures += 1
        await anyio.sleep(pause_s * (0.5 + self._dice.random() / 2))
