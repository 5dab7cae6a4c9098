"""A bar for transfers: how much is done, how quickly, and how long it still takes; on stderr, if a person looks at it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zerog.storage.client import Progress, ProgressCallback

__all__ = ["progress_bar"]

WORDS: Final = {
    "hash": "reading",
    "submit": "submitting",
    "upload": "sending",
    "finalize": "finishing",
    "download": "fetching",
    "done": "done",
}


@contextmanager
def progress_bar(name: str) -> Iterator[ProgressCallback | None]:
    """Shows what it is told; gives nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"reading {name}", total=None)

        def show(now: Progress) -> None:
            bar.update(task, description=f"{WORDS[now.phase]} {name}", completed=now.done_bytes, total=now.total_bytes or None)

        yield show
