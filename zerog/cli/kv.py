"""`zerog kv put`, `get`, `list`, `grant` and their companions: key-value streams of a network."""

import sys
from base64 import b64encode
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, Literal

import cyclopts
import msgspec

from zerog.cli.kv_options import Flag, KeyText, KvPlace, StreamText, account_of, key_of, shown, stream_of
from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.cli.storage_options import Decrypting, Encrypting, StorageArgumentError
from zerog.primitives import Address, Hash32
from zerog.storage.client import KeyMissingError, LocalFileError, TargetExistsError
from zerog.storage.client.errors import reason_of
from zerog.storage.client.kv import Batch, KvClient, ProvedValue, Written
from zerog.storage.client.kv.errors import rejection

__all__ = ["delete", "follow", "get", "grant", "list_", "put", "renounce", "result", "revoke", "rights", "special", "streams"]

PAGE: Final = 100
EXIT_ABSENT: Final = 4
"""What was asked for is not there."""

Place = Annotated[KvPlace, cyclopts.Parameter(name="*")]
PLACE: Final = KvPlace()
Secrets = Annotated[Encrypting, cyclopts.Parameter(name="*")]
SECRETS: Final = Encrypting()
Keys = Annotated[Decrypting, cyclopts.Parameter(name="*")]
KEYS: Final = Decrypting()
OnlyIf = Annotated[int | None, cyclopts.Parameter(name="--if-version", help="Only if the key was not written after this submission.")]
AsOf = Annotated[int | None, cyclopts.Parameter(name="--version", help="As it was right after this submission.")]


