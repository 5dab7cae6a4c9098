"""What a DA node counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4.

Names without the prefix `zerog_` are those of the official node. Source: 0glabs/0g-da-node, `utils/src/metrics.rs`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zerog.runtime.grpc.methods import ServerCounters

if TYPE_CHECKING:
    from zerog.da.signer.service import RunningSigner

__all__ = ["render_metrics"]

Figure = tuple[str, str, str, float]


def render_metrics(running: "RunningSigner", server: ServerCounters) -> bytes:
    """All figures, one a line."""
    lines: list[str] = []
    named: set[str] = set()
    for name, kind, meaning, value in (*_figures(running), *_call_figures(server)):
        bare = name.partition("{")[0]
        if bare not in named:
            named.add(bare)
            lines += [f"# HELP {bare} {meaning}", f"# TYPE {bare} {kind}"]
        lines.append(f"{name} {value}")
    return ("\n".join(lines) + "\n").encode()


def _figures(running: "RunningSigner") -> Iterator[Figure]:
    follower, assignments, registrar = running.follower, running.assignments, running.registrar
    signed, given = running.signing.counters, running.giving.counters
    count, size_bytes = running.store.totals()
    read = -1 if follower.read is None else follower.read.number
    yield "sync_progress", "gauge", "Newest block whose log was read; -1 for none.", read
    yield "epoch", "gauge", "The current epoch.", assignments.epoch
    yield "quorums", "gauge", "Quorums that are remembered.", assignments.known
    yield "zerog_da_signer_synced", "gauge", "Whether the newest block was read at the last look.", int(follower.is_synced)
    yield "zerog_da_signer_registered", "gauge", "Whether the chain knows the signer and its socket.", int(registrar.is_registered)
    yield "zerog_da_signer_blobs", "gauge", "Blobs that are kept.", count
    yield "zerog_da_signer_bytes", "gauge", "What their rows take.", size_bytes
    yield "zerog_da_signer_signed_total", "counter", "Blobs that were signed.", signed.signed
    yield "zerog_da_signer_refused_total", "counter", "Blobs that were not signed.", signed.refused
    yield "zerog_da_signer_rows_checked_total", "counter", "Rows of signed blobs.", signed.rows
    yield "zerog_da_signer_rows_given_total", "counter", "Rows that were given back.", given.rows
    yield "zerog_da_signer_rows_missing_total", "counter", "Rows that were asked for and are lost.", given.rows_missing
    yield "zerog_da_signer_samples_total", "counter", "Samples that were given.", given.samples
    yield "zerog_da_signer_pruned_total", "counter", "Blobs that were let go with their epochs.", registrar.pruned
    yield "zerog_da_signer_reorganizations_total", "counter", "Times that the chain went back.", follower.counters.reorganizations
    yield "zerog_da_signer_chain_failures_total", "counter", "Calls to the chain that failed.", follower.counters.chain_failures


def _call_figures(server: ServerCounters) -> Iterator[Figure]:
    for name, each in server.methods.items():
        yield f'grpc_request_total{{api="{name}"}}', "counter", "Calls.", each.calls
    for name, each in server.methods.items():
        yield f'zerog_grpc_request_failed_total{{api="{name}"}}', "counter", "Calls that failed.", each.failures
    for name, each in server.methods.items():
        yield f'grpc_request_duration_seconds_sum{{api="{name}"}}', "counter", "Time that they took together.", each.seconds
    for name, each in server.methods.items():
        yield f'grpc_request_size_bytes_sum{{api="{name}"}}', "counter", "Length of their messages together.", each.request_bytes
