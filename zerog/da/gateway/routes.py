"""Samples and lists over HTTP: `GET /sample/{root}/{row}/{subline}` and `GET /blobs`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from zerog.da.client.asynchronous import AsyncDaClient
from zerog.da.gateway.errors import GatewayError
from zerog.da.gateway.samples import Samples
from zerog.da.protocol.status import LIST_LIMIT_MAX, BlobStatus, ListedBlob
from zerog.da.wire.gateway import BlobsAnswer, ListedAnswer
from zerog.primitives import Hash32
from zerog.runtime.http.asgi import JSON, Receive, Scope, Send, respond
from zerog.runtime.http.errors import MethodNotAllowedError
from zerog.runtime.jsonrpc.envelope import encode_value

__all__ = ["BLOBS_PATH", "SAMPLE_PATH", "ReadRoutes"]

SAMPLE_PATH: Final = "/sample"
BLOBS_PATH: Final = "/blobs"
HEADERS: Final = (JSON, (b"x-content-type-options", b"nosniff"))
PARTS: Final = 3
DIGITS_MAX: Final = 20
LIMIT: Final = 100


@dataclass(eq=False)
class AddressError(GatewayError):
    """A path or a query that says nothing to us."""

    cause: str

    code = "address_invalid"
    remedy = "ask for /sample/0xROOT/ROW/SUBLINE?epoch=E&quorum=Q, or /blobs?status=S&cursor=C&limit=N"

    def __str__(self) -> str:
        return self.cause


class ReadRoutes:
    """Applications for both paths."""

    def __init__(self, samples: Samples, da: AsyncDaClient) -> None:
        self._samples: Final = samples
        self._da: Final = da

    async def answer_sample(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """A kibibyte with its path, as JSON."""
        _check_method(scope)
        parts = str(scope["path"]).removeprefix(f"{SAMPLE_PATH}/").split("/")
        query = _query(scope)
        if len(parts) != PARTS:
            raise AddressError("a sample is named by a root, a row and a sub-line")
        try:
            root = Hash32.from_json(parts[0])
        except ValueError as error:
            raise AddressError(f"{parts[0]!r} is no root: {error}") from None
        row_index, subline_index = (_number(part, "row or sub-line") for part in parts[1:])
        epoch, quorum_id = (_number(query[name], name) if name in query else None for name in ("epoch", "quorum"))
        if (epoch is None) != (quorum_id is None):
            raise AddressError("an epoch goes with a quorum, and a quorum with an epoch")
        answer = await self._samples.sample(root, row_index, subline_index, epoch=epoch, quorum_id=quorum_id)
        await respond(send, 200, encode_value(answer), *HEADERS)

    async def answer_blobs(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """A page of the disperser's list."""
        _check_method(scope)
        query = _query(scope)
        limit = _number(query["limit"], "limit") if "limit" in query else LIMIT
        page = await self._da.blobs(query.get("cursor", ""), status=_status(query.get("status", "")), limit=min(limit, LIST_LIMIT_MAX))
        answer = BlobsAnswer(blobs=[_listed(blob) for blob in page.blobs], next_cursor=page.next_cursor)
        await respond(send, 200, encode_value(answer), *HEADERS)


def _listed(blob: ListedBlob) -> ListedAnswer:
    state, name = blob.state, blob.state.name
    return ListedAnswer(
        request_id=blob.request_id,
        status=state.status.name,
        step=state.step,
        reason=state.reason,
        size_bytes=blob.size_bytes,
        received_ms=blob.received_ms,
        root=None if name is None else name.root,
        epoch=None if name is None else name.epoch,
        quorum=None if name is None else name.quorum_id,
    )


def _check_method(scope: Scope) -> None:
    if scope["method"] not in ("GET", "HEAD"):
        raise MethodNotAllowedError(scope["method"], "GET, HEAD")


def _query(scope: Scope) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, strict_parsing=bool(scope["query_string"])))
    except ValueError as error:
        raise AddressError(f"the query cannot be read: {error}") from None


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX and int(text) < 1 << 64):
        raise AddressError(f"{what}: {text[:40]!r} is no number")
    return int(text)


def _status(text: str) -> BlobStatus:
    try:
        return BlobStatus[text.upper()] if text else BlobStatus.UNKNOWN
    except KeyError:
        raise AddressError(f"there is no status {text[:40]!r}: {', '.join(status.name for status in BlobStatus)}") from None
