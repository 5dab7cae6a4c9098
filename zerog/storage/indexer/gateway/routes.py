"""The REST routes of an indexer. Source: 0gfoundation/0g-storage-client, `indexer/gateway/`."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from zerog.primitives import Hash32, decode_hook
from zerog.runtime.http.asgi import read_body
from zerog.runtime.jsonrpc.envelope import encode_value
from zerog.storage.indexer.budget import ByteBudget
from zerog.storage.indexer.errors import RelayedError, SelectionError
from zerog.storage.indexer.files import FoundFile, Name
from zerog.storage.indexer.gateway.download import Content, Download
from zerog.storage.indexer.gateway.envelope import Code, EnvelopeError, RestRoute, enveloped
from zerog.storage.indexer.gateway.headers import entity_tag, file_headers, is_same_entity, is_unchanged, wanted_range
from zerog.storage.indexer.gateway.lookup import Lookup, parse_cid, shown_entry, shown_file
from zerog.storage.indexer.locations import Locations
from zerog.storage.indexer.router import Router as NodeRouter
from zerog.storage.indexer.router.methods import merged_status
from zerog.storage.indexer.router.uploads import FINALIZED
from zerog.storage.protocol.errors import SegmentParameterError, SegmentProofError
from zerog.storage.protocol.manifest import FileEntry
from zerog.storage.protocol.merkle import verify_segment
from zerog.storage.protocol.shards import choose_replicas
from zerog.storage.wire.segments import FileProof, SegmentWithProof

__all__ = ["ROUTES", "Gateway", "make_gateway"]

CIDS_MAX: Final = 100
SEGMENT_BODY_BYTES_MAX: Final = 1 << 20
UPLOADED: Final = "Succeeded to upload segment"


class _SegmentBody(msgspec.Struct, rename={"tx_seq": "txSeq", "expected_replica": "expectedReplica"}):
    """The body of `POST /file/segment`."""

    root: str | None = None
    tx_seq: int | None = None
    data: bytes = b""
    index: int = 0
    proof: FileProof | None = None
    expected_replica: int = 1


_decode_segment: Final = msgspec.json.Decoder(_SegmentBody, dec_hook=decode_hook).decode


class Gateway:
    """Answers the routes."""

    def __init__(self, nodes: NodeRouter, locations: Locations, budget: ByteBudget, *, folder_file_bytes_max: int) -> None:
        self._nodes: Final = nodes
        self._budget: Final = budget
        self._folder_file_bytes_max: Final = folder_file_bytes_max
        self._lookup: Final = Lookup(nodes.finder, locations, nodes.reader)

    async def file(self, request: Request) -> ASGIApp:
        """`GET /file?root=…|txSeq=…[&name=…]`: a file."""
        query = request.query_params
        name = _named(query.get("root"), query.get("txSeq"))
        source = await self._lookup.source(name)
        return self._download(
            request,
            Content((source,)),
            (source.place.root,),
            name=query.get("name") or str(source.place.root),
            is_immutable=not isinstance(name, int),
        )

    async def file_in_folder(self, request: Request) -> ASGIApp:
        """`GET /file/{cid}/{path}`: a file inside a folder, or what is in a folder."""
        cid = parse_cid(request.path_params["cid"])
        entry = await self._lookup.entry(cid, request.path_params.get("path", ""))
        if not isinstance(entry, FileEntry):
            return enveloped(Code.SUCCESS, shown_entry(entry))
        if entry.size_bytes > self._folder_file_bytes_max:
            raise EnvelopeError(Code.FILE_TOO_LARGE, {"actual": entry.size_bytes, "max": self._folder_file_bytes_max})
        content = await self._lookup.content(entry)
        return self._download(request, content, entry.roots, name=entry.name, is_immutable=not isinstance(cid, int))

    async def file_info(self, request: Request) -> ASGIApp:
        """`GET /file/info/{cid}`: a file's state."""
        return enveloped(Code.SUCCESS, shown_file(await self._lookup.file(parse_cid(request.path_params["cid"]))))

    async def files_info(self, request: Request) -> ASGIApp:
        """`GET /files/info?cid=…&cid=…`: the states of several files."""
        cids = request.query_params.getlist("cid")
        if not 1 <= len(cids) <= CIDS_MAX:
            raise EnvelopeError(Code.INVALID_PARAMETER, f"from 1 to {CIDS_MAX} cids, not {len(cids)}")
        return enveloped(Code.SUCCESS, [await self._info_or_error(cid) for cid in cids])

    async def node_status(self, _request: Request) -> ASGIApp:
        """`GET /node/status`: how far the nodes are."""
        return enveloped(Code.SUCCESS, await merged_status(self._nodes))

    async def upload_segment(self, request: Request) -> ASGIApp:
        """`POST /file/segment`: one segment of a file that is on the chain."""
        segment = await self._segment_of(request)
        found = await self._lookup.file(_named(segment.root, None if segment.tx_seq is None else str(segment.tx_seq)))
        proof = segment.proof
        if proof is None:
            raise EnvelopeError(Code.INVALID_PARAMETER, "Segment proof is missing")
        place = found.place
        try:
            verify_segment(place.root, size_bytes=place.size_bytes, index=segment.index, data=segment.data, proof=proof.to_proof())
        except (SegmentParameterError, SegmentProofError) as error:
            raise EnvelopeError(Code.INVALID_PARAMETER, str(error)) from None
        nodes = await self._nodes.directory.live()
        if choose_replicas([node.shard for node in nodes if node.shard is not None], lambda shard: shard, segment.expected_replica) is None:
            raise SelectionError
        await self._upload(found, segment, proof)
        return enveloped(Code.SUCCESS, UPLOADED)

    async def _upload(self, found: FoundFile, segment: _SegmentBody, proof: FileProof) -> None:
        place = found.place
        upload = SegmentWithProof(root=place.root, data=segment.data, index=segment.index, proof=proof, file_size=place.size_bytes)
        try:
            await self._nodes.uploads.send([msgspec.Raw(encode_value(upload))], place.seq)
        except RelayedError as error:
            if FINALIZED not in f"{error.message} {error.data}":
                raise

    async def _segment_of(self, request: Request) -> _SegmentBody:
        body = await read_body(request.receive, SEGMENT_BODY_BYTES_MAX)
        try:
            segment = _decode_segment(body)
        except (msgspec.DecodeError, ValueError) as error:
            raise EnvelopeError(Code.INVALID_PARAMETER, str(error)) from None
        if not segment.data:
            raise EnvelopeError(Code.INVALID_PARAMETER, "Segment data is empty")
        return segment

    async def _info_or_error(self, cid: str) -> object:
        try:
            return shown_file(await self._lookup.file(parse_cid(cid)))
        except EnvelopeError as refusal:
            return None if refusal.envelope_code == Code.FILE_NOT_FOUND else str(refusal.data or refusal)

    def _download(self, request: Request, content: Content, roots: Sequence[Hash32], *, name: str, is_immutable: bool) -> ASGIApp:
        """The file, the part of it that is asked for, or that the client has it already."""
        size_bytes = content.size_bytes
        tag = entity_tag(roots)
        headers = file_headers(name, tag, is_immutable=is_immutable)
        asked = request.headers
        if is_unchanged(asked.get("if-none-match"), tag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        part = (0, size_bytes)
        status = HTTPStatus.OK
        if is_same_entity(asked.get("if-range"), tag):
            try:
                wanted = wanted_range(asked.get("range"), size_bytes)
            except IndexError:
                headers["Content-Range"] = f"bytes */{size_bytes}"
                return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
            if wanted is not None:
                part, status = wanted, HTTPStatus.PARTIAL_CONTENT
                headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{size_bytes}"
        return Download(self._nodes.reader, self._budget, content, part, status=status, headers=headers)


def _named(root: str | None, seq: str | None) -> Name:
    """Raises `EnvelopeError`."""
    if root:
        try:
            return Hash32.from_json(root)
        except ValueError as error:
            raise EnvelopeError(Code.INVALID_PARAMETER, f"root: {error}") from None
    if not seq:
        raise EnvelopeError(Code.INVALID_PARAMETER, "Either 'root' or 'txSeq' must be provided")
    if not (seq.isascii() and seq.isdecimal() and len(seq) < 20):
        raise EnvelopeError(Code.INVALID_PARAMETER, f"txSeq: {seq[:80]!r} is no number of a submission")
    return int(seq)


ROUTES: Final = (
    ("GET", "/file", Gateway.file),
    ("POST", "/file/segment", Gateway.upload_segment),
    ("GET", "/file/info/{cid}", Gateway.file_info),
    ("GET", "/files/info", Gateway.files_info),
    ("GET", "/node/status", Gateway.node_status),
    ("GET", "/file/{cid}", Gateway.file_in_folder),
    ("GET", "/file/{cid}/{path:path}", Gateway.file_in_folder),
)
"""Method, path and what answers; the first that fits does."""


def make_gateway(nodes: NodeRouter, locations: Locations, budget: ByteBudget, *, folder_file_bytes_max: int) -> ASGIApp:
    """The application for all REST routes."""
    gateway = Gateway(nodes, locations, budget, folder_file_bytes_max=folder_file_bytes_max)
    routes = [Route(path, RestRoute(partial(handler, gateway)), methods=[method]) for method, path, handler in ROUTES]
    return Router(routes, redirect_slashes=False)
