"""`zerog storage put`, `get`, `stat`, `ls` and `expiring`: files of a network."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import cyclopts

from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.cli.progress import progress_bar
from zerog.cli.storage_options import Encrypting, Reading, StorageArgumentError, StoragePlace, Uploading, byte_range, file_names
from zerog.primitives import Hash32
from zerog.storage.client import DirectoryUpload, RemoteFile, StorageClient, Upload
from zerog.storage.protocol.manifest import MANIFEST_HEAD_BYTES, DirectoryEntry, Entry, FileEntry, LinkEntry, is_manifest
from zerog.storage.wire.files import FileExpiry, FileInfo

__all__ = ["expiring", "get", "ls", "put", "stat"]

Flag = cyclopts.Parameter(negative="")
PAGE: Final = 100


def put(
    path: Path,
    /,
    *,
    place: Annotated[StoragePlace, cyclopts.Parameter(name="*")] = StoragePlace(),  # noqa: B008 - it is frozen.
    uploading: Annotated[Uploading, cyclopts.Parameter(name="*")] = Uploading(),  # noqa: B008 - as above.
    encrypting: Annotated[Encrypting, cyclopts.Parameter(name="*")] = Encrypting(),  # noqa: B008 - as above.
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Store a file or a directory, and print its root: all that is needed to get it back.

    Parameters
    ----------
    path
        What to store. Links in a directory are kept as links.
    """
    encryption = encrypting.encryption()
    with place.connect(directory) as storage, progress_bar(path.name) as progress:
        if path.is_dir():
            if encryption is not None:
                raise StorageArgumentError("a directory is stored file by file, and none of them is encrypted")
            stored: Upload | DirectoryUpload = storage.upload_directory(path, uploading.options(), progress=progress)
        else:
            stored = storage.upload(path, uploading.options(), encrypt=encryption, progress=progress)
    if json:
        print_json(_directory_facts(stored) if isinstance(stored, DirectoryUpload) else _upload_facts(stored))
        return
    for root in (stored.root,) if isinstance(stored, DirectoryUpload) else stored.roots:
        print(root)
    what = f"{stored.files} files" if isinstance(stored, DirectoryUpload) else f"submission {_numbers(stored.tx_seqs)}"
    news = f"{stored.sent_bytes:,} bytes sent, {stored.fee_wei} wei paid" if stored.fee_wei or stored.sent_bytes else "all of it was there"
    say(f"{stored.size_bytes:,} bytes, {what}: {news}")


def get(
    *names: str,
    output: Annotated[Path | None, cyclopts.Parameter(name=["--output", "-o"])] = None,
    span: Annotated[str | None, cyclopts.Parameter(name="--range")] = None,
    path: str = "",
    force: Annotated[bool, Flag] = False,
    links_outside: Annotated[bool, Flag] = False,
    place: Annotated[StoragePlace, cyclopts.Parameter(name="*")] = StoragePlace(),  # noqa: B008 - it is frozen.
    reading: Annotated[Reading, cyclopts.Parameter(name="*")] = Reading(),  # noqa: B008 - as above.
    directory: WorkingFolder = Path(),
) -> None:
    """Fetch a file or a directory. Every byte is held against the root. Without -o the file goes to the standard output.

    Parameters
    ----------
    names
        Root of a file, number of its submission, or the roots of all its fragments.
    output
        File or directory to make. A download of a whole file that was broken off goes on where it ended.
    span
        Bytes of the file, as in HTTP: 0-99 are the first hundred, 100- is the rest, -50 are the last fifty.
    path
        A file or directory inside the directory that is named.
    force
        Replace a file that is there.
    links_outside
        Also make links that lead out of the directory.
    """
    options = reading.options()
    with place.connect(directory) as storage:
        name: Hash32 | int | tuple[Hash32, ...] = file_names(names)
        if path:
            entry = _entry(storage, name, path)
            if isinstance(entry, LinkEntry):
                raise StorageArgumentError(f"{path} is a link to {entry.target}")
            if isinstance(entry, DirectoryEntry) or not entry.roots:
                raise StorageArgumentError(f"{path} is a directory, or an empty file: fetch the directory that it is in")
            name = entry.roots
        file = storage.open(name, options, keys=reading.keys())
        start, end = byte_range(span, file.size_bytes)
        if not file.is_encrypted and is_manifest(file.read(0, MANIFEST_HEAD_BYTES)):
            if output is None or span is not None:
                raise StorageArgumentError("this is a directory: name the place to make it at with -o, or a file in it with --path")
            with progress_bar(output.name) as progress:
                storage.download_directory(name, output, options, links_outside=links_outside, progress=progress)
        elif output is None:
            _print_file(file, start, end)
        else:
            with progress_bar(output.name) as progress:
                storage.download(
                    name, output, options, offset=start, length=end - start, keys=reading.keys(), overwrite=force, progress=progress
                )


