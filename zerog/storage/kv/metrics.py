"""What a key-value node counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4."""

from collections.abc import Iterator
from typing import TypeAlias

from zerog.runtime.jsonrpc import Dispatcher
from zerog.storage.kv.keeper import Keeper

__all__ = ["render_metrics"]

Figure: TypeAlias = tuple[str, str, str, int]
"""Name with its labels, kind, meaning and value."""


def _figures(keeper: Keeper) -> Iterator[Figure]:
    yield from _chain_figures(keeper)
    yield from _item_figures(keeper)
    for name, value in sorted(keeper.store.statistics().items()):
        yield f"zerog_kv_store_{name}", "gauge", "Counter of the store.", value


def _chain_figures(keeper: Keeper) -> Iterator[Figure]:
    follower, counters = keeper.follower, keeper.counters
    read = -1 if follower.read is None else follower.read.number
    yield "zerog_kv_log_block", "gauge", "Newest block whose log was read; -1 for none.", read
    yield "zerog_kv_log_synced", "gauge", "Whether the newest block was read at the last look.", int(follower.is_synced)
    yield "zerog_kv_submissions", "gauge", "Submissions on the chain.", keeper.store.next_seq
    yield "zerog_kv_blocks_read_total", "counter", "Blocks whose log was read.", counters.blocks_read
    yield "zerog_kv_logs_ignored_total", "counter", "Logs of the flow that are no submissions.", counters.logs_ignored
    yield "zerog_kv_reorganizations_total", "counter", "Times that the chain took back what was read.", counters.reorganizations
    yield "zerog_kv_chain_failures_total", "counter", "Calls to the chain that failed.", counters.chain_failures


def _item_figures(keeper: Keeper) -> Iterator[Figure]:
    counters, progress = keeper.counters, keeper.store.progress()
    yield "zerog_kv_applied_seq", "gauge", "The first submission without a result.", progress.applied_seq
    yield "zerog_kv_items_waiting", "gauge", "Items that wait for data, or for others.", progress.waiting_items
    yield "zerog_kv_items_missing", "gauge", "Items that are looked for.", len(keeper.fetcher.wishes)
    yield "zerog_kv_items_settled_total", "counter", "Items that got their result.", counters.items_settled
    yield "zerog_kv_items_fetched_total", "counter", "Items that storage nodes gave.", counters.items_fetched
    yield "zerog_kv_bytes_fetched_total", "counter", "Bytes of them.", counters.bytes_fetched
    yield "zerog_kv_items_undecodable_total", "counter", "Items that are not encrypted as expected.", counters.items_undecodable
    yield "zerog_kv_looks_total", "counter", "Turns to storage nodes for an item.", counters.looks
    yield "zerog_kv_nodes", "gauge", "Storage nodes that data comes from.", len(keeper.sources.all)
    for reason, count in sorted(counters.nodes_refused.items()):
        yield f'zerog_kv_nodes_refused_total{{reason="{reason}"}}', "counter", "Answers that were thrown away.", count


def render_metrics(keeper: Keeper, dispatcher: Dispatcher) -> bytes:
    """All figures of a node, one a line."""
    lines: list[str] = []
    named: set[str] = set()
    for name, kind, meaning, value in _figures(keeper):
        bare = name.partition("{")[0]
        if bare not in named:
            named.add(bare)
            lines += [f"# HELP {bare} {meaning}", f"# TYPE {bare} {kind}"]
        lines.append(f"{name} {value}")
    for member in ("calls", "errors"):
        lines.append(f"# TYPE zerog_kv_rpc_{member}_total counter")
        lines += [
            f'zerog_kv_rpc_{member}_total{{method="{method}"}} {getattr(statistic, member)}'
            for method, statistic in dispatcher.statistics().items()
            if statistic.calls
        ]
    return ("\n".join(lines) + "\n").encode()
