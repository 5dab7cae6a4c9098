"""`zerog status` on one screen: a line or two for each layer, what is wrong, what it takes, and where everything is."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from zerog.cli.amounts import short_amount
from zerog.devnet.endpoints import Endpoints
from zerog.devnet.inspect import NetworkStatus
from zerog.devnet.troubles import Trouble

__all__ = ["overview", "show_status"]

WIDTH: Final = 100
LABEL: Final = 11
"""Characters for the name of a layer."""
MIB: Final = 1 << 20
TROUBLES_SHOWN: Final = 4
"""More are counted; the JSON has them all."""
SERVICES: Final = ("chain", "storage", "da", "compute")
"""Roles that have lines of their own."""
RED, PLAIN = "\x1b[1;31m", "\x1b[0m"

Status = Mapping[str, Any]


def show_status(status: NetworkStatus) -> None:
    """Print it; what is wrong in red on a terminal, unless NO_COLOR is set."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line in overview(status, now_s=time.time()):
        print(f"{RED}{line}{PLAIN}" if coloured and line.startswith("! ") else line)


def overview(status: NetworkStatus, *, now_s: float) -> list[str]:
    """At most 24 lines of 100 characters for a network as `zerog up` starts it. `now_s` is the time since 1970."""
    if not status.running:
        return [f"nothing runs in {status.data_dir}; start a network with: zerog up"]
    lines = [*_head(status), *_layers(status, now_s), *_resources(status)]
    lines += _troubles(status.troubles)
    if status.endpoints is not None:
        lines += _places(status.endpoints)
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines]


def _head(status: NetworkStatus) -> Iterator[str]:
    here = Path(status.data_dir).parent == Path.cwd()
    where = "this folder" if here else _shortened(status.data_dir.removesuffix("/.zerog"), 50)
    by = f"pid {status.pid}" if status.pid is not None else "single roles, without a supervisor"
    yield f"network {status.network}, chain id {status.chain_id}, in {where} ({by})"


def _layers(status: NetworkStatus, now_s: float) -> Iterator[str]:
    roles = status.roles
    for name in SERVICES:
        role = roles.get(name)
        if role is None:
            if name in status.supervised:
                yield _line(_title(name), "does not answer yet")
        else:
            yield from _told(name, role, partial(LINES[name], role, now_s))
    for name, role in roles.items():
        if name not in SERVICES:
            yield from _told(name, role, partial(_single, name, role))


def _told(name: str, role: Status, lines: Callable[[], Iterator[str]]) -> list[str]:
    """The lines of one role. One that an earlier or later version runs may say other things: that is no reason to say nothing."""
    if "error" in role:
        return [_line(_title(name), "is not ready")]
    try:
        return list(lines())
    except (KeyError, TypeError, ValueError):
        return [_line(_title(name), "runs, and another version of zerog says more of it; see zerog status --json")]


def _chain(role: Status, now_s: float) -> Iterator[str]:
    height = f"block {role['block']:,}, {_age(now_s - role['block_timestamp'])}"
    pool = f"{role['pool_executable'] + role['pool_waiting']:,} transactions wait"
    if role["follows"] is not None:
        making = f"follows {role['follows']}, {role['behind'] or 0} blocks behind"
    elif role["interval_s"]:
        making = f"a block every {role['interval_s']:g} s" + (" and for each transaction" if role["automine"] else "")
    else:
        making = "a block for each transaction" if role["automine"] else "blocks are made when asked for"
    yield _line("chain", f"{height}; {pool}; {making}")


def _storage(role: Status, _now_s: float) -> Iterator[str]:
    """All nodes together; or the one that runs by itself."""
    nodes = list(role["nodes"].values()) if "indexer" in role else [role]
    duties = [node["upkeep"]["duty"] for node in nodes]
    repairs = [node["upkeep"]["repair"] for node in nodes]
    held, required = (sum(duty[name] for duty in duties) for name in ("segments_held", "segments_required"))
    damage = ", ".join(f"{sum(repair[name] for repair in repairs):,} {name}" for name in ("damaged", "lost"))
    files = max((duty["files"] for duty in duties), default=0)
    yield _line("storage", f"{_count(files, 'file')}, {held:,} of {_count(required, 'segment')} held, {damage}; {_behind(nodes)}")
    peers = [peer for node in nodes for peer in node["peers"].values()]
    answering = sum(peer["state"] == "connected" for peer in peers)
    known = f", {answering} of {_count(len(peers), 'peer')} connected" if peers else ", no peers"
    shards = f"{_count(len(nodes), 'node')}{known}" + (f", {role['shards']} shards" if role.get("shards", 1) > 1 else "")
    miners = [node["miner"] for node in nodes if node["miner"]]
    mining = [f"the miner is {miner['state']}, earned {short_amount(int(miner['earned_wei']))}" for miner in miners]
    yield _line("", "; ".join([shards, *mining]))
    if role.get("kv") is not None:
        yield from _streams(role["kv"])


def _streams(kv: Status) -> Iterator[str]:
    followed = "all streams are followed" if kv["follows_all"] else "named streams are followed"
    streams = f"{_count(kv['store']['streams'], 'stream')} ({followed}), {_count(kv['items_settled'], 'item')} applied"
    waiting = f", {kv['items_waiting']:,} wait" if kv["items_waiting"] else ""
    missing = f", {kv['items_missing']:,} not found" if kv["items_missing"] else ""
    yield _line("key-value", f"{streams}{waiting}{missing}; {_behind([kv])}")


