"""A client of key-value streams: reads of one node, and writes through storage that return when the node has applied them."""

from dataclasses import dataclass, field, replace
from typing import Final

from zerog.chain.client import ChainClient
from zerog.primitives import Address
from zerog.primitives.errors import DeadlineError
from zerog.runtime.deadlines import TimeLimit, left_s, time_limit
from zerog.storage.client.client import StorageClient
from zerog.storage.client.connection import PeerLimits
from zerog.storage.client.encrypting import Encryption
from zerog.storage.client.errors import PeerError, PeerRefusedError, WaitTimeoutError
from zerog.storage.client.kv import calls
from zerog.storage.client.kv.batch import Batch, SealedBatch
from zerog.storage.client.kv.errors import (
    NoChainError,
    NoWriterError,
    ResultTimeoutError,
    StreamNotFollowedError,
    WriteTimeoutError,
    rejection,
)
from zerog.storage.client.kv.names import StreamName, stream_id
from zerog.storage.client.kv.proving import Prover
from zerog.storage.client.kv.reading import VALUE_BYTES_MAX, KvNodeClient
from zerog.storage.client.kv.results import ProvedValue, Written
from zerog.storage.client.results import StoredFragment, Upload
from zerog.storage.client.uploading import UploadOptions
from zerog.storage.client.waiting import Deadline, of_step, within
from zerog.storage.protocol.encryption import FileKeys

