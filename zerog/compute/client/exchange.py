"""One charged request: sent as it is kept, read to its end, and held against what the provider signs of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from zerog.chain.client.wallet import Spending
from zerog.compute.client.connection import ProviderConnection
from zerog.compute.client.errors import ComputeTimeoutError, ProviderAnswerError, ProviderRefusedError
from zerog.compute.client.market import Contracts
from zerog.compute.client.sealing import SealedTalk
from zerog.compute.client.verifying.kinds import JSON_TYPE, Kind
from zerog.compute.client.verifying.offline import Content, check_bytes
from zerog.compute.client.words import completion_id
from zerog.compute.protocol.constants import BODY_BYTES_MAX, RESPONSE_KEY_HEADER
from zerog.compute.protocol.fees import Usage
from zerog.compute.protocol.signing import sha256_hash
from zerog.compute.wire.answer_file import AnswerFile, SavedEvidence, SavedRequest, SavedResponse
from zerog.compute.wire.provider import ReceiptAnswer, SignatureAnswer, SignedReceipt
from zerog.contracts.compute import InferenceService
from zerog.primitives import Wei
from zerog.runtime.deadlines import TimeLimit, note_state
from zerog.runtime.files import write_atomically
from zerog.runtime.outgoing import httpx

__all__ = ["Answer", "Asked", "Exchange"]

ANSWER_S: Final = 300.0
"""How long a provider may be silent while it answers."""
NOT_FOUND: Final = (404, 501)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    text: str
    """What the model says in a chat; empty for all else."""
    request_id: str
    """By which the provider knows its signature and receipt."""
    body: bytes = field(repr=False)
    """As it came; in clear where it came encrypted."""
    file: AnswerFile
    """All that proves it."""

    @property
    def usage(self) -> Usage | None:
        """What was charged for; `None` where the provider gives no receipts."""
        return None if self.file.receipt is None else self.file.receipt.receipt.usage

    @property
    def fee_wei(self) -> Wei | None:
        """Likewise."""
        return None if self.file.receipt is None else Wei(int(self.file.receipt.receipt.fee))

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all. With the key of an encrypted exchange; `file.without_opening` leaves that out."""
        write_atomically(path, self.file.to_bytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request and whom it goes to."""

    service: InferenceService
    contracts: Contracts
    chain_id: int
    kind: Kind
    model: str
    body: bytes = field(repr=False)
    """As it is sent."""
    content_type: str = JSON_TYPE
    key: str = field(repr=False)
    evidence: bytes | None = field(repr=False)
    """What the provider has shown of its enclave."""
    talk: SealedTalk | None = None
    """Where it is encrypted."""


class Exchange:
    """A request on its way, and its answer. Use it in a `with` block.

    Whoever leaves early pays for the whole answer, which the provider finishes without a listener.
    """

    def __init__(self, connection: ProviderConnection, asked: Asked, spending: Spending, timeout_s: float | None = None) -> None:
        """`timeout_s` is how long each step may take; without it a provider may be silent for 300 s."""
        self._connection: Final = connection
        self._asked: Final = asked
        self._spending: Final = spending
        self._timeout_s: Final = timeout_s
        self._stack: Final = ExitStack()
        self._received: Final = bytearray()
        self._response: httpx.Response | None = None

    def __enter__(self) -> Self:
        asked = self._asked
        try:
            self._response = self._stack.enter_context(
                self._connection.ask("POST", asked.kind.path, asked.body, key=asked.key, answer_s=ANSWER_S, content_type=asked.content_type)
            )
        except ProviderRefusedError:
            self._spending.wei = 0  # A refused request is not charged.
            raise
        note_state(self._taken)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    @property
    def request_id(self) -> str:
        """By which the provider knows signature and receipt; there as soon as the first byte is."""
        return self._head.headers.get(RESPONSE_KEY_HEADER, "") or completion_id(bytes(self._received), self._connection.url)

    @property
    def media_type(self) -> str:
        """Of the answer, without parameters."""
        return str(self._head.headers.get("content-type", "")).split(";", 1)[0].strip().lower()

    def pieces(self) -> Iterator[bytes]:
        """The answer as it comes, which is kept."""
        for piece in self._connection.pieces(self._head, BODY_BYTES_MAX):
            self._received.extend(piece)
            yield piece

    def received(self) -> bytes:
        """All that came so far."""
        return bytes(self._received)

    def proven(self, text: str = "") -> Answer:
        """Ask for signature and receipt once all has come, and hold them against the bytes. Raises `AnswerRefutedError`."""
        request_id, talk = self.request_id, self._asked.talk
        signature = self._connection.get(f"/v1/proxy/signature/{request_id}?model={self._asked.service.params.model}", SignatureAnswer)
        file = self._file(signature, self._receipt(request_id))
        content = check_bytes(file)
        if file.receipt is not None:
            self._spending.wei = int(file.receipt.receipt.fee)
        if content.answer is None or (talk is not None and not content.is_sealed):
            raise ProviderAnswerError(self._connection.url, "its answer does not open")
        return Answer(text, request_id, _clear(content), file)

    @property
    def _taken(self) -> str:
        """In words, for whoever cannot wait for the end."""
        request_id = self._head.headers.get(RESPONSE_KEY_HEADER, "")
        return f"{self._connection.url} has taken request {request_id}".rstrip() + ", and charges for its answer"

    def _late(self, limit: TimeLimit) -> ComputeTimeoutError:
        return ComputeTimeoutError("the answer has not gone on", limit.timeout_s, (self._taken,))

    @property
    def _head(self) -> httpx.Response:
        if self._response is None:
            raise RuntimeError("an exchange is used in a `with` block")
        return self._response

    def _file(self, signature: SignatureAnswer, receipt: SignedReceipt | None) -> AnswerFile:
        asked, received = self._asked, self.received()
        service, evidence = asked.service, asked.evidence
        return AnswerFile(
            chain_id=asked.chain_id,
            contract=asked.contracts.serving,
            provider=service.provider,
            url=service.params.url,
            model=asked.model,
            request=SavedRequest(path=asked.kind.path, content_type=asked.content_type, body=asked.body, sha256=sha256_hash(asked.body)),
            response=SavedResponse(
                status=self._head.status_code, content_type=self.media_type, body=received, sha256=sha256_hash(received)
            ),
            signature=signature,
            receipt=receipt,
            evidence=None if evidence is None else SavedEvidence(body=evidence, sha256=sha256_hash(evidence)),
            opening=None if asked.talk is None else asked.talk.opening(),
        )

    def _receipt(self, request_id: str) -> SignedReceipt | None:
        """`None` from an official provider, which gives none."""
        try:
            return self._connection.get(f"/v1/receipts/{request_id}", ReceiptAnswer).signed
        except ProviderRefusedError as error:
            if error.status in NOT_FOUND:
                return None
            raise


def _clear(content: Content) -> bytes:
    return b"" if content.answer is None else content.answer
