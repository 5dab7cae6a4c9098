"""The book as its callers see it: reservations, charges, receipts, jobs."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from tests.unit.compute.book.making import ALICE, BOB, ONE, ShiftedClock, charge_of, new_id
from zerog.compute.protocol.errors import InsufficientBalanceError
from zerog.compute.provider.book import (
    Book,
    BookUnavailableError,
    BookUnusableError,
    BrokerReplacedError,
    JobAnswer,
    JobQueueFullError,
    JobState,
    NewJob,
    RequestReusedError,
    lock_accounts,
)
from zerog.primitives import Address

pytestmark = pytest.mark.anyio


async def reserved_wei(book: Book, user: Address = ALICE) -> int:
    return await book.write(lambda connection: lock_accounts(connection, [user])[user].reserved_wei)


async def test_a_request_is_reserved_charged_and_can_be_fetched(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        request_id = new_id()
        charge = charge_of(request_id, fee_wei=3 * 10**30)
        await book.reserve(request_id, ALICE, expected_wei=0, highest_wei=5 * 10**30, locked_wei=10**31)
        assert await reserved_wei(book) == 5 * 10**30
        await book.charge(charge)
        assert (await reserved_wei(book), await book.unsettled_wei(ALICE)) == (0, 3 * 10**30)
        signature, receipt = await book.signature(request_id), await book.receipt(request_id)
        assert signature is not None
        assert receipt is not None
        assert (signature.signed_text, signature.text_signature) == (charge.signed_text, charge.text_signature)
        assert signature.signing_address == charge.signing_address
        assert (receipt.receipt, receipt.leaf, receipt.fee_wei, receipt.user) == (charge.receipt, charge.leaf, 3 * 10**30, ALICE)
        assert receipt.settlement_entry_id is None
    async with await Book.open(url, broker_id="a") as book:
        assert await book.unsettled_wei(ALICE) == 3 * 10**30
        assert await book.receipt(request_id) == receipt


async def test_a_charge_counts_once_however_often_it_is_brought(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        charge = charge_of(new_id())
        async with anyio.create_task_group() as callers:
            for _ in range(20):
                callers.start_soon(book.charge, charge)
        await book.charge(charge)
        assert await book.unsettled_wei(ALICE) == charge.fee_wei
        assert len((await book.receipts()).rows) == 1


async def test_a_release_bills_nothing_and_may_be_repeated(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        request_id = new_id()
        await book.reserve(request_id, ALICE, expected_wei=0, highest_wei=ONE, locked_wei=2 * ONE)
        await book.release(request_id)
        await book.release(request_id)
        assert (await reserved_wei(book), await book.unsettled_wei(ALICE)) == (0, 0)
        assert await book.receipt(request_id) is None


@pytest.mark.parametrize(
    ("expected_wei", "highest_wei", "locked_wei", "needed_wei"),
    [(0, 0, ONE - 1, ONE), (5, 6, ONE + 4, ONE + 5), (0, 2 * ONE, 2 * ONE - 1, 2 * ONE)],
    ids=["the minimum stays locked", "the expected fee comes on top", "the highest fee is covered"],
)
async def test_a_request_that_is_not_covered_is_refused(
    url: str, expected_wei: int, highest_wei: int, locked_wei: int, needed_wei: int
) -> None:
    async with await Book.open(url, broker_id="a") as book:
        with pytest.raises(InsufficientBalanceError, match=r"^insufficient balance: your locked balance is") as refused:
            await book.reserve(new_id(), ALICE, expected_wei=expected_wei, highest_wei=highest_wei, locked_wei=locked_wei)
        assert (refused.value.needed_wei, refused.value.http_status) == (needed_wei, 402)
        await book.reserve(new_id(), ALICE, expected_wei=expected_wei, highest_wei=highest_wei, locked_wei=needed_wei)


async def test_of_64_at_once_as_many_pass_as_the_money_covers(url: str) -> None:
    passed: list[str] = []
    refused: list[InsufficientBalanceError] = []

    async def ask(book: Book) -> None:
        request_id = new_id()
        try:
            await book.reserve(request_id, ALICE, expected_wei=0, highest_wei=ONE, locked_wei=3 * ONE)
        except InsufficientBalanceError as error:
            refused.append(error)
        else:
            passed.append(request_id)

    async with await Book.open(url, broker_id="a") as one, await Book.open(url, broker_id="b") as other:
        async with anyio.create_task_group() as callers:
            for index in range(64):
                callers.start_soon(ask, (one, other)[index % 2])
        assert (len(passed), len(refused)) == (3, 61)
        assert await reserved_wei(one) == 3 * ONE


async def test_an_id_of_another_user_is_refused(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        await book.reserve("same", ALICE, expected_wei=0, highest_wei=1, locked_wei=ONE)
        await book.reserve("same", ALICE, expected_wei=0, highest_wei=1, locked_wei=ONE)
        with pytest.raises(RequestReusedError):
            await book.reserve("same", BOB, expected_wei=0, highest_wei=1, locked_wei=ONE)
        assert await reserved_wei(book) == 1


async def test_a_cancelled_reservation_holds_nothing(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        for _ in range(30):
            async with anyio.create_task_group() as callers:
                callers.start_soon(lambda: book.reserve(new_id(), ALICE, expected_wei=0, highest_wei=ONE, locked_wei=90 * ONE))
                await anyio.lowlevel.checkpoint()
                callers.cancel_scope.cancel()
        assert await reserved_wei(book) == 0


async def test_receipts_come_in_pages_newest_first(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        for index in range(7):
            await book.charge(charge_of(f"{index}", ALICE if index % 2 == 0 else BOB))
        first = await book.receipts(None, None, 4)
        second = await book.receipts(None, first.next_cursor, 4)
        assert [row.request_id for row in first.rows + second.rows] == list("6543210")
        assert second.next_cursor is None
        assert [row.request_id for row in (await book.receipts(BOB)).rows] == list("531")


async def test_what_a_dead_broker_reserved_is_given_back_with_its_lease(url: str) -> None:
    clock = ShiftedClock()
    dead = await Book.open(url, broker_id="dead")
    await dead.reserve("lost", ALICE, expected_wei=0, highest_wei=2 * ONE, locked_wei=2 * ONE)
    async with await Book.open(url, broker_id="b", clock=clock) as book:
        with pytest.raises(InsufficientBalanceError):
            await book.reserve("mine", ALICE, expected_wei=0, highest_wei=ONE, locked_wei=2 * ONE)
        clock.ahead_s = 61
        await book.reserve("mine", ALICE, expected_wei=0, highest_wei=ONE, locked_wei=2 * ONE)
        assert await reserved_wei(book) == ONE
        await dead.charge(charge_of("lost"))  # It was not dead but slow: what it answered is charged all the same.
        assert (await book.unsettled_wei(ALICE), await reserved_wei(book)) == (7, ONE)
    await dead.aclose()


async def test_who_takes_the_name_of_a_broker_replaces_it(url: str) -> None:
    old = await Book.open(url, broker_id="a")
    await old.reserve("lost", ALICE, expected_wei=0, highest_wei=ONE, locked_wei=ONE)
    async with await Book.open(url, broker_id="a") as new:
        assert await reserved_wei(new) == 0
        with pytest.raises(BrokerReplacedError):
            await old.charge(charge_of("lost"))
        await old.aclose()
        await new.charge(charge_of("mine"))


async def test_work_that_fails_undoes_itself_and_nothing_else(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:

        def fail(connection: Connection) -> None:
            connection.execute(text("DELETE FROM facts"))
            raise LookupError("not there")

        with pytest.raises(LookupError, match="not there"):
            await book.write(fail)
        await book.bind("chain 1")
        await book.bind("chain 1")
        with pytest.raises(BookUnusableError, match="chain 1, not of chain 2"):
            await book.bind("chain 2")
        version = await book.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM facts").scalar_one())
        assert version == 2


def job_of(job_id: str) -> NewJob:
    return NewJob(
        job_id=job_id, user=ALICE, path="/images/generations", content_type="application/json", body=b"{}", created_at_ms=1, details="d"
    )


DONE = JobAnswer(state=JobState.COMPLETED, status=200, content_type="image/png", body=b"\x89PNG")


async def test_a_job_is_taken_up_by_one_broker_and_finished_once(url: str) -> None:
    async with await Book.open(url, broker_id="a") as one, await Book.open(url, broker_id="b") as other:
        for index in range(6):
            await one.create_job(job_of(f"{index}"))
        await one.create_job(job_of("0"))
        claimed: list[str] = []

        async def take(book: Book) -> None:
            job = await book.claim_job()
            assert job is not None
            claimed.append(job.job_id)

        async with anyio.create_task_group() as callers:
            for index in range(6):
                callers.start_soon(take, (one, other)[index % 2])
        assert sorted(claimed) == list("012345")
        assert await one.claim_job() is None
        assert await one.finish_job("0", DONE, charge_of("0"))
        assert not await other.finish_job("0", DONE, charge_of("0"))
        job = await other.job("0")
        assert job is not None
        assert (job.state, job.answer, job.attempts) == (JobState.COMPLETED, DONE, 1)
        assert await one.unsettled_wei(ALICE) == 7
        page = await one.jobs(ALICE, None, 4)
        assert [row.job_id for row in page.rows] == list("5432")
        assert [row.job_id for row in (await one.jobs(ALICE, page.next_cursor, 4)).rows] == list("10")


async def test_a_job_of_a_dead_broker_waits_again(url: str) -> None:
    clock = ShiftedClock()
    dead = await Book.open(url, broker_id="dead")
    await dead.create_job(job_of("0"))
    assert await dead.claim_job() is not None
    async with await Book.open(url, broker_id="b", clock=clock) as book:
        assert await book.claim_job() is None
        clock.ahead_s = 61
        async with await Book.open(url, broker_id="c", clock=clock):
            pass
        job = await book.claim_job()
        assert job is not None
        assert job.attempts == 2
    await dead.aclose()


async def test_no_more_jobs_wait_than_may(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        await book.create_job(job_of("0"), waiting_max=1)
        with pytest.raises(JobQueueFullError):
            await book.create_job(job_of("1"), waiting_max=1)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [("nothing", "parse"), ("sqlite://", "in memory"), ("mysql://here/x", "mysql"), ("sqlite:////proc/none/x.db", "No such file")],
)
async def test_a_url_that_names_no_book_is_refused(wrong: str, why: str) -> None:
    with pytest.raises(BookUnusableError, match=why):
        await Book.open(wrong, broker_id="a")


async def test_a_charge_that_cannot_be_kept_fails_alone(url: str) -> None:
    failures: list[IntegrityError] = []

    async def fail(book: Book) -> None:
        try:
            await book.charge(replace(charge_of("bad"), receipt=None))  # type: ignore[arg-type]
        except IntegrityError as error:
            failures.append(error)

    async with await Book.open(url, broker_id="a") as book:
        async with anyio.create_task_group() as callers:
            for index in range(5):
                callers.start_soon(book.charge, charge_of(f"{index}"))
            callers.start_soon(fail, book)
            for index in range(5, 10):
                callers.start_soon(book.charge, charge_of(f"{index}"))
        assert len(failures) == 1
        assert await book.unsettled_wei(ALICE) == 70
        await book.charge(charge_of("bad"))


async def test_a_full_disk_refuses_and_later_takes(tmp_path: Path) -> None:
    async with await Book.open(f"sqlite:///{tmp_path}/book.db", broker_id="a") as book:
        pages = await book.read(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar_one())
        await book.write(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar_one())
        large = replace(charge_of("large"), receipt=b"x" * 50_000)
        with pytest.raises(BookUnavailableError, match="full"):
            await book.charge(large)
        assert await book.unsettled_wei(ALICE) == 0
        await book.charge(large)  # The writer has opened a new connection, which has no such limit.
        assert await book.unsettled_wei(ALICE) == 7


async def test_many_share_one_commit(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        before = book.groups_committed
        async with anyio.create_task_group() as callers:
            for index in range(200):
                callers.start_soon(book.charge, charge_of(f"{index}"))
        assert book.groups_committed - before < 20
        assert await book.unsettled_wei(ALICE) == 1400


@pytest.mark.parametrize("strange", ["", "\0", "\ud800", "ü", "x" * 300, "' OR 1=1 --"])
async def test_an_id_that_cannot_be_names_nothing(url: str, strange: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        assert [await book.signature(strange), await book.receipt(strange), await book.job(strange)] == [None, None, None]


@pytest.mark.parametrize("cursor", [-(2**70), -1, 0, 2**63, 2**70])
async def test_a_cursor_beyond_all_rows_is_a_page(url: str, cursor: int) -> None:
    async with await Book.open(url, broker_id="a") as book:
        await book.charge(charge_of("x"))
        await book.create_job(job_of("0"))
        wanted = 1 if cursor > 0 else 0
        assert (len((await book.receipts(None, cursor, 5)).rows), len((await book.jobs(None, cursor, 5)).rows)) == (wanted, wanted)


async def test_a_release_is_carried_out_though_its_caller_was_cancelled(url: str) -> None:
    async with await Book.open(url, broker_id="a") as book:
        for _ in range(20):
            request_id = new_id()
            await book.reserve(request_id, ALICE, expected_wei=0, highest_wei=ONE, locked_wei=90 * ONE)
            async with anyio.create_task_group() as callers:
                callers.start_soon(book.release, request_id)
                await anyio.lowlevel.checkpoint()
                callers.cancel_scope.cancel()
        assert await reserved_wei(book) == 0
