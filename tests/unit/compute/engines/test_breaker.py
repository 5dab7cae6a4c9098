"""The circuit breaker, second by second."""

from zerog.compute.provider.engines.breaker import Admission, CircuitBreaker


def opened() -> CircuitBreaker:
    """Opened at 100 s, for 2 s."""
    breaker = CircuitBreaker(failures_max=3, pause_s=2, pause_s_max=5)
    for _ in range(3):
        assert breaker.admit(100) is Admission.NORMAL
        breaker.failed(Admission.NORMAL, 100)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = CircuitBreaker(failures_max=3)
    for _ in range(10):
        breaker.failed(Admission.NORMAL, 1)
        breaker.failed(Admission.NORMAL, 1)
        breaker.succeeded()
    assert breaker.admit(1) is Admission.NORMAL
    assert opened().admit(101.9) is Admission.REFUSED


def test_one_probe_decides() -> None:
    breaker = opened()
    assert [breaker.admit(102), breaker.admit(102), breaker.admit(110)] == [Admission.PROBE, Admission.REFUSED, Admission.REFUSED]
    breaker.succeeded()
    assert breaker.admit(110) is Admission.NORMAL


def test_each_failed_probe_doubles_the_pause_up_to_its_limit() -> None:
    breaker, now_s = opened(), 102.0
    for pause_s in (4, 5, 5):
        assert breaker.admit(now_s) is Admission.PROBE
        breaker.failed(Admission.PROBE, now_s)
        assert breaker.wait_s(now_s) == pause_s
        assert breaker.admit(now_s + pause_s - 0.1) is Admission.REFUSED
        now_s += pause_s


def test_a_probe_that_nobody_waited_for_leaves_room_for_the_next() -> None:
    breaker = opened()
    assert breaker.admit(103) is Admission.PROBE
    breaker.abandoned(Admission.PROBE)
    assert breaker.admit(103) is Admission.PROBE


def test_late_failures_of_older_requests_do_not_prolong_the_pause() -> None:
    breaker = opened()
    breaker.failed(Admission.NORMAL, 101.5)
    assert breaker.admit(102) is Admission.PROBE
