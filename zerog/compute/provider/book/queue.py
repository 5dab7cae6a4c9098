"""Jobs that are answered later: brokers take them up one at a time, each by one broker, and finish each once."""

from sqlalchemy import Connection, RowMapping, select, text

from zerog.compute.provider.book.errors import JobQueueFullError, RequestReusedError
from zerog.compute.provider.book.operations import apply_operations
from zerog.compute.provider.book.records import Charge, JobAnswer, JobState, NewJob, Page, StoredJob
from zerog.compute.provider.book.schema import SEQUENCE_MAX, jobs
from zerog.primitives import Address

__all__ = ["claim_job", "create_job", "finish_job", "has_waiting_job", "read_job", "read_jobs"]

WAITING = text("SELECT count(*) FROM jobs WHERE finished_at_ms IS NULL")
KNOWN = text("SELECT user_address FROM jobs WHERE job_id = :job_id")
CREATE = text(
    "INSERT INTO jobs (job_id, user_address, state, attempts, created_at_ms, path, content_type, details, body)"
    " VALUES (:job_id, :user, 'pending', 0, :created_at_ms, :path, :content_type, :details, :body)"
)
OLDEST = (
    select(jobs)
    .where(jobs.c.state == JobState.PENDING.value, jobs.c.finished_at_ms.is_(None))
    .order_by(jobs.c.sequence)
    .limit(1)
    .with_for_update(skip_locked=True)
)
FIRST = select(jobs.c.sequence).where(jobs.c.state == JobState.PENDING.value, jobs.c.finished_at_ms.is_(None)).limit(1)
CLAIM = text("UPDATE jobs SET state = 'processing', broker_id = :broker_id, attempts = attempts + 1 WHERE job_id = :job_id")
FINISH = text(
    "UPDATE jobs SET state = :state, broker_id = NULL, finished_at_ms = :now, answer_status = :status,"
    " answer_content_type = :content_type, answer = :body WHERE job_id = :job_id AND finished_at_ms IS NULL"
)
ONE = select(jobs).where(jobs.c.job_id == text(":job_id"))


def create_job(connection: Connection, job: NewJob, *, waiting_max: int) -> None:
    """Queue a job; repeated, it changes nothing. Raises `JobQueueFullError` or `RequestReusedError`."""
    owner = connection.execute(KNOWN, {"job_id": job.job_id}).scalar_one_or_none()
    if owner is not None:
        if owner != bytes(job.user):
            raise RequestReusedError(job.job_id)
        return
    waiting = connection.execute(WAITING).scalar_one()
    if waiting >= waiting_max:
        raise JobQueueFullError(waiting)
    row = {
        "job_id": job.job_id,
        "user": bytes(job.user),
        "created_at_ms": job.created_at_ms,
        "path": job.path,
        "content_type": job.content_type,
        "details": job.details,
        "body": job.body,
    }
    connection.execute(CREATE, row)


def has_waiting_job(connection: Connection) -> bool:
    return connection.execute(FIRST).first() is not None


def claim_job(connection: Connection, broker_id: str) -> StoredJob | None:
    """Take up the oldest job that waits and that no other broker is taking; `None` when there is none."""
    row = connection.execute(OLDEST).mappings().one_or_none()
    if row is None:
        return None
    connection.execute(CLAIM, {"job_id": row["job_id"], "broker_id": broker_id})
    return _job({**row, "state": JobState.PROCESSING, "attempts": row["attempts"] + 1})


def finish_job(connection: Connection, job_id: str, answer: JobAnswer, charge: Charge | None, *, broker_id: str, now_ms: int) -> bool:
    """Keep the answer and charge for it, both or neither; `False` if the job had ended before, which changes nothing."""
    values = {
        "job_id": job_id,
        "state": answer.state.value,
        "now": now_ms,
        "status": answer.status,
        "content_type": answer.content_type,
        "body": answer.body,
    }
    if connection.execute(FINISH, values).rowcount == 0:
        return False
    if charge is not None:
        apply_operations(connection, [charge], broker_id=broker_id)
    return True


def read_job(connection: Connection, job_id: str) -> StoredJob | None:
    row = connection.execute(ONE, {"job_id": job_id}).mappings().one_or_none()
    return None if row is None else _job(row)


def read_jobs(connection: Connection, user: Address | None, cursor: int | None, limit: int) -> Page[StoredJob]:
    """A page of jobs, newest first."""
    query = select(jobs).order_by(jobs.c.sequence.desc()).limit(limit + 1)
    if user is not None:
        query = query.where(jobs.c.user_address == bytes(user))
    if cursor is not None:
        query = query.where(jobs.c.sequence < min(max(cursor, 0), SEQUENCE_MAX))
    rows = tuple(_job(row) for row in connection.execute(query).mappings())
    return Page(rows[:limit], rows[limit - 1].sequence if len(rows) > limit else None)


def _job(row: RowMapping | dict[str, object]) -> StoredJob:
    values = dict(row)
    answer = None
    state = JobState(str(values["state"]))
    if values["finished_at_ms"] is not None:
        answer = JobAnswer(
            state=state, status=values["answer_status"], content_type=values["answer_content_type"], body=bytes(values["answer"])
        )
    return StoredJob(
        sequence=values["sequence"],
        job_id=values["job_id"],
        user=Address(values["user_address"]),
        state=state,
        path=values["path"],
        content_type=values["content_type"],
        details=values["details"],
        body=bytes(values["body"]),
        attempts=values["attempts"],
        created_at_ms=values["created_at_ms"],
        finished_at_ms=values["finished_at_ms"],
        answer=answer,
    )
