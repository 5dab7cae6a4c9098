"""A running chain: the ledger and pool with everything around them. It is what the methods of the RPC get as their first argument."""

import secrets
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import anyio
import msgspec
from anyio import to_thread

from zerog._kernel import Executed, Ledger, Pool, StateNotKeptError, UnknownBlockError, keccak256
from zerog.chain.node.accounts import DevAccounts
from zerog.chain.node.feed import Feed
from zerog.chain.node.follow import Follower
from zerog.chain.node.producer import SoloProducer
from zerog.chain.node.settings import ChainNodeSettings
from zerog.chain.node.snapshots import Snapshot, Snapshots
from zerog.chain.node.soon import Soon, then
from zerog.chain.protocol.block_clock import BlockClock
from zerog.chain.protocol.errors import HeaderNotFoundError, RollbackTooDeepError
from zerog.chain.protocol.filters import FilterBook
from zerog.chain.protocol.genesis import genesis_document
from zerog.chain.protocol.tags import BlockByHash, BlockByNumber, BlockSelector, Tag, tag_number
from zerog.contracts import load_artefact
from zerog.networks import GenesisContract, NetworkParams, funded_role_accounts, predeployed
from zerog.primitives import ZERO_HASH, Account, Hash32, derive_accounts
from zerog.runtime.clock import Clock

__all__ = ["Chain", "State", "network_accounts", "network_genesis", "open_chain"]

T = TypeVar("T")

CALL_THREADS: Final = 8
"""Long calls that run at the same time; others wait for one of them."""
TRACE_THREADS: Final = 2
"""Traces that run at the same time: each may hold a hundred megabytes."""

State: TypeAlias = int | Executed | None
"""Which state the kernel reads: a height, a block that is not part of the chain, or `None` for the newest."""

GENESIS_CONTRACTS: Final = {"multicall3": "Multicall3", "w0g": "W0G", "wrapped_base_agency": "WrappedBaseAgency"}
"""Artefacts that stand on a local chain from its beginning, by their name in the network's addresses."""


SNAPSHOTS_FILE: Final = "snapshots.jsonl"
"""In the ledger's folder."""


@dataclass(slots=True, kw_only=True)
class Chain:
    """One chain with one writer. All of it belongs to the event loop's thread, but for kernel calls."""

    network: NetworkParams
    settings: ChainNodeSettings
    clock: Clock
    ledger: Ledger
    pool: Pool
    feed: Feed
    producer: SoloProducer
    accounts: DevAccounts
    filters: FilterBook
    genesis: bytes
    """The document that the chain began with."""
    follower: Follower | None = None
    """What keeps it up to another node, where it follows one."""
    supervisor: Path | None = None
    """Control socket of whoever supervises the roles that follow this chain; nobody may listen there."""
    instance_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """Names this process, for clients that ask whether they still talk to the same one."""
    snapshots: Snapshots = field(default_factory=Snapshots)
    call_threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(CALL_THREADS))
    """For long calls and log queries, so that many of them do not take all threads."""
    trace_threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(TRACE_THREADS))
    """For traces."""
    drafting: anyio.Lock = field(default_factory=anyio.Lock)
    """Held from the choice of a nonce until its transaction is in the pool."""

    @property
    def has_dev_methods(self) -> bool:
        """Whether some callers may edit state, move time and use unlocked accounts."""
        return self.settings.dev_methods

    @property
    def head_number(self) -> int:
        """Height of the newest block."""
        return self.ledger.head().number

    def number(self, selector: BlockSelector) -> int | None:
        """The height that a selector means, `None` for the pending block. Raises `HeaderNotFoundError` when there is no such block."""
        match selector:
            case Tag.PENDING if self.producer.is_closed:
                return self.head_number  # There is no block to come.
            case Tag():
                return tag_number(selector, self.head_number)
            case BlockByNumber(number):
                if number > self.head_number:
                    raise HeaderNotFoundError
                return number
            case BlockByHash(block_hash):
                block = self.ledger.block(block_hash)
                if block is None:
                    raise HeaderNotFoundError
                return block.number

    def read(self, selector: BlockSelector, read: Callable[[State], Soon[T]]) -> Soon[T]:
        """Read from the state that a selector means. Raises `HeaderNotFoundError`, also when that state is no longer kept."""
        number = None if selector is Tag.LATEST else self.number(selector)
        if number is None and selector is Tag.PENDING:
            return then(self.producer.pending(), partial(kept, read))
        return kept(read, number)

    async def take_snapshot(self) -> int:
        """Remember this moment; returns the id for `revert`."""
        async with self.producer.exclusive():
            head = self.ledger.head()
            return self.snapshots.keep(
                Snapshot(
                    block=head.number,
                    block_hash=head.hash,
                    edit_count=self.ledger.edit_count,
                    pool=self.pool.snapshot(),
                    block_clock=copy(self.producer.block_clock),
                    next_block=copy(self.producer.next_block),
                    filter_cursors=self.filters.cursors(),
                    arrival_count=self.feed.arrival_count,
                    gas_limit=self.producer.gas_limit,
                    coinbase=self.producer.coinbase,
                )
            )

    async def revert(self, snapshot_id: int) -> bool:
        """Go back to a snapshot, which is forgotten with all later ones; false when there is none."""
        async with self.producer.exclusive():
            snapshot = self.snapshots.take(snapshot_id)
            if snapshot is None:
                return False
            await self._unwind(snapshot.block, snapshot.edit_count)
            self.pool.restore(snapshot.pool)
            self.pool.refresh(self.ledger)
            self.producer.block_clock = snapshot.block_clock
            self.producer.next_block = snapshot.next_block
            self.producer.gas_limit = snapshot.gas_limit
            self.producer.coinbase = snapshot.coinbase
            self.feed.forget_arrivals(snapshot.arrival_count)
            self.filters.rewind(snapshot.filter_cursors, snapshot.block + 1, snapshot.arrival_count)
            return True

    async def reset(self) -> None:
        """Go back to the first block: without transactions, edits, snapshots, impersonations or changes of time."""
        async with self.producer.exclusive():
            await self._unwind(0, 0)
            self.pool.clear()
            self.producer.start_over()
            self.snapshots.clear()
            self.filters.rewind({}, 1, self.feed.arrival_count)
            self.accounts.impersonated.clear()
            self.accounts.impersonates_all = False

    async def rollback(self, depth: int, *, other_way: bool = False) -> None:
        """Take back the newest `depth` blocks, with what was edited since; `other_way`: let the next block differ from the one that was.

        Raises `RollbackTooDeepError`.
        """
        async with self.producer.exclusive():
            head = self.ledger.head()
            if depth > head.number:
                raise RollbackTooDeepError(depth, head.number)
            block = head.number - depth
            await self._unwind(block, 0)
            self.pool.refresh(self.ledger)
            self.snapshots.forget_after(block)
            self.filters.rewind({}, block + 1, self.feed.arrival_count)
            if other_way:
                self.producer.next_block.prev_randao = Hash32(keccak256(head.hash))

    async def go_back(self, block: int) -> None:
        """Take back all blocks after `block`, because the node that is followed did."""
        async with self.producer.exclusive():
            await self._unwind(block, 0)
            self.filters.rewind({}, block + 1, self.feed.arrival_count)

    async def _unwind(self, block: int, edit_count: int) -> None:
        logs = self.feed.unwinding(block + 1, self.head_number)
        for filter_id, query, heights in self.filters.reported(block + 1):
            criteria = query.criteria
            taken_back = self.ledger.logs_json(heights.start, heights.stop - 1, criteria.addresses, criteria.topics, True)
            self.filters.take_back(filter_id, msgspec.json.decode(taken_back, type=list[msgspec.Raw]))
        await to_thread.run_sync(self.ledger.unwind, block, edit_count)
        self.feed.unwound(logs)


