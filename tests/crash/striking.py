"""One fault after the other for a program that keeps something in a folder: where it can strike, and a run in which it did."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Protocol, Self

from tests.crash.faults import Call, Fault, Traced, calls_on

__all__ = ["Drive", "Undisturbed", "acknowledged", "strike"]

ATTEMPTS: Final = 12
"""By then any number has come down to 1."""


class Drive(Protocol):
    """Runs a driver on what it keeps in `folder`, of which `done` steps were acknowledged before."""

    def __call__(
        self, folder: Path, trace_file: Path, *, done: int = 0, files: Iterable[Path] = (), fault: Fault | None = None
    ) -> Traced: ...


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a run without faults does: the files it writes, as names in its folder, and its calls on them."""

    files: frozenset[str]
    calls: tuple[Call, ...]

    @classmethod
    def of(cls, drive: Drive, base: Path) -> Self:
        """Run the driver to its end, in `base`/kept."""
        traced = drive(base / "kept", base / "trace")
        assert traced.output.splitlines()[-1:] == ["closed"], traced.errors
        files, calls = calls_on(base / "kept", traced.trace)
        return cls(frozenset(str(file.relative_to(base / "kept")) for file in files), tuple(calls))

    def fault(self, dice: Random) -> Fault:
        """A fault: each kind of call comes up as often as any other, however rare it is."""
        name = dice.choice(sorted({call.name for call in self.calls}))
        return Fault(dice.choice([call for call in self.calls if call.name == name]), dice.choice(("EIO", "KILL")))


def strike(drive: Drive, base: Path, names: Iterable[str], fault: Fault) -> tuple[Path, Traced, Fault]:
    """Run until the fault happens; returns the folder, the run, and the fault as it was.

    Threads write beside each other and together what has come, so how many calls there are differs from run to run: fewer are met
    earlier.
    """
    missing: str | None = None
    for attempt in range(ATTEMPTS):
        folder = base / f"kept-{attempt}"
        traced = drive(folder, base / f"trace-{attempt}", files={folder / name for name in names}, fault=fault)
        missing = traced.missing(fault)
        if missing is None:
            return folder, traced, fault
        fault = Fault(Call(fault.call.name, max(1, fault.call.number * 2 // 3)), fault.kind)
    raise AssertionError(missing)


def acknowledged(traced: Traced) -> int:
    """The last step that the driver said was done."""
    return max((int(line.removeprefix("done ")) for line in traced.output.splitlines() if line.startswith("done ")), default=0)
