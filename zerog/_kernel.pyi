"""The typed face of the Rust kernel: what Python may ask of it, held against the binary by `stubtest`.

Addresses are 20 bytes, hashes 32 bytes, amounts wei, gas in units of gas. A call that can exceed a millisecond releases the GIL.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import ClassVar, Literal, Self, TypeAlias, final

__all__ = [
    "AccountOverride",
    "AmtSetup",
    "BlobSizeError",
    "BlockEnv",
    "BlockOverride",
    "BlockRefusedError",
    "BlockSummary",
    "CallOutcome",
    "CallRequest",
    "DecodeError",
    "DecodedTransaction",
    "Decoder",
    "DecoderFullError",
    "EncodedBlob",
    "Executed",
    "FileTree",
    "FlowRefusedError",
    "FlowTree",
    "Front",
    "GenesisMismatchError",
    "HpkeReceiver",
    "HpkeSender",
    "Ledger",
    "LedgerBusyError",
    "LedgerCorruptError",
    "LedgerFailedError",
    "LedgerOldFormatError",
    "MiningSearch",
    "MiningWork",
    "ModelFile",
    "ModelRefusedError",
    "PointError",
    "Pool",
    "PoolSnapshot",
    "RecoveryError",
    "Rejection",
    "SamplingParameters",
    "Score",
    "SealBrokenError",
    "SealedLoads",
    "SegmentTree",
    "SetupError",
    "SignatureError",
    "SimulationRefusal",
    "SliceError",
    "StateNotKeptError",
    "TokenEvent",
    "TraceRefusedError",
    "Transaction",
    "UnknownBlockError",
    "ZerogError",
    "abi_decode",
    "abi_encode",
    "address_of",
    "aes256_ctr",
    "amt_coset_root",
    "amt_recover",
    "amt_roots",
    "amt_row_path",
    "amt_sample",
    "amt_slice_parts",
    "answer_at_once",
    "bls_aggregate_g1",
    "bls_aggregate_g2",
    "bls_hash_to_g1",
    "bls_public_key",
    "bls_sign",
    "bls_verify",
    "decode_transaction",
    "exact_paths",
    "first_segment_fault",
    "g1_from_flagged",
    "g1_from_flagless",
    "g1_to_flagged",
    "g1_to_flagless",
    "give_back_memory",
    "hash_paths",
    "hkdf_sha256",
    "keccak256",
    "keccak256_many",
    "map_large_blocks",
    "open_blocks",
    "personal_sign",
    "pora_probe",
    "pora_qualities",
    "pora_scratchpad",
    "pora_seal",
    "pora_unseal",
    "public_key_of",
    "record_faults",
    "seal_blocks",
    "secp256k1_recover",
    "secp256k1_recover_many",
    "secp256k1_shared_x",
    "secp256k1_sign",
    "segment_fault",
    "segment_root",
    "trace_root",
    "transaction_json",
    "typed_data_hash",
    "x25519_key_pair",
    "x25519_public_key",
    "zero_root",
]

_At: TypeAlias = int | Executed | None
"""Which state to read: a block number, a block that was executed but not committed, or `None` for the newest.

The newest state includes the developer edits that the next block will carry; so does the number of the newest block.
"""

class ZerogError(Exception):
    """Root of every expected failure in zerog; anything else is a bug."""

    # The kernel has no words for people: `zerog.primitives.errors` gives these to its errors.
    code: ClassVar[str]
    """What happened, for machines."""
    remedy: ClassVar[str]
    """What to do about it."""
    cause: str
    """What happened, in words: what `str()` says; of some errors only what lay beneath, which `str()` puts into its sentence."""

class DecodeError(ZerogError):
    """Bytes or JSON that are not what they should be (RLP, a transaction, ABI data, typed data, a genesis)."""

class SignatureError(ZerogError):
    """A signature from which no key can be recovered, or one with a high `s` (EIP-2)."""

class PointError(ZerogError):
    """Bytes that are no point of BN254's groups: not canonical, not on the curve, or outside the group."""

class SetupError(ZerogError):
    """A setup of DA that cannot be used, or not for this."""

class BlobSizeError(ZerogError):
    """A blob that is longer than DA takes."""

class SliceError(ZerogError):
    """A slice that is none, or whose claims do not hold; the text is that of the official node."""

    position: int
    """Which one of those that were checked."""

class RecoveryError(ZerogError):
    """Rows that do not give a blob: too few, malformed, or not of one."""

class LedgerCorruptError(ZerogError):
    """The files of the ledger were damaged in a way that a crash cannot explain."""

class LedgerOldFormatError(ZerogError):
    """The ledger was written by an older version, in another form."""

class LedgerFailedError(ZerogError):
    """A write to disk failed: the ledger accepts no more changes until it is opened again."""

class LedgerBusyError(ZerogError):
    """Another process has this ledger open."""

class GenesisMismatchError(ZerogError):
    """The ledger in this folder began from another genesis. `args` = (kept hash hex, given hash hex)."""

class UnknownBlockError(ZerogError):
    """No such block in this ledger."""

class TraceRefusedError(ZerogError):
    """A trace that cannot be given. `args` = (kind, message, the `Rejection` of a call that could not begin or `None`)."""

class StateNotKeptError(ZerogError):
    """The state of that block is older than the history that this ledger keeps."""

class BlockRefusedError(ZerogError):
    """A block of others that breaks the rules, or is not what executing it gives. `args` = (number, hash hex, what is wrong)."""

class FlowRefusedError(ZerogError):
    """A submission, a checkpoint or a question that does not fit the flow as it is."""

class SealBrokenError(ZerogError):
    """A sealed block that is not what was encrypted, or stands in another place. `args` = (index of the block,)."""

class ModelRefusedError(ZerogError):
    """A model file that is not used, or a request to it that is not fulfilled. `args` = (code, what is wrong, what to do)."""

class DecoderFullError(ZerogError):
    """All slots of a decoder are taken: come again when a sequence has finished. `args` = (slots,)."""

# ---- hash, crypto -------------------------------------------------------------------------------------------

def keccak256(data: bytes) -> bytes:
    """Keccak-256, as Ethereum uses it (not SHA3-256)."""

def keccak256_many(items: Sequence[bytes]) -> list[bytes]:
    """Keccak-256 of each item, on all threads."""

def give_back_memory() -> None:
    """Give all memory that the allocator has free back to the system, also between blocks in use; on Linux with glibc."""

def map_large_blocks() -> None:
    """From now on blocks of a megabyte and more go back to the system as soon as they are freed; on Linux with glibc."""

def answer_at_once() -> bool:
    """The calling thread, and those that it starts, are woken before threads that compute. False where the system refuses; Linux from 6.12
    on makes a difference."""

def public_key_of(private_key: bytes) -> bytes:
    """Uncompressed secp256k1 public key (64 bytes, without the leading 04). Raises `SignatureError`."""

def address_of(private_key: bytes) -> bytes:
    """Address of a secp256k1 private key (32 bytes). Raises `SignatureError`."""

def secp256k1_sign(digest: bytes, private_key: bytes) -> bytes:
    """Sign 32 bytes; r, s and the recovery id 0 or 1 (65 bytes), s low (EIP-2), deterministic (RFC 6979). Raises `SignatureError`."""

