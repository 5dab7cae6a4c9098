"""Random histories of two brokers on one book, held against a model in plain Python."""

import os
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, select

from tests.unit.compute.book.making import ONE, ShiftedClock, charge_of
from zerog.compute.protocol.errors import InsufficientBalanceError
from zerog.compute.provider.book import Book, BrokerReplacedError
from zerog.compute.provider.book.schema import accounts, charges, metadata
from zerog.primitives import Address

USERS = [Address(bytes([number]) * 20) for number in (1, 2, 3)]
IS_LONG = os.environ.get("ZEROG_TEST_LONG") == "1"
NAMES = ("a", "b")
AMOUNTS = st.sampled_from([0, 1, ONE // 2, ONE, ONE + 1, 2 * ONE, 2**70])
IDS = st.integers(0, 11)
BROKERS = st.sampled_from(NAMES)


def user_of(number: int) -> Address:
    return USERS[number % len(USERS)]


@dataclass
class Model:
    """What the book should hold: who reserved what through whom, and what was charged."""

    reserved: dict[int, tuple[str, int]] = field(default_factory=dict)
    charged: dict[int, int] = field(default_factory=dict)

    def sums(self, user: Address) -> tuple[int, int]:
        unsettled_wei = sum(fee for number, fee in self.charged.items() if user_of(number) == user)
        return unsettled_wei, sum(highest for number, (_, highest) in self.reserved.items() if user_of(number) == user)

    def allows(self, number: int, expected_wei: int, highest_wei: int, locked_wei: int) -> bool:
        unsettled_wei, reserved_wei = self.sums(user_of(number))
        return number in self.reserved or max(expected_wei + unsettled_wei + ONE, unsettled_wei + reserved_wei + highest_wei) <= locked_wei

    def end(self, broker: str) -> None:
        self.reserved = {number: held for number, held in self.reserved.items() if held[0] != broker}


@dataclass
class ModelClock(ShiftedClock):
    """Its waiting time can be moved as well."""

    waited_s: float = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.waited_s


class Histories(RuleBasedStateMachine):
    """Each rule does one thing to the book and to the model."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self._portal_scope = start_blocking_portal("asyncio")
        self.portal = self._portal_scope.__enter__()
        self.clocks = {name: ModelClock() for name in NAMES}
        self.books: dict[str, Book] = {}
        self.model = Model()

    def open(self, name: str) -> None:
        self.books[name] = self.portal.call(lambda: Book.open(self.url, broker_id=name, clock=self.clocks[name]))

    @initialize()
    def begin(self) -> None:
        self.open("a")
        self.portal.call(self.books["a"].write, _empty)
        self.open("b")

    @rule(broker=BROKERS, number=IDS, expected_wei=AMOUNTS, highest_wei=AMOUNTS, locked_wei=AMOUNTS)
    def reserve(self, broker: str, number: int, expected_wei: int, highest_wei: int, locked_wei: int) -> None:
        call = lambda: self.books[broker].reserve(  # noqa: E731 (a call with names, for the portal)
            f"{number}", user_of(number), expected_wei=expected_wei, highest_wei=highest_wei, locked_wei=locked_wei
        )
        if not self.model.allows(number, expected_wei, highest_wei, locked_wei):
            with pytest.raises(InsufficientBalanceError):
                self.portal.call(call)
            return
        self.portal.call(call)
        self.model.reserved.setdefault(number, (broker, highest_wei))

    @rule(broker=BROKERS, number=IDS, fee_wei=AMOUNTS)
    def charge(self, broker: str, number: int, fee_wei: int) -> None:
        self.portal.call(self.books[broker].charge, charge_of(f"{number}", user_of(number), fee_wei))
        self.model.reserved.pop(number, None)
        self.model.charged.setdefault(number, fee_wei)

    @rule(broker=BROKERS, number=IDS)
    def release(self, broker: str, number: int) -> None:
        self.portal.call(self.books[broker].release, f"{number}")
        self.model.reserved.pop(number, None)

    @rule(broker=BROKERS)
    def reopen(self, broker: str) -> None:
        self.portal.call(self.books[broker].aclose)
        self.model.end(broker)
        self.open(broker)

    @rule(broker=BROKERS, number=IDS)
    def replace(self, broker: str, number: int) -> None:
        """A new process under the old name; the old one can do no more."""
        old = self.books[broker]
        self.open(broker)
        self.model.end(broker)
        with pytest.raises(BrokerReplacedError):
            self.portal.call(old.charge, charge_of(f"{number}", user_of(number)))
        self.portal.call(old.aclose)

    @rule(survivor=BROKERS)
    def let_a_lease_end(self, survivor: str) -> None:
        """For the survivor a minute passes in which the other was not heard of."""
        ahead_s = self.clocks["a"].ahead_s + 62
        self.clocks[survivor].ahead_s = ahead_s
        self.clocks[survivor].waited_s += 20
        self.portal.call(self.books[survivor].write, _nothing)
        other = NAMES[1 - NAMES.index(survivor)]
        self.clocks[other].ahead_s = ahead_s
        self.model.end(other)

    @invariant()
    def book_and_model_agree(self) -> None:
        if not self.books:
            return
        sums, fees = self.portal.call(self.books["a"].read, _everything)
        assert {user: sums.get(user, (0, 0)) for user in USERS} == {user: self.model.sums(user) for user in USERS}
        assert fees == self.model.charged

    def teardown(self) -> None:
        for book in self.books.values():
            self.portal.call(book.aclose)
        self._portal_scope.__exit__(None, None, None)


def _nothing(connection: Connection) -> None:
    """A group of its own."""


def _empty(connection: Connection) -> None:
    for table in ("charges", "accounts", "reservations", "jobs"):
        connection.execute(metadata.tables[table].delete())


def _everything(connection: Connection) -> tuple[dict[Address, tuple[int, int]], dict[int, int]]:
    rows = connection.execute(select(accounts))
    sums = {Address(row.user_address): (int(row.unsettled_wei), int(row.reserved_wei)) for row in rows}
    fees = {int(row.request_id): int(row.fee_wei) for row in connection.execute(select(charges.c.request_id, charges.c.fee_wei))}
    return sums, fees


def test_every_history_leaves_what_the_model_says(url: str) -> None:
    machine = type("HistoriesOfOneDatabase", (Histories,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100 if IS_LONG else 8, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
