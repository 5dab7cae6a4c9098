"""Who writes into the book: a row a broker, renewed with each group that it commits.

The row does three things in one statement. It keeps the broker's lease, without which what it reserved is given back. It tells a broker
that another process has taken its name. And it tells a broker whose connection broke during a commit whether the commit took place.
"""

from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy import Connection, select, text

from zerog.compute.provider.book.errors import BrokerReplacedError
from zerog.compute.provider.book.operations import end_reservations_of
from zerog.compute.provider.book.schema import brokers

__all__ = ["LEASE_MS", "RENEWAL", "Lease"]

log = structlog.get_logger(__name__)

LEASE_MS: Final = 60_000
"""How long a broker that is not heard of keeps what it reserved. Longer than a write is retried, and than clocks of servers differ."""

RENEWAL = (
    "UPDATE brokers SET group_number = :number, lease_until_ms = :until"
    " WHERE broker_id = :broker_id AND instance = :instance AND group_number = :last"
)
RENEW = text(RENEWAL)
READ = select(brokers.c.instance, brokers.c.group_number).where(brokers.c.broker_id == text(":broker_id"))
ENTER = text(
    "INSERT INTO brokers (broker_id, instance, group_number, lease_until_ms) VALUES (:broker_id, :instance, :number, :until)"
    " ON CONFLICT (broker_id) DO UPDATE SET instance = excluded.instance, group_number = excluded.group_number,"
    " lease_until_ms = excluded.lease_until_ms"
)
DEAD = (
    select(brokers.c.broker_id)
    .where(brokers.c.lease_until_ms < text(":now"), brokers.c.broker_id != text(":broker_id"))
    .with_for_update(skip_locked=True)
)
REMOVE = text("DELETE FROM brokers WHERE broker_id = :broker_id")
REQUEUE = text(
    "UPDATE jobs SET state = 'pending', broker_id = NULL WHERE finished_at_ms IS NULL AND state = 'processing' AND broker_id = :broker_id"
)


@dataclass(slots=True)
class Lease:
    """The row of one process. It is used by the writer's thread alone."""

    broker_id: str
    instance: str = field(default_factory=lambda: uuid4().hex)
    last: int = 0
    """Number of the group that the row should show."""

    def take(self, connection: Connection, now_ms: int) -> None:
        """Become the broker of that name. What a former process of that name left open ends."""
        connection.execute(ENTER, self._values(0, now_ms))
        self._clean_up(connection, self.broker_id)

    def renew(self, connection: Connection, number: int, now_ms: int) -> bool:
        """Begin group `number`, and keep the row locked. `False`: a former attempt at this group was committed after all.

        Raises `BrokerReplacedError`.
        """
        values = self._values(number, now_ms)
        while True:
            if connection.execute(RENEW, self.renewal(number, now_ms)).rowcount == 1:
                return True
            row = connection.execute(READ, {"broker_id": self.broker_id}).one_or_none()
            if row is None:
                log.warning("book_lease_lost", broker_id=self.broker_id)
                connection.execute(ENTER, values)
                return True
            if row.instance != self.instance:
                raise BrokerReplacedError(self.broker_id)
            if row.group_number == number:
                return False
            self.last = row.group_number  # A group that was given up in doubt was committed.

    def renewal(self, number: int, now_ms: int) -> dict[str, object]:
        """What beginning group `number` writes into the row, and what it expects to find there."""
        return {**self._values(number, now_ms), "last": self.last}

    def end_dead(self, connection: Connection, now_ms: int) -> int:
        """Give back what brokers hold whose lease is over; how many reservations there were."""
        dead = connection.execute(DEAD, {"now": now_ms, "broker_id": self.broker_id}).scalars().all()
        ended = 0
        for broker_id in dead:
            ended += self._clean_up(connection, broker_id)
            connection.execute(REMOVE, {"broker_id": broker_id})
            log.warning("book_broker_dead", broker_id=broker_id)
        return ended

    def give_up(self, connection: Connection) -> None:
        """Leave the book in order."""
        self._clean_up(connection, self.broker_id)
        connection.execute(REMOVE, {"broker_id": self.broker_id})

    def _clean_up(self, connection: Connection, broker_id: str) -> int:
        connection.execute(REQUEUE, {"broker_id": broker_id})
        return end_reservations_of(connection, broker_id)

    def _values(self, number: int, now_ms: int) -> dict[str, object]:
        return {"broker_id": self.broker_id, "instance": self.instance, "number": number, "until": now_ms + LEASE_MS}
