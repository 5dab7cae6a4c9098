"""One pass over the table: what the rows share, and where they leave their figures."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from benchmarks.nodes import Node, anvil, zerog
from benchmarks.report import Machine, Row

__all__ = ["Bench"]

T = TypeVar("T")


@dataclass(slots=True)
class Bench:
    """A pass with these variables in the environment of every node. A row adds its lines to `rows` and what they rest on to `details`."""

    environment: Mapping[str, str]
    rows: list[Row] = field(default_factory=list)
    details: dict[str, object] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """What each row took as a whole, with its preparations."""

    def both(self, measure: Callable[[Node], T]) -> tuple[T, T]:
        """The same measurement on a fresh node of each kind, ours first."""
        with zerog(self.environment) as node:
            ours = measure(node)
        with anvil(self.environment) as node:
            theirs = measure(node)
        return ours, theirs

    def document(self, machine: Machine) -> dict[str, object]:
        """All of it, for the result file."""
        rows = [{**asdict(row), "ratio": row.ratio} for row in self.rows]
        return {"machine": asdict(machine), "rows": rows, "row_seconds": self.seconds, "details": self.details}
