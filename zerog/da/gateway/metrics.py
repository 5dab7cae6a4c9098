"""What the gateway counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4."""

from collections.abc import Iterator

from zerog.da.gateway.payloads import PayloadCounters
from zerog.da.gateway.samples import Samples
from zerog.runtime.jsonrpc import Dispatcher

__all__ = ["render_metrics"]


def render_metrics(payloads: PayloadCounters, samples: Samples, dispatcher: Dispatcher) -> bytes:
    """All figures, one a line."""
    return "".join(f"{line}\n" for line in _lines(payloads, samples, dispatcher)).encode()


def _lines(payloads: PayloadCounters, samples: Samples, dispatcher: Dispatcher) -> Iterator[str]:
    yield from _counter("zerog_da_gateway_payloads_stored_total", "Payloads that quorums have.", payloads.stored)
    yield from _counter("zerog_da_gateway_payload_bytes_stored_total", "Their bytes.", payloads.stored_bytes)
    yield from _counter("zerog_da_gateway_payloads_failed_total", "Payloads that could not be stored.", payloads.failed)
    yield from _counter("zerog_da_gateway_payloads_given_total", "Payloads that were given back.", payloads.given)
    yield from _counter("zerog_da_gateway_payload_bytes_given_total", "Their bytes.", payloads.given_bytes)
    yield from _counter("zerog_da_gateway_samples_total", "Samples that were given.", samples.given)
    yield from _counter("zerog_da_gateway_samples_refused_total", "Samples that could not be had.", samples.refused)
    yield "# TYPE zerog_da_gateway_rpc_calls_total counter"
    for method, statistics in dispatcher.statistics().items():
        yield f'zerog_da_gateway_rpc_calls_total{{method="{method}"}} {statistics.calls}'


def _counter(name: str, meaning: str, value: int) -> tuple[str, str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} counter", f"{name} {value}"
