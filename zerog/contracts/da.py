"""The contracts of 0G DA: signers, registry and entrance, as calls, results and events carry them.

Points of the second group come in two orders: signers are registered with the real part first, and the entrance takes the sum of public
keys with the imaginary part first. Source: 0glabs/0g-da-contract, contracts/; 0glabs/0g-geth, core/vm/dasigners.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from zerog.contracts.interface import AbiValue, load_interface
from zerog.primitives import Address, Hash32, Wei

__all__ = [
    "DA_ENTRANCE",
    "DA_REGISTRY",
    "DA_SIGNERS",
    "G1",
    "G2",
    "AggregateKey",
    "CommitRootSubmission",
    "DAReward",
    "DataUpload",
    "ErasureCommitmentVerified",
    "NewSampleRound",
    "NewSigner",
    "SampleRange",
    "SampleResponse",
    "SampleTask",
    "SignerDetail",
    "SignersParams",
    "SocketUpdated",
    "aggregate_key_call",
    "decode_g1",
    "decode_quorum",
    "decode_signers",
    "quorum_call",
    "register_next_epoch_call",
    "register_signer_call",
    "signers_call",
    "submit_original_data_call",
    "submit_sampling_response_call",
    "submit_verified_commit_roots_call",
    "update_socket_call",
]

DA_SIGNERS: Final = load_interface("da", "IDASigners")
"""The precompiled contract. Its `registerSigner` and `registerNextEpoch` are for the registry alone."""
DA_REGISTRY: Final = load_interface("da", "DARegistry")
DA_ENTRANCE: Final = load_interface("da", "DAEntrance")

WORD_BYTES: Final = 32


# Points and signers.


@dataclass(frozen=True, slots=True)
class G1:
    """A point of the curve: a signature, a commitment, or a public key. Both zero is the point at infinity."""

    x: int
    y: int

    @classmethod
    def from_words(cls, words: bytes) -> Self:
        """From 64 bytes, x and y with the highest byte first."""
        return cls(*_numbers(words, 2))

    @property
    def words(self) -> bytes:
        """64 bytes, x and y with the highest byte first."""
        return _words(self.x, self.y)

    def to_abi(self) -> tuple[int, int]:
        """As the ABI's `G1Point`."""
        return self.x, self.y

    @classmethod
    def from_abi(cls, value: Sequence[int]) -> Self:
        """From the ABI's `G1Point`."""
        x, y = value
        return cls(x, y)


