"""aria2, the peer of repair: it fetches files from two servers at once, and checks every piece against its SHA-256."""

import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.nodes import START_LIMIT_S

__all__ = ["aria2_mib_s", "ensure_aria2"]

MIB: Final = 1 << 20
PIECE_BYTES: Final = 1 << 20
SERVER: Final = Path(__file__).with_name("range_server.py")


def ensure_aria2() -> str:
    """Its version, or how to install it."""
    program = shutil.which("aria2c")
    if program is None:
        raise SystemExit("aria2c is missing: apt-get install aria2, or brew install aria2, and run this again")
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split("\n", 1)[0].rsplit(" ", 1)[1]


def aria2_mib_s(files: Sequence[Path], target: Path) -> float:
    """MiB/s until all files are there and checked; the servers are two processes that send files as fast as the system can."""
    with range_server(files[0].parent) as one, range_server(files[0].parent) as other:
        metalink = target.with_suffix(".meta4")
        metalink.write_text(metalink_of(files, (one, other)))
        options = ["--quiet", "--file-allocation=none", "--split=4", "--max-connection-per-server=2", "--min-split-size=4M"]
        together = ["--max-concurrent-downloads=2", "--check-integrity=true", "--allow-overwrite=true", "--no-conf"]
        started = time.perf_counter()
        subprocess.run(["aria2c", *options, *together, f"--dir={target}", f"--metalink-file={metalink}"], check=True)
        seconds = time.perf_counter() - started
    size_bytes = sum(file.stat().st_size for file in files)
    if sum((target / file.name).stat().st_size for file in files) != size_bytes:
        raise OSError("aria2 did not fetch all files")
    shutil.rmtree(target)
    return size_bytes / MIB / seconds


def metalink_of(files: Sequence[Path], servers: Sequence[str]) -> str:
    """Source: RFC 5854."""
    entries = []
    for file in files:
        data = file.read_bytes()
        pieces = "".join(
            f"<hash>{hashlib.sha256(data[at : at + PIECE_BYTES]).hexdigest()}</hash>" for at in range(0, len(data), PIECE_BYTES)
        )
        urls = "".join(f"<url>{escape(server)}/{escape(file.name)}</url>" for server in servers)
        sums = f'<pieces length="{PIECE_BYTES}" type="sha-256">{pieces}</pieces>'
        entries.append(f'<file name="{escape(file.name)}"><size>{len(data)}</size>{sums}{urls}</file>')
    return f'<?xml version="1.0" encoding="UTF-8"?><metalink xmlns="urn:ietf:params:xml:ns:metalink">{"".join(entries)}</metalink>'


@contextmanager
def range_server(folder: Path) -> Iterator[str]:
    """URL of a server of the files in a folder."""
    with subprocess.Popen([sys.executable, str(SERVER), str(folder)], stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise OSError("the server has no output")
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(START_LIMIT_S)