def _da(role: Status, _now_s: float) -> Iterator[str]:
    books = role.get("books") or {}
    blobs = books.get("blobs")
    counts = "blobs not counted" if blobs is None else "blobs: " + ", ".join(f"{count:,} {state}" for state, count in blobs.items())
    encoder = role["encoder"]
    yield _line("DA", f"{counts}; encoder {encoder['setup']}, {encoder['waiting']} wait")
    signers = [part for part in role.values() if isinstance(part, Mapping) and "registration_trouble" in part]
    quorum = books.get("quorum")
    if quorum is None:
        yield _line("", f"{_count(len(signers), 'signer')}; the chain names no quorum")
        return
    votes = quorum["rows_by_signer"]
    rows = " + ".join(f"{votes.get(signer['signer'], 0):,}" for signer in signers) or "none"
    yield _line(
        "",
        f"{len(signers)} of {_count(len(votes), 'signer')} with {rows} of {quorum['rows']:,} votes in epoch {quorum['epoch']};"
        f" {quorum['rows_needed']:,} are a quorum",
    )


def _compute(role: Status, _now_s: float) -> Iterator[str]:
    model = ", ".join(role["models"])
    if command := role.get("model_command"):
        shown = f"no model: fetch one with {command}"
    else:
        shown = f"model {model} ({', '.join(role['engines'])}{', simulated enclave' if role['simulated'] else ''})"
    yield _line("compute", shown)
    books = role.get("books")
    if books is None:
        yield _line("", "its books were not read")
        return
    settled, unsettled = (short_amount(int(books[name])) for name in ("settled_wei", "unsettled_wei"))
    requests = f"{_count(books['requests'], 'request')} answered, {role['under_way']} under way, {role['refused']:,} refused"
    yield _line("", f"{requests}; {unsettled} unsettled, {settled} settled")


def _single(name: str, role: Status) -> Iterator[str]:
    """A role that somebody runs by itself."""
    if "applied_seq" in role:
        yield from _streams(role)
    else:
        place = role.get("url") or role.get("address") or ""
        yield _line(name, f"{place}; {_behind([role])}" if "chain_head" in role and "is_synced" in role else str(place))


def _resources(status: NetworkStatus) -> Iterator[str]:
    parts = []
    if sizes := status.memory_bytes:
        each = ", ".join(f"{role} {round(size / MIB)}" for role, size in sorted(sizes.items(), key=lambda item: -item[1]))
        parts.append(f"{round(sum(sizes.values()) / MIB)} MB ({each})")
    restarts = {name: role.get("restarts", 0) for name, role in status.supervised.items()}
    if any(restarts.values()):
        parts.append("restarts: " + ", ".join(f"{name} {count}" for name, count in restarts.items() if count))
    elif restarts:
        parts.append("no restarts")
    if parts:
        yield _line("memory" if sizes else "restarts", "; ".join(parts))


def _troubles(troubles: tuple[Trouble, ...]) -> Iterator[str]:
    for trouble in troubles[:TROUBLES_SHOWN]:
        cause = " ".join(trouble.cause.split())
        yield f"! {_title(trouble.role)}: {cause}"
        yield f"  remedy: {trouble.remedy}"
    if len(troubles) > TROUBLES_SHOWN:
        yield f"! {len(troubles) - TROUBLES_SHOWN} more: zerog status --json"


def _places(endpoints: Endpoints) -> Iterator[str]:
    """What clients are given, in columns."""
    places: list[tuple[str, str]] = []
    if endpoints.chain is not None:
        places.append(("RPC", endpoints.chain.http))
    if endpoints.storage is not None:
        places.append(("indexer", endpoints.storage.indexer))
        if endpoints.storage.kv is not None:
            places.append(("key-value", endpoints.storage.kv))
    if endpoints.da is not None:
        places += [("disperser", endpoints.da.disperser), ("retriever", endpoints.da.retriever), ("gateway", endpoints.da.gateway)]
    if endpoints.compute is not None:
        places += [("provider", provider.url) for provider in endpoints.compute.providers]
    for index in range(0, len(places), 2):
        pair = places[index : index + 2]
        cells = [f"{name:<{LABEL}}{place:<34}" for name, place in pair]
        yield "".join(cells).rstrip()


def _behind(parts: list[Status]) -> str:
    """How far the slowest of those is from the chain's newest block."""
    gaps = [part["chain_head"] - part["log_sync_block"] for part in parts if _reads(part)]
    if len(gaps) < len(parts):
        return "has not read the chain yet"
    most = max(gaps, default=0)
    return f"{_count(most, 'block')} behind the chain" if most > 0 else "level with the chain"


def _reads(part: Status) -> bool:
    return part.get("chain_head") is not None and part.get("log_sync_block") is not None


def _age(seconds: float) -> str:
    """Of a block."""
    if seconds < 0:
        return f"{_span(-seconds)} ahead of the clock"
    return f"{_span(seconds)} old"


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _title(role: str) -> str:
    return "DA" if role == "da" else role


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL}}{text}"


def _shortened(text: str, length: int) -> str:
    """The end of a path says more than its beginning."""
    return text if len(text) <= length else f"…{text[1 - length :]}"


LINES: Final = {"chain": _chain, "storage": _storage, "da": _da, "compute": _compute}
