"""The first Ctrl-C is answered at once and waits for the end of what it came in; the second one waits for nothing."""

import os
import signal
from collections.abc import Callable

import pytest

from zerog.cli.interrupts import STDERR, hold_first_interrupt

NOTICE = "it goes on"


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def hold(*work: Callable[[], object]) -> tuple[int, bool]:
    """How much of the work was done, and whether the interrupt took effect."""
    done = 0
    try:
        with hold_first_interrupt(NOTICE) as held:
            for one in work:
                one()
                done += 1
                assert held.came == (interrupt in work[:done])
    except KeyboardInterrupt:
        return done, True
    return done, False


def test_without_an_interrupt_nothing_is_held(capfd: pytest.CaptureFixture[str]) -> None:
    assert hold(os.getpid) == (1, False)
    assert capfd.readouterr().err == ""


def test_the_first_interrupt_is_answered_at_once_and_takes_effect_at_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    assert hold(interrupt, lambda: told.append(capfd.readouterr().err), os.getpid) == (3, True)
    assert told == [f"\n{NOTICE}\n"]


def test_the_second_interrupt_takes_effect_at_once() -> None:
    assert hold(interrupt, interrupt, os.getpid) == (1, True)


def test_afterwards_interrupts_are_what_they_were() -> None:
    before = signal.getsignal(signal.SIGINT)
    inside: list[object] = []
    hold(lambda: inside.append(signal.getsignal(signal.SIGINT)))
    assert before not in inside
    assert signal.getsignal(signal.SIGINT) is before


def test_what_cannot_be_told_is_held_all_the_same() -> None:
    former = os.dup(STDERR)
    try:
        assert hold(lambda: os.close(STDERR), interrupt, os.getpid) == (3, True)
    finally:
        os.dup2(former, STDERR)
        os.close(former)


def test_what_ignores_interrupts_still_does(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with hold_first_interrupt(NOTICE) as held:
            interrupt()
            interrupt()
        assert not held.came
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == ""