def personal_sign(message: bytes, private_key: bytes) -> bytes:
    """Sign a message (EIP-191, version 0x45): r, s and v 27 or 28 (65 bytes). Other threads run meanwhile. Raises `SignatureError`."""

def secp256k1_recover(digest: bytes, signature: bytes) -> bytes:
    """Address that signed; `signature` is r, s and a recovery id 0, 1, 27 or 28 (65 bytes). Raises `SignatureError`."""

def secp256k1_recover_many(items: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
    """Address of each (digest, signature) on all threads; `None` where there is none."""

def secp256k1_shared_x(private_key: bytes, public_key: bytes) -> bytes:
    """ECDH on secp256k1: the x-coordinate of a private key times a compressed public one. Raises `SignatureError`."""

# ---- cipher ------------------------------------------------------------------------------------------------------

_ByteBuffer: TypeAlias = bytes | bytearray | memoryview
"""Contiguous bytes, read in place."""

def aes256_ctr(key: bytes, nonce: bytes, offset: int, data: _ByteBuffer) -> bytes:
    """Encrypt or decrypt bytes that begin `offset` bytes after the start of a stream of AES-256-CTR."""

def seal_blocks(key: bytes, first: int, header: bytes, data: _ByteBuffer, ends: bool) -> bytes:
    """`header`, then `data` in sealed blocks from index `first` on. Raises `ValueError` if blocks are not filled and `ends` is false."""

def open_blocks(key: bytes, first: int, header_bytes: int, data: _ByteBuffer, ends: bool) -> bytes:
    """What blocks from index `first` on hold; `data` begins with a header of `header_bytes`. Raises `SealBrokenError` or `ValueError`."""

def hkdf_sha256(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869). Raises `ValueError` for more than 8160 bytes."""

# ---- hpke --------------------------------------------------------------------------------------------------------

def x25519_key_pair(seed: bytes) -> tuple[bytes, bytes]:
    """Private and public key of X25519 from 32 random bytes (RFC 9180, 7.1.3)."""

def x25519_public_key(private_key: bytes) -> bytes:
    """The public key of X25519 of a private one (32 bytes each). Raises `DecodeError`."""

@final
class HpkeSender:
    """Seals messages to a public key, in order: HPKE in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305.

    Source: RFC 9180. `seed` are 32 random bytes that are used for nothing else. Raises `DecodeError` for a public key that leads to a
    secret that everybody knows, and `ValueError` for an `info` of 64 KiB.
    """

    def __new__(cls, public_key: bytes, info: bytes, seed: bytes) -> Self: ...
    @property
    def encapsulated(self) -> bytes:
        """32 bytes that the receiver needs besides its own key (`enc`)."""

    def seal(self, plain: bytes, beside: bytes) -> bytes:
        """The next message: as many bytes as `plain` and 16 more. `beside` is authenticated and not sent along."""

    def export(self, about: bytes, length: int) -> bytes:
        """A secret that both sides have. Raises `ValueError` for more than 8160 bytes."""

@final
class HpkeReceiver:
    """Opens what a sender sealed to the public key of `private_key`. Raises `DecodeError` and `ValueError` as the sender does."""

    def __new__(cls, private_key: bytes, encapsulated: bytes, info: bytes) -> Self: ...
    def open(self, sealed: bytes, beside: bytes) -> bytes:
        """The next message. Raises `SealBrokenError` with its number for any other bytes; the next one is still expected then."""

    def export(self, about: bytes, length: int) -> bytes:
        """As the sender's."""

# ---- merkle ------------------------------------------------------------------------------------------------------

def zero_root(height: int) -> bytes:
    """Root of a perfect tree over 2^`height` sectors of zeros."""

def segment_root(data: _ByteBuffer, sectors: int) -> bytes:
    """Root over `sectors` (1 to 1024) that begin with `data`; what follows is zero. Raises `ValueError`."""

_SegmentFault: TypeAlias = Literal[
    "empty_file", "index_out_of_bound", "data_length", "proof_form", "path_too_long", "path_too_short",
    "wrong_position", "broken_chain", "root_mismatch", "data_mismatch", "padding_mismatch",
]  # fmt: skip

def segment_fault(
    root: bytes, size_bytes: int, index: int, data: _ByteBuffer, lemma: Sequence[bytes], path: Sequence[bool]
) -> tuple[_SegmentFault, str] | None:
    """What is wrong with segment `index` of a file: a kind and the reference's text; `None` if nothing is."""

def first_segment_fault(
    root: bytes, size_bytes: int, segments: Sequence[tuple[int, _ByteBuffer, Sequence[bytes], Sequence[bool]]]
) -> tuple[int, _SegmentFault, str] | None:
    """The first of several segments of a file (index, data, lemma, path) in which something is wrong: its place among them, and what as
    `segment_fault` says it; `None` if nothing is. They are checked on all threads."""

def record_faults(
    buffer: _ByteBuffer, records: Sequence[tuple[bytes, bytes, int, int, int, int, int]]
) -> list[tuple[int, Literal["data", "proof"]]]:
    """Those of the records in `buffer` in which something is wrong: the place in the list, and what. One thread checks them all.

    A record is root of the file, root of the segment, padded sectors of the file, index of the segment, where its siblings begin, their
    number, bytes of the data behind them.
    """

@final
class FileTree:
    """The tree of a file, from one pass over its bytes on all threads. Raises `ValueError` for an empty file."""

    def __new__(cls, data: _ByteBuffer) -> FileTree: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def root(self) -> bytes: ...
    def segment_roots(self) -> list[bytes]:
        """Roots of the segments that hold bytes of the file."""

    def submission_nodes(self) -> list[tuple[bytes, int]]:
        """Root and height of each perfect subtree that the file is submitted as, highest first."""

    def segment_proof(self, index: int) -> tuple[list[bytes], list[bool]]:
        """Lemma and path of a segment. Raises `IndexError`."""

    def segment_proofs(self, first: int, count: int) -> list[tuple[list[bytes], list[bool]]]:
        """Lemma and path of each of `count` segments from `first` on. Raises `IndexError`."""

@final
class SegmentTree:
    """The tree over the roots of a file's segments, without its bytes. Raises `ValueError` for a wrong number of them."""

    def __new__(cls, size_bytes: int, roots: Sequence[bytes]) -> SegmentTree: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def root(self) -> bytes: ...
    def segment_proof(self, index: int) -> tuple[list[bytes], list[bool]]:
        """Lemma and path of a segment. Raises `IndexError`."""

    def segment_proofs(self, first: int, count: int) -> list[tuple[list[bytes], list[bool]]]:
        """Lemma and path of each of `count` segments from `first` on. Raises `IndexError`."""

@final
class FlowTree:
    """The tree over the flow."""

    def __new__(cls, checkpoint: bytes | None = None) -> FlowTree: ...
    @property
    def sectors(self) -> int:
        """Sectors so far, with the gaps between submissions."""

    @property
    def root(self) -> bytes: ...
    def append(self, start: int, nodes: Sequence[tuple[bytes, int]]) -> None:
        """Put a submission at sector `start`; what is skipped is zero. Raises `FlowRefusedError` and changes nothing if it does not fit."""

    def root_at(self, sectors: int) -> bytes:
        """Root when the flow had `sectors`. Raises `FlowRefusedError`."""

    def sectors_of_root(self, root: bytes, newest: int) -> int | None:
        """How many sectors the flow had when `root` was its root; only the `newest` subtrees submitted are looked at."""

    def proof(self, sector: int, inside: Sequence[bytes], sectors: int | None = None) -> tuple[list[bytes], list[bool]]:
        """Lemma and path of a sector, when the flow had `sectors`; now, if that is left out. Raises `FlowRefusedError`.

        `inside`: leaf and siblings up to the node that was submitted, from the bottom; may be empty outside of any.
        """

    def checkpoint(self) -> bytes:
        """All that is needed to go on from here."""

    def unwind(self, checkpoint: bytes) -> None:
        """Back to a checkpoint of this flow's past. Raises `FlowRefusedError`."""

# ---- mining of storage -------------------------------------------------------------------------------------------

def hash_paths() -> list[str]:
    """Names of the ways to hash that this processor has, the fastest first; `portable` is the last everywhere."""

def pora_seal(miner_id: bytes, start_sector: int, context_digests: Sequence[bytes], data: _ByteBuffer, *, path: str | None = None) -> bytes:
    """Seal what begins at sector `start_sector`, 4096 bytes for each of `context_digests`. `path` is one of `hash_paths`.

    Raises `ValueError`; no lock is held for more than some bytes.
    """

def pora_unseal(
    miner_id: bytes, start_sector: int, context_digests: Sequence[bytes], data: _ByteBuffer, *, path: str | None = None
) -> bytes:
    """Undo `pora_seal`. Raises `ValueError`."""

@final
class MiningWork:
    """What a miner searches for: a seal in a part of the flow whose quality is at most `quality_max`."""

    def __new__(
        cls,
        *,
        miner_id: bytes,
        subtask_digest: bytes,
        start_sector: int,
        sectors: int,
        shard_id: int,
        shard_mask: int,
        quality_max: int,
    ) -> MiningWork: ...
    def range_digest(self) -> bytes: ...
    def load_of(self, recall_seed: bytes) -> int | None:
        """The load of the flow that a recall seed picks, if it lies in the range."""

def pora_scratchpad(work: MiningWork, nonce: bytes, *, path: str | None = None) -> tuple[bytes, bytes, bytes]:
    """Seed of the pad (64 bytes), pad (16 KiB) and recall seed of a nonce."""

def pora_qualities(work: MiningWork, nonce: bytes, load: _ByteBuffer, present: int, *, path: str | None = None) -> list[tuple[int, int]]:
    """Place and quality of each seal of a sealed load (262144 bytes) that has its bit in `present`. Raises `ValueError`."""

@final
class SealedLoads:
    """Sealed loads of one miner in a file of at most `loads_max`; any thread. Raises `OSError` when the disk does."""

    def __new__(cls, file: PathLike[str] | str, miner_id: bytes, loads_max: int) -> SealedLoads:
        """Open or begin it. Loads of another miner are forgotten."""

    def held(self) -> list[tuple[int, int]]:
        """Place on the flow of each load, in that order, and a bit for each seal that is present."""

    def put(self, load: int, present: int, context_digests: Sequence[bytes], sealed: _ByteBuffer) -> bool:
        """Keep a load (262144 bytes and 64 digests) in place of what was kept of it; `False` if there is no room. Raises `ValueError`."""

    def remove(self, load: int) -> bool: ...
    def head(self, load: int) -> tuple[int, int, list[bytes]] | None:
        """Place on the flow, seals present, and the context digest of each seal; those of absent seals mean nothing."""

    def read(self, load: int) -> bytes | None: ...

_Hit: TypeAlias = tuple[bytes, int, int, int, bytes]
"""Nonce, place of the load on the flow, place of the seal in the load, quality, sealed data (4096 bytes)."""
_Tally: TypeAlias = tuple[int, int, int, int]
"""Nonces tried, of which so many led to a load that is here, seals weighed, hits."""

def pora_probe(
    work: MiningWork, loads: SealedLoads, first_nonce: bytes, nonces: int, *, path: str | None = None
) -> tuple[list[_Hit], _Tally]:
    """Try `nonces` nonces from `first_nonce` on, counted in its last eight bytes. No lock is held."""

@final
class MiningSearch:
    """Threads of the lowest priority that search while they have work, and hold no lock of Python."""

    def __new__(cls, loads: SealedLoads, *, threads: int, share: float, path: str | None = None) -> MiningSearch:
        """`share` of its time a thread computes. Raises `ValueError`."""

    def set_work(self, work: MiningWork | None, first_nonce: bytes) -> None:
        """Search for `work` from a nonce on whose last 16 bytes are counters, or pause. Hits of other work are thrown away."""

    def take(self) -> _Hit | None:
        """The oldest hit that nobody took; while 16 wait, the search pauses. Raises `OSError` if the search ended by a failure."""

    def tally(self) -> _Tally: ...
    def stop(self) -> None:
        """End the threads, which takes a moment."""

# ---- signatures over BN254 ---------------------------------------------------------------------------------------

def bls_public_key(secret: bytes) -> tuple[bytes, bytes]:
    """The keys in G1 (64 bytes: x, y) and G2 (128: real and imaginary part of x, then of y) of a secret; all numbers are big-endian.

    A secret is 32 bytes, from 1 to the order of the group less 1; else raises `ValueError`.
    """

def bls_sign(secret: bytes, digest: bytes) -> bytes:
    """Sign a digest of 32 bytes; a point of G1. Raises `ValueError`."""

def bls_verify(digest: bytes, signature: bytes, public_key_g2: bytes) -> bool:
    """Whether a signature (a point of G1) over a digest was made with the secret of a key in G2. No key at infinity verifies anything.

    Raises `PointError`.
    """

def bls_aggregate_g1(points: Sequence[bytes]) -> bytes:
    """The sum of points of G1, of none the point at infinity (all zeros). Raises `PointError`."""

def bls_aggregate_g2(points: Sequence[bytes]) -> bytes:
    """The sum of points of G2. Raises `PointError`."""

def bls_hash_to_g1(digest: bytes) -> bytes:
    """The point of G1 that stands for a digest when it is signed. Source: 0glabs/0g-da-contract, contracts/libraries/BN254.sol."""

def g1_from_flagged(data: bytes) -> bytes:
    """A point of G1 as words from arkworks' uncompressed form: x and y little-endian, and flags in the last byte. Raises `PointError`."""

def g1_to_flagged(words: bytes) -> bytes:
    """Arkworks' uncompressed form of a point of G1. Raises `PointError`."""

def g1_from_flagless(data: bytes) -> bytes:
    """A point of G1 as words from its little-endian coordinates; the one at infinity has none. Raises `PointError`."""

def g1_to_flagless(words: bytes) -> bytes:
    """The little-endian coordinates of a point of G1; all zeros for the one at infinity. Raises `PointError`."""

# ---- blobs of DA -------------------------------------------------------------------------------------------------

@final
class AmtSetup:
    """What an encoder and its signers share: powers of a secret τ, as one who proves and one who verifies. Threads may share it.

    Production size: 1,024 rows of 1,024 elements, encoded to 3,072 rows. `development` size, 64 rows of 32, is for tests alone.
    Source: 0glabs/0g-da-encoder, crates/amt and crates/encoder.
    """

    @staticmethod
    def insecure(tau: bytes, *, development: bool = False) -> AmtSetup:
        """A setup whose τ (32 big-endian bytes, reduced) everybody knows: whoever knows it can prove anything. For development networks.

        Raises `SetupError` if τ is zero or a point of the code.
        """

    @staticmethod
    def load(folder: str | PathLike[str], *, official: bool = False, prove: bool = True) -> AmtSetup:
        """A setup from parameter files in the official layout; takes seconds.

        Files must have the digests of the folder's own list, as `make` writes it, or, without one or if `official`, those that 0G
        publishes. Needs `amt-verify-coset{0,1,2}` (or the prove file of that coset), to `prove` also `power-tau`; `amt-prove-coset0-mont`
        makes small blobs quick. Without `prove` the setup only verifies, and less is read and kept. Raises `SetupError` with file, place
        and cause.
        """

    @staticmethod
    def make(folder: str | PathLike[str], tau: bytes, *, development: bool = False) -> None:
        """Write the files of a setup (1.1 GB in production size) for τ (32 big-endian bytes, reduced), drawn by the caller, who forgets it.

        A folder that has a setup already is refused. Raises `SetupError`.
        """

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that are equal for all setups with one τ and size, however they were loaded."""

    @property
    def knows_tau(self) -> bool: ...
    def encode(self, data: _ByteBuffer) -> EncodedBlob:
        """Encode a blob, which may be empty. Raises `BlobSizeError`, and `SetupError` if the setup can only verify."""

    def verify_slices(self, slices: Sequence[_ByteBuffer], data_root: bytes, commitment: bytes) -> list[int]:
        """Check slices of one blob against its data root and its commitment (64 bytes without flags); returns the indexes of their rows.

        What slices share is checked once. Raises `SliceError` for the first slice that is wrong, `PointError` for a commitment that is no
        point.
        """

@final
class EncodedBlob:
    """An encoded blob: 96 MiB of rows, and the proofs of each."""

    @property
    def data_root(self) -> bytes:
        """Also the root of the encoded file in 0G Storage."""

    @property
    def coset_roots(self) -> tuple[bytes, bytes, bytes]: ...
    @property
    def commitment(self) -> bytes:
        """x and y, 32 little-endian bytes each, without flags; all zeros for an empty blob."""

    def slices(self, start: int, stop: int) -> list[bytes]:
        """Rows `start` to `stop` with their proofs, 34,680 bytes each. Raises `IndexError`."""

    def rows(self, start: int, stop: int) -> bytes:
        """Rows `start` to `stop`, one after another. Raises `IndexError`."""

def amt_roots(data: _ByteBuffer, *, development: bool = False) -> tuple[bytes, tuple[bytes, bytes, bytes]]:
    """The data root and the roots of the cosets that a blob is encoded to. Raises `BlobSizeError`."""

def amt_recover(rows: Sequence[tuple[int, _ByteBuffer]], *, development: bool = False) -> bytes:
    """The blob of which at least 1,024 different rows are given, each with its index. If rows were wrong, so is the blob: compare roots.

    Raises `RecoveryError`.
    """

def amt_coset_root(rows: Sequence[_ByteBuffer]) -> bytes:
    """The Merkle root of the 1,024 rows of a coset. Raises `ValueError`."""

def amt_row_path(row: _ByteBuffer, row_index: int, path: _ByteBuffer, coset_roots: Sequence[bytes], data_root: bytes) -> bool:
    """Whether a row is that of a blob: its siblings (10 of 32 bytes, from the bottom) lead to its coset's root, those to the data root."""

def amt_slice_parts(slice: _ByteBuffer) -> tuple[int, bytes, bytes, tuple[bytes, bytes, bytes]]:  # noqa: A002 - the kernel's name.
    """Row index, row, siblings and coset roots of a well-formed slice. What they claim is not checked. Raises `SliceError`."""

def amt_sample(row: _ByteBuffer, subline: int) -> tuple[bytes, list[bytes]]:
    """1 KiB of a row and its 5 siblings inside the row, from the bottom. Raises `ValueError`, `IndexError`."""

# ---- abi ---------------------------------------------------------------------------------------------------------

_AbiValue: TypeAlias = bool | int | str | bytes | Sequence[_AbiValue]

def abi_encode(types: Sequence[str], values: Sequence[_AbiValue]) -> bytes:
    """Encode as a function's arguments. Addresses as 20 bytes or `0x…` text; tuples as sequences. Raises `DecodeError`."""

def abi_decode(types: Sequence[str], data: bytes) -> tuple[_AbiValue, ...]:
    """Decode a function's arguments; addresses and byte strings as bytes, arrays as lists, tuples as tuples. Raises `DecodeError`."""

def typed_data_hash(typed_data_json: bytes) -> bytes:
    """EIP-712 digest of an `eth_signTypedData_v4` document. Raises `DecodeError`."""

# ---- transactions ------------------------------------------------------------------------------------------------

@final
class Transaction:
    """A transaction before it is signed (types 0, 1, 2 and 4)."""

    def __new__(
        cls,
        *,
        kind: int,
        chain_id: int | None,
        nonce: int,
        gas_limit: int,
        max_fee_per_gas: int,
        max_priority_fee_per_gas: int | None = None,
        to: bytes | None = None,
        value: int = 0,
        data: bytes = b"",
        access_list: Sequence[tuple[bytes, Sequence[bytes]]] = (),
        authorization_list: Sequence[tuple[int, bytes, int, int, int, int]] = (),
    ) -> Transaction:
        """`max_fee_per_gas` is the gas price of types 0 and 1. Authorizations are (chain id, address, nonce, y parity, r, s)."""

    def signing_hash(self) -> bytes: ...
    def sign(self, private_key: bytes) -> bytes:
        """EIP-2718 bytes, signed."""

    def unsigned(self, sender: bytes) -> tuple[bytes, bytes]:
        """EIP-2718 bytes with zeros in place of a signature, and the RPC object of a pending transaction of `sender`."""

    def impersonate(self, sender: bytes) -> bytes:
        """EIP-2718 bytes that carry `sender` in place of a signature (r = sender, s = 1), for `Pool.add(impersonated=True)` only."""

@final
class DecodedTransaction:
    """What a signed transaction says."""

    hash: bytes
    sender: bytes
    kind: int
    chain_id: int | None
    nonce: int
    gas_limit: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int | None
    to: bytes | None
    value: int
    data: bytes

def decode_transaction(raw: bytes) -> DecodedTransaction:
    """Decode and recover the sender. Raises `DecodeError`, `SignatureError`."""

def transaction_json(raw: bytes) -> bytes:
    """The RPC object of a pending transaction. Raises `DecodeError`, `SignatureError`."""

# ---- ledger ------------------------------------------------------------------------------------------------------

@final
class BlockSummary:
    """The fields of a block's header that the node itself works with."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    gas_limit: int
    gas_used: int
    base_fee_per_gas: int
    excess_blob_gas: int
    blob_gas_used: int
    state_root: bytes
    beneficiary: bytes
    transaction_count: int
    logs_bloom: bytes

@final
class BlockEnv:
    """What the producer decides about a block."""

    def __new__(
        cls,
        *,
        timestamp: int,
        gas_limit: int,
        base_fee_per_gas: int,
        beneficiary: bytes,
        prev_randao: bytes,
        extra_data: bytes = b"",
        parent_beacon_block_root: bytes = ...,
        excess_blob_gas: int = 0,
        withdrawals: Sequence[tuple[int, int, bytes, int]] = (),
    ) -> BlockEnv:
        """Withdrawals are (index, validator index, address, gwei)."""

@final
class Rejection:
    """Why a transaction or call cannot run, with the facts that the message needs.

    Kinds and facts:
    `already_known` · `nonce_too_low` {next_nonce, tx_nonce} · `nonce_too_high` {next_nonce, tx_nonce} ·
    `replacement_underpriced` · `underpriced` {tip_needed, tip} · `insufficient_funds` {balance, cost, queued_cost} ·
    `intrinsic_gas` {gas_limit, needed} · `floor_gas` {gas_limit, needed} · `exceeds_block_gas_limit` {gas_limit, block_gas_limit} ·
    `exceeds_transaction_gas_limit` {gas_limit, maximum} · `fee_cap_below_base_fee` {max_fee, base_fee} ·
    `tip_above_fee_cap` {tip, max_fee} · `wrong_chain_id` {have, want} · `unprotected` · `unsupported_type` {kind} ·
    `bad_encoding` {detail} · `bad_signature` {detail} · `initcode_too_large` {size, maximum} · `sender_has_code` {sender} ·
    `empty_authorization_list` · `authorization_creates` · `nonce_maximum` · `pool_full` {capacity} · `account_limit` {limit} ·
    `oversized` {size, maximum} · `gas_overflow` · `not_a_precompile` {address} · `precompile_moved_to_itself` {address} ·
    `already_overridden` {address} · `fees_before_london` · `insufficient_transfer` · `other` {detail}

    `queued_cost` is what the sender's other executable transactions cost; 0 when the balance covers not even this one alone.
    """

    kind: str
    facts: dict[str, int | str | bytes]
    gas_limit: int | None
    """What an estimate tried; none for everything else."""

@final
class CallRequest:
    """One message call on top of a state; nothing it changes is kept."""

    def __new__(
        cls,
        *,
        sender: bytes = ...,
        to: bytes | None = None,
        gas_limit: int | None = None,
        gas_price: int | None = None,
        max_fee_per_gas: int | None = None,
        max_priority_fee_per_gas: int | None = None,
        value: int = 0,
        data: bytes = b"",
        nonce: int | None = None,
        access_list: Sequence[tuple[bytes, Sequence[bytes]]] | None = None,
        authorization_list: Sequence[tuple[int, bytes, int, int, int, int]] | None = None,
        blob_hashes: Sequence[bytes] | None = None,
        max_fee_per_blob_gas: int | None = None,
        state_overrides: Sequence[AccountOverride] = (),
        block_overrides: BlockOverride | None = None,
        gas_cap: int = 50_000_000,
        time_limit_s: float = 5.0,
    ) -> CallRequest:
        """`gas_limit` above `gas_cap` is lowered to it.

        Without any price the balance is not charged for gas and BASEFEE is 0, as in geth.
        """

@final
class AccountOverride:
    """State that a call pretends (geth's state override set)."""

    def __new__(
        cls,
        address: bytes,
        *,
        balance: int | None = None,
        nonce: int | None = None,
        code: bytes | None = None,
        state: Sequence[tuple[bytes, bytes]] | None = None,
        state_diff: Sequence[tuple[bytes, bytes]] | None = None,
        move_precompile_to: bytes | None = None,
    ) -> AccountOverride:
        """`state` replaces all storage of the account, `state_diff` single slots; both are (slot, value) of 32 bytes."""

@final
class BlockOverride:
    """Block fields that a call pretends (geth's block overrides)."""

    def __new__(
        cls,
        *,
        number: int | None = None,
        timestamp: int | None = None,
        gas_limit: int | None = None,
        beneficiary: bytes | None = None,
        prev_randao: bytes | None = None,
        base_fee_per_gas: int | None = None,
        blob_base_fee: int | None = None,
        parent_beacon_block_root: bytes | None = None,
        withdrawals: Sequence[tuple[int, int, bytes, int]] | None = None,
    ) -> BlockOverride:
        """The last two are for simulated blocks; withdrawals are (index, validator index, address, gwei)."""

@final
class CallOutcome:
    """How a call ended."""

    status: Literal["success", "revert", "halt"]
    output: bytes
    """Return data, or revert data."""
    gas_used: int
    """Gas used; for `estimate` the smallest sufficient gas limit."""
    halt: str
    """For `halt`: `out of gas`, `invalid opcode: …`, `stack underflow`, … in geth's words; else empty."""

@final
class SimulationRefusal:
    """Why a simulation ended without a result."""

    kind: Literal["call", "block_gas", "timed_out"]
    rejection: Rejection | None
    """Of a call that could not begin, and of overrides that contradict each other."""
    sender: bytes
    """Of that call."""
    gas_limit: int
    """Of that call, or of the block."""
    gas_used: int
    """By earlier calls of the block."""

@final
class Executed:
    """A block that was executed on top of its parent but is not part of the chain (yet)."""

    summary: BlockSummary
    included: list[bytes]
    """Hashes of the transactions in the block."""
    dropped: list[tuple[bytes, Rejection]]
    """Transactions that could not be included, with the reason."""

    def block_json(self, full: bool) -> bytes: ...
    def header_json(self) -> bytes: ...
    def receipts_json(self) -> bytes: ...

@final
class Front:
    """Answers plain reads from the socket, on a thread of its own."""

    def take(self) -> list[tuple[int, bytes, bytes, bool]]:
        """Connections for the server since the last time: descriptor (now the caller's), bytes still to be sent, bytes read and not
        answered, and whether earlier requests were answered.

        Raises `RuntimeError` when the front has ended by itself.
        """

    def take_counts(self) -> list[tuple[str, int, float]]:
        """What was answered since the last time: method, calls, seconds."""

    def stop(self) -> None:
        """Accept nobody more and close the connections that wait for nothing. What was handed over can still be taken."""

@final
class Ledger:
    """The chain's state machine and store: one writer, any number of readers."""

    chain_id: int
    genesis_hash: bytes

    @staticmethod
    def open(
        path: str | None,
        genesis_json: bytes,
        *,
        checkpoint_blocks: int = 1024,
        checkpoint_seconds: float = 30.0,
        history_blocks: int | None = None,
        threads: int = 0,
    ) -> Ledger:
        """Open the ledger in folder `path`, or one in memory; `genesis_json` is in geth's form.

        `history_blocks` bounds how far back state can be read (`None`: all); `threads` 0 takes one a core.
        Raises `GenesisMismatchError`, `LedgerBusyError`, `LedgerCorruptError`, `LedgerOldFormatError`, `LedgerFailedError`, `DecodeError`.
        """

    def close(self) -> None:
        """Write a checkpoint and let go of the files; every later call raises `LedgerFailedError`."""

    def checkpoint(self) -> None:
        """Fold what the block log holds beyond the last checkpoint into the tables."""

    # front

    def open_front(
        self,
        *,
        listener: int,
        wake: int,
        hosts: Sequence[bytes],
        idle_s: float,
        connections_max: int,
        gas_cap: int,
        time_limit_s: float,
    ) -> Front:
        """Answer plain reads on the connections of the listening socket `listener`, whose `Host` is one of `hosts`, from now on.

        Every other connection is for `Front.take`; the socket `wake` gets a byte when there are some. Both sockets are descriptors
        that do not block and stay the caller's. Raises `OSError`.
        """

    def quick_answer(self, body: bytes, gas_cap: int, time_limit_s: float) -> tuple[str, bytes] | None:
        """Method and JSON-RPC answer when `body` is a plain read of the newest state that succeeds; `None` leaves it to the methods.

        Plain are eth_blockNumber, eth_chainId, eth_getBalance and eth_call as libraries write them, with a number as id.
        """

    # blocks
    def head(self) -> BlockSummary: ...
    def block(self, block: int | bytes) -> BlockSummary | None:
        """Summary by number or hash."""

    def block_json(self, block: int | bytes, full: bool) -> bytes | None:
        """The RPC block object, with whole transactions if `full`, else their hashes."""

    def header_json(self, block: int | bytes) -> bytes | None:
        """The RPC block object without transactions and uncles, as `newHeads` pushes it."""

    def transaction_json(self, transaction_hash: bytes) -> bytes | None: ...
    def transaction_at_json(self, block: int | bytes, index: int) -> bytes | None: ...
    def raw_transaction(self, transaction_hash: bytes) -> bytes | None: ...
    def transaction_hashes(self, block: int | bytes) -> list[bytes] | None: ...
    def receipt_json(self, transaction_hash: bytes) -> bytes | None: ...
    def receipts_json(self, block: int | bytes) -> bytes | None: ...
    def logs_json(
        self,
        first: int,
        last: int,
        addresses: Sequence[bytes] = (),
        topics: Sequence[Sequence[bytes]] = (),
        removed: bool = False,
    ) -> bytes:
        """JSON array of the logs in blocks `first` to `last`; an empty position in `topics` matches everything."""

    def block_fees(self, block: int, percentiles: Sequence[float]) -> tuple[int, int, int, list[int]]:
        """(base fee, gas used, gas limit, tips at these percentiles of gas used), for `eth_feeHistory`. Raises `UnknownBlockError`."""

    def blob_fees(self, block: int) -> tuple[int, int, int]:
        """(wei for a unit of blob gas in a block, the same after it, most blob gas of such a block); all 0 before Cancun.

        Raises `UnknownBlockError`.
        """

    # blocks of others

    def import_blocks(self, blocks: Sequence[bytes], *, edits: Sequence[bytes] = (), developer: bool = False) -> list[BlockSummary]:
        """Take blocks (RLP), each on top of the newest; they are durable afterwards. `edits` are the developer edits before each.

        `developer`: they are a developer's node's, so impersonated senders count, and base fees and gas limits are as that node set them.
        Raises `BlockRefusedError` for the first that does not fit and `DecodeError` for bytes that are no block; those before it are taken.
        """

    def block_with_edits(self, number: int) -> tuple[bytes, bytes] | None:
        """RLP of a block, and the developer edits before it as `import_blocks` takes them."""

    # raw encodings and look-ups
    configuration: bytes
    """The chain's configuration as JSON, as the genesis gave it."""

    def raw_header(self, block: int | bytes) -> bytes | None:
        """RLP of the header, whose hash is the block's."""

    def raw_block(self, block: int | bytes) -> bytes | None:
        """RLP of header, transactions, uncles and withdrawals."""

    def raw_receipts(self, block: int | bytes) -> list[bytes] | None:
        """EIP-2718 bytes of each receipt, as the receipts' trie holds them."""

    def raw_transaction_at(self, block: int | bytes, index: int) -> bytes | None: ...
    def transaction_by_sender_and_nonce_json(self, sender: bytes, nonce: int) -> bytes | None:
        """Found by halving the chain over the sender's nonce. Raises `StateNotKeptError` when that history is not kept."""

    def account(self, address: bytes, at: _At = None) -> tuple[int, int, bytes, bytes] | None:
        """(nonce, balance, code hash, storage root), edits included; `None` when there is no such account."""

    # simulation
    def simulate(
        self,
        blocks: Sequence[tuple[BlockOverride, Sequence[AccountOverride], Sequence[CallRequest]]],
        at: _At = None,
        *,
        trace_transfers: bool,
        validation: bool,
        full_transactions: bool,
        gas_cap: int,
        time_limit_s: float,
    ) -> list[tuple[bytes, list[tuple[Literal["success", "revert", "halt"], bytes, int, int, str, bytes]]]] | SimulationRefusal:
        """Execute blocks on top of a state and keep nothing. Each block override names number and timestamp.

        Returns of each block its JSON without the calls, and of each call (status, output, gas used, gas used before refunds, why it
        halted, JSON array of logs). `gas_cap` bounds all calls together.
        """

    def call_series(
        self,
        bundles: Sequence[tuple[BlockOverride, Sequence[AccountOverride], Sequence[CallRequest]]],
        block: int,
        transactions_before: int | None = None,
        *,
        gas_cap: int,
        time_limit_s: float,
    ) -> list[list[tuple[Literal["success", "revert", "halt"], bytes, str]]] | SimulationRefusal:
        """Run calls one after the other, in the environment of a block and on its state, or on the one before its later transactions.

        Returns of each call (status, output, why it halted). `gas_cap` bounds each call.
        """

    # proofs
    def prove(
        self, address: bytes, slots: Sequence[bytes], at: _At = None
    ) -> tuple[tuple[int, int, bytes, bytes] | None, list[bytes], list[tuple[int, list[bytes]]]]:
        """An account as `account` gives it, the trie's nodes to it, and of each slot the value and the nodes to it.

        Proofs stand on the state root of a block, so edits that no block carries yet do not show in the newest one's.
        """

    # state
    def balance(self, address: bytes, at: _At = None) -> int:
        """Wei. Raises `UnknownBlockError`, `StateNotKeptError`, as all readers of state."""

    def nonce(self, address: bytes, at: _At = None) -> int: ...
    def code(self, address: bytes, at: _At = None) -> bytes: ...
    def storage(self, address: bytes, slot: bytes, at: _At = None) -> bytes: ...
    def call(self, request: CallRequest, at: _At = None) -> CallOutcome | Rejection: ...
    def estimate(self, request: CallRequest, at: _At = None) -> CallOutcome | Rejection:
        """Smallest gas limit with which the request succeeds (in `gas_used`), or how it fails."""

    def accounts(self, after: bytes | None = None, limit: int = 1000) -> list[tuple[bytes, int, int, bytes, list[tuple[bytes, bytes]]]]:
        """Newest accounts by address: (address, nonce, balance, code, [(slot, value)]); pass the last address for the next page."""

    # traces, as JSON; all raise `TraceRefusedError`, `UnknownBlockError`, `StateNotKeptError`
    def trace_transaction(self, transaction_hash: bytes, options: bytes) -> bytes:
        """In geth's form; `options` is the JSON of geth's trace configuration, or empty for the struct logger."""

    def trace_block(self, block: int | bytes, options: bytes) -> bytes: ...
    def trace_raw_block(self, rlp: bytes, options: bytes) -> bytes:
        """Of a block as RLP whose parent is in the chain. Raises `DecodeError` as well."""

    def trace_call(self, request: CallRequest, options: bytes, at: _At = None, index: int | None = None) -> bytes:
        """After a block or, with `index`, before that transaction of it."""

    def block_calls(self, block: int | bytes) -> bytes:
        """The calls of a block's transactions, in OpenEthereum's form."""

    def transaction_calls(self, transaction_hash: bytes, trace_address: Sequence[int] | None = None) -> bytes:
        """The calls of a transaction, or the one at a trace address; `null` when there is none."""

    def filter_calls(
        self,
        first: int,
        last: int,
        senders: Sequence[bytes] = (),
        recipients: Sequence[bytes] = (),
        after: int | None = None,
        count: int | None = None,
    ) -> bytes:
        """The calls in blocks `first` to `last` from any of `senders` to any of `recipients`; none of them means all."""

    def replay_transaction(self, transaction_hash: bytes, types: Sequence[str]) -> bytes:
        """`types` are `trace`, `vmTrace` and `stateDiff`, as for the others that replay."""

    def replay_block(self, block: int | bytes, types: Sequence[str]) -> bytes: ...
    def replay_call(self, request: CallRequest, types: Sequence[str], at: _At = None) -> bytes: ...
    def replay_calls(self, requests: Sequence[tuple[CallRequest, Sequence[str]]], at: _At = None) -> bytes:
        """Each on what the ones before it did."""

    def replay_raw_transaction(self, raw: bytes, types: Sequence[str]) -> bytes:
        """Of a signed transaction on the newest state. Raises `DecodeError` as well."""

    def access_list_json(self, request: CallRequest, at: _At = None) -> bytes:
        """What a call should announce (EIP-2930), and the gas that it then uses."""

    def storage_range_json(self, block: bytes, index: int, address: bytes, start: bytes, count: int) -> bytes:
        """Slots of a contract before transaction `index` of a block, by their hashes from `start` on."""

    # explorers
    def address_transactions(
        self, address: bytes, first: int, last: int, count: int, newest_first: bool = False
    ) -> tuple[list[tuple[int, int]], bool]:
        """Transactions with an address, as sender, recipient or inside, by (block, index), and whether there are more.

        At least `count` if there are so many, and all of a block or none of it.
        """

    def internal_operations(self, transaction_hash: bytes) -> bytes: ...
    def transaction_error(self, transaction_hash: bytes) -> bytes:
        """The data with which a transaction reverted, or nothing."""

    def call_list(self, transaction_hash: bytes) -> bytes: ...
    def contract_creator(self, address: bytes) -> tuple[bytes, bytes] | None:
        """(hash of the transaction, creator)."""

    # change
    def execute(self, env: BlockEnv, transactions: Sequence[bytes]) -> Executed:
        """Execute a block on top of the newest one, with exactly these transactions where they are valid. Nothing is written."""

    def build(self, env: BlockEnv, pool: Pool, first: bytes | None = None, limit: int | None = None) -> Executed:
        """Fill a block from the pool, by tip and nonce, up to its gas limit. Nothing is written.

        `first` names a transaction that comes first, with the earlier ones of its sender, if it can run.
        """

    def commit(self, executed: Executed, pool: Pool | None = None, in_batch: bool = False) -> BlockSummary:
        """Make an executed block the newest, durably, and take its transactions out of `pool`.

        Block, receipts, nonces and logs become visible together. Blocks that are committed `in_batch` are durable with the next `sync`
        only, or with the next one that is not. Raises `UnknownBlockError` when its parent is no longer the newest.
        """

    def sync(self) -> None:
        """Make the blocks of a batch durable."""

    def make_empty(
        self, count: int, *, timestamp: int, interval: int, gas_limit: int, beneficiary: bytes, extra_data: bytes
    ) -> list[BlockSummary]:
        """Make `count` blocks without transactions, durably and with one write for all: the first at `timestamp`, each further one
        `interval` seconds later. Base fees follow EIP-1559, PREVRANDAO is `keccak256(parent hash ‖ number as 8 bytes)`.
        """

    def unwind(self, number: int, edit_count: int = 0) -> None:
        """Go back to block `number` with the first `edit_count` edits made on top of it."""

    def transactions_after(self, number: int) -> list[bytes]:
        """The raw transactions of all blocks after `number`, in order: what an unwind to it takes back."""

    edit_count: int
    """Developer edits made on top of the newest block."""

    def set_balance(self, address: bytes, balance: int) -> None: ...
    def set_nonce(self, address: bytes, nonce: int) -> None: ...
    def set_code(self, address: bytes, code: bytes) -> None: ...
    def set_storage(self, address: bytes, slot: bytes, value: bytes) -> None: ...
    def recompute_root(self) -> bytes:
        """State root of the newest block from its flat state alone, for audits."""

    def statistics(self) -> dict[str, int]:
        """Counters: blocks, checkpoints, log_bytes, log_syncs, table_bytes, overlay_accounts, overlay_slots."""

# ---- pool --------------------------------------------------------------------------------------------------------

@final
class Pool:
    """Transactions that wait for a block: executable ones, and ones that wait for an earlier nonce."""

    def __new__(
        cls,
        *,
        capacity: int = 200_000,
        per_account: int = 100_000,
        minimum_tip: int = 0,
        allow_unprotected: bool = False,
        maximum_bytes: int = 131_072,
        signers: Sequence[bytes] | None = None,
    ) -> Pool: ...

    minimum_tip: int
    pending_gas: int
    """Sum of the gas limits of the executable transactions."""

    def add(self, ledger: Ledger, transactions: Sequence[bytes], impersonated: bool = False) -> list[bytes | Rejection]:
        """Check and keep transactions, in order; the hash of each, or why it was refused. Senders are recovered on all threads."""

    def next_nonce(self, ledger: Ledger, address: bytes) -> int:
        """The nonce after the executable transactions of `address`."""

    def transaction_json(self, transaction_hash: bytes) -> bytes | None: ...
    def transaction_at_json(self, sender: bytes, nonce: int) -> bytes | None: ...
    def raw_transaction(self, transaction_hash: bytes) -> bytes | None: ...
    def pending_hashes(self) -> list[bytes]:
        """Executable transactions in the order of arrival."""

    def content_json(self) -> bytes:
        """`{pending, queued}`, each `{sender: {nonce: transaction}}`."""

    def content_from_json(self, sender: bytes) -> bytes:
        """`{pending, queued}` of one sender, each `{nonce: transaction}`."""

    def inspect_json(self) -> bytes:
        """As `content_json`, with a line for people in place of each transaction."""

    def counts(self) -> tuple[int, int]:
        """(executable, waiting)."""

    def is_executable(self, transaction_hash: bytes) -> bool: ...
    def drop(self, transaction_hash: bytes) -> bool: ...
    def clear(self) -> None: ...
    def refresh(self, ledger: Ledger) -> None:
        """Compare all transactions with the newest state again, after an unwind or an edit."""

    def snapshot(self) -> PoolSnapshot: ...
    def restore(self, snapshot: PoolSnapshot) -> None: ...

@final
class PoolSnapshot:
    """What a pool held at one moment; costs nothing until the pool changes."""

# ---- models ------------------------------------------------------------------------------------------------------

@final
class ModelFile:
    """An open model file in the GGUF format (Llama-shaped; F32, F16, Q8_0, Q4_0, Q4_1): what it is, its tokenizer, its chat template.

    The file is mapped. Replace it by renaming: a file that is cut short while it is open ends the process.
    """

    path: Path
    size_bytes: int
    architecture: str | None
    name: str | None
    license: str | None
    parameter_count: int
    quantization: str
    """The kind that most weights of the layers have."""
    context_length: int
    layers: int
    width: int
    vocabulary_size: int
    chat_template: str | None
    """`None` where there is none, or one that does not compile; then `render_chat` says why."""
    knows_tools: bool
    begin_token: int | None
    """What texts begin with, for models that want it."""
    end_tokens: list[int]

    @staticmethod
    def open(path: str | PathLike[str]) -> ModelFile:
        """Map a file and check all of it but the weights' values. Raises `ModelRefusedError`."""

    def sha256(self) -> bytes: ...
    def encode(self, text: str, *, special: bool = False, begin: bool = False) -> list[int]:
        """Tokens of a text of at most 4 MiB, after `begin_token` if `begin`. With `special`, names of control tokens mean these.

        Raises `ModelRefusedError`.
        """

    def decode(self, tokens: Sequence[int]) -> bytes:
        """What tokens add to an answer: UTF-8 when they are taken together. Control tokens add nothing."""

    def token_text(self, token: int) -> bytes:
        """The text of one token as it stands in the file; empty if there is none."""

    def render_chat(
        self, messages: bytes, *, tools: bytes | None = None, add_generation_prompt: bool = True, now_s: int | None = None
    ) -> list[int]:
        """Tokens of a conversation; names of control tokens in its strings stay words.

        `messages` and `tools` are JSON lists; `now_s` is the time for templates that write the date. Raises `ModelRefusedError`.
        """

    def chat_text(
        self, messages: bytes, *, tools: bytes | None = None, add_generation_prompt: bool = True, now_s: int | None = None
    ) -> str:
        """The text that `render_chat` turns into tokens."""

# ---- the exact engine --------------------------------------------------------------------------------------------

def exact_paths() -> list[str]:
    """Names of the ways to compute that this processor has, the fastest first. All give the same bits."""

def trace_root(digests: Sequence[bytes]) -> bytes | None:
    """The commitment to the logits of an answer's tokens, from their digests in order; `None` for none.

    A leaf is keccak256(00, digest), a node keccak256(01, left, right), an odd last node moves up; the root is keccak256(02, count, node).
    """

@final
class SamplingParameters:
    """How an answer is sampled. Raises `ValueError` for what is out of its range."""

    max_tokens: int
    temperature: float
    seed: int
    top_logprobs: int | None
    trace: bool

    def __new__(
        cls,
        max_tokens: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        min_p: float = 0.0,
        seed: int = 0,
        frequency_penalty: float = 0.0,
        presence_penalty: float = 0.0,
        repetition_penalty: float = 1.0,
        logit_bias: Mapping[int, float] | None = None,
        end_tokens: Sequence[int] | None = None,
        top_logprobs: int | None = None,
        trace: bool = False,
    ) -> Self:
        """`temperature` 0 always takes the most probable token, of equals that with the lowest number. `top_k` 0 means all.

        Cut in this order: `top_k`, `top_p` of what that leaves, `min_p`. The dice depend on `seed` and on the place in the answer.
        `end_tokens` are the model's, if not given. At most 64 `top_logprobs`. With `trace`, events commit to their logits.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class TokenEvent:
    """A token of an answer. Logprobs are natural logarithms of what the model gives, before biases, penalties and temperature."""

    sequence: int
    token: int
    logprob: float
    top: list[tuple[int, float]]
    """As many of the most probable tokens as were asked for, each with its logprob."""
    finish: Literal["stop", "length"] | None
    """`stop`: this is an end token. `length`: as many tokens as were asked for, or the context is full."""
    digest: bytes | None
    """SHA-256 of all logits as little-endian f32, with a trace."""
    trace_root: bytes | None
    """With the last event of a trace, the commitment to all of them."""
    cached_tokens: int
    """Tokens of the prompt that had been computed for another."""

@final
class Score:
    """An answer beside what sampling gives with the same dice, up to the first difference."""

    position: int | None
    """Of the first difference, counted in all tokens; `None` if there is none."""
    given: int | None
    expected: int | None
    logprobs: list[float]
    """Of the answer's tokens, up to and with the one that differs, or all."""
    tops: list[list[tuple[int, float]]]
    trace_root: bytes | None
    """If a trace was asked for, and nothing differs."""

@final
class Decoder:
    """A model at work for several requests at once.

    The same tokens give the same answers bit for bit, whatever the processor, the threads, the other requests and the order of arrival.
    Calls release the GIL; they may come from any thread, and wait for each other.
    """

    version: str
    """Changes whenever the same request could give other tokens."""
    slots: int
    context: int
    threads: int
    path: str
    running: int
    """Sequences that have not finished."""

    def __new__(
        cls, model: ModelFile, *, slots: int = 8, context: int | None = None, threads: int | None = None, path: str | None = None
    ) -> Self:
        """Pack the weights (a tenth of a second for 100 MB). If not given, `context` is the model's, `threads` the processors'.

        Raises `ModelRefusedError`, `ValueError`, `OSError`.
        """

    def add(self, prompt: Sequence[int], parameters: SamplingParameters) -> int:
        """Begin an answer; returns the number of its sequence. What the prompt has in common with an earlier one is not computed again.

        Raises `DecoderFullError`; `ValueError` for tokens that there are not, or too many of them; `OSError` without memory.
        """

    def step(self) -> list[TokenEvent]:
        """One round: a part of the prompts that wait, and a token for each sequence whose prompt is computed. Empty when nothing runs.

        A sequence that has finished frees its slot. Raises `ModelRefusedError` for a model whose weights give no numbers, and `OSError`;
        then no sequence is left.
        """

    def cancel(self, sequence: int) -> bytes | None:
        """End a sequence; nothing happens to one that has finished. Returns the commitment to what was sampled, with a trace."""

    def cached_tokens(self, sequence: int) -> int:
        """Tokens of its prompt that had been computed for another. Raises `ValueError` for a sequence that does not run."""

    def score(self, tokens: Sequence[int], first: int, parameters: SamplingParameters, *, to_end: bool = False) -> Score:
        """Sample again what stands in `tokens` from `first` on, given the tokens before; ends at the first difference, unless `to_end`.

        `max_tokens` and `end_tokens` do not count here. Other sequences get their turn in between. Raises as `add` and `step` do.
        """

    def embed(self, tokens: Sequence[int]) -> bytes:
        """The mean of the tokens' last hidden states, scaled to a length of one: `width` numbers of f32, little-endian.

        Raises as `score` does.
        """

    def idle_release(self) -> None:
        """Give back memory that only makes it faster: packed weights, beginnings of prompts, working memory. It comes again when needed."""
