"""Segments that clients send, on their way to all nodes that have to hold them.

A segment counts as stored once one of its holders has it; the others fetch it from there. Data is not decoded here: what goes on is the
client's own text.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import anyio
import msgspec

from zerog.primitives import Hash32, decode_hook
from zerog.primitives.errors import ZerogError
from zerog.storage.client.calls import Call, read_answer
from zerog.storage.client.errors import PeerRefusedError, PeerUnreachableError
from zerog.storage.indexer.asking import Asked, ask_all
from zerog.storage.indexer.errors import NoNodeError, RelayedError
from zerog.storage.indexer.files import FileFinder, Name, Place
from zerog.storage.indexer.nodes import Node, NodeDirectory, covers

__all__ = ["Uploads", "present_already"]

BEHIND_S: Final = 5.0
"""How long a node that does not know a file yet, which another one knows, is waited for."""
BEHIND_PAUSE_S: Final = 0.05
UNKNOWN_TOO_LARGE: Final = "caching of large file when tx is unavailable is not supported"
MOVED: Final = "data root and tx seq not match"
FINALIZED: Final = "already uploaded and finalized"
DUPLICATE: Final = "segment has already been uploaded or is being uploaded"
"""What nodes say. Source: 0gfoundation/0g-storage-node, `node/rpc/src/zgs/impl.rs` and `node/chunk_pool/`."""
UPLOAD_S: Final = 120.0

Parts: TypeAlias = "Mapping[int, msgspec.Raw]"
"""Segments as the client wrote them, by their place in the request."""


class _SegmentHead(msgspec.Struct):
    """What it takes to know where a segment belongs; the rest is skipped."""

    root: Hash32
    index: int


_decode_head: Final = msgspec.json.Decoder(_SegmentHead, dec_hook=decode_hook).decode
_ANYTHING: Final = msgspec.json.Decoder(object)


@dataclass(slots=True)
class _Outcomes:
    """What became of the parts of one request."""

    stored: set[int] = field(default_factory=set)
    present: set[int] = field(default_factory=set)
    """Were there before."""
    errors: list[ZerogError] = field(default_factory=list)


class Uploads:
    """Sends segments on."""

    def __init__(self, directory: NodeDirectory, finder: FileFinder) -> None:
        self._directory: Final = directory
        self._finder: Final = finder

    async def send(self, segments: Sequence[msgspec.Raw], seq: int | None, *, alone: bool = False) -> None:
        """Send segments to their holders, of the submission `seq`, or by their root; `alone` if the client sends one that is in no list.

        Raises `RelayedError` in a node's words where one refuses and no other holder takes it, and `NoNodeError`.
        """
        by_place: dict[Name | None, dict[int, msgspec.Raw]] = {}
        heads: dict[int, int] = {}
        for number, raw in enumerate(segments):
            head = _head_of(raw)
            name: Name | None = seq if seq is not None else head.root if head is not None else None
            heads[number] = head.index if head is not None else 0
            by_place.setdefault(name, {})[number] = raw
        outcomes = _Outcomes()
        for name, parts in by_place.items():
            place = await self._finder.place(name) if name is not None else None
            if place is None:
                await self._send_to_all(parts, seq, outcomes, alone=alone)
            else:
                await self._send_to_holders(place, parts, heads, seq, outcomes, alone=alone)
        _judge(outcomes, len(segments))

    async def _send_to_holders(
        self, place: Place, parts: Parts, indexes: Mapping[int, int], seq: int | None, outcomes: _Outcomes, *, alone: bool
    ) -> None:
        nodes = await self._directory.live()
        shares = {node: _share(place, node, parts, indexes) for node in nodes}
        shares = {node: share for node, share in shares.items() if share}
        if not shares:
            raise NoNodeError(f"segment {place.global_segment(next(iter(indexes.values()), 0))} of the flow")

        async def send(node: Node) -> None:
            await self._send_one(node, list(shares[node].values()), seq, known_as=place.seq, alone=alone)

        for outcome in await ask_all(list(shares), send):
            _note(outcome, shares[outcome.node], outcomes)
            if isinstance(outcome.error, PeerRefusedError) and MOVED in str(outcome.error.data):
                self._finder.forget(place.seq)  # The chain took the block back, and another file has this number now.

    async def _send_to_all(self, parts: Parts, seq: int | None, outcomes: _Outcomes, *, alone: bool) -> None:
        """A file that is not on the chain yet: whoever holds what is not known, so every node gets everything and keeps its own."""
        nodes = await self._directory.live()
        if not nodes:
            raise NoNodeError("uploads")

        async def send(node: Node) -> None:
            await self._send_one(node, list(parts.values()), seq, known_as=None, alone=alone)

        asked = await ask_all(nodes, send)
        taken = [outcome.node for outcome in asked if outcome.error is None or present_already(outcome.error)]
        if covers(taken):
            for outcome in asked:
                _note(outcome, parts, outcomes)
        else:
            outcomes.errors += [outcome.error for outcome in asked if outcome.error is not None]

    async def _send_one(self, node: Node, parts: Collection[msgspec.Raw], seq: int | None, *, known_as: int | None, alone: bool) -> None:
        """Send to one node. If it is only behind (`known_as` is what another one calls the file), it gets a moment and a second chance."""
        try:
            await _post(node, parts, seq, alone=alone)
        except PeerRefusedError as error:
            if known_as is None or UNKNOWN_TOO_LARGE not in str(error.data):
                raise
            if not await self._comes_to_know(node, known_as):
                raise
            await _post(node, parts, seq, alone=alone)

    async def _comes_to_know(self, node: Node, seq: int) -> bool:
        with anyio.move_on_after(BEHIND_S):
            while await self._finder.find(seq, nodes=[node]) is None:  # noqa: ASYNC110 - nobody tells when a node has read a block.
                await anyio.sleep(BEHIND_PAUSE_S)
            return True
        return False


def present_already(error: ZerogError) -> bool:
    """Whether a refusal says that the node has the segments."""
    if not isinstance(error, PeerRefusedError):
        return False
    text = f"{error.message} {error.data}"
    return FINALIZED in text or DUPLICATE in text


def _head_of(raw: msgspec.Raw) -> _SegmentHead | None:
    """`None` for what is no segment: a node says what is wrong with it."""
    try:
        return _decode_head(raw)
    except (msgspec.DecodeError, ValueError):
        return None


def _share(place: Place, node: Node, parts: Parts, indexes: Mapping[int, int]) -> Parts:
    """The parts that a node has to hold."""
    shard = node.shard
    return {} if shard is None else {number: raw for number, raw in parts.items() if place.is_held_by(shard, indexes[number])}


def _note(outcome: Asked[None], parts: Parts, outcomes: _Outcomes) -> None:
    error = outcome.error
    if error is None:
        outcomes.stored.update(parts)
    elif present_already(error):
        outcomes.present.update(parts)
        outcomes.errors.append(error)
    else:
        outcomes.errors.append(error)
        if isinstance(error, PeerUnreachableError):
            outcome.node.gone(error)


def _judge(outcomes: _Outcomes, count: int) -> None:
    """Raises in the words of the node that refused what no other one took. What all holders had before is refused in their words too."""
    everything = set(range(count))
    missing = everything - outcomes.stored - outcomes.present
    if not missing and (outcomes.stored or not everything):
        return
    relevant = [error for error in outcomes.errors if present_already(error) != bool(missing)]
    refusal = next((error for error in relevant if isinstance(error, PeerRefusedError)), None)
    if refusal is not None:
        raise RelayedError(refusal.number, refusal.message, refusal.data)
    if relevant:
        raise relevant[0]
    raise NoNodeError("uploads")


async def _post(node: Node, parts: Collection[msgspec.Raw], seq: int | None, *, alone: bool) -> None:
    """Raises a `PeerError`."""
    method = f"zgs_uploadSegment{'' if alone else 's'}{'' if seq is None else 'ByTxSeq'}"
    head = b'{"jsonrpc":"2.0","id":1,"method":"' + method.encode() + b'","params":[' + (b"" if alone else b"[")
    end = (b"" if alone else b"]") + (b"" if seq is None else b",%d" % seq) + b"]}"
    body = b"".join((head, b",".join(parts), end))
    answer = await node.upstream.post("/", [body], limit_s=UPLOAD_S)
    read_answer(Call(method, (), _ANYTHING), answer.body, node.url)
