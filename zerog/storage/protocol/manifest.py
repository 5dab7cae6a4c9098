"""The manifest of a directory: an ordinary file that names the files below it, and the roots under which they are stored.

Source: 0gfoundation/0g-storage-client, `core/dir.go`, `transfer/dir.go`. We write version 2, and also read version 1, with one root a file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from zerog._kernel import keccak256
from zerog.primitives import Hash32, decode_hook, is_nested_deeper
from zerog.storage.protocol.errors import StorageError

__all__ = [
    "MANIFEST_HEAD_BYTES",
    "DirectoryEntry",
    "Entry",
    "FileEntry",
    "LinkEntry",
    "ManifestInvalidError",
    "decode_manifest",
    "encode_manifest",
    "is_manifest",
    "link_stays_inside",
]

MAGIC: Final = keccak256(b"0g-storage-client-dir-codec")
VERSION_WRITTEN: Final = 2
VERSION_ONE_ROOT: Final = 1
VERSION_BYTES: Final = 2
MANIFEST_HEAD_BYTES: Final = len(MAGIC) + VERSION_BYTES
"""Magic and version; JSON follows."""
ROOT_NAME: Final = "/"
DEPTH_MAX: Final = 200
"""Directories within each other: paths of the systems that hold them end before."""


@dataclass(eq=False)
class ManifestInvalidError(StorageError):
    """A file that is no manifest of a directory, or one that no directory has."""

    cause: str

    code = "manifest_invalid"
    remedy = "give the root that the upload of a directory returned"

    def __str__(self) -> str:
        return f"no manifest of a directory: {self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file; an empty one has no roots, since it is not stored."""

    name: str
    size_bytes: int
    roots: tuple[Hash32, ...]
    """Of its fragments, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEntry:
    """A symbolic link, kept as it is and not followed."""

    name: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """A directory; its entries are in the order of the bytes of their names, and no two have one name."""

    name: str = ROOT_NAME
    entries: tuple["Entry", ...] = ()

    def find(self, path: str) -> "Entry | None":
        """The entry at `a/b/c` below this directory; the directory itself for an empty path. Links are not followed."""
        found: Entry = self
        for name in filter(None, path.split("/")):
            if not isinstance(found, DirectoryEntry):
                return None
            child = next((entry for entry in found.entries if entry.name == name), None)
            if child is None:
                return None
            found = child
        return found

    def walk(self, above: str = "") -> Iterator[tuple[str, "Entry"]]:
        """Path and entry of all that lies below, each directory before its entries."""
        for entry in self.entries:
            path = f"{above}{entry.name}"
            yield path, entry
            if isinstance(entry, DirectoryEntry):
                yield from entry.walk(f"{path}/")


Entry = FileEntry | LinkEntry | DirectoryEntry


class _Node(msgspec.Struct, omit_defaults=True, rename={"kind": "type"}):
    """As it stands in the JSON. Members that are empty or zero are left out."""

    name: str
    kind: Literal["file", "directory", "symbolic"]
    hash: str | None = None
    roots: list[str] | None = None
    size: int = 0
    link: str = ""
    entries: list["_Node"] | None = None


_encode_node: Final = msgspec.json.Encoder().encode
_node_decoder: Final = msgspec.json.Decoder(_Node, dec_hook=decode_hook)


def is_manifest(head: bytes) -> bool:
    """Whether a file that begins with these `MANIFEST_HEAD_BYTES` is a manifest, of whatever version."""
    return head[: len(MAGIC)] == MAGIC and len(head) >= MANIFEST_HEAD_BYTES


def encode_manifest(directory: DirectoryEntry) -> bytes:
    """The file to store. Raises `ManifestInvalidError` where names or depth are not what `decode_manifest` takes."""
    _check(directory, 0)
    return MAGIC + VERSION_WRITTEN.to_bytes(VERSION_BYTES, "big") + _encode_node(_to_node(directory))


def decode_manifest(data: bytes | bytearray | memoryview) -> DirectoryEntry:
    """The directory. Raises `ManifestInvalidError`, also for names that lead out of it."""
    head = bytes(data[:MANIFEST_HEAD_BYTES])
    if not is_manifest(head):
        raise ManifestInvalidError("it does not begin as one")
    version = int.from_bytes(head[len(MAGIC) :], "big")
    if version not in (VERSION_ONE_ROOT, VERSION_WRITTEN):
        raise ManifestInvalidError(f"version {version} is unknown")
    text = memoryview(data)[MANIFEST_HEAD_BYTES:]
    if is_nested_deeper(text, 2 * (DEPTH_MAX + 2)):  # A directory is an object with an array; roots are an array in the innermost.
        raise ManifestInvalidError(f"directories lie more than {DEPTH_MAX} deep in each other")
    try:
        entry = _to_entry(_node_decoder.decode(text))
    except (ValueError, RecursionError) as error:
        raise ManifestInvalidError(str(error)) from None
    if not isinstance(entry, DirectoryEntry):
        raise ManifestInvalidError("the outermost entry is no directory")
    directory = DirectoryEntry(name=ROOT_NAME, entries=entry.entries)
    _check(directory, 0)
    return directory


def link_stays_inside(path: str, target: str) -> bool:
    """Whether a link at `path` below a directory leads to something below it too, whatever other such links it passes.

    It may climb only at its beginning, where it passes true directories alone, and not above the outermost.
    """
    parts = target.split("/")
    if target.startswith("/") or not target:
        return False
    climbs = next((position for position, part in enumerate(parts) if part != ".."), len(parts))
    return climbs <= path.count("/") and ".." not in parts[climbs:]


def _to_node(entry: Entry) -> _Node:
    match entry:
        case FileEntry():
            return _Node(entry.name, "file", roots=[str(root) for root in entry.roots] or None, size=entry.size_bytes)
        case LinkEntry():
            return _Node(entry.name, "symbolic", link=entry.target)
        case DirectoryEntry():
            return _Node(entry.name, "directory", entries=[_to_node(child) for child in entry.entries] or None)


def _to_entry(node: _Node) -> Entry:
    """Raises `ValueError`."""
    match node.kind:
        case "file":
            texts = node.roots or ([node.hash] if node.hash else [])
            roots = tuple(Hash32.from_json(text) for text in texts)
            if node.size < 0 or bool(roots) != bool(node.size):
                raise ValueError(f"{node.name!r} has {node.size} bytes and {len(roots)} roots")
            return FileEntry(name=node.name, size_bytes=node.size, roots=roots)
        case "symbolic":
            return LinkEntry(name=node.name, target=node.link)
        case "directory":
            children = sorted(map(_to_entry, node.entries or ()), key=lambda entry: entry.name.encode())
            return DirectoryEntry(name=node.name, entries=tuple(children))


def _check(directory: DirectoryEntry, depth: int) -> None:
    """Names are single steps of a path, in order, each once. Raises `ManifestInvalidError`."""
    if depth > DEPTH_MAX:
        raise ManifestInvalidError(f"directories lie more than {DEPTH_MAX} deep in each other")
    before = b""
    for entry in directory.entries:
        name = _name_bytes(entry.name)
        if name <= before:
            raise ManifestInvalidError(f"{entry.name!r} is there twice or out of order")
        before = name
        if isinstance(entry, DirectoryEntry):
            _check(entry, depth + 1)


def _name_bytes(name: str) -> bytes:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ManifestInvalidError(f"{name!r} is no name of a file")
    try:
        return name.encode()
    except UnicodeEncodeError:
        raise ManifestInvalidError(f"{name!r} is not UTF-8") from None
