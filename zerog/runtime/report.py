"""An error as everybody is told of it: a code for machines, a cause and a remedy for people."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from zerog._kernel import ModelRefusedError
from zerog.primitives.errors import ZerogError

__all__ = ["ErrorReport", "ReportedError", "report_of"]

REMEDIES: Final = {
    "genesis_mismatch": "remove the old network with `zerog reset`, or start it with the settings, or the version, that it was made with",
    "ledger_busy": "stop the other process with `zerog down`, or choose another folder with --dir",
    "ledger_old_format": "begin again with `zerog reset`, or go on with the version that wrote it",
    "ledger_corrupt": "keep a copy of the folder for a report, then begin again with `zerog reset`",
    "ledger_failed": "look at the disk's space and health, then start again",
}
"""Remedies for the errors of the kernel, which knows no commands."""

CAUSES: Final = {"genesis_mismatch": "the folder holds the chain with genesis {}, and what was asked for has genesis {}"}
"""Sentences for errors of the kernel that carry facts alone."""


class ErrorReport(msgspec.Struct, frozen=True, kw_only=True):
    """The same three facts on every surface."""

    code: str
    cause: str
    remedy: str = ""

    def lines(self) -> list[str]:
        """For a terminal."""
        return [f"error [{self.code}]: {self.cause}", *([f"remedy: {self.remedy}"] if self.remedy else [])]


class ReportedError(ZerogError):
    """An expected error of another process, as that process reported it."""

    def __init__(self, report: ErrorReport, *, origin: str = "") -> None:
        super().__init__(f"{origin}: {report.cause}" if origin else report.cause)
        self.code = report.code
        self.remedy = report.remedy


def report_of(error: BaseException) -> ErrorReport:
    """What to tell of `error`, of a group the worst in it. An error that is not ours is a bug and says so."""
    if isinstance(error, BaseExceptionGroup):
        return report_of(next((leaf for leaf in _leaves(error) if not isinstance(leaf, ZerogError)), next(_leaves(error))))
    if not isinstance(error, ZerogError):
        return ErrorReport(code="bug", cause=f"{type(error).__name__}: {error}", remedy="please report this with the log")
    if isinstance(error, ModelRefusedError):
        code, cause, remedy = error.args
        return ErrorReport(code=code, cause=cause, remedy=remedy)
    own_code = str(getattr(error, "code", ""))
    code = own_code or _code_of(type(error))
    remedy = str(getattr(error, "remedy", "") or REMEDIES.get(code, ""))
    cause = CAUSES[code].format(*error.args) if not own_code and code in CAUSES else str(error)
    return ErrorReport(code=code, cause=cause or code.replace("_", " "), remedy=remedy)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The errors in a group, however deep."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _code_of(kind: type) -> str:
    """`GenesisMismatchError` becomes `genesis_mismatch`."""
    words = re.findall(r"[A-Z][a-z0-9]*", kind.__name__.removesuffix("Error"))
    return "_".join(word.lower() for word in words)
