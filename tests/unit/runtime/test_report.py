"""What people are told of an error."""

import errno
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from zerog._kernel import GenesisMismatchError, LedgerBusyError, LedgerOldFormatError
from zerog.devnet.errors import RoleFailedError
from zerog.primitives.errors import RefusalError
from zerog.runtime.report import ErrorReport, ReportedError, report_of


class TinyError(RefusalError):
    """Says everything itself."""

    code = "tiny"
    remedy = "smile"


@pytest.mark.parametrize(
    ("error", "code", "remedy_part"),
    [
        (TinyError("it is small"), "tiny", "smile"),
        (GenesisMismatchError("0x01", "0x02"), "genesis_mismatch", "zerog reset"),
        (LedgerOldFormatError("old"), "ledger_old_format", "zerog reset"),
        (LedgerBusyError("busy"), "ledger_busy", "zerog down"),
        (KeyError("x"), "bug", "report"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full", "make room"),
        (OSError(errno.EIO, "Input/output error"), "bug", "report"),
        (ExceptionGroup("two", [TinyError("small"), ExceptionGroup("one", [KeyError("x")])]), "bug", "report"),
        (ExceptionGroup("two", [TinyError("small"), TinyError("again")]), "tiny", "smile"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_every_error_has_a_code_a_cause_and_a_remedy(error: Exception, code: str, remedy_part: str) -> None:
    report = report_of(error)
    assert report.code == code
    assert report.cause
    assert remedy_part in report.remedy


def test_a_database_that_has_no_room_is_no_bug() -> None:
    """As SQLite says it, and as SQLAlchemy wraps that."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as plain:
            database.execute("CREATE TABLE a (b)")
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 1"))
        with pytest.raises(OperationalError) as wrapped:
            connection.execute(text("CREATE TABLE a (b)"))
    engine.dispose()
    told = [report_of(error) for error in (plain.value, wrapped.value)]
    assert [(report.code, report.cause) for report in told] == [("disk_full", "database or disk is full")] * 2


def test_an_error_of_the_kernel_that_has_facts_alone_becomes_a_sentence() -> None:
    report = report_of(GenesisMismatchError("0x01", "0x02"))
    assert report.cause == "the folder holds the chain with genesis 0x01, and what was asked for has genesis 0x02"
    assert report_of(ReportedError(report, origin="chain")).cause == f"chain: {report.cause}"
    assert report_of(RoleFailedError("chain", report)).cause == f"chain: {report.cause}"


def test_a_report_survives_the_way_to_another_process() -> None:
    report = ErrorReport(code="tiny", cause="it is small", remedy="smile")
    assert report_of(ReportedError(report)) == report