__all__ = ["KvClient", "WriteOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How a batch is written."""

    upload: UploadOptions = field(default_factory=UploadOptions)
    """How it is stored; tags, fragments and what is skipped are the batch's own."""


RESULT_S_MAX: Final = 60.0
"""Until the node tells the result, after the batch is stored, where the caller does not say how long a write may take."""
PASSED_BY_S: Final = 1.0
"""So long a node must have passed a batch by, before it is believed not to follow the streams."""
DEFAULT_WRITE: Final = WriteOptions()


class KvClient(KvNodeClient):
    """Reads from one key-value node, and writes through storage. For any number of threads; close it, or use it in a `with` block.

    What storage and chain refuse on the way of a write is raised as `StorageClient.upload` raises it.

    `timeout_s` is how long a method may take as a whole, and ends it with a `WaitTimeoutError`, or `ResultTimeoutError` once a batch is
    stored. Without it, every single wait for the node ends within the `limits`.
    """

    def __init__(
        self,
        url: str,
        *,
        storage: StorageClient | None = None,
        chain: ChainClient | None = None,
        flow: Address | None = None,
        limits: PeerLimits | None = None,
    ) -> None:
        """`storage` is needed to write, with an account that pays and so is the sender; a `chain` that is trusted and the address of the
        flow's contract to prove what the node says. Storage and chain stay the caller's to close."""
        super().__init__(url, limits)
        self._storage: Final = storage
        self._chain: Final = chain
        self._flow: Final = flow
        self._lists_items = True

    # ---- writes --------------------------------------------------------------------------------------------------

    def put(
        self,
        stream: StreamName,
        key: bytes,
        value: bytes,
        options: WriteOptions = DEFAULT_WRITE,
        *,
        version: int | None = None,
        encrypt: Encryption | None = None,
        timeout_s: float | None = None,
    ) -> Written:
        """Write one key; with a `version` only if it was not written after that submission. Raises as `write`.

        A batch that is announced on chain and whose bytes never come holds up its streams, for every writer. To be able to bring them after
        a failure on the way, seal a `Batch` and give it to `write`, again if need be.
        """
        return self.write(Batch(version=version).set(stream, key, value), options, encrypt=encrypt, timeout_s=timeout_s)

    def delete(
        self,
        stream: StreamName,
        key: bytes,
        options: WriteOptions = DEFAULT_WRITE,
        *,
        version: int | None = None,
        encrypt: Encryption | None = None,
        timeout_s: float | None = None,
    ) -> Written:
        """Delete one key. Raises as `write`; see `put` for what a failure on the way leaves behind."""
        return self.write(Batch(version=version).delete(stream, key), options, encrypt=encrypt, timeout_s=timeout_s)

    def write(
        self,
        batch: Batch | SealedBatch,
        options: WriteOptions = DEFAULT_WRITE,
        *,
        encrypt: Encryption | None = None,
        timeout_s: float | None = None,
    ) -> Written:
        """Store a batch, and return once the node has applied it: what it wrote is what the node reads from then on.

        By default the batch is stored within what `StorageClient.upload` gives, and then the node has 60 s for its result; a `timeout_s` is
        for both together. Raises `BatchRejectedError` if it has no effect, `StreamNotFollowedError`, `NoWriterError`, `BatchInvalidError`,
        and `PeerError`, before anything is paid, if the node does not answer; when the time is over `WriteTimeoutError`, and
        `ResultTimeoutError` once the batch is stored.

        The order of the batches is that in which the chain heard of them. One that was announced there and whose bytes never came to the
        storage nodes holds up its streams, for every writer, until they come: give the same sealed batch again. What is there of it is
        found, and neither paid nor written twice.
        """
        sealed = batch if isinstance(batch, SealedBatch) else batch.seal(encrypt)
        if self._storage is None:
            raise NoWriterError
        stored: list[StoredFragment] = []

        def late(limit: TimeLimit) -> DeadlineError:
            if stored:
                return ResultTimeoutError(self.url, stored[0].tx_seq, limit.timeout_s)
            return WriteTimeoutError("the batch is not stored", limit.timeout_s, limit.known, batch=sealed)

        with time_limit(timeout_s, late):
            self.status()  # Who cannot be asked for the result is better known before the batch is paid for.
            upload = self._storage.upload(
                sealed.data, replace(options.upload, tags=sealed.tags, fragment_bytes=len(sealed.data), skip_present=True)
            )
            stored += upload.fragments
            self._await_result(stored[0], sealed)
        return _written(stored[0], upload, sealed)

    def _await_result(self, stored: StoredFragment, sealed: SealedBatch) -> None:
        """From here on it is paid, so a node that is away for a moment is waited for as one that is late."""
        tx_seq = stored.tx_seq
        result: str | None = None
        trouble: PeerError | None = None
        pauses, patience = of_step(RESULT_S_MAX).pauses("there is no result"), Deadline(min(PASSED_BY_S, left_s(RESULT_S_MAX) / 2))
        while True:
            try:
                if (result := self._result_of(stored)) is not None:
                    break
                if not self._passes_by(tx_seq, sealed):
                    patience = Deadline(patience.timeout_s)
                elif patience.left_s() <= 0:
                    raise StreamNotFollowedError(self.url, tx_seq, sealed.streams)
            except PeerError as error:
                trouble = error
            try:
                next(pauses)
            except WaitTimeoutError:
                raise ResultTimeoutError(self.url, tx_seq, RESULT_S_MAX) from trouble
        if (refusal := rejection(tx_seq, result)) is not None:
            raise refusal

    def _passes_by(self, tx_seq: int, sealed: SealedBatch) -> bool:
        """Whether the node is beyond the submission and does not follow all of its streams; or it has not noticed yet that the chain went
        back, and is beyond another one of that number."""
        return self.progress().applied_seq > tx_seq and not set(sealed.streams) <= set(self.holding_streams())

    def _result_of(self, stored: StoredFragment) -> str | None:
        """The result of this very batch: where a chain went back, a node that has not noticed yet has another with the same number."""
        result = self.result(stored.tx_seq)
        if result is None or not self._lists_items:
            return result
        try:
            page = self.items(stored.tx_seq, count=1)
        except PeerRefusedError as error:
            if not error.method_is_unknown:
                raise
            self._lists_items = False
            return result
        same = [item for item in page.items if (item.tx_seq, item.root) == (stored.tx_seq, stored.root)]
        return same[0].result if same else None

    # ---- proofs --------------------------------------------------------------------------------------------------

    def get_proved(
        self,
        stream: StreamName,
        key: bytes,
        *,
        version: int | None = None,
        keys: FileKeys | None = None,
        bytes_max: int = VALUE_BYTES_MAX,
        timeout_s: float | None = None,
    ) -> ProvedValue | None:
        """As `get`, with every byte held against the chain. `keys` open the items of an encrypted stream.

        Raises `ProofInvalidError`, `ValueTooLargeError`, `NoChainError`. Official nodes refuse.
        """
        if self._chain is None or self._flow is None:
            raise NoChainError
        prover = Prover(url=self.url, chain=self._chain, flow=self._flow, storage=self._storage)
        with within(timeout_s, "the value is not proved"):
            found = self._run(calls.proof(stream_id(stream), key, version))
            if found is None:
                return None
            return prover.prove(found, stream_id(stream), key, version=version, keys=keys, bytes_max=bytes_max)


def _written(stored: StoredFragment, upload: Upload, sealed: SealedBatch) -> Written:
    return Written(
        tx_seq=stored.tx_seq,
        root=stored.root,
        transaction_hash=stored.transaction_hash,
        size_bytes=stored.size_bytes,
        fee_wei=upload.fee_wei,
        streams=sealed.streams,
    )
