"""Directories up and down again: links stay links, nothing lands outside, a run that was broken off goes on."""

import os
import socket
from pathlib import Path

import pytest

from tests.unit.storage.client.peers import EnoughError
from tests.unit.storage.node.network import pattern
from zerog.primitives import Hash32
from zerog.storage.client import LocalFileError, Progress, StorageClient, TargetExistsError, UnsafeEntryError, UploadOptions
from zerog.storage.protocol.manifest import DirectoryEntry, FileEntry, LinkEntry, ManifestInvalidError, encode_manifest
from zerog.storage.protocol.merkle import file_root

Tree = dict[str, bytes | str | None]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of all kinds, an empty one, links, and directories in each other."""
    root = tmp_path / "tree"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "hollow").mkdir()
    (root / "B").write_bytes(pattern(5))
    (root / "a").write_bytes(pattern(300_000, seed=1))
    (root / "deep" / "empty").touch()
    (root / "deep" / "er" / "ö.bin").write_bytes(pattern(9 * 2**20, seed=2))
    (root / "deep" / "link").symlink_to("../a")
    (root / "dangling").symlink_to("nowhere")
    return root


def shape(root: Path) -> Tree:
    """Everything below a directory."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        found[name] = str(path.readlink()) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
    return found


def test_a_directory_comes_back_as_it_was(client: StorageClient, tree: Path, tmp_path: Path) -> None:
    upload = client.upload_directory(tree, UploadOptions(fragment_bytes=2**22))
    assert upload.files == 3
    large = upload.directory.find("deep/er/ö.bin")
    assert isinstance(large, FileEntry)
    assert len(large.roots) == 3
    assert client.download_directory(upload.root, tmp_path / "copy") == upload.directory
    assert shape(tmp_path / "copy") == shape(tree)
    assert client.upload_directory(tree, UploadOptions(fragment_bytes=2**22)).sent_bytes == 0
    with pytest.raises(TargetExistsError):
        client.download_directory(upload.root, tmp_path / "copy")


def test_a_download_that_was_broken_off_keeps_what_is_complete(client: StorageClient, tree: Path, tmp_path: Path) -> None:
    root = client.upload_directory(tree).root

    def leave(progress: Progress) -> None:
        if progress.done_bytes > 300_005:  # The small files come first, so they are complete.
            raise EnoughError

    with pytest.raises(EnoughError):
        client.download_directory(root, tmp_path / "copy", progress=leave)
    growing = tmp_path / "copy.zerog-part"
    kept = (growing / "a").stat().st_ino
    (growing / "B").write_bytes(b"wrong")
    client.download_directory(root, tmp_path / "copy")
    assert (tmp_path / "copy" / "a").stat().st_ino == kept
    assert shape(tmp_path / "copy") == shape(tree)


def test_a_planted_link_does_not_lead_out(client: StorageClient, tree: Path, tmp_path: Path) -> None:
    root = client.upload_directory(tree).root
    outside = tmp_path / "outside"
    outside.mkdir()
    growing = tmp_path / "copy.zerog-part"
    growing.mkdir()
    (growing / "deep").symlink_to(outside)
    with pytest.raises(LocalFileError, match="File exists"):
        client.download_directory(root, tmp_path / "copy")
    (growing / "deep").unlink()
    (outside / "victim").write_bytes(b"precious")
    (growing / "a").symlink_to(outside / "victim")
    (growing / "B.zerog-part").symlink_to(outside / "victim")
    with pytest.raises(LocalFileError, match="symbolic link"):
        client.download_directory(root, tmp_path / "copy")
    assert [path.name for path in outside.iterdir()] == ["victim"]
    assert (outside / "victim").read_bytes() == b"precious"


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "a/../../x"])
def test_links_that_lead_out_are_made_only_when_allowed(client: StorageClient, tmp_path: Path, target: str) -> None:
    manifest = encode_manifest(DirectoryEntry(entries=(LinkEntry(name="link", target=target),)))
    root = client.upload(manifest).root
    with pytest.raises(UnsafeEntryError, match="outside"):
        client.download_directory(root, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []
    client.download_directory(root, tmp_path / "copy", links_outside=True)
    assert str((tmp_path / "copy" / "link").readlink()) == target


def test_what_is_no_directory_is_not_made_one(client: StorageClient, tmp_path: Path) -> None:
    root = client.upload(pattern(100)).root
    with pytest.raises(ManifestInvalidError, match="does not begin as one"):
        client.download_directory(root, tmp_path / "copy")
    small = client.upload(b"five!").root
    wrong = encode_manifest(DirectoryEntry(entries=(FileEntry(name="f", size_bytes=6, roots=(small,)),)))
    with pytest.raises(ManifestInvalidError, match="said to have 6 bytes"):
        client.download_directory(client.upload(wrong).root, tmp_path / "copy")


def test_what_cannot_be_stored_is_named(client: StorageClient, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with pytest.raises(LocalFileError, match="No such file"):
        client.upload_directory(tmp_path / "missing")
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        listener.bind(str(tree / "socket"))
        with pytest.raises(LocalFileError, match="only files, directories and links"):
            client.upload_directory(tree)
    (tree / "socket").unlink()
    (tree / os.fsdecode(b"\xff")).touch()
    with pytest.raises(ManifestInvalidError, match="not UTF-8"):
        client.upload_directory(tree)


def test_the_state_of_a_network_is_left_out_with_its_keys(client: StorageClient, tree: Path, tmp_path: Path) -> None:
    for above in (tree, tree / "deep"):
        (above / ".zerog").mkdir()
        (above / ".zerog" / "keys").write_bytes(b"secret")
    (tree / "hollow" / ".zerog").write_bytes(b"A file of this name is one as any other.")
    upload = client.upload_directory(tree)
    client.download_directory(upload.root, tmp_path / "copy")
    assert {name for name in shape(tmp_path / "copy") if ".zerog" in name} == {"hollow/.zerog"}
    assert shape(tmp_path / "copy").keys() == {name for name in shape(tree) if ".zerog" not in name or name == "hollow/.zerog"}


def test_an_empty_directory_is_one(client: StorageClient, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    upload = client.upload_directory(tmp_path / "tree")
    assert upload.root == file_root(encode_manifest(DirectoryEntry()))
    client.download_directory(upload.root, tmp_path / "copy")
    assert shape(tmp_path / "copy") == {}
    assert isinstance(upload.root, Hash32)
