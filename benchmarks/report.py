"""The table that `make bench` prints, and the file that it leaves."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

__all__ = ["Machine", "Row", "describe_machine", "print_table", "write_results"]

RESULTS: Final = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the same figure of both nodes, and whether ours is good enough."""

    what: str
    unit: str
    zerog: float | None
    """`None` for a row that could not be measured."""
    peer: float | None
    """Of the suite's first peer."""
    target: str
    met: bool | None
    """`None` for a row that only reports."""
    note: str = ""
    second_peer: float | None = None
    """Only where the suite has one that is measured too."""

    @property
    def ratio(self) -> float | None:
        """Ours by that of the first peer that has one."""
        theirs = self.peer or self.second_peer
        return self.zerog / theirs if self.zerog is not None and theirs else None

    def cells(self, peer_count: int) -> tuple[str, ...]:
        """What stands in the columns of a table with so many peers."""
        ratio = "–" if self.ratio is None else f"{self.ratio:.2f}×"
        met = "–" if self.met is None else "yes" if self.met else "NO"
        figures = [figure(each, self.unit) for each in (self.zerog, self.peer, self.second_peer)[: 1 + peer_count]]
        return self.what, *figures, ratio, self.target, met


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and with what it was measured."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    load_before: float
    python: str
    zerog: str
    peers: Mapping[str, str]
    """Version of each peer."""
    commit: str
    measured_at: str


def figure(value: float | None, unit: str) -> str:
    """A number as people read it."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 2 if abs(value) >= 0.1 else 3
    return f"{value:,.{digits}f} {unit}".rstrip()


def describe_machine(*, zerog: str, peers: Mapping[str, str], commit: str) -> Machine:
    """The machine that this runs on."""
    processors = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        processor=processors[0] if processors else platform.processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(memory_bytes / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        load_before=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        zerog=zerog,
        peers=peers,
        commit=commit,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def print_table(title: str, peers: Sequence[str], rows: Sequence[Row]) -> None:
    """Print the rows in columns, then their notes."""
    table = [("what", "zerog", *peers, "ratio", "target", "met"), *(row.cells(len(peers)) for row in rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(table[0]))]
    print(f"\n{title}")
    for cells in table:
        padded = [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]
        print("  ".join(padded))
    for row in rows:
        if row.note:
            print(f"  {row.what.strip()}: {row.note}")


def write_results(name: str, document: object) -> Path:
    """Write the figures to `results/NAME.json`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
