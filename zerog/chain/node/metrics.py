"""What the node counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4."""

from collections.abc import Iterator

from zerog.chain.node.chain import Chain
from zerog.runtime.jsonrpc import Dispatcher

__all__ = ["render_metrics"]


def render_metrics(chain: Chain, dispatcher: Dispatcher | None) -> bytes:
    """All figures of a node, one a line."""
    return "".join(f"{line}\n" for line in _lines(chain, dispatcher)).encode()


def _lines(chain: Chain, dispatcher: Dispatcher | None) -> Iterator[str]:
    head = chain.ledger.head()
    executable, waiting = chain.pool.counts()
    yield from _gauge("zerog_chain_head_block", "Height of the newest block.", head.number)
    yield from _gauge("zerog_chain_head_timestamp_seconds", "Timestamp of the newest block.", head.timestamp)
    yield from _gauge("zerog_chain_base_fee_wei", "Base fee of the newest block.", head.base_fee_per_gas)
    yield from _gauge("zerog_chain_pool_executable", "Transactions that can be in the next block.", executable)
    yield from _gauge("zerog_chain_pool_waiting", "Transactions that wait for an earlier nonce.", waiting)
    yield from _gauge("zerog_chain_filters", "Filters that clients poll.", len(chain.filters.entries))
    for name, value in sorted(chain.ledger.statistics().items()):
        yield from _gauge(f"zerog_chain_ledger_{name}", "Counter of the ledger.", value)
    if dispatcher is not None:
        yield "# TYPE zerog_chain_rpc_calls_total counter"
        for method, statistics in dispatcher.statistics().items():
            yield f'zerog_chain_rpc_calls_total{{method="{method}"}} {statistics.calls}'
        yield "# TYPE zerog_chain_rpc_errors_total counter"
        for method, statistics in dispatcher.statistics().items():
            yield f'zerog_chain_rpc_errors_total{{method="{method}"}} {statistics.errors}'


def _gauge(name: str, meaning: str, value: int) -> tuple[str, str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} gauge", f"{name} {value}"
