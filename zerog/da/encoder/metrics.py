"""What the encoder counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4."""

from dataclasses import dataclass, field

from zerog.runtime.grpc.methods import ServerCounters
from zerog.runtime.grpc.metrics import grpc_lines

__all__ = ["EncoderCounters", "render_metrics"]


@dataclass(slots=True)
class EncoderCounters:
    """Sums since the start."""

    blobs: int = 0
    bytes: int = 0
    """Of users' data."""
    seconds: float = 0.0
    """From question to answer, waiting included."""
    grpc: ServerCounters = field(default_factory=ServerCounters)


def render_metrics(counters: EncoderCounters, *, waiting: int) -> bytes:
    """All figures of an encoder, one a line."""
    lines = [
        "# TYPE zerog_encoder_blobs_total counter",
        f"zerog_encoder_blobs_total {counters.blobs}",
        "# TYPE zerog_encoder_bytes_total counter",
        f"zerog_encoder_bytes_total {counters.bytes}",
        "# TYPE zerog_encoder_seconds_total counter",
        f"zerog_encoder_seconds_total {counters.seconds:.6f}",
        "# TYPE zerog_encoder_waiting gauge",
        f"zerog_encoder_waiting {waiting}",
        *grpc_lines(counters.grpc),
    ]
    return "".join(f"{line}\n" for line in lines).encode()
