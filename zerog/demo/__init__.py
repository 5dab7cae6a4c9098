"""The life of an AI answer, told with proofs: from a stored text to a payment that anybody can check. `zerog demo` prints it."""

from zerog.demo.errors import DataDifferError, DemoError, ForgeryTakenError, KeepError, NoModelError, ReplayMissingError
from zerog.demo.keeping import Folder
from zerog.demo.life import STEPS, Audience, live
from zerog.demo.results import (
    Answered,
    Life,
    Paid,
    Published,
    Receipted,
    Refusal,
    Refused,
    Replayed,
    Result,
    Step,
    Stored,
    Verified,
)

__all__ = [
    "STEPS",
    "Answered",
    "Audience",
    "DataDifferError",
    "DemoError",
    "Folder",
    "ForgeryTakenError",
    "KeepError",
    "Life",
    "NoModelError",
    "Paid",
    "Published",
    "Receipted",
    "Refusal",
    "Refused",
    "ReplayMissingError",
    "Replayed",
    "Result",
    "Step",
    "Stored",
    "Verified",
    "live",
]
