"""What a provider counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from zerog.compute.provider.engines import ExactEngine, PooledEngine

if TYPE_CHECKING:
    from zerog.compute.provider.desk import Desk

__all__ = ["render_metrics"]


def render_metrics(desk: "Desk", engines: Iterable[PooledEngine] = ()) -> bytes:
    """All figures of a provider, one a line; of its engines what those compute and let wait that are its own."""
    return "".join(f"{line}\n" for line in _lines(desk, engines)).encode()


def _lines(desk: "Desk", engines: Iterable[PooledEngine]) -> Iterator[str]:
    tally = desk.tally
    yield from _figure("zerog_compute_requests_charged_total", "counter", "Answers that were charged.", tally.charged)
    yield from _figure("zerog_compute_requests_refused_total", "counter", "Requests that were refused.", tally.refused)
    yield from _figure("zerog_compute_requests_failed_total", "counter", "Answers that came to nothing.", tally.broken_off)
    yield from _figure("zerog_compute_prompt_tokens_total", "counter", "Tokens read.", tally.prompt_tokens)
    yield from _figure("zerog_compute_completion_tokens_total", "counter", "Tokens written.", tally.completion_tokens)
    yield from _figure("zerog_compute_fees_wei_total", "counter", "What was charged, in wei.", tally.fees_wei)
    yield from _figure("zerog_compute_requests_under_way", "gauge", "Requests that are being answered.", desk.limits.concurrent)
    yield from _figure("zerog_compute_book_commits_total", "counter", "Transactions of the books.", desk.book.groups_committed)
    loads = [engine.load for engine in engines if isinstance(engine, ExactEngine)]
    if loads:
        computing, waiting = (sum(counts) for counts in zip(*loads, strict=True))
        yield from _figure("zerog_compute_answers_computing", "gauge", "Answers that the exact engine computes.", computing)
        yield from _figure("zerog_compute_answers_waiting", "gauge", "Requests that wait for a place there.", waiting)


def _figure(name: str, kind: str, meaning: str, value: int) -> tuple[str, str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", f"{name} {value}"
