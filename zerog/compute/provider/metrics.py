"""What a provider counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zerog.compute.provider.desk import Desk

__all__ = ["render_metrics"]


def render_metrics(desk: "Desk") -> bytes:
    """All figures of a provider, one a line."""
    return "".join(f"{line}\n" for line in _lines(desk)).encode()


def _lines(desk: "Desk") -> Iterator[str]:
    tally = desk.tally
    yield from _figure("zerog_compute_requests_charged_total", "counter", "Answers that were charged.", tally.charged)
    yield from _figure("zerog_compute_requests_refused_total", "counter", "Requests that were refused.", tally.refused)
    yield from _figure("zerog_compute_requests_failed_total", "counter", "Answers that came to nothing.", tally.broken_off)
    yield from _figure("zerog_compute_prompt_tokens_total", "counter", "Tokens read.", tally.prompt_tokens)
    yield from _figure("zerog_compute_completion_tokens_total", "counter", "Tokens written.", tally.completion_tokens)
    yield from _figure("zerog_compute_fees_wei_total", "counter", "What was charged, in wei.", tally.fees_wei)
    yield from _figure("zerog_compute_requests_under_way", "gauge", "Requests that are being answered.", desk.limits.concurrent)
    yield from _figure("zerog_compute_book_commits_total", "counter", "Transactions of the books.", desk.book.groups_committed)


def _figure(name: str, kind: str, meaning: str, value: int) -> tuple[str, str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", f"{name} {value}"
