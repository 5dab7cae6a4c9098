"""What a gRPC server counts, in the text format of Prometheus.

Source of the names: 0glabs/0g-da-node, `grpc/` (grpc_request_total, grpc_request_duration_seconds, grpc_request_size_bytes).
"""

from collections.abc import Iterator

from zerog.runtime.grpc.methods import ServerCounters

__all__ = ["grpc_lines"]


def grpc_lines(counters: ServerCounters) -> Iterator[str]:
    """Lines without ends."""
    yield "# TYPE grpc_request_total counter"
    for name, sums in counters.methods.items():
        yield f'grpc_request_total{{api="{name}"}} {sums.calls}'
    yield "# TYPE grpc_request_failed_total counter"
    for name, sums in counters.methods.items():
        yield f'grpc_request_failed_total{{api="{name}"}} {sums.failures}'
    yield "# TYPE grpc_request_duration_seconds summary"
    for name, sums in counters.methods.items():
        yield f'grpc_request_duration_seconds_sum{{api="{name}"}} {sums.seconds:.6f}'
        yield f'grpc_request_duration_seconds_count{{api="{name}"}} {sums.calls}'
    yield "# TYPE grpc_request_size_bytes summary"
    for name, sums in counters.methods.items():
        yield f'grpc_request_size_bytes_sum{{api="{name}"}} {sums.request_bytes}'
        yield f'grpc_request_size_bytes_count{{api="{name}"}} {sums.calls}'
