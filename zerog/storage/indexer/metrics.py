"""What the indexer counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zerog.storage.indexer.nodes import covers

if TYPE_CHECKING:
    from zerog.storage.indexer.service import StorageIndexer

__all__ = ["render_metrics"]


def render_metrics(service: "StorageIndexer") -> bytes:
    """All figures of an indexer, one a line."""
    return "".join(f"{line}\n" for line in _lines(service)).encode()


def _lines(service: "StorageIndexer") -> Iterator[str]:
    directory = service.directory
    live = [node for node in directory.trusted if node.is_live]
    yield from _gauge("zerog_indexer_nodes", "Nodes that are trusted.", len(directory.trusted))
    yield from _gauge("zerog_indexer_nodes_live", "Trusted nodes that answer.", len(live))
    yield from _gauge("zerog_indexer_nodes_discovered", "Nodes that trusted ones know.", len(directory.discovered))
    yield from _gauge("zerog_indexer_covered", "Whether the trusted nodes that answer hold every segment.", int(covers(live)))
    yield from _gauge("zerog_indexer_buffered_bytes", "Memory for data on its way.", service.budget.used_bytes)
    yield "# TYPE zerog_indexer_wrong_segments_total counter"
    for node in (*directory.trusted, *directory.discovered):
        yield f'zerog_indexer_wrong_segments_total{{node="{_escaped(node.url)}"}} {node.wrong_answers}'
    for kind, dispatcher in service.dispatchers.items():
        yield f"# TYPE zerog_{kind}_rpc_calls_total counter"
        for method, statistics in dispatcher.statistics().items():
            yield f'zerog_{kind}_rpc_calls_total{{method="{method}"}} {statistics.calls}'


def _gauge(name: str, meaning: str, value: int) -> tuple[str, str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} gauge", f"{name} {value}"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
