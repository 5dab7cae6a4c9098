"""How long calls to the marketplace may take as a whole."""

from contextlib import AbstractContextManager

from zerog.compute.client.errors import ComputeTimeoutError
from zerog.runtime.deadlines import Late, TimeLimit, time_limit

__all__ = ["late", "within"]


def late(what: str) -> Late:
    """Makes the error for when the time of a call is over and `what`, a sentence without its end, is still so."""

    def error(limit: TimeLimit) -> ComputeTimeoutError:
        return ComputeTimeoutError(what, limit.timeout_s, limit.known)

    return error


def within(timeout_s: float | None, what: str) -> AbstractContextManager[None]:
    """Everything in the block ends after so many seconds with a `ComputeTimeoutError`; see `late`."""
    return time_limit(timeout_s, late(what))
