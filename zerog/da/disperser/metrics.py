"""What the disperser counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from zerog.runtime.grpc.metrics import grpc_lines

if TYPE_CHECKING:
    from zerog.da.disperser.running import Running

__all__ = ["render_metrics"]


def render_metrics(running: "Running") -> bytes:
    """All figures of a disperser, one a line."""
    return "".join(f"{line}\n" for line in _lines(running)).encode()


def _lines(running: "Running") -> Iterator[str]:
    carrier = running.carrier
    yield "# HELP zerog_disperser_blobs Blobs that have not ended, by their step."
    yield "# TYPE zerog_disperser_blobs gauge"
    for step, count in sorted(Counter(str(blob.machine.state.step) for blob in carrier.blobs.values()).items()):
        yield f'zerog_disperser_blobs{{step="{step}"}} {count}'
    yield "# TYPE zerog_disperser_pending_bytes gauge"
    yield f"zerog_disperser_pending_bytes {carrier.pending_bytes}"
    for name, value in (
        ("received", running.received),
        ("finalized", carrier.finalized),
        ("failed", carrier.failed),
        ("transactions", running.parts.sender.sent),
        ("chain_turns_back", running.parts.news.turns_back),
    ):
        yield f"# TYPE zerog_disperser_{name}_total counter"
        yield f"zerog_disperser_{name}_total {value}"
    yield "# TYPE zerog_disperser_wrong_signatures_total counter"
    for signer, count in running.parts.signers.liars.items():
        yield f'zerog_disperser_wrong_signatures_total{{signer="{signer}"}} {count}'
    yield from grpc_lines(running.grpc)
