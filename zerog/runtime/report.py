"""An error as everybody is told of it: a code for machines, a cause and a remedy for people."""

import errno
from collections.abc import Iterator

import msgspec

from zerog._kernel import ModelRefusedError
from zerog.primitives.errors import RefusalError, ZerogError, sentence_of

__all__ = ["DiskFullError", "ErrorReport", "ReportedError", "disk_full", "report_of"]


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
        vars(self).update(code=report.code, remedy=report.remedy)  # As they were reported, and not of the type.


class DiskFullError(RefusalError):
    """There is no room left for what has to be kept."""

    code = "disk_full"
    remedy = "make room on the disk of this folder, or name another folder (--dir); nothing that was acknowledged is lost"
    http_status = 507


def disk_full(error: BaseException) -> DiskFullError | None:
    """What a full disk makes of files and of databases, in our words; `None` for all else. Sources: errno(3), sqlite.org/rescode.html."""
    cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps what the database says.
    is_full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return DiskFullError(str(cause)) if is_full or getattr(cause, "sqlite_errorname", None) == "SQLITE_FULL" else None


def report_of(error: BaseException) -> ErrorReport:
    """What to tell of `error`, of a group the worst in it. An error that is not ours is a bug and says so."""
    if isinstance(error, BaseExceptionGroup):
        return report_of(next((leaf for leaf in _leaves(error) if not isinstance(leaf, ZerogError)), next(_leaves(error))))
    error = disk_full(error) or error
    if not isinstance(error, ZerogError):
        return ErrorReport(code="bug", cause=f"{type(error).__name__}: {error}", remedy="please report this with the log")
    if isinstance(error, ModelRefusedError):
        code, cause, remedy = error.args
        return ErrorReport(code=code, cause=cause, remedy=remedy)
    return ErrorReport(code=error.code, cause=sentence_of(error) or error.code.replace("_", " "), remedy=error.remedy)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The errors in a group, however deep."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
