"""Flows of transfers of ether, until their receipts are readable: one a request, and in batches."""

from dataclasses import asdict
from functools import partial
from typing import Final

from benchmarks.bench import Bench
from benchmarks.measurements import Flow, measure_batches, measure_one_by_one
from benchmarks.report import Row
from benchmarks.transfers import sender

__all__ = ["batches", "flow_note", "one_by_one", "written_row"]

ONE_BY_ONE: Final = 5_000
ONE_BY_ONE_TARGET_RATIO: Final = 3
ONE_BY_ONE_TARGET_P95_MS: Final = 1.5
BATCHED: Final = 40_000
BATCH: Final = 100
BATCH_SENDERS: Final = 10
BATCHED_TARGET_RATIO: Final = 1.5
BATCHED_TARGET_PER_SECOND: Final = 10_000


def one_by_one(bench: Bench) -> None:
    """Transfers one a request."""
    ours, theirs = bench.both(partial(measure_one_by_one, senders=[sender(0)], count=ONE_BY_ONE))
    bench.details["one_by_one"] = {"zerog": asdict(ours), "anvil": asdict(theirs)}
    fast = ours.per_second >= ONE_BY_ONE_TARGET_RATIO * theirs.per_second and not ours.stalled
    quick = ours.request_ms_p95 <= ONE_BY_ONE_TARGET_P95_MS
    what = f"{ONE_BY_ONE:,} transfers, one a request"
    bench.rows += [
        Row(what, "/s", ours.per_second, theirs.per_second, "≥ 3× anvil", fast, flow_note(ours, theirs)),
        Row("  time of a request, p50", "ms", ours.request_ms_p50, theirs.request_ms_p50, "", None),
        Row("  time of a request, p95", "ms", ours.request_ms_p95, theirs.request_ms_p95, "≤ 1.5 ms", quick),
        written_row(ours, theirs),
    ]


def batches(bench: Bench) -> None:
    """Transfers in batches."""
    senders = [sender(number) for number in range(BATCH_SENDERS)]
    ours, theirs = bench.both(partial(measure_batches, senders=senders, count=BATCHED, batch=BATCH))
    bench.details["batches"] = {"zerog": asdict(ours), "anvil": asdict(theirs)}
    needed = max(BATCHED_TARGET_RATIO * theirs.per_second, BATCHED_TARGET_PER_SECOND)
    what = f"{BATCHED:,} transfers in batches of {BATCH}"
    met = ours.per_second >= needed and not ours.stalled
    bench.rows += [
        Row(what, "/s", ours.per_second, theirs.per_second, "≥ 1.5× anvil, ≥ 10,000/s", met, flow_note(ours, theirs)),
        written_row(ours, theirs),
    ]


def flow_note(ours: Flow, theirs: Flow) -> str:
    """What the rate alone does not say."""
    said = [f"zerog made {ours.blocks:,} blocks and used {ours.processor_seconds / ours.sent * 1e6:,.0f} µs of a processor a transfer"]
    for name, flow in (("zerog", ours), ("anvil", theirs)):
        if flow.stalled:
            said.append(f"{name} stalled after {flow.included:,} of {flow.sent:,} (it accepted {flow.accepted_per_second:,.0f}/s)")
    return "; ".join(said)


def written_row(ours: Flow, theirs: Flow) -> Row:
    """Bytes handed to the disk for each block."""
    per_block = [flow.written_bytes / max(flow.blocks, 1) for flow in (ours, theirs)]
    return Row("  bytes written a block", "bytes", per_block[0], per_block[1], "reported", None)
