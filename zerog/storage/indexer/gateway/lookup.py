"""From what a client names to what is stored: files by root or submission, and entries of folders."""

from collections import OrderedDict
from typing import Final

import msgspec
from anyio import to_thread

from zerog.primitives import Hash32
from zerog.storage.indexer.files import FileFinder, FoundFile, Name
from zerog.storage.indexer.gateway.download import Content, Source
from zerog.storage.indexer.gateway.envelope import Code, EnvelopeError
from zerog.storage.indexer.locations import Locations
from zerog.storage.indexer.nodes import covers
from zerog.storage.indexer.segments import READ_SEGMENTS_MAX, SegmentReader
from zerog.storage.protocol.manifest import DirectoryEntry, Entry, FileEntry, LinkEntry, ManifestInvalidError, decode_manifest

__all__ = ["Lookup", "parse_cid", "shown_entry", "shown_file"]

MANIFEST_BYTES_MAX: Final = 16 << 20
CACHED_MAX: Final = 32
CACHED_BYTES_MAX: Final = 1 << 20
"""Manifests up to this size are remembered."""


class Lookup:
    """Finds files. What a client is told instead of one is raised as `EnvelopeError`."""

    def __init__(self, finder: FileFinder, locations: Locations, reader: SegmentReader) -> None:
        self._finder: Final = finder
        self._locations: Final = locations
        self._reader: Final = reader
        self._folders: Final[OrderedDict[Hash32, DirectoryEntry]] = OrderedDict()

    async def file(self, name: Name) -> FoundFile:
        """A file, whatever its state."""
        found = await self._finder.find(name, in_part=True)
        if found is None:
            raise EnvelopeError(Code.FILE_NOT_FOUND)
        return found

    async def source(self, name: Name) -> Source:
        """A file that can be downloaded."""
        found = await self.file(name)
        if found.info.pruned:
            raise EnvelopeError(Code.FILE_PRUNED)
        if found.info.finalized:
            return Source(found.place)
        beyond = await self._locations.beyond(found)
        if not covers([*found.holders, *beyond]):
            raise EnvelopeError(Code.FILE_NOT_FINALIZED)
        return Source(found.place, tuple(beyond))

    async def entry(self, name: Name, path: str) -> Entry:
        """What is at a path below a folder."""
        folder = await self._folder(await self.source(name))
        entry = folder.find(path)
        if entry is None:
            raise EnvelopeError(Code.PATH_NOT_FOUND)
        return entry

    async def content(self, entry: FileEntry) -> Content:
        """The data of a file inside a folder: its fragments, one after the other."""
        content = Content(tuple([await self.source(root) for root in entry.roots]))
        if content.size_bytes != entry.size_bytes:
            raise EnvelopeError(
                Code.INTERNAL, f"the folder says that the file has {entry.size_bytes} bytes, and its fragments have {content.size_bytes}"
            )
        return content

    async def _folder(self, source: Source) -> DirectoryEntry:
        place = source.place
        cached = self._folders.get(place.root)
        if cached is not None:
            self._folders.move_to_end(place.root)
            return cached
        if place.size_bytes > MANIFEST_BYTES_MAX:
            raise EnvelopeError(Code.FILE_TOO_LARGE, {"actual": place.size_bytes, "max": MANIFEST_BYTES_MAX})
        data = bytearray()
        for first in range(0, place.segments, READ_SEGMENTS_MAX):
            count = min(READ_SEGMENTS_MAX, place.segments - first)
            for segment in await self._reader.read(place, first, count, nodes=source.nodes):
                data += segment.data
        try:
            folder = await to_thread.run_sync(decode_manifest, memoryview(data)[: place.size_bytes])
        except ManifestInvalidError as error:
            raise EnvelopeError(Code.FILE_TYPE_UNSUPPORTED, str(error)) from None
        if place.size_bytes <= CACHED_BYTES_MAX:
            self._folders[place.root] = folder
            if len(self._folders) > CACHED_MAX:
                self._folders.popitem(last=False)
        return folder


def parse_cid(text: str) -> Name:
    """A decimal number is that of a submission, anything else is a root. Raises `EnvelopeError`."""
    if text.isascii() and text.isdecimal() and len(text) < 20:
        return int(text)
    try:
        return Hash32.from_json(text if text[:2] in ("0x", "0X") else f"0x{text}")
    except ValueError as error:
        raise EnvelopeError(Code.INVALID_PARAMETER, f"{text[:80]!r} is no root and no number of a submission: {error}") from None


def shown_file(found: FoundFile) -> dict[str, object]:
    """A file's state as the reference's gateway writes it: without what it does not know of a submission."""
    shown: dict[str, object] = msgspec.structs.asdict(found.info)
    tx = found.info.tx
    return {
        "tx": {
            "streamIds": [],
            "data": None,
            "dataMerkleRoot": tx.data_merkle_root,
            "startEntryIndex": tx.start_entry_index,
            "size": tx.size,
            "seq": tx.seq,
        },
        "finalized": shown["finalized"],
        "isCached": shown["is_cached"],
        "uploadedSegNum": shown["uploaded_seg_num"],
        "pruned": shown["pruned"],
    }


def shown_entry(entry: Entry) -> object:
    """A folder as the list of what is in it, a link as it stands in the manifest."""
    match entry:
        case DirectoryEntry():
            return [_listed(child) for child in entry.entries]
        case LinkEntry():
            return {"name": entry.name, "type": "symbolic", "link": entry.target}
        case FileEntry():
            return _listed(entry)


def _listed(entry: Entry) -> dict[str, object]:
    match entry:
        case FileEntry():
            return {"name": entry.name, "type": "file", "size": entry.size_bytes}
        case LinkEntry():
            return {"name": entry.name, "type": "symbolic"}
        case DirectoryEntry():
            return {"name": entry.name, "type": "directory"}