def put(
    stream: StreamText,
    key: KeyText,
    value: str | None = None,
    /,
    *,
    file: Annotated[Path | None, cyclopts.Parameter(name=["--file", "-f"], allow_leading_hyphen=True)] = None,
    if_version: OnlyIf = None,
    place: Place = PLACE,
    encrypting: Secrets = SECRETS,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Write a key, and return once the node has it. Who writes first to a stream owns it.

    Parameters
    ----------
    value
        The value, as text.
    file
        Take the value from a file; - is the standard input.
    """
    if (value is None) == (file is None):
        raise StorageArgumentError("give a value, or a file with --file")
    content = value.encode() if value is not None else _content(file or Path("-"))
    if not content:
        raise StorageArgumentError("an empty value deletes the key: say that with `zerog kv delete`")
    batch = Batch(version=if_version).set(stream_of(stream), key_of(key), content)
    _write(batch, place, encrypting, directory, as_json=json)


def delete(
    stream: StreamText,
    key: KeyText,
    /,
    *,
    if_version: OnlyIf = None,
    place: Place = PLACE,
    encrypting: Secrets = SECRETS,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Delete a key; its older versions can still be read."""
    batch = Batch(version=if_version).delete(stream_of(stream), key_of(key))
    _write(batch, place, encrypting, directory, as_json=json)


def get(
    stream: StreamText,
    key: KeyText,
    /,
    *,
    output: Annotated[Path | None, cyclopts.Parameter(name=["--output", "-o"])] = None,
    version: AsOf = None,
    force: Annotated[bool, Flag] = False,
    verify: Annotated[bool, Flag] = False,
    decrypting: Keys = KEYS,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Print a value, byte for byte, or write it into a file. The exit code is 4 if there is none.

    Parameters
    ----------
    output
        File to write it to.
    force
        Replace a file that is there.
    verify
        Hold every byte against the chain, and say who wrote it.
    """
    if output is not None and output.exists() and not force:
        raise TargetExistsError(str(output))
    named = stream_of(stream), key_of(key)
    with place.connect_kv(directory) as kv:
        proved = kv.get_proved(*named, version=version, keys=decrypting.keys()) if verify else None
        head = None if verify else kv.read(*named, version=version)
        if proved is not None:
            number, size_bytes, pieces = proved.version, len(proved.data), iter([proved.data])
        elif head is not None:
            number, size_bytes, pieces = head.version, head.size_bytes, kv.stream(*named, version=head.version)
        else:
            number, size_bytes, pieces = 0, 0, iter([])
        if not size_bytes:
            say(f"there is no {key}")
            return EXIT_ABSENT
        facts: dict[str, object] = {"stream": str(named[0]), "key": shown(named[1]), "version": number, "size": size_bytes}
        if output is not None:
            _save(output, pieces)
        elif json:
            facts["value"] = b64encode(b"".join(pieces)).decode()
        else:
            _print(pieces)
    if proved is not None:
        facts |= _origin(proved)
        say(f"written by {proved.sender} in submission {proved.version}, which the chain holds in block {proved.block_number}")
    if json:
        print_json(facts)
    return 0


def _origin(proved: ProvedValue) -> dict[str, object]:
    return {
        "sender": str(proved.sender),
        "transaction_hash": str(proved.transaction_hash),
        "block": proved.block_number,
        "root": str(proved.root),
        "flow_root": str(proved.flow_root),
    }


def list_(
    stream: StreamText,
    /,
    *,
    prefix: str = "",
    start: Annotated[str | None, cyclopts.Parameter(help="Begin at this key: text, or 0x and hex digits.")] = None,
    reverse: Annotated[bool, Flag] = False,
    limit: int = PAGE,
    version: AsOf = None,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """List the keys of a stream with their versions and sizes, in the order of their bytes.

    Parameters
    ----------
    prefix
        Only keys that begin with this: text, or 0x and hex digits.
    reverse
        The last ones first.
    limit
        How many at most.
    """
    with place.connect_kv(directory) as kv:
        entries = kv.entries(
            stream_of(stream),
            prefix=key_of(prefix),
            start=None if start is None else key_of(start),
            backwards=reverse,
            version=version,
            values=False,
        )
        found = list(islice(entries, limit + 1))
    page, more = found[:limit], found[limit:]
    if json:
        keys = [{"key": shown(entry.key), "version": entry.version, "size": entry.size_bytes} for entry in page]
        print_json({"keys": keys, "next": shown(more[0].key) if more else None})
        return
    for entry in page:
        print(f"{entry.version:>8}  {entry.size_bytes:>13,}  {shown(entry.key)}")
    if more:
        say(f"more with --start {shown(more[0].key)}")


def streams(
    *, cursor: str | None = None, limit: int = PAGE, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()
) -> None:
    """List the streams that the node follows.

    Parameters
    ----------
    cursor
        Where the page begins: what the page before said.
    limit
        How many streams a page has at most.
    """
    with place.connect_kv(directory) as kv:
        page = kv.streams(cursor, count=limit)
    if json:
        print_json(msgspec.to_builtins(page, enc_hook=str))
        return
    for stream in page.streams:
        print(f"{stream.stream_id}  {stream.first_seq:>8} to {stream.last_seq}{'  waits for data' if stream.parked else ''}")
    if page.next is not None:
        say(f"more with --cursor {page.next}")


def follow(stream: StreamText, /, *, place: Place = PLACE, directory: WorkingFolder = Path()) -> None:
    """Ask the node to follow a stream from its first item on, with the signature of the account that pays. A node that follows all needs
    not be asked."""
    account = place.payer(place.place(directory))
    if account is None:
        raise KeyMissingError
    with place.connect_kv(directory) as kv:
        kv.follow(stream_of(stream), account, chain_id=place.chain_id(directory))
    say(f"{kv.url} follows {stream_of(stream)}")


def result(seq: int, /, *, place: Place = PLACE, json: AsJson = False, directory: WorkingFolder = Path()) -> int:
    """Say what became of a submission. The exit code is 1 if it was refused, 4 if there is no result (yet).

    Parameters
    ----------
    seq
        Its number.
    """
    with place.connect_kv(directory) as kv:
        found = kv.result(seq)
    error = None if found is None else rejection(seq, found)
    if json:
        print_json({"tx_seq": seq, "result": found, "code": None if error is None else error.code})
    elif found is None:
        say(f"there is no result of submission {seq}: it is not there yet, or of a stream that the node does not follow")
    else:
        print(found)
    return EXIT_ABSENT if found is None else 1 if error is not None else 0


# ---- rights ------------------------------------------------------------------------------------------------------


def grant(
    stream: StreamText,
    account: str,
    /,
    *,
    admin: Annotated[bool, Flag] = False,
    writer: Annotated[bool, Flag] = False,
    special: str | None = None,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Let an account administer a stream, write its ordinary keys, or write one special key.

    Parameters
    ----------
    account
        0x and 40 hex digits.
    admin
        Everything, for ever: nobody can take it back.
    writer
        All keys that are not special.
    special
        This key, once it is special.
    """
    batch, named, who = Batch(), stream_of(stream), account_of(account)
    match _one_right(admin=admin, writer=writer, special=special):
        case "admin":
            batch.grant_admin(named, who)
        case "writer":
            batch.grant_writer(named, who)
        case bytes() as special_key:
            batch.grant_writer_of_key(named, special_key, who)
    _write(batch, place, SECRETS, directory, as_json=json)


def revoke(
    stream: StreamText,
    account: str,
    /,
    *,
    writer: Annotated[bool, Flag] = False,
    special: str | None = None,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Take from an account what `grant` gave it; an administrator can only renounce it itself.

    Parameters
    ----------
    account
        0x and 40 hex digits.
    writer
        All keys that are not special.
    special
        This special key.
    """
    batch, named, who = Batch(), stream_of(stream), account_of(account)
    match _one_right(writer=writer, special=special):
        case bytes() as special_key:
            batch.revoke_writer_of_key(named, special_key, who)
        case _:
            batch.revoke_writer(named, who)
    _write(batch, place, SECRETS, directory, as_json=json)


def renounce(
    stream: StreamText,
    /,
    *,
    admin: Annotated[bool, Flag] = False,
    writer: Annotated[bool, Flag] = False,
    special: str | None = None,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Give up a right of one's own.

    Parameters
    ----------
    admin
        To administer the stream. Without another administrator nobody ever will.
    writer
        To write all keys that are not special.
    special
        To write this special key.
    """
    batch, named = Batch(), stream_of(stream)
    match _one_right(admin=admin, writer=writer, special=special):
        case "admin":
            batch.renounce_admin(named)
        case "writer":
            batch.renounce_writer(named)
        case bytes() as special_key:
            batch.renounce_writer_of_key(named, special_key)
    _write(batch, place, SECRETS, directory, as_json=json)


def special(
    stream: StreamText,
    key: KeyText,
    /,
    *,
    off: Annotated[bool, Flag] = False,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Make a key one that only administrators and its own writers write.

    Parameters
    ----------
    off
        Make it an ordinary one again.
    """
    batch, named = Batch(), (stream_of(stream), key_of(key))
    _write(batch.set_normal(*named) if off else batch.set_special(*named), place, SECRETS, directory, as_json=json)


def rights(
    stream: StreamText,
    account: str,
    key: str | None = None,
    /,
    *,
    version: AsOf = None,
    place: Place = PLACE,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Show what an account may do in a stream, and with one key of it.

    Parameters
    ----------
    account
        0x and 40 hex digits.
    key
        The key: text, or 0x and hex digits.
    """
    named, who = stream_of(stream), account_of(account)
    with place.connect_kv(directory) as kv:
        found = {"admin": kv.is_admin(who, named, version=version), "writer": kv.is_writer(who, named, version=version)}
        if key is not None:
            found |= _rights_of_key(kv, who, named, key_of(key), version)
    if json:
        print_json(found)
        return
    for right, held in found.items():
        print(f"{right.replace('_', ' '):<15} {'yes' if held else 'no'}")


def _rights_of_key(kv: KvClient, account: Address, stream: Hash32, key: bytes, version: int | None) -> dict[str, bool]:
    return {
        "key_is_special": kv.is_special(stream, key, version=version),
        "writer_of_key": kv.is_writer_of_key(account, stream, key, version=version),
        "may_write_key": kv.may_write(account, stream, key, version=version),
    }


def _one_right(*, admin: bool = False, writer: bool = False, special: str | None) -> Literal["admin", "writer"] | bytes:
    """Which right is meant. Raises `StorageArgumentError` unless it is exactly one."""
    if admin + writer + (special is not None) != 1:
        raise StorageArgumentError("name one right: --admin, --writer, or --special with a key (nobody can revoke an administrator)")
    return "admin" if admin else "writer" if writer else key_of(special or "")


# ---- what they share ---------------------------------------------------------------------------------------------


def _write(batch: Batch, place: KvPlace, encrypting: Encrypting, directory: Path, *, as_json: bool) -> None:
    with place.connect_kv(directory) as kv:
        written = kv.write(batch, encrypt=encrypting.encryption())
    if as_json:
        print_json(_facts(written))
        return
    print(written.tx_seq)
    say(f"version {written.tx_seq}: {written.size_bytes:,} bytes stored as {written.root}, {written.fee_wei} wei paid")


def _facts(written: Written) -> dict[str, object]:
    return {
        "tx_seq": written.tx_seq,
        "root": str(written.root),
        "transaction_hash": None if written.transaction_hash is None else str(written.transaction_hash),
        "streams": [str(stream) for stream in written.streams],
        "size": written.size_bytes,
        "fee_wei": str(written.fee_wei),
    }


def _content(path: Path) -> bytes:
    """Raises `LocalFileError`."""
    try:
        return sys.stdin.buffer.read() if path == Path("-") else path.read_bytes()
    except OSError as error:
        raise LocalFileError(str(path), reason_of(error)) from error


def _save(path: Path, pieces: Iterable[bytes]) -> None:
    """The file appears when it is whole. Raises `LocalFileError`."""
    part = path.with_name(f"{path.name}.zerog-part")
    try:
        with part.open("wb") as file:
            file.writelines(pieces)
        part.replace(path)
    except OSError as error:
        raise LocalFileError(str(path), reason_of(error)) from error
    finally:
        part.unlink(missing_ok=True)


def _print(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
