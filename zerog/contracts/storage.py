"""The contracts of 0G Storage: what is called, what is told in events, and why a call is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from zerog.contracts.interface import load_interface
from zerog.contracts.submission import Submission, SubmissionNode
from zerog.primitives import Address, Hash32, Wei
from zerog.primitives.errors import RefusalError

__all__ = [
    "FIXED_PRICE",
    "FLOW",
    "REWARD",
    "DistributeReward",
    "EpochRange",
    "Extend",
    "FlowCallRefusedError",
    "MineContext",
    "NewEpoch",
    "NotEnoughFeeError",
    "NotEnoughGasError",
    "Placement",
    "RefundRefusedError",
    "RewardState",
    "Submission",
    "SubmissionExpiredError",
    "SubmissionNode",
    "Submit",
    "UnknownSubmissionError",
    "batch_submit_call",
    "decode_batch_submit_result",
    "decode_submit_result",
    "flow_refusal",
    "submit_call",
]

FLOW: Final = load_interface("storage", "Flow")
FIXED_PRICE: Final = load_interface("storage", "FixedPrice")
REWARD: Final = load_interface("storage", "ChunkLinearReward")

_SUBMISSION: Final = "(uint256,bytes,(bytes32,uint256)[])"
_SUBMIT: Final = FLOW.functions[f"submit(({_SUBMISSION},address))"]
_BATCH_SUBMIT: Final = FLOW.functions[f"batchSubmit(({_SUBMISSION},address)[])"]


@dataclass(frozen=True, slots=True)
class Placement:
    """What a submission returns."""

    tx_seq: int
    identity: Hash32
    """Hash over all node roots; the file's root only where there are two."""
    start: int
    """Position of the first sector in the flow."""
    sectors: int


def submit_call(submission: Submission, submitter: Address) -> bytes:
    """Data of a call that announces a file. `submitter` must not be zero and has no other meaning: the event names the sender."""
    return _SUBMIT.encode((submission.to_abi(), submitter))


def batch_submit_call(submissions: Sequence[Submission], submitter: Address) -> bytes:
    """Data of a call that announces several files in their order."""
    return _BATCH_SUBMIT.encode([(submission.to_abi(), submitter) for submission in submissions])


def decode_submit_result(data: bytes) -> Placement:
    """What `submit` returned. Raises `DecodeError`."""
    tx_seq, identity, start, sectors = _SUBMIT.decode_result(data)
    return Placement(tx_seq, Hash32(identity), start, sectors)


def decode_batch_submit_result(data: bytes) -> list[Placement]:
    """What `batchSubmit` returned. Raises `DecodeError`."""
    columns = _BATCH_SUBMIT.decode_result(data)
    return [Placement(tx_seq, Hash32(identity), start, sectors) for tx_seq, identity, start, sectors in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True)
class Submit:
    """A file has its place in the flow."""

    TOPIC: ClassVar[Hash32] = FLOW.event("Submit").topic

    sender: Address
    """Who sent the call. On the public networks it is whatever the sender wrote."""
    placement: Placement
    submission: Submission

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        sender, identity, tx_seq, start, sectors, submission = FLOW.event("Submit").decode(topics, data)
        placement = Placement(tx_seq, Hash32(identity), start, sectors)
        return cls(Address(sender), placement, Submission.from_abi(submission))


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The context of an epoch was made."""

    TOPIC: ClassVar[Hash32] = FLOW.event("NewEpoch").topic

    sender: Address
    epoch: int
    flow_root: Hash32
    submission_count: int
    flow_length: int
    context_digest: Hash32

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        sender, epoch, root, count, length, digest = FLOW.event("NewEpoch").decode(topics, data)
        return cls(Address(sender), epoch, Hash32(root), count, length, Hash32(digest))


@dataclass(frozen=True, slots=True)
class Extend:
    """A file's life was extended by one release period."""

    TOPIC: ClassVar[Hash32] = FLOW.event("Extend").topic

    sender: Address
    tx_seq: int
    extensions: int
    """How often it was extended, this time included."""
    fee_wei: Wei

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        sender, tx_seq, extensions, fee = FLOW.event("Extend").decode(topics, data)
        return cls(Address(sender), tx_seq, extensions, Wei(fee))


@dataclass(frozen=True, slots=True)
class DistributeReward:
    """A miner was credited for a proof of storage."""

    TOPIC: ClassVar[Hash32] = REWARD.event("DistributeReward").topic

    pricing_index: int
    beneficiary: Address
    miner_id: Hash32
    amount_wei: Wei

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        pricing_index, beneficiary, miner_id, amount = REWARD.event("DistributeReward").decode(topics, data)
        return cls(pricing_index, Address(beneficiary), Hash32(miner_id), Wei(amount))


