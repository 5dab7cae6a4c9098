"""The table that `make bench` prints, and the file that it leaves."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

__all__ = ["Machine", "Row", "describe_machine", "print_table", "write_results"]

RESULTS: Final = Path(__file__).parent / "results"
HEADINGS: Final = ("what", "zerog", "anvil", "hardhat", "ratio", "target", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the same figure of both nodes, and whether ours is good enough."""

    what: str
    unit: str
    zerog: float | None
    """`None` for a row that could not be measured."""
    anvil: float | None
    target: str
    met: bool | None
    """`None` for a row that only reports."""
    note: str = ""
    hardhat: float | None = None
    """Only where that peer is measured too."""

    @property
    def ratio(self) -> float | None:
        """Ours by the peer's."""
        return self.zerog / self.anvil if self.zerog is not None and self.anvil else None

    def cells(self) -> tuple[str, ...]:
        ratio = "–" if self.ratio is None else f"{self.ratio:.2f}×"
        met = "–" if self.met is None else "yes" if self.met else "NO"
        figures = [figure(each, self.unit) for each in (self.zerog, self.anvil, self.hardhat)]
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
    anvil: str
    hardhat: str
    commit: str
    measured_at: str


def figure(value: float | None, unit: str) -> str:
    """A number as people read it."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 2 if abs(value) >= 0.1 else 3
    return f"{value:,.{digits}f} {unit}".rstrip()


def describe_machine(*, zerog: str, anvil: str, hardhat: str, commit: str) -> Machine:
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
        anvil=anvil,
        hardhat=hardhat,
        commit=commit,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print the rows in columns, then their notes."""
    table = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADINGS))]
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