def stat(
    name: str,
    /,
    *,
    place: Annotated[StoragePlace, cyclopts.Parameter(name="*")] = StoragePlace(),  # noqa: B008 - it is frozen.
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Show what the nodes know of a file.

    Parameters
    ----------
    name
        Its root, or the number of its submission.
    """
    root_or_number = file_names([name])
    if isinstance(root_or_number, tuple):
        raise StorageArgumentError("one root, or one number of a submission, is looked at")
    with place.connect(directory) as storage:
        facts = storage.stat(root_or_number)
    if json:
        nodes = [
            {"url": node.url, "shard": str(node.shard), "held": node.held, "required": node.required, "finalized": node.finalized}
            for node in facts.nodes
        ]
        print_json(
            {
                "root": str(facts.root),
                "tx_seq": facts.tx_seq,
                "size": facts.size_bytes,
                "segments": facts.segments,
                "start_sector": facts.start_sector,
                "finalized": facts.finalized,
                "expiry": None if facts.expiry is None else _expiry_facts(facts.expiry),
                "nodes": nodes,
            }
        )
        return
    print(f"root        {facts.root}")
    print(f"submission  {facts.tx_seq}")
    print(f"size        {facts.size_bytes:,} bytes in {facts.segments} segments")
    print(f"flow        from sector {facts.start_sector}")
    print(f"state       {'complete' if facts.finalized else 'incomplete'}")
    if facts.expiry is not None:
        print(f"expires     {_end_of(facts.expiry)}")
    for node in facts.nodes:
        held = "all" if node.held is None and node.finalized else "?" if node.held is None else str(node.held)
        print(f"node        {node.url}  shard {node.shard}  {held} of {node.required} segments")


def ls(
    name: str | None = None,
    path: str = "",
    /,
    *,
    cursor: str | None = None,
    limit: int = PAGE,
    place: Annotated[StoragePlace, cyclopts.Parameter(name="*")] = StoragePlace(),  # noqa: B008 - it is frozen.
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """List the files of the network, or what is in a stored directory.

    Parameters
    ----------
    name
        Root of a directory, or the number of its submission; without it all files are listed, a page at a time.
    path
        A directory inside of it.
    cursor
        Where the page begins: what the page before said.
    limit
        How many files a page has at most.
    """
    with place.connect(directory) as storage:
        if name is not None:
            _list_directory(storage, file_names([name]), path, as_json=json)
            return
        page = storage.files(int(cursor) if cursor is not None and cursor.isdecimal() else cursor, count=limit)
    if json:
        print_json({"files": [_file_facts(info) for info in page.files], "next": page.next})
        return
    for info in page.files:
        state = "pruned" if info.pruned else "complete" if info.finalized else f"{info.uploaded_seg_num} segments"
        print(f"{info.tx.seq:>8}  {info.tx.data_merkle_root}  {info.tx.size:>15,}  {state}")
    if page.next is not None:
        say(f"more with --cursor {page.next}")


def expiring(
    *,
    cursor: str | None = None,
    limit: int = PAGE,
    place: Annotated[StoragePlace, cyclopts.Parameter(name="*")] = StoragePlace(),  # noqa: B008 - it is frozen.
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """List the files of the network with the ends of their lives, the first to end first, but for those that were extended.

    Parameters
    ----------
    cursor
        Where the page begins: what the page before said.
    limit
        How many files a page has at most.
    """
    with place.connect(directory) as storage:
        page = storage.expiring(int(cursor) if cursor is not None and cursor.isdecimal() else cursor, count=limit)
    if json:
        print_json({"files": [_expiry_facts(expiry) for expiry in page.files], "next": page.next})
        return
    for expiry in page.files:
        print(f"{expiry.tx_seq:>8}  {expiry.root}  {expiry.size:>15,}  {_end_of(expiry)}")
    if page.next is not None:
        say(f"more with --cursor {page.next}")


def _end_of(expiry: FileExpiry) -> str:
    """The end of a life, for people."""
    extended = f", extended {expiry.extensions} times" if expiry.extensions else ""
    if expiry.expiry is None:
        return f"not before the flow has filled pricing chunk {expiry.pricing_chunk}{extended}"
    try:
        end = datetime.fromtimestamp(expiry.expiry, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        end = f"{expiry.expiry} s after 1970"
    return f"{end}{extended}"


def _expiry_facts(expiry: FileExpiry) -> dict[str, object]:
    return {
        "tx_seq": expiry.tx_seq,
        "root": str(expiry.root),
        "size": expiry.size,
        "pricing_chunk": expiry.pricing_chunk,
        "extensions": expiry.extensions,
        "expiry": expiry.expiry,
        "pruned": expiry.pruned,
    }


def _list_directory(storage: StorageClient, name: Hash32 | int | tuple[Hash32, ...], path: str, *, as_json: bool) -> None:
    entry = _entry(storage, name, path)
    entries = entry.entries if isinstance(entry, DirectoryEntry) else (entry,)
    if as_json:
        print_json([_entry_facts(child) for child in entries])
        return
    for child in entries:
        match child:
            case FileEntry():
                print(f"{child.size_bytes:>15,}  {child.name}")
            case LinkEntry():
                print(f"{'':>15}  {child.name} -> {child.target}")
            case DirectoryEntry():
                print(f"{'':>15}  {child.name}/")


def _entry(storage: StorageClient, name: Hash32 | int | tuple[Hash32, ...], path: str) -> Entry:
    entry = storage.directory(name).find(path)
    if entry is None:
        raise StorageArgumentError(f"there is no {path!r} in the directory")
    return entry


def _print_file(file: RemoteFile, start: int, end: int) -> None:
    for piece in file.stream(start, end - start):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _numbers(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers)) if len(numbers) <= 5 else f"{numbers[0]} to {numbers[-1]}"


def _upload_facts(stored: Upload) -> dict[str, object]:
    return {
        "root": str(stored.root) if len(stored.fragments) == 1 else None,
        "roots": [str(root) for root in stored.roots],
        "tx_seqs": stored.tx_seqs,
        "transaction_hashes": [str(hash_) for hash_ in stored.transaction_hashes],
        "size": stored.size_bytes,
        "sent": stored.sent_bytes,
        "fee_wei": str(stored.fee_wei),
    }


def _directory_facts(stored: DirectoryUpload) -> dict[str, object]:
    return {
        "root": str(stored.root),
        "files": stored.files,
        "size": stored.size_bytes,
        "sent": stored.sent_bytes,
        "fee_wei": str(stored.fee_wei),
    }


def _file_facts(info: FileInfo) -> dict[str, object]:
    return {
        "tx_seq": info.tx.seq,
        "root": str(info.tx.data_merkle_root),
        "size": info.tx.size,
        "finalized": info.finalized,
        "segments_held": info.uploaded_seg_num,
        "pruned": info.pruned,
    }


def _entry_facts(entry: Entry) -> dict[str, object]:
    match entry:
        case FileEntry():
            return {"name": entry.name, "type": "file", "size": entry.size_bytes, "roots": [str(root) for root in entry.roots]}
        case LinkEntry():
            return {"name": entry.name, "type": "symbolic", "link": entry.target}
        case DirectoryEntry():
            return {"name": entry.name, "type": "directory", "entries": len(entry.entries)}