@dataclass(frozen=True, slots=True)
class MineContext:
    """What miners of an epoch seal and mine against."""

    epoch: int
    mine_start: int
    """The block at whose end the epoch began."""
    flow_root: Hash32
    flow_length: int
    block_digest: Hash32
    digest: Hash32

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getContext` and `makeContextWithResult` return. Raises `DecodeError`."""
        [context] = FLOW.function("getContext").decode_result(data)
        return cls.from_abi(context)

    @classmethod
    def from_abi(cls, value: tuple[int, int, bytes, int, bytes, bytes]) -> Self:
        """From the ABI's `MineContext`."""
        epoch, mine_start, root, length, block_digest, digest = value
        return cls(epoch, mine_start, Hash32(root), length, Hash32(block_digest), Hash32(digest))


@dataclass(frozen=True, slots=True)
class EpochRange:
    """Positions of the flow, `end` excluded, that an epoch added, and the digest of its context."""

    start: int
    end: int
    context_digest: Hash32

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `queryContextAtPosition` and `getEpochRangeHistory` return. Raises `DecodeError`."""
        [(start, end, digest)] = FLOW.function("getEpochRangeHistory").decode_result(data)
        return cls(start, end, Hash32(digest))


@dataclass(frozen=True, slots=True)
class RewardState:
    """What is kept for those who store a pricing chunk."""

    locked_wei: Wei
    claimable_wei: Wei
    distributed_wei: Wei
    start_time: int
    """When the release began, in seconds since 1970; 0 while the chunk is not full."""
    last_update: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `rewards` returns. Raises `DecodeError`."""
        locked, claimable, distributed, start_time, last_update = REWARD.function("rewards").decode_result(data)
        return cls(Wei(locked), Wei(claimable), Wei(distributed), start_time, last_update)


class FlowCallRefusedError(RefusalError):
    """The flow refused a call."""

    code = "flow_call_refused"


@dataclass(eq=False)
class NotEnoughFeeError(FlowCallRefusedError):
    """The value of the call does not cover the fee."""

    price_wei: Wei
    sectors: int
    paid_wei: Wei

    code = "not_enough_fee"
    remedy = "send the market's `pricePerSector` for each sector of the file, padding included"

    def __str__(self) -> str:
        return f"{self.sectors} sectors at {self.price_wei} wei cost {self.price_wei * self.sectors} wei, and {self.paid_wei} wei were left"


@dataclass(eq=False)
class NotEnoughGasError(FlowCallRefusedError):
    """The call's gas does not cover a submission wherever in the flow it comes to lie."""

    needed_gas: int
    left_gas: int

    code = "not_enough_gas"
    remedy = "send at least what `eth_estimateGas` says; what is not used is not paid"

    def __str__(self) -> str:
        return f"a submission needs {self.needed_gas} gas at its beginning, and {self.left_gas} were left"


@dataclass(eq=False)
class RefundRefusedError(FlowCallRefusedError):
    """The sender paid too much and did not take the rest back."""

    payer: Address
    amount_wei: Wei

    code = "refund_refused"
    remedy = "pay exactly the fee, or send from an account that takes native tokens"

    def __str__(self) -> str:
        return f"{self.payer} paid {self.amount_wei} wei too much and did not take them back"


@dataclass(eq=False)
class UnknownSubmissionError(FlowCallRefusedError):
    """There is no submission of this number."""

    tx_seq: int

    code = "unknown_submission"
    remedy = "use the number in the `Submit` event"

    def __str__(self) -> str:
        return f"there is no submission {self.tx_seq}"


@dataclass(eq=False)
class SubmissionExpiredError(FlowCallRefusedError):
    """The file's life is over."""

    tx_seq: int
    expiry_s: int
    """Seconds since 1970."""

    code = "submission_expired"
    remedy = "submit the file again"

    def __str__(self) -> str:
        return f"the life of submission {self.tx_seq} ended at {self.expiry_s}, and the network may have forgotten it"


def flow_refusal(data: bytes) -> FlowCallRefusedError | None:
    """What a revert's data means, if it is one of the flow's own errors. Raises `DecodeError` when its arguments are cut off."""
    for name, make in (
        ("NotEnoughFee", lambda price, amount, paid: NotEnoughFeeError(Wei(price), amount, Wei(paid))),
        ("NotEnoughGas", NotEnoughGasError),
        ("RefundRefused", lambda payer, amount: RefundRefusedError(Address(payer), Wei(amount))),
        ("UnknownSubmission", UnknownSubmissionError),
        ("SubmissionExpired", SubmissionExpiredError),
    ):
        error = FLOW.error(name)
        if data[:4] == error.selector:
            return make(*error.decode(data))
    return None