@dataclass(frozen=True, slots=True)
class G2:
    """A point of the twisted curve, each coordinate real part first."""

    x: tuple[int, int]
    y: tuple[int, int]

    @classmethod
    def from_words(cls, words: bytes) -> Self:
        """From 128 bytes: real and imaginary part of x, then of y, with the highest byte first."""
        x_real, x_imaginary, y_real, y_imaginary = _numbers(words, 4)
        return cls((x_real, x_imaginary), (y_real, y_imaginary))

    @property
    def words(self) -> bytes:
        """128 bytes: real and imaginary part of x, then of y, with the highest byte first."""
        return _words(*self.x, *self.y)

    def to_abi(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """As the ABI's `G2Point` in a signer's details."""
        return self.x, self.y

    def to_pairing_abi(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """As the ABI's `G2Point` where it goes into a pairing: imaginary parts first."""
        return (self.x[1], self.x[0]), (self.y[1], self.y[0])

    @classmethod
    def from_abi(cls, value: Sequence[Sequence[int]]) -> Self:
        """From the ABI's `G2Point` in a signer's details."""
        (x_real, x_imaginary), (y_real, y_imaginary) = value
        return cls((x_real, x_imaginary), (y_real, y_imaginary))

    @classmethod
    def from_pairing_abi(cls, value: Sequence[Sequence[int]]) -> Self:
        """From the ABI's `G2Point` where it goes into a pairing."""
        (x_imaginary, x_real), (y_imaginary, y_real) = value
        return cls((x_real, x_imaginary), (y_real, y_imaginary))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerDetail:
    """A signer as it is registered."""

    signer: Address
    socket: str
    """Host and port where it answers."""
    public_key_g1: G1
    public_key_g2: G2

    def to_abi(self) -> tuple[AbiValue, ...]:
        """As the ABI's `SignerDetail`."""
        return self.signer, self.socket, self.public_key_g1.to_abi(), self.public_key_g2.to_abi()

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `SignerDetail`."""
        signer, socket, g1, g2 = value
        return cls(signer=Address(signer), socket=socket, public_key_g1=G1.from_abi(g1), public_key_g2=G2.from_abi(g2))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignersParams:
    """What the chain's rules say of signers."""

    tokens_per_vote: int
    """Without a meaning any more: the registry says what a vote costs."""
    max_votes_per_signer: int
    max_quorums: int
    """Of an epoch."""
    epoch_blocks: int
    encoded_slices: int
    """Rows of a blob, and so places in a quorum."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `params` returns. Raises `DecodeError`."""
        [(tokens, votes, quorums, blocks, slices)] = DA_SIGNERS.function("params").decode_result(data)
        return cls(tokens_per_vote=tokens, max_votes_per_signer=votes, max_quorums=quorums, epoch_blocks=blocks, encoded_slices=slices)


@dataclass(frozen=True, slots=True)
class AggregateKey:
    """The sum of public keys that a bitmap of rows names."""

    public_key_g1: G1
    """The point at infinity for nobody."""
    total_rows: int
    hit_rows: int
    """Rows that count: those of a signer from its first set bit on."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `getAggPkG1` returns. Raises `DecodeError`."""
        g1, total, hit = DA_SIGNERS.function("getAggPkG1").decode_result(data)
        return cls(G1.from_abi(g1), total, hit)


def register_signer_call(detail: SignerDetail, signature: G1) -> bytes:
    """Data of a call of the registry by which its sender becomes a signer. The signature proves that it has the secret key."""
    return DA_REGISTRY.function("registerSigner").encode(detail.to_abi(), signature.to_abi())


def register_next_epoch_call(signature: G1) -> bytes:
    """Data of a call of the registry by which its sender takes part in the next epoch, which the signature is over."""
    return DA_REGISTRY.function("registerNextEpoch").encode(signature.to_abi())


def update_socket_call(socket: str) -> bytes:
    """Data of a call of the signers' contract by which a signer says where it answers."""
    return DA_SIGNERS.function("updateSocket").encode(socket)


def signers_call(addresses: Sequence[Address]) -> bytes:
    """Data of a call that asks the signers' contract for details. One unknown address fails the whole call."""
    return DA_SIGNERS.function("getSigner").encode(addresses)


def decode_signers(data: bytes) -> list[SignerDetail]:
    """What `getSigner` returns, in the order of the question. Raises `DecodeError`."""
    [details] = DA_SIGNERS.function("getSigner").decode_result(data)
    return [SignerDetail.from_abi(detail) for detail in details]


def quorum_call(epoch: int, quorum_id: int) -> bytes:
    """Data of a call that asks the signers' contract who holds the rows of a quorum's blobs."""
    return DA_SIGNERS.function("getQuorum").encode(epoch, quorum_id)


def decode_quorum(data: bytes) -> tuple[Address, ...]:
    """What `getQuorum` returns: the signer of each encoded row. Raises `DecodeError`."""
    [signers] = DA_SIGNERS.function("getQuorum").decode_result(data)
    return tuple(map(Address, signers))


def aggregate_key_call(epoch: int, quorum_id: int, bitmap: bytes) -> bytes:
    """Data of a call that adds up the public keys of a quorum's rows, bit i of the bitmap, lowest first, being row i."""
    return DA_SIGNERS.function("getAggPkG1").encode(epoch, quorum_id, bitmap)


@dataclass(frozen=True, slots=True)
class NewSigner:
    """Somebody became a signer."""

    TOPIC: ClassVar[Hash32] = DA_SIGNERS.event("NewSigner").topic

    signer: Address
    public_key_g1: G1
    public_key_g2: G2

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        signer, g1, g2 = DA_SIGNERS.event("NewSigner").decode(topics, data)
        return cls(Address(signer), G1.from_abi(g1), G2.from_abi(g2))


@dataclass(frozen=True, slots=True)
class SocketUpdated:
    """A signer answers somewhere else from now on, or for the first time."""

    TOPIC: ClassVar[Hash32] = DA_SIGNERS.event("SocketUpdated").topic

    signer: Address
    socket: str

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        signer, socket = DA_SIGNERS.event("SocketUpdated").decode(topics, data)
        return cls(Address(signer), socket)


# Blobs at the entrance.


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRootSubmission:
    """A quorum's word that its signers hold a blob."""

    data_root: Hash32
    epoch: int
    quorum_id: int
    erasure_commitment: G1
    quorum_bitmap: bytes
    """A bit for each row, lowest first; one for a signer, at its first row, is enough."""
    aggregate_key: G2
    """Sum of the public keys of those who signed."""
    signature: G1
    """Sum of their signatures."""

    def to_abi(self) -> tuple[AbiValue, ...]:
        """As the ABI's `CommitRootSubmission`, whose public key has its imaginary parts first."""
        return (
            *(self.data_root, self.epoch, self.quorum_id, self.erasure_commitment.to_abi()),
            *(self.quorum_bitmap, self.aggregate_key.to_pairing_abi(), self.signature.to_abi()),
        )

    @classmethod
    def from_abi(cls, value: Sequence[Any]) -> Self:
        """From the ABI's `CommitRootSubmission`."""
        root, epoch, quorum_id, commitment, bitmap, key, signature = value
        return cls(
            data_root=Hash32(root),
            epoch=epoch,
            quorum_id=quorum_id,
            erasure_commitment=G1.from_abi(commitment),
            quorum_bitmap=bytes(bitmap),
            aggregate_key=G2.from_pairing_abi(key),
            signature=G1.from_abi(signature),
        )


def submit_original_data_call(data_roots: Sequence[Hash32]) -> bytes:
    """Data of a call that announces blobs. Its value has to be `blobPrice` for each of them; all get the same quorum."""
    return DA_ENTRANCE.function("submitOriginalData").encode(data_roots)


def submit_verified_commit_roots_call(submissions: Sequence[CommitRootSubmission]) -> bytes:
    """Data of a call that confirms blobs. Those that are confirmed already are passed over."""
    return DA_ENTRANCE.function("submitVerifiedCommitRoots").encode([submission.to_abi() for submission in submissions])


def decode_g1(data: bytes) -> G1:
    """What `verifiedErasureCommitment` returns; zeros for a blob that is not confirmed. Raises `DecodeError`."""
    [point] = DA_ENTRANCE.function("verifiedErasureCommitment").decode_result(data)
    return G1.from_abi(point)


@dataclass(frozen=True, slots=True)
class DataUpload:
    """A blob was announced, and its quorum drawn."""

    TOPIC: ClassVar[Hash32] = DA_ENTRANCE.event("DataUpload").topic

    sender: Address
    data_root: Hash32
    epoch: int
    quorum_id: int
    blob_price_wei: Wei

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        sender, root, epoch, quorum_id, price = DA_ENTRANCE.event("DataUpload").decode(topics, data)
        return cls(Address(sender), Hash32(root), epoch, quorum_id, Wei(price))


@dataclass(frozen=True, slots=True)
class ErasureCommitmentVerified:
    """A blob is confirmed."""

    TOPIC: ClassVar[Hash32] = DA_ENTRANCE.event("ErasureCommitmentVerified").topic

    data_root: Hash32
    epoch: int
    quorum_id: int

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        root, epoch, quorum_id = DA_ENTRANCE.event("ErasureCommitmentVerified").decode(topics, data)
        return cls(Hash32(root), epoch, quorum_id)


# Sampling.


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleResponse:
    """A piece of a row that a round's seed makes good enough, with its path."""

    sample_seed: Hash32
    epoch: int
    quorum_id: int
    line_index: int
    """Of the encoded row, from 0 to 3,071."""
    subline_index: int
    """Of the piece within its row, from 0 to 31."""
    quality: int
    data_root: Hash32
    blob_roots: tuple[Hash32, Hash32, Hash32]
    """Roots of the three cosets."""
    proof: tuple[Hash32, ...]
    """15 siblings from the bottom: 5 within the row, 10 above it."""
    data: bytes
    """1,024 bytes."""

    def to_abi(self) -> tuple[AbiValue, ...]:
        """As the ABI's `SampleResponse`."""
        return (
            *(self.sample_seed, self.epoch, self.quorum_id, self.line_index, self.subline_index, self.quality),
            *(self.data_root, self.blob_roots, self.proof, self.data),
        )


@dataclass(frozen=True, slots=True)
class SampleTask:
    """What a miner of samples has to do now."""

    seed: Hash32
    """Zero before the first round, which nobody can mine."""
    podas_target: int
    """The highest quality that is good enough."""
    rest_submissions: int
    """How many samples the round still takes."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `sampleTask` returns. Raises `DecodeError`."""
        [(seed, target, rest)] = DA_ENTRANCE.function("sampleTask").decode_result(data)
        return cls(Hash32(seed), target, rest)


@dataclass(frozen=True, slots=True)
class SampleRange:
    """The epochs whose blobs can be sampled, both included."""

    start_epoch: int
    end_epoch: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What `sampleRange` returns. Raises `DecodeError`."""
        [(start, end)] = DA_ENTRANCE.function("sampleRange").decode_result(data)
        return cls(start, end)


def submit_sampling_response_call(response: SampleResponse) -> bytes:
    """Data of a call that shows a sample. The signer of its row is credited, whoever sends it."""
    return DA_ENTRANCE.function("submitSamplingResponse").encode(response.to_abi())


@dataclass(frozen=True, slots=True)
class NewSampleRound:
    """A round of sampling began."""

    TOPIC: ClassVar[Hash32] = DA_ENTRANCE.event("NewSampleRound").topic

    sample_round: int
    sample_height: int
    seed: Hash32
    podas_target: int

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        sample_round, height, seed, target = DA_ENTRANCE.event("NewSampleRound").decode(topics, data)
        return cls(sample_round, height, Hash32(seed), target)


@dataclass(frozen=True, slots=True, kw_only=True)
class DAReward:
    """A signer was credited for a sample of a row that it holds."""

    TOPIC: ClassVar[Hash32] = DA_ENTRANCE.event("DAReward").topic

    beneficiary: Address
    sample_round: int
    epoch: int
    quorum_id: int
    data_root: Hash32
    quality: int
    line_index: int
    subline_index: int
    reward_wei: Wei

    @classmethod
    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:
        """From a log. Raises `DecodeError`."""
        values = DA_ENTRANCE.event("DAReward").decode(topics, data)
        beneficiary, sample_round, epoch, quorum_id, root, quality, line_index, subline_index, reward = values
        return cls(
            beneficiary=Address(beneficiary),
            sample_round=sample_round,
            epoch=epoch,
            quorum_id=quorum_id,
            data_root=Hash32(root),
            quality=quality,
            line_index=line_index,
            subline_index=subline_index,
            reward_wei=Wei(reward),
        )


def _numbers(words: bytes, count: int) -> list[int]:
    if len(words) != count * WORD_BYTES:
        raise ValueError(f"{len(words)} bytes, where {count} words of {WORD_BYTES} are needed")
    return [int.from_bytes(words[start : start + WORD_BYTES]) for start in range(0, len(words), WORD_BYTES)]


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(WORD_BYTES) for number in numbers)
