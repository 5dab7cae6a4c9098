"""What a provider adds to a chat, how many it passes on, and how many events of streams; beside LiteLLM's proxy, and nobody between."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Final, Literal

from benchmarks.bench import Bench
from benchmarks.compute.load import Order, Seen
from benchmarks.compute.places import MODEL, Place, Upstream, direct, litellm, provider, upstream
from benchmarks.report import Row

__all__ = ["chats", "relay"]

LATENCY_S: Final = 0.02
ROUNDS: Final = 3
ARRIVALS_A_SECOND: Final = 100.0
CONNECTIONS: Final = 32
STREAMS: Final = 100
EVENTS: Final = 400
EVENT_INTERVAL_S: Final = 0.008
"""So the server sends 12,500 events a second."""
SHORT_EVENTS: Final = 20
"""Of the streams whose first event is timed: they are few enough for every place."""
SHORT_A_SECOND: Final = 25.0
ADDED_MS_MAX: Final = 4.0
CHATS_MIN: Final = 800
EVENTS_MIN: Final = 10_000
PROMPT: Final = "Hello, how are you today? " * 4
PLACES: Final[Mapping[str, Callable[[Upstream], AbstractContextManager[Place]]]] = {
    "direct": direct,
    "zerog": provider,
    "litellm": litellm,
}
Measured = Mapping[str, list[Seen]]


def chats(bench: Bench) -> None:
    """One server that answers after 20 ms; each place is asked at fixed times, then on 32 connections."""
    body = chat()
    arrivals = Order(url="", headers=[], body=body, mode="arrivals", per_second=ARRIVALS_A_SECOND, seconds=5)
    crowd = Order(url="", headers=[], body=body, mode="connections", connections=CONNECTIONS, seconds=5)
    with upstream(latency_s=LATENCY_S) as behind:
        calm, busy = measure(behind, [arrivals, crowd])
    bench.details["chats"] = details(calm) | {f"{name}-connections": each for name, each in details(busy).items()}
    what = f"p50 added to a chat of {LATENCY_S * 1e3:.0f} ms, {ARRIVALS_A_SECOND:.0f} a second at fixed times"
    bench.rows.append(added(what, calm, "last"))
    ours, theirs, baseline = (max(each.per_second for each in busy[name]) for name in ("zerog", "litellm", "direct"))
    note = f"without anybody between {baseline:,.0f}/s; processor time a chat: {cost(busy)}"
    bench.rows.append(Row(f"chats on {CONNECTIONS} connections", "/s", ours, theirs, f"≥ {CHATS_MIN}/s", ours >= CHATS_MIN, note))


def relay(bench: Bench) -> None:
    """One server that sends an event each 8 ms in every stream, each by itself; 100 streams at once, then a few now and then."""
    many = Order(url="", headers=[], body=chat(stream=True), mode="streams", connections=STREAMS, seconds=6)
    few = chat(stream=True, max_tokens=SHORT_EVENTS)
    calm = Order(url="", headers=[], body=few, mode="arrivals", per_second=SHORT_A_SECOND, seconds=4)
    with upstream(events=EVENTS, event_interval_s=EVENT_INTERVAL_S) as behind:
        short, busy = measure(behind, [calm, many])
    bench.details["relay"] = details(short) | {f"{name}-streams": each for name, each in details(busy).items()}
    ours, theirs, baseline = (max(each.events_per_second for each in busy[name]) for name in ("zerog", "litellm", "direct"))
    note = f"sent were {baseline:,.0f}/s; processor time an event: {cost(busy, events=True)}"
    what = f"events over {STREAMS} streams"
    bench.rows.append(Row(what, "/s", ours, theirs, f"≥ {EVENTS_MIN:,}/s", ours >= EVENTS_MIN, note))
    bench.rows.append(added("p50 added to the first event of a stream", short, "first"))


def chat(**more: object) -> str:
    options = {"stream_options": {"include_usage": True}} if more.get("stream") else {}
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], **options, **more})


def measure(behind: Upstream, orders: list[Order]) -> list[Measured]:
    """Each order at each place, some rounds of it."""
    found: list[dict[str, list[Seen]]] = [{name: [] for name in PLACES} for _ in orders]
    for name, opened in PLACES.items():
        with opened(behind) as place:
            for seen, order in zip(found, orders, strict=True):
                for _ in range(ROUNDS):
                    seen[name].append(place.load(order))
                    place.recover()
    return list(found)


def added(what: str, measured: Measured, byte: Literal["first", "last"]) -> Row:
    """What each place adds to what the server takes by itself: the best round of each."""
    baseline, ours, theirs = (min(median(seen, byte) for seen in measured[name]) for name in ("direct", "zerog", "litellm"))
    note = f"without anybody between {baseline:.2f} ms; p99 of {p99(measured, byte)}"
    return Row(what, "ms", ours - baseline, theirs - baseline, f"≤ {ADDED_MS_MAX:.0f} ms", ours - baseline <= ADDED_MS_MAX, note)


def median(seen: Seen, byte: Literal["first", "last"]) -> float:
    return seen.first_ms_p50 if byte == "first" else seen.last_ms_p50


def p99(measured: Measured, byte: Literal["first", "last"]) -> str:
    """Of the rounds whose median stands in the row."""
    best = {name: min(rounds, key=lambda seen: median(seen, byte)) for name, rounds in measured.items()}
    return ", ".join(f"{name} {seen.first_ms_p99 if byte == 'first' else seen.last_ms_p99:.1f} ms" for name, seen in best.items())


def cost(measured: Measured, *, events: bool = False) -> str:
    """Microseconds of the processor, of the quickest round; the counted time is four fifths of all."""
    told = []
    for name in ("zerog", "litellm"):
        best = min(seen.processor_s / (seen.events if events else seen.answers) for seen in measured[name])
        told.append(f"{name} {best * 0.8 * 1e6:,.0f} µs")
    return ", ".join(told)


def details(measured: Measured) -> dict[str, object]:
    return {name: [asdict(seen) for seen in rounds] for name, rounds in measured.items()}
