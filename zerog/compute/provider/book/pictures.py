"""Pictures whose address was given out: written down before their answer is charged, and forgotten after a while."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

__all__ = ["keep_pictures", "read_picture"]

KEEP = text(
    "INSERT INTO pictures (request_id, number, created_at_ms, size_bytes, body)"
    " VALUES (:request_id, :number, :now, :size, :body) ON CONFLICT (request_id, number) DO NOTHING"
)
FORGET_OLD = text("DELETE FROM pictures WHERE created_at_ms < :before")
SIZE = text("SELECT coalesce(sum(size_bytes), 0) FROM pictures")
OLDEST = text("SELECT sequence, size_bytes FROM pictures ORDER BY sequence")
FORGET_FIRST = text("DELETE FROM pictures WHERE sequence <= :sequence")
READ = text("SELECT body FROM pictures WHERE request_id = :request_id AND number = :number AND created_at_ms >= :since")


def keep_pictures(connection: Connection, request_id: str, bodies: Sequence[bytes], *, now_ms: int, kept_ms: int, bytes_max: int) -> None:
    """Keep the pictures of one answer; repeated, it changes nothing. Older ones go whose time is over, or for which there is no room."""
    connection.execute(FORGET_OLD, {"before": now_ms - kept_ms})
    _make_room(connection, bytes_max - sum(map(len, bodies)))
    rows = [
        {"request_id": request_id, "number": number, "now": now_ms, "size": len(body), "body": body} for number, body in enumerate(bodies)
    ]
    if rows:
        connection.execute(KEEP, rows)


def read_picture(connection: Connection, request_id: str, number: int, *, since_ms: int) -> bytes | None:
    """A picture that was kept at `since_ms` or later."""
    body = connection.execute(READ, {"request_id": request_id, "number": number, "since": since_ms}).scalar_one_or_none()
    return None if body is None else bytes(body)


def _make_room(connection: Connection, bytes_max: int) -> None:
    """Let the oldest go until no more than `bytes_max` bytes are kept."""
    excess = int(connection.execute(SIZE).scalar_one()) - bytes_max
    if excess <= 0:
        return
    last = 0
    for sequence, size_bytes in connection.execute(OLDEST).all():
        if excess <= 0:
            break
        last, excess = sequence, excess - size_bytes
    connection.execute(FORGET_FIRST, {"sequence": last})