def kept(read: Callable[[State], T], state: State) -> T:
    """What `read` reads of a state. Raises `HeaderNotFoundError` when that state is not kept."""
    try:
        return read(state)
    except (UnknownBlockError, StateNotKeptError):
        raise HeaderNotFoundError from None


def network_accounts(network: NetworkParams) -> tuple[Account, ...]:
    """The funded test accounts of a network of our own; none on any other."""
    if network.genesis is None:
        return ()
    return derive_accounts(network.genesis.mnemonic, network.genesis.account_count)


def network_genesis(network: NetworkParams, settings: ChainNodeSettings, accounts: Sequence[Account]) -> bytes:
    """The genesis document of a network. Raises `GenesisUnknownError`."""
    contracts = predeployed(network)
    for name, artefact in GENESIS_CONTRACTS.items():
        if name in network.addresses:
            contracts[network.addresses[name]] = GenesisContract(load_artefact("chain", artefact).runtime_code)
    if accounts and (agency := network.addresses.get("wrapped_base_agency")):
        owner = {ZERO_HASH: Hash32(accounts[0].address.rjust(32, b"\0"))}
        contracts[agency] = replace(contracts[agency], storage=owner)
    funded = (*accounts, *funded_role_accounts(network))
    return genesis_document(network, settings.hardfork, funded, contracts)


def open_chain(settings: ChainNodeSettings, network: NetworkParams, clock: Clock, others: bytes | None = None) -> Chain:
    """Open a chain's ledger, or begin one. It may replay a log and takes as long as that.

    Raises `GenesisUnknownError`, and what `Ledger.open` raises.
    """
    accounts = network_accounts(network)
    genesis = network_genesis(network, settings, accounts) if others is None else others
    ledger = Ledger.open(
        None if settings.data_dir is None else str(settings.data_dir),
        genesis,
        checkpoint_blocks=settings.checkpoint_blocks,
        checkpoint_seconds=settings.checkpoint_s,
        history_blocks=settings.history_blocks,
    )
    pool = Pool(
        capacity=settings.pool_transactions_max,
        per_account=settings.account_transactions_max,
        minimum_tip=settings.minimum_tip_wei,
        allow_unprotected=settings.allow_unprotected,
        signers=[account.address for account in (*accounts, *funded_role_accounts(network))] if network.is_clone else None,
    )
    feed = Feed(ledger, pool)
    producer = SoloProducer(
        ledger=ledger,
        pool=pool,
        feed=feed,
        clock=clock,
        automine=settings.automine,
        interval_s=settings.block_time_s,
        gas_limit=ledger.head().gas_limit,
        is_closed=others is not None,
        block_clock=BlockClock(step_s=0 if network.rules.equal_timestamps else 1),
    )
    producer.block_clock.catch_up(ledger.head().timestamp, int(clock.unix_s()))
    return Chain(
        network=network,
        settings=settings,
        clock=clock,
        ledger=ledger,
        pool=pool,
        feed=feed,
        producer=producer,
        accounts=DevAccounts.of(accounts if settings.dev_methods else ()),
        genesis=genesis,
        filters=FilterBook(secrets.randbits(48) << 16),
        snapshots=Snapshots.open(None if settings.data_dir is None else settings.data_dir / SNAPSHOTS_FILE, ledger, pool.snapshot()),
    )
