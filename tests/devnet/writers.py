"""Clients that write on every layer while processes of the network are killed, and that remember what was acknowledged to them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Final, Protocol

import zerog
from zerog._kernel import keccak256
from zerog.chain.client.draft import sign_transaction
from zerog.compute.client import ChatOptions
from zerog.contracts.compute import InferenceService
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobStatus
from zerog.primitives import Account, Hash32
from zerog.primitives.errors import ZerogError
from zerog.sdk.network import Network
from zerog.storage.client.kv import Batch, SealedBatch

__all__ = ["Crew", "crew_at_work"]

CALL_S_MAX: Final = 60.0
"""Far more than any call takes, so that one that hangs is a failure and not a hang."""
REFUSED_PAUSE_S: Final = 0.15
"""Between a call that failed, since the network was away, and the next one."""
LATEST: Final = 4
"""Of what was acknowledged last, and as many others, are looked at after each blow; all of it at the end."""
STREAM: Final = "written-under-fire"
TRANSFER_GAS: Final = 60_000
GAS_PRICE_WEI: Final = 10**11


class Writer(Protocol):
    """Whoever writes on one layer."""

    @property
    def pace_s(self) -> float:
        """Between two writes."""

    def write(self, dice: Random) -> None:
        """Write once, and remember it if it is acknowledged. Raises `ZerogError` where the network is away."""

    def check(self, picked: Callable[[list[str]], list[str]]) -> None:
        """Those of the acknowledged writes that `picked` takes of all are there."""

    def check_end(self) -> None:
        """Nobody writes any more: all of it is there, and what was under way has come to an end."""

    @property
    def acknowledged(self) -> int:
        """Writes."""


class Transfers:
    """Amounts from one account to a fresh one, each signed before it is sent, so that it is known also if nobody answered."""

    pace_s: float = 0.1

    def __init__(self, network: Network, sender: Account, receiver: Account) -> None:
        self._chain: Final = network.chain
        self._sender: Final = sender
        self._receiver: Final = receiver
        self._chain_id: Final = self._chain.chain_id()
        self._amounts: Final[dict[str, int]] = {}
        """Of all that were ever signed, by the hash."""
        self._blocks: Final[dict[str, tuple[int, Hash32]]] = {}
        """Of those with a receipt: number and hash."""

    @property
    def acknowledged(self) -> int:
        return len(self._blocks)

    def write(self, dice: Random) -> None:
        amount_wei = dice.randint(1, 10**15)
        raw = sign_transaction(
            self._sender,
            chain_id=self._chain_id,
            nonce=self._chain.nonce(self._sender.address, "latest"),
            gas_limit=TRANSFER_GAS,
            base_fee_wei=GAS_PRICE_WEI,
            tip_wei=1,
            to=self._receiver.address,
            value_wei=amount_wei,
            data=b"",
        )
        name = keccak256(raw).hex()
        self._amounts[name] = amount_wei
        receipt = self._chain.wait_for_receipt(self._chain.send_raw(raw), timeout_s=CALL_S_MAX)
        assert receipt.succeeded
        self._blocks[name] = (receipt.block_number, receipt.block_hash)

    def check(self, picked: Callable[[list[str]], list[str]]) -> None:
        for name in picked(list(self._blocks)):
            receipt = self._chain.receipt(Hash32.fromhex(name))
            assert receipt is not None, f"the transfer {name} had a receipt and has none now"
            assert (receipt.block_number, receipt.block_hash) == self._blocks[name]

    def check_end(self) -> None:
        self.check(list)
        done = [name for name in self._amounts if self._chain.receipt(Hash32.fromhex(name)) is not None]
        assert self._chain.balance(self._receiver.address) == sum(self._amounts[name] for name in done)
        assert self._chain.nonce(self._sender.address, "latest") == len(done)


class Files:
    """Files of random bytes, up to some segments. One that was refused on its way is sent until it is stored, as a user would."""

    pace_s: float = 0.6

    def __init__(self, network: Network) -> None:
        self._storage: Final = network.storage
        self._files: Final[dict[str, bytes]] = {}
        self._waiting: bytes | None = None

    @property
    def acknowledged(self) -> int:
        return len(self._files)

    def write(self, dice: Random) -> None:
        if self._waiting is None:
            self._waiting = dice.randbytes(dice.randint(1, 400_000))
        self._files[str(self._storage.upload(self._waiting).root)] = self._waiting
        self._waiting = None

    def check(self, picked: Callable[[list[str]], list[str]]) -> None:
        for root in picked(list(self._files)):
            assert self._storage.read(Hash32.from_json(root)) == self._files[root]

    def check_end(self) -> None:
        self.check(list)


@dataclass(frozen=True, slots=True)
class KeyWrite:
    """One key with its value, as a batch that stays the same however often it is sent."""

    key: str
    value: bytes
    batch: SealedBatch

    @classmethod
    def of(cls, key: str, value: bytes) -> "KeyWrite":
        return cls(key, value, Batch().set(STREAM, key.encode(), value).seal())


class Keys:
    """Keys of one stream, each written once. A batch that was announced and never arrives holds up all later ones, as the order of a
    stream demands; so one that was refused on its way is sent until it is applied."""

    pace_s: float = 0.6

    def __init__(self, network: Network) -> None:
        self._kv: Final = network.kv
        self._values: Final[dict[str, bytes]] = {}
        self._waiting: KeyWrite | None = None

    @property
    def acknowledged(self) -> int:
        return len(self._values)

    def write(self, dice: Random) -> None:
        waiting = self._waiting = self._waiting or KeyWrite.of(f"key {len(self._values)}", dice.randbytes(50))
        self._kv.write(waiting.batch)
        self._values[waiting.key] = waiting.value
        self._waiting = None

    def check(self, picked: Callable[[list[str]], list[str]]) -> None:
        for key in picked(list(self._values)):
            found = self._kv.get(STREAM, key.encode())
            assert found is not None, f"{key} was written and is gone"
            assert found.data == self._values[key]

    def check_end(self) -> None:
        self.check(list)


class Blobs:
    """Blobs that the disperser has accepted, which then takes seconds over each."""

    pace_s: float = 15.0

    def __init__(self, network: Network) -> None:
        self._da: Final = network.da
        self._blobs: Final[dict[str, bytes]] = {}
        """By the id that the disperser gave."""
        self._names: Final[dict[str, BlobName]] = {}
        """Of those that were seen confirmed."""

    @property
    def acknowledged(self) -> int:
        return len(self._blobs)

    def write(self, dice: Random) -> None:
        blob = dice.randbytes(dice.randint(1, 3_000))
        self._blobs[self._da.put(blob, wait_until="accepted", timeout_s=CALL_S_MAX).request_id] = blob

    def check(self, picked: Callable[[list[str]], list[str]]) -> None:
        """A disperser never forgets, and what is confirmed stays under its name."""
        for request_id in picked(list(self._blobs)):
            state = self._da.status(request_id)
            assert state.name == self._names.get(request_id, state.name)
            if state.name is not None:
                self._names[request_id] = state.name
                assert self._da.get(state.name) == self._blobs[request_id]

    def check_end(self) -> None:
        for request_id in self._blobs:
            deadline_s = time.monotonic() + 3 * CALL_S_MAX
            while (state := self._da.status(request_id)).status not in (BlobStatus.FINALIZED, BlobStatus.FAILED):
                assert time.monotonic() < deadline_s, f"the blob {request_id} is still {state}"
                Event().wait(REFUSED_PAUSE_S)
            assert state.status is BlobStatus.FINALIZED or state.reason
        self.check(list)


class Chats:
    """Paid answers of one user, whose money with the provider is put there before anything is killed."""

    pace_s: float = 0.6

    def __init__(self, network: Network) -> None:
        self._compute: Final = network.compute
        [service] = self._compute.services()
        self._service: Final[InferenceService] = service
        self._compute.deposit(3 * 10**18)
        self._compute.transfer(service.provider, 2 * 10**18)
        self._before_wei: Final = self._balance_wei()
        self._fees: Final[dict[str, int]] = {}
        """Of the answers that came whole, by the request's id."""

    @property
    def acknowledged(self) -> int:
        return len(self._fees)

    def write(self, dice: Random) -> None:
        options = ChatOptions(max_tokens=dice.randint(1, 6), seed=dice.getrandbits(31))
        answer = self._compute.ask("Say something.", options=options, fund=False)
        assert answer.fee_wei is not None
        self._fees[answer.request_id] = answer.fee_wei

    def check(self, _picked: Callable[[list[str]], list[str]]) -> None:
        """Every answer that came has one receipt, with the fee that it was told to have."""
        fees = dict(self._fees)
        receipts = [(receipt.id, int(receipt.fee)) for receipt in self._compute.receipts(self._service.provider)]
        assert len(dict(receipts)) == len(receipts), "a request is charged twice"
        assert fees.items() <= dict(receipts).items()

    def check_end(self) -> None:
        """Once all is settled, the user has paid the sum of the receipts, and nothing else."""
        self.check(list)
        deadline_s = time.monotonic() + 3 * CALL_S_MAX
        while self._compute.money().providers[0].unsettled_wei != 0:
            assert time.monotonic() < deadline_s, self._compute.money()
            Event().wait(REFUSED_PAUSE_S)
        charged_wei = sum(int(receipt.fee) for receipt in self._compute.receipts(self._service.provider))
        assert self._before_wei - self._balance_wei() == charged_wei

    def _balance_wei(self) -> int:
        return int(self._compute.money().providers[0].balance_wei)


