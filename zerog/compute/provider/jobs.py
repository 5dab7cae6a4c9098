"""Pictures that are made while nobody waits: jobs of `/v1/async/images/…`, kept in the books and charged like any other answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from zerog.compute.protocol.e2ee import is_sealed
from zerog.compute.protocol.errors import ComputeError, EncryptionError
from zerog.compute.provider.asked import PAID_PATHS, PaidPath
from zerog.compute.provider.auth import Caller
from zerog.compute.provider.book import Book, Charge, JobAnswer, JobState, NewJob, StoredJob
from zerog.compute.provider.desk import Desk
from zerog.compute.provider.errors import RequestError
from zerog.compute.provider.orders import read_asked_anywhere
from zerog.compute.provider.routes.exchange import Exchange, Header, error_body
from zerog.compute.provider.routes.paid import PaidRoutes
from zerog.primitives.errors import RefusalError, ZerogError
from zerog.runtime.http.errors import BrokenServerError

__all__ = ["JobRoutes"]

log = structlog.get_logger(__name__)

WORKERS: Final = 3
"""Jobs that are carried out at once; they count among the requests that are answered at once."""
LOOK_S: Final = 1.0
"""Seconds between two looks for jobs that another broker left."""
ATTEMPTS_MAX: Final = 3
"""A job that so many brokers died over is given up."""


@dataclass(slots=True)
class JobResult:
    """Where the answer of a job goes: into the books, together with its charge."""

    job_id: str
    is_started: bool = False
    parts: list[bytes] = field(default_factory=list)

    async def start(self, status: int, headers: Iterable[Header]) -> None:  # noqa: ARG002 - only the body is kept.
        self.is_started = True

    async def piece(self, body: bytes, *, is_last: bool = False) -> None:
        if not is_last:
            self.parts.append(body)

    async def answer(self, status: int, body: bytes, *headers: Header) -> None:
        """It is in the books already."""

    def is_gone(self) -> bool:
        return False

    async def record(self, book: Book, charge: Charge, tail: bytes) -> None:
        """Write result and charge down in one."""
        body = b"".join((*self.parts, tail))
        await book.finish_job(
            self.job_id, JobAnswer(state=JobState.COMPLETED, status=200, content_type="application/json", body=body), charge
        )


class JobRoutes:
    """Takes jobs, and carries them out."""

    def __init__(self, desk: Desk, paid: PaidRoutes) -> None:
        self._desk: Final = desk
        self._paid: Final = paid
        self._came = anyio.Event()

    async def create(self, exchange: Exchange, path: PaidPath) -> None:
        """`POST /v1/async/images/…`: 202 and the id under which the result can be fetched, which is that of its receipt too."""
        desk = self._desk
        caller = await desk.authenticator.caller(exchange.authorization)
        body = await exchange.body()
        content_type = exchange.headers.get(b"content-type", b"application/json").decode("latin-1")
        if is_sealed(body):
            raise EncryptionError("a job's result is kept, so that its request cannot be sealed; ask for the pictures at once")
        asked = await read_asked_anywhere(path, body, content_type)
        desk.limits.admit(caller.user, asked.images)
        job_id = desk.new_key()
        order = await self._paid.order(caller, path, asked, body, content_type, exchange.query, key=job_id)
        await desk.book.release(order.key)  # It was seen that there is money; it is set aside again when the job's turn comes.
        job = NewJob(
            job_id=job_id,
            user=caller.user,
            path=path.path,
            content_type=content_type,
            body=body,
            created_at_ms=int(desk.clock.unix_s() * 1000),
            details=exchange.query,
        )
        await desk.book.create_job(job, waiting_max=desk.jobs_waiting_max)
        came, self._came = self._came, anyio.Event()
        came.set()
        await exchange.answer_json({"jobId": job_id, "status": JobState.PENDING.value}, 202, *desk.limits.headers(caller.user))

    async def work(self) -> None:
        """Carry jobs out, a few at once, until cancelled."""
        async with anyio.create_task_group() as workers:
            for number in range(WORKERS):
                workers.start_soon(self._work, name=f"compute.jobs.{number}")

    async def _work(self) -> None:
        while True:
            came = self._came
            async with self._desk.gate.passing():
                job = await self._next()
                if job is not None:
                    await self._carry_out(job)
                    continue
            with anyio.move_on_after(LOOK_S):
                await came.wait()

    async def _next(self) -> StoredJob | None:
        try:
            return await self._desk.book.claim_job()
        except ComputeError as error:
            log.warning("jobs_not_read", cause=str(error))
            return None

    async def _carry_out(self, job: StoredJob) -> None:
        try:
            if job.attempts > ATTEMPTS_MAX:
                raise RequestError("every attempt at it ended the program that made it")  # noqa: TRY301 - as all failures, below.
            await self._answer(job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job ends, and its owner is told.
            await self._fail(job, error)

    async def _answer(self, job: StoredJob) -> None:
        desk = self._desk
        path = PAID_PATHS[job.path]
        asked = await read_asked_anywhere(path, job.body, job.content_type)
        caller = Caller(job.user, await desk.authenticator.account(job.user))
        with desk.limits.slot(job.user):
            order = await self._paid.order(caller, path, asked, job.body, job.content_type, job.details, key=job.job_id)
            with desk.keeping(order.key):
                await self._paid.deliver(JobResult(job.job_id), order, ())

    async def _fail(self, job: StoredJob, error: Exception) -> None:
        if not isinstance(error, ZerogError):
            log.error("job_failed", job=job.job_id, exc_info=error)
            error = BrokenServerError()
        status = error.http_status if isinstance(error, RefusalError) else 500
        answer = JobAnswer(state=JobState.FAILED, status=status, content_type="application/json", body=error_body(error, status))
        try:
            await self._desk.book.finish_job(job.job_id, answer)
        except ComputeError as unwritten:
            log.warning("job_not_ended", job=job.job_id, cause=str(unwritten))  # Its lease ends, and it waits again.
