"""`zerog da put`, `get`, `status`, `ls` and `sample`: blobs of a network."""

import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import cyclopts

from zerog.cli.da_options import DaArgumentError, DaServices, dispersal_spinner
from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.da.protocol.constants import BLOB_BYTES_MAX, COSETS, ENCODED_ROWS, SUBLINES
from zerog.da.protocol.names import BlobName
from zerog.da.protocol.status import BlobState, BlobStatus
from zerog.primitives import Hash32
from zerog.runtime.files import write_atomically

if TYPE_CHECKING:
    from zerog.da.client import CheckedSample, DaClient

__all__ = ["get", "ls", "put", "sample", "status"]

STDIN: Final = Path("-")
FILE_MODE: Final = 0o644


def put(
    path: Path,
    /,
    *,
    wait: Literal["accepted", "confirmed", "finalized"] = "finalized",
    timeout: float = 300.0,
    services: Annotated[DaServices, cyclopts.Parameter(name="*")] = DaServices(),  # noqa: B008 - it is frozen.
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Disperse a file as a blob, and print its name: all that is needed to get it back.

    Parameters
    ----------
    path
        What to disperse, at most 32,505,852 bytes; - is the standard input.
    wait
        How far the blob shall be: taken (accepted), signed by a quorum (confirmed), or in a block that cannot go back (finalized).
    timeout
        Seconds to wait for that. The blob goes on all the same.
    """
    data = _read(path)
    name = "standard input" if path == STDIN else path.name
    with services.connect(directory) as da, dispersal_spinner(name) as progress:
        done = da.put(data, wait_until=wait, timeout_s=timeout, progress=progress)
    if json:
        print_json({"request_id": done.request_id, "size": done.size_bytes, "status": done.status.name, **_name_facts(done.name)})
        return
    print(done.request_id if done.name is None else done.name)
    say(f"{done.size_bytes:,} bytes, {done.status.name.lower()}; request {done.request_id}")


def get(
    name: str,
    /,
    *,
    output: Annotated[Path | None, cyclopts.Parameter(name=["--output", "-o"])] = None,
    force: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    services: Annotated[DaServices, cyclopts.Parameter(name="*")] = DaServices(),  # noqa: B008 - it is frozen.
    directory: WorkingFolder = Path(),
) -> None:
    """Fetch a blob, from the disperser or from the signers. Every byte is held against the root.

    Parameters
    ----------
    name
        As `zerog da put` printed it: root, epoch and quorum with slashes between them.
    output
        File to make; by default the blob goes to the standard output.
    force
        Replace a file that is there.
    """
    blob = BlobName.parse(name)
    if output is not None and output.exists() and not force:
        raise DaArgumentError(f"{output} is there already; replace it with --force")
    with services.connect(directory) as da:
        data = da.get(blob)
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    try:
        write_atomically(output, data, mode=FILE_MODE)
    except OSError as error:
        raise DaArgumentError(f"{output}: {error.strerror or error}") from None
    say(f"{len(data):,} bytes in {output}")


def status(
    request: str,
    /,
    *,
    services: Annotated[DaServices, cyclopts.Parameter(name="*")] = DaServices(),  # noqa: B008 - it is frozen.
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Show where a blob is on its way.

    Parameters
    ----------
    request
        The id that its disperser gave it.
    """
    with services.connect(directory) as da:
        state = da.status(request)
    if json:
        print_json({"request_id": request, **_state_facts(state)})
        return
    print(state.status.name.lower())
    for label, text in (("name", state.name), ("step", state.step), ("reason", state.reason)):
        if text:
            print(f"  {label:<7} {text}")


def ls(
    *,
    only: Annotated[str | None, cyclopts.Parameter(name="--status")] = None,
    limit: int = 100,
    cursor: str = "",
    services: Annotated[DaServices, cyclopts.Parameter(name="*")] = DaServices(),  # noqa: B008 - it is frozen.
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """List the blobs of the disperser, the newest first.

    Parameters
    ----------
    only
        Blobs of one status: processing, confirmed, finalized or failed.
    limit
        How many, at most 1,000.
    cursor
        Where an earlier list ended.
    """
    with services.connect(directory) as da:
        page = da.blobs(cursor, status=_status(only), limit=limit)
    if json:
        blobs = [
            {"request_id": blob.request_id, "size": blob.size_bytes, "received_ms": blob.received_ms, **_state_facts(blob.state)}
            for blob in page.blobs
        ]
        print_json({"blobs": blobs, "next_cursor": page.next_cursor})
        return
    for blob in page.blobs:
        what = blob.state.name or blob.state.reason or blob.state.step or f"request {blob.request_id}"
        print(f"{blob.state.status.name.lower():<10}  {blob.size_bytes:>10}  {what}")
    if page.next_cursor:
        say(f"more: --cursor {page.next_cursor}")


def sample(
    name: str,
    /,
    *,
    samples: int = 16,
    row: int | None = None,
    subline: int | None = None,
    services: Annotated[DaServices, cyclopts.Parameter(name="*")] = DaServices(),  # noqa: B008 - it is frozen.
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> None:
    """Ask signers for random pieces of a blob and hold each against its root: a look whether it can be had, without fetching it.

    Parameters
    ----------
    name
        A blob as `zerog da put` printed it, or its root alone.
    samples
        How many pieces of 1 KiB to ask for.
    row
        One row (0 to 3071) instead of random ones.
    subline
        One piece of it (0 to 31).
    """
    if not 1 <= samples <= ENCODED_ROWS:
        raise DaArgumentError(f"1 to {ENCODED_ROWS} samples can be taken, not {samples}")
    dice = random.SystemRandom()
    rows = dice.sample(range(ENCODED_ROWS), samples) if row is None else [row]
    root, epoch, quorum_id = _named(name)
    with services.connect(directory) as da:
        found = [_sample(da, root, (index, dice.randrange(SUBLINES) if subline is None else subline), epoch, quorum_id) for index in rows]
    if json:
        print_json([{"row": one.row_index, "subline": one.subline_index, "signer": one.signer, **_name_facts(one.name)} for one in found])
        return
    for one in found:
        print(f"row {one.row_index:>4}, piece {one.subline_index:>2}: from {one.signer}")
    print(f"{len(found)} of {len(found)} samples lead to the root")
    if row is None:
        say(f"if so many rows were gone that the blob is lost, the chance to see this would be below {COSETS ** -len(found):.1e}")


def _sample(da: "DaClient", root: Hash32, place: tuple[int, int], epoch: int | None, quorum_id: int | None) -> "CheckedSample":
    return da.sample(root, *place, epoch=epoch, quorum_id=quorum_id)


def _named(text: str) -> tuple[Hash32, int | None, int | None]:
    """Root, and epoch and quorum if they are named."""
    if "/" in text:
        name = BlobName.parse(text)
        return name.root, name.epoch, name.quorum_id
    try:
        return Hash32.from_json(text), None, None
    except ValueError as error:
        raise DaArgumentError(f"{text!r} is no name of a blob, and no root: {error}") from None


def _read(path: Path) -> bytes:
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read(BLOB_BYTES_MAX + 1)
        else:
            with path.open("rb") as file:
                data = file.read(BLOB_BYTES_MAX + 1)
    except OSError as error:
        raise DaArgumentError(f"{path}: {error.strerror or error}") from None
    if not 1 <= len(data) <= BLOB_BYTES_MAX:
        raise DaArgumentError(f"a blob has 1 to {BLOB_BYTES_MAX:,} bytes, and {path} has {'more' if data else 'none'}")
    return data


def _status(text: str | None) -> BlobStatus:
    try:
        return BlobStatus.UNKNOWN if text is None else BlobStatus[text.upper()]
    except KeyError:
        raise DaArgumentError(f"there is no status {text!r}: {', '.join(status.name.lower() for status in BlobStatus)}") from None


def _state_facts(state: BlobState) -> dict[str, object]:
    return {"status": state.status.name, "step": state.step, "reason": state.reason, **_name_facts(state.name)}


def _name_facts(name: BlobName | None) -> dict[str, object]:
    if name is None:
        return {"name": None, "root": None, "epoch": None, "quorum": None}
    return {"name": str(name), "root": str(name.root), "epoch": name.epoch, "quorum": name.quorum_id}
