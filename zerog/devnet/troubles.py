"""What is wrong with a running network, from what its roles say of themselves: a cause and a remedy each."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

__all__ = ["Trouble", "find_troubles"]

Status = Mapping[str, Any]

QUORUM_SIGNERS: Final = 2
"""Of the three that a network of our own has."""
LOGS: Final = "read `zerog logs {}`"


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that does not work."""

    role: str
    cause: str
    remedy: str


def find_troubles(roles: Mapping[str, Status], supervised: Mapping[str, Status] | None = None) -> Iterator[Trouble]:
    """All that can be seen. `roles` is what each role answered, `supervised` what the supervisor knows of those that it started."""
    for name, role in (supervised or {}).items():
        if name not in roles:
            yield Trouble(role=name, cause=_why_absent(role), remedy=LOGS.format(name))
    for name, role in roles.items():
        if "error" in role:
            yield Trouble(role=name, cause=str(role.get("cause", role["error"])), remedy=_own_remedy(name, role))
            continue
        for cause, remedy in (*_of_any(role), *_of_storage(role), *_of_streams(role), *_of_da(role), *_of_compute(role)):
            yield Trouble(role=name, cause=cause, remedy=remedy or LOGS.format(name))


def _why_absent(role: Status) -> str:
    if role.get("url") is None:
        return "it is still starting"
    return f"it does not run; it was brought back {role.get('restarts', 0)} times so far"


def _own_remedy(name: str, role: Status) -> str:
    return str(role.get("remedy") or LOGS.format(name))


# Each gives causes with their remedies; an empty remedy is to read the role's log.
Found = Iterator[tuple[str, str]]


def _of_any(role: Status) -> Found:
    if role.get("quiesced"):
        yield "it was told to stand still", "let whoever makes a snapshot end, or start the network anew"
    if trouble := role.get("books_trouble"):
        yield str(trouble), ""


def _of_storage(role: Status) -> Found:
    """Of one node that runs by itself, or of all in one role."""
    nodes = role.get("nodes")
    places = nodes if isinstance(nodes, Mapping) and "indexer" in role else {"": role}
    for name, node in places.items():
        if not isinstance(node, Mapping) or "upkeep" not in node:
            continue
        where = f"node {name}: " if name and len(places) > 1 else ""
        if node["trouble"]:
            yield f"{where}{node['trouble']}", ""
        repair = node["upkeep"]["repair"]
        if repair["lost"]:
            files = ", ".join(str(root) for root in repair["lost_files"][:1])
            yield f"{where}{repair['lost']} segments are lost{f', of file {files}' if files else ''}", "upload the file once more"
        elif repair["damaged"]:
            yield f"{where}{repair['damaged']} segments are damaged", "fetch them from peers with `zerog storage scrub`"
        if node["store"]["failed"]:
            yield f"{where}the disk has refused a write", "make room, then start the network anew"
        miner = node["miner"]
        if isinstance(miner, Mapping) and miner.get("trouble"):
            yield f"{where}the miner: {miner['trouble']}", "see `zerog miner status`"


def _of_streams(role: Status) -> Found:
    node = role.get("kv", role)
    if not isinstance(node, Mapping) or "applied_seq" not in node:
        return
    for name in ("trouble", "nodes_trouble", "replay_trouble"):
        if node[name]:
            yield f"key-value: {node[name]}", ""


def _of_da(role: Status) -> Found:
    trouble = role.get("endpoints", {}).get("trouble") if "encoder" in role else None
    if trouble:
        yield str(trouble), "begin again with `zerog reset` and `zerog up`, without `--rules ethereum`"
    services = {name: part for name, part in role.items() if isinstance(part, Mapping)} if "encoder" in role else {"": role}
    for name, part in services.items():
        for word in ("trouble", "registration_trouble"):
            if ("registration_trouble" in part or "open_blobs" in part) and part.get(word):
                yield f"{name}: {part[word]}".removeprefix(": "), ""
        if part.get("wrong_signatures"):
            liars = ", ".join(part["wrong_signatures"])
            yield f"signers sent wrong signatures: {liars}", "let their operators look at their keys"
    yield from _of_quorum(role, trouble)


def _of_quorum(role: Status, trouble: str | None) -> Found:
    """Signers of a local network that do not run are seen only here: nobody waits for them."""
    if trouble or "encoder" not in role or "disperser" not in role:
        return
    quorum = (role.get("books") or {}).get("quorum")
    running = [part["signer"] for part in role.values() if isinstance(part, Mapping) and "registration_trouble" in part]
    remedy = f"start it with `zerog up --signers {QUORUM_SIGNERS}`, or more"
    if quorum is None:  # None was drawn yet: with too few signers nobody asks for one.
        if len(running) < QUORUM_SIGNERS:
            yield f"{len(running)} signers run, and {QUORUM_SIGNERS} are a quorum: no blob is confirmed", remedy
        return
    rows = sum(quorum["rows_by_signer"].get(signer, 0) for signer in running)
    if rows < quorum["rows_needed"]:
        yield f"{len(running)} signers have {rows:,} of {quorum['rows_needed']:,} rows: no blob is confirmed", remedy


def _of_compute(role: Status) -> Found:
    if "settler" not in role:
        return
    if command := role.get("model_command"):
        yield "no model, so nothing is answered", f"`{command}`, then `zerog down` and `zerog up`"
    elif role["trouble"]:
        yield str(role["trouble"]), ""
    if role["settler"]["trouble"]:
        yield f"nothing is settled: {role['settler']['trouble']}", ""
    for what, publisher in role["publisher"].items():
        if publisher["trouble"]:
            yield f"receipts are not published as a {what}: {publisher['trouble']}", ""