@dataclass(slots=True)
class Hand:
    """One writer in a thread of its own."""

    name: str
    writer: Writer
    dice: Random
    is_over: bool = False
    wanted: Event = field(default_factory=Event)
    """Set when it shall write, or look whether it is over, without waiting for its pace."""
    begun: int = 0
    """Writes that were begun."""
    served: int = 0
    """The number of the last one that was acknowledged."""
    refused: int = 0
    refusal: ZerogError | None = None
    """The last one."""
    failure: BaseException | None = None

    def work(self) -> None:
        """Write until it is over; only what is expected of a network that is away is taken as such."""
        try:
            while not self.is_over:
                self.begun += 1
                try:
                    self.writer.write(self.dice)
                except ZerogError as error:
                    self.refused, self.refusal = self.refused + 1, error
                    Event().wait(REFUSED_PAUSE_S)
                else:
                    self.served = self.begun
                    self.wanted.wait(self.writer.pace_s)
                    self.wanted.clear()
        except BaseException as error:
            self.failure = error
            raise


@dataclass(slots=True)
class Crew:
    """All writers."""

    hands: list[Hand]
    threads: list[Thread] = field(init=False)

    def __post_init__(self) -> None:
        self.threads = [Thread(target=hand.work, name=hand.name) for hand in self.hands]

    def stop(self) -> None:
        """Let each end what it is at. Raises what one of them has met that is not expected of a network that is away."""
        for hand in self.hands:
            hand.is_over = True
            hand.wanted.set()
        for thread in self.threads:
            thread.join()
        self.require_health()

    def wait_until_served(self) -> None:
        """Until each has had a write acknowledged that it began after now."""
        before = {hand.name: hand.begun for hand in self.hands}
        for hand in self.hands:
            hand.wanted.set()
        deadline_s = time.monotonic() + 3 * CALL_S_MAX
        while waiting := [hand for hand in self.hands if hand.served <= before[hand.name]]:
            self.require_health()
            assert time.monotonic() < deadline_s, f"not served again: {waiting}"
            Event().wait(REFUSED_PAUSE_S)

    def require_health(self) -> None:
        """Nobody has met what is not expected of a network that is away."""
        for hand in self.hands:
            if hand.failure is not None:
                raise AssertionError(f"{hand.name} has failed") from hand.failure

    def check(self, dice: Random) -> None:
        """The latest of what was acknowledged is there, and some of the rest."""

        def picked(names: list[str]) -> list[str]:
            earlier, latest = names[:-LATEST], names[-LATEST:]
            return dice.sample(earlier, min(LATEST, len(earlier))) + latest

        for hand in self.hands:
            hand.writer.check(picked)

    def check_end(self) -> None:
        """All of it."""
        for hand in self.hands:
            hand.writer.check_end()

    def acknowledged(self) -> dict[str, int]:
        return {hand.name: hand.writer.acknowledged for hand in self.hands}


@contextmanager
def crew_at_work(folder: Path, seed: str) -> Iterator[Crew]:
    """Writers of all layers on the network of `folder`, at the latest until the end of the block."""
    with ExitStack() as networks:
        accounts = networks.enter_context(zerog.connect("local", folder=folder)).accounts

        def connected(payer: int) -> Network:
            return networks.enter_context(zerog.connect("local", folder=folder, key=accounts[payer]))

        receiver = Account.from_private_key(keccak256(seed.encode()))
        writers: dict[str, Writer] = {
            "transfers": Transfers(connected(1), accounts[1], receiver),
            "files": Files(connected(2)),
            "keys": Keys(connected(3)),
            "blobs": Blobs(connected(0)),
            "chats": Chats(connected(4)),
        }
        crew = Crew([Hand(name, writer, Random(f"{seed} {name}")) for name, writer in writers.items()])
        for thread in crew.threads:
            thread.start()
        try:
            yield crew
        finally:
            crew.stop()
