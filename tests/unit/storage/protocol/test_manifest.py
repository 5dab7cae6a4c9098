"""The manifest of a directory: its form, what is read of older and foreign ones, and what no name may do."""

import posixpath
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.primitives import Hash32
from zerog.storage.protocol.manifest import (
    DirectoryEntry,
    Entry,
    FileEntry,
    LinkEntry,
    ManifestInvalidError,
    decode_manifest,
    encode_manifest,
    is_manifest,
    link_stays_inside,
)

MAGIC = bytes.fromhex("a8795aa6b5ee8997448d47d3135f70f45e2d3502f8002edeef242ebd0458e7f5")
ROOT = Hash32(b"\x11" * 32)
OTHER = Hash32(b"\x22" * 32)
TREE = DirectoryEntry(
    entries=(
        FileEntry(name="B", size_bytes=5, roots=(ROOT, OTHER)),
        DirectoryEntry(name="a", entries=(DirectoryEntry(name="hollow"), FileEntry(name="nil", size_bytes=0, roots=()))),
        LinkEntry(name="link", target="a/nil"),
        FileEntry(name="ö", size_bytes=1, roots=(ROOT,)),
    )
)
TREE_JSON = (
    '{"name":"/","type":"directory","entries":['
    f'{{"name":"B","type":"file","roots":["{ROOT}","{OTHER}"],"size":5}},'
    '{"name":"a","type":"directory","entries":[{"name":"hollow","type":"directory"},{"name":"nil","type":"file"}]},'
    '{"name":"link","type":"symbolic","link":"a/nil"},'
    f'{{"name":"ö","type":"file","roots":["{ROOT}"],"size":1}}]}}'
)


def manifest(node: object, version: int = 2) -> bytes:
    text = node if isinstance(node, str) else msgspec.json.encode(node).decode()
    return MAGIC + version.to_bytes(2, "big") + text.encode()


def directory(*entries: object) -> dict[str, object]:
    return {"name": "/", "type": "directory", "entries": list(entries)}


def test_the_form_is_that_of_the_go_client() -> None:
    assert encode_manifest(TREE) == manifest(TREE_JSON)
    assert decode_manifest(encode_manifest(TREE)) == TREE
    assert encode_manifest(DirectoryEntry()) == manifest('{"name":"/","type":"directory"}')
    assert is_manifest(manifest("")[:34])
    assert not is_manifest(MAGIC)


def test_version_one_has_one_root_a_file() -> None:
    old = manifest(directory({"name": "f", "type": "file", "hash": str(ROOT), "size": 9}, {"name": "e", "type": "file", "hash": ""}), 1)
    assert decode_manifest(old).entries == (
        FileEntry(name="e", size_bytes=0, roots=()),
        FileEntry(name="f", size_bytes=9, roots=(ROOT,)),
    )


def test_members_of_later_versions_do_no_harm_and_order_is_restored() -> None:
    later = directory({"name": "z", "type": "symbolic", "link": "q", "mode": 7}, {"name": "b", "type": "directory", "entries": None})
    assert [entry.name for entry in decode_manifest(manifest(later)).entries] == ["b", "z"]


def test_entries_are_found_by_their_path() -> None:
    assert TREE.find("") is TREE
    assert TREE.find("/a/nil/") == FileEntry(name="nil", size_bytes=0, roots=())
    assert (TREE.find("a/none"), TREE.find("B/a"), TREE.find("link/x")) == (None, None, None)
    assert [path for path, _ in TREE.walk()] == ["B", "a", "a/hollow", "a/nil", "link", "ö"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        MAGIC,
        b"x" * 40,
        manifest("{}"),
        manifest("["),
        manifest(directory(), version=3),
        manifest({"name": "/", "type": "file"}),
        manifest(directory({"name": "a", "type": "socket"})),
        manifest(directory({"name": "a", "type": "file", "roots": ["0x11"], "size": 1})),
        manifest(directory({"name": "a", "type": "file", "size": 1})),
        manifest(directory({"name": "a", "type": "file", "roots": [str(ROOT)]})),
        manifest(directory({"name": "a", "type": "file", "roots": [str(ROOT)], "size": -1})),
        manifest(directory({"name": "a", "type": "file"}, {"name": "a", "type": "file"})),
        *[manifest(directory({"name": name, "type": "file"})) for name in ("", ".", "..", "/", "a/b", "../a", "/etc/passwd", "a\0b")],
        manifest('{"name":"d","type":"directory","entries":[' * 300 + "]}" * 300),
        manifest('{"name":"d","type":"directory","entries":[' * 100_000),
    ],
)
def test_what_no_directory_has_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestInvalidError):
        decode_manifest(data)


def test_depth_is_refused_also_where_a_library_has_lifted_the_limit_of_recursion() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)  # As py_ecc does, which comes with web3.py.
    try:
        with pytest.raises(ManifestInvalidError, match="deep in each other"):
            decode_manifest(manifest('{"name":"d","type":"directory","entries":[' * 100_000))
    finally:
        sys.setrecursionlimit(limit)


def test_a_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ManifestInvalidError, match="not UTF-8"):
        encode_manifest(DirectoryEntry(entries=(LinkEntry(name="\udcff", target="x"),)))


@pytest.mark.parametrize("target", ["b", "a/b", "./b", "../b", "../../b", "..", "../..", "a/./b"])
def test_a_link_may_lead_to_places_inside(target: str) -> None:
    assert link_stays_inside("x/y/link", target)


@pytest.mark.parametrize("target", ["", "/", "/etc/passwd", "../../../b", "a/../../../../b", "a/..", "../../..", "./../.."])
def test_a_link_that_may_lead_outside_is_told_apart(target: str) -> None:
    assert not link_stays_inside("x/y/link", target)


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)
hashes = st.binary(min_size=32, max_size=32).map(Hash32)


def sort(entries: list[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted({entry.name: entry for entry in entries}.values(), key=lambda entry: entry.name.encode()))


files = st.builds(
    lambda name, roots, size: FileEntry(name=name, size_bytes=size if roots else 0, roots=tuple(roots)),
    names,
    st.lists(hashes, max_size=3),
    st.integers(1, 2**53),
)
leaves = files | st.builds(lambda name, target: LinkEntry(name=name, target=target), names, names)
entries = st.recursive(
    leaves, lambda inner: st.builds(lambda name, below: DirectoryEntry(name=name, entries=sort(below)), names, st.lists(inner, max_size=4))
)


@given(st.lists(entries, max_size=5))
def test_every_directory_comes_back_as_it_was(below: list[Entry]) -> None:
    tree = DirectoryEntry(entries=sort(below))
    assert decode_manifest(encode_manifest(tree)) == tree


@given(st.lists(st.sampled_from(["..", ".", "a", "link"]), min_size=1, max_size=6), st.integers(0, 3))
def test_a_link_that_stays_inside_never_names_a_place_outside(parts: list[str], depth: int) -> None:
    path, target = "/".join(["d"] * depth + ["link"]), "/".join(parts)
    if link_stays_inside(path, target):
        assert not posixpath.normpath(posixpath.join(posixpath.dirname(path), target)).startswith("..")
