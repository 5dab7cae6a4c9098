"""Directories on the disk and their manifests: what is below a directory, and making one again, inside its place and nowhere else."""

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from zerog.primitives import Hash32
from zerog.storage.client.downloading import DownloadOptions
from zerog.storage.client.errors import LocalFileError, TargetExistsError, UnsafeEntryError, reason_of
from zerog.storage.client.progress import Tally
from zerog.storage.client.remote_file import RemoteFile
from zerog.storage.client.results import Upload
from zerog.storage.client.saving import save
from zerog.storage.client.source import open_source
from zerog.storage.client.waiting import in_parallel
from zerog.storage.protocol.manifest import DirectoryEntry, Entry, FileEntry, LinkEntry, ManifestInvalidError, link_stays_inside
from zerog.storage.protocol.merkle import file_root

__all__ = ["read_tree", "save_tree", "with_roots"]

STATE_FOLDER: Final = ".zerog"
"""What a network keeps in its folder, keys among it: left out where what is around it is stored."""
SMALL_FILE_BYTES_MAX: Final = 8 << 20
"""Smaller files are fetched beside each other, larger ones one by one and each on all threads."""
SMALL_FILES_AT_ONCE: Final = 8


class Opener(Protocol):
    """Whoever gives files by their roots."""

    def open(self, name: tuple[Hash32, ...], options: DownloadOptions) -> RemoteFile: ...


# ---- from the disk ---------------------------------------------------------------------------------------------------


def read_tree(path: Path) -> tuple[DirectoryEntry, list[str]]:
    """What is below a directory but the state of networks of ours, files without their roots yet, and the paths of those that have bytes.

    Raises `LocalFileError`.
    """
    files: list[str] = []
    try:
        directory = replace(_read_directory(path, "", files), name="/")
    except OSError as error:
        raise LocalFileError(str(error.filename or path), reason_of(error)) from error
    return directory, files


def _read_directory(path: Path, above: str, files: list[str]) -> DirectoryEntry:
    entries: list[Entry] = []
    with os.scandir(path) as scan:
        found = sorted(scan, key=lambda entry: os.fsencode(entry.name))
    for entry in found:
        below = f"{above}{entry.name}"
        mode = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(mode.st_mode):
            entries.append(LinkEntry(name=entry.name, target=str(Path(entry.path).readlink())))
        elif stat.S_ISDIR(mode.st_mode):
            if entry.name == STATE_FOLDER:
                continue
            entries.append(_read_directory(Path(entry.path), f"{below}/", files))
        elif stat.S_ISREG(mode.st_mode):
            if mode.st_size:
                files.append(below)
            entries.append(FileEntry(name=entry.name, size_bytes=mode.st_size, roots=()))
        else:
            raise LocalFileError(entry.path, "only files, directories and links can be stored")
    return DirectoryEntry(name=path.name, entries=tuple(entries))


def with_roots(directory: DirectoryEntry, uploads: Mapping[str, Upload], above: str = "") -> DirectoryEntry:
    """The directory with the roots, and the sizes, of the files that were stored."""
    entries: list[Entry] = []
    for entry in directory.entries:
        path = f"{above}{entry.name}"
        match entry:
            case FileEntry():
                upload = uploads.get(path)
                entries.append(entry if upload is None else replace(entry, roots=upload.roots, size_bytes=upload.size_bytes))
            case DirectoryEntry():
                entries.append(with_roots(entry, uploads, f"{path}/"))
            case LinkEntry():
                entries.append(entry)
    return replace(directory, entries=tuple(entries))


# ---- to the disk -----------------------------------------------------------------------------------------------------


def save_tree(
    files: Opener, directory: DirectoryEntry, target: Path, options: DownloadOptions, *, links_outside: bool, tally: Tally
) -> None:
    """Make `directory` at `target`. It grows beside its place, and what is complete there after a run that was broken off is kept."""
    if target.is_symlink() or target.exists():
        raise TargetExistsError(str(target))
    entries = list(directory.walk())
    for path, entry in entries:
        if isinstance(entry, LinkEntry) and not links_outside and not link_stays_inside(path, entry.target):
            raise UnsafeEntryError(path, f"the link leads to {entry.target!r}, which may be outside of the directory")
    growing = target.with_name(f"{target.name}.zerog-part")
    try:
        _make_folders(growing, [path for path, entry in entries if isinstance(entry, DirectoryEntry)])
        _fetch(files, growing, [(path, entry) for path, entry in entries if isinstance(entry, FileEntry)], options, tally)
        for path, entry in entries:
            if isinstance(entry, LinkEntry):
                (growing / path).unlink(missing_ok=True)
                (growing / path).symlink_to(entry.target)
        growing.rename(target)
    except OSError as error:
        raise LocalFileError(str(error.filename or target), reason_of(error)) from error


def _make_folders(growing: Path, paths: list[str]) -> None:
    """Each is a true directory, also where something stood there before: what goes into it must not land elsewhere."""
    for folder in (growing, *(growing / path for path in paths)):
        if folder.is_symlink() or not folder.is_dir():
            folder.mkdir()


def _fetch(files: Opener, growing: Path, entries: list[tuple[str, FileEntry]], options: DownloadOptions, tally: Tally) -> None:
    tally.enter("download")

    def fetch(item: tuple[str, FileEntry], threads: int) -> None:
        path, entry = item
        place = growing / path
        if not entry.roots:
            place.unlink(missing_ok=True)
            place.touch()
        elif not _is_there(place, entry):
            file = files.open(entry.roots, options)
            if file.size_bytes != entry.size_bytes:
                raise ManifestInvalidError(f"{path} is said to have {entry.size_bytes} bytes, and its roots have {file.size_bytes}")
            save(file, place, start=0, end=file.size_bytes, threads=threads, overwrite=True, tally=tally)

    small = [item for item in entries if item[1].size_bytes <= SMALL_FILE_BYTES_MAX]
    large = [item for item in entries if item[1].size_bytes > SMALL_FILE_BYTES_MAX]
    in_parallel(small, lambda item: fetch(item, 1), threads=SMALL_FILES_AT_ONCE)
    for item in large:
        fetch(item, options.threads)


def _is_there(place: Path, entry: FileEntry) -> bool:
    """Whether an earlier run completed the file. Of files in fragments the whole is fetched again."""
    if place.is_symlink() or not place.is_file() or place.stat().st_size != entry.size_bytes or len(entry.roots) != 1:
        return False
    with open_source(place) as source:
        return file_root(source.view) == entry.roots[0]
