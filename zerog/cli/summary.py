"""What a person sees of a network: where it is, one account to use, three commands to copy."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zerog import __version__
from zerog.cli.output import print_json
from zerog.devnet.endpoints import Endpoints
from zerog.devnet.inspect import NetworkStatus

__all__ = ["show_network", "show_status"]


def show_network(endpoints: Endpoints, *, as_json: bool, background: bool) -> None:
    """At most twelve lines, or the endpoints as they are."""
    if as_json:
        print_json(endpoints)
        return
    where = "" if _is_here(endpoints) else f" --dir {shlex.quote(str(Path(endpoints.data_dir).parent))}"
    lines = [f"zerog {__version__}: network {endpoints.network}, chain id {endpoints.chain_id}"]
    if endpoints.chain is not None:
        lines.append(f"  RPC      {endpoints.chain.http}  (WebSocket on the same port)")
    if endpoints.storage is not None:
        storage = f"  storage  {endpoints.storage.indexer}  (indexer for clients; {_counted(len(endpoints.storage.nodes), 'node')})"
        lines.append(storage if endpoints.storage.kv is None else f"{storage}, key-value {endpoints.storage.kv}")
    if endpoints.da is not None:
        da = f"  DA       {endpoints.da.disperser}  (disperser for clients; {_counted(len(endpoints.da.signers), 'signer')})"
        trouble = f"; {endpoints.da.trouble}" if endpoints.da.trouble else ""
        lines.append(f"{da}, rollups {endpoints.da.gateway}{trouble}")
    for provider in endpoints.compute.providers if endpoints.compute is not None else []:
        enclave = ", simulated enclave" if provider.simulated else ""
        trouble = f"; {provider.trouble}" if provider.trouble else ""
        lines.append(f"  compute  {provider.url}  (model {provider.model}{enclave}{trouble})")
    if endpoints.accounts:
        lines += [f"  account  {endpoints.accounts[0].address}", f"  key      {endpoints.accounts[0].private_key}"]
    lines += [f"  state    {endpoints.data_dir}", "", *_commands(endpoints, where), ""]
    lines.append(f"It runs in the background; stop it with: zerog down{where}" if background else "Stop it with Ctrl-C; its state stays.")
    print("\n".join(lines), flush=True)


def show_status(status: NetworkStatus) -> None:
    """A few lines a role."""
    if not status.running:
        print(f"nothing runs in {status.data_dir}")
        return
    print(f"network {status.network} in {status.data_dir} (pid {status.pid})")
    for name, role in status.roles.items():
        facts = ", ".join(f"{key} {value}" for key, value in role.items() if value is not None and not isinstance(value, dict | list))
        print(f"  {name}: {facts}")
        for label, upkeep in _upkeeps(role):
            print(f"    {label}{_health(upkeep)}")


def _upkeeps(role: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What storage nodes say of their health: a role is one, or has several."""
    if "upkeep" in role:
        yield "", role["upkeep"]
    nodes = role.get("nodes")
    if isinstance(nodes, Mapping):
        yield from ((f"node {name}: ", node["upkeep"]) for name, node in nodes.items() if "upkeep" in node)


def _health(upkeep: Mapping[str, Any]) -> str:
    duty, repair, scrub = upkeep["duty"], upkeep["repair"], upkeep["scrub"]
    checked = "never checked" if scrub["last_pass"] is None else f"{scrub['passes']} times checked"
    held = f"{duty['segments_held']} of {duty['segments_required']} segments held"
    return f"{held}, {repair['damaged']} damaged, {repair['lost']} lost, {repair['repaired']} repaired, {checked}"


def _commands(endpoints: Endpoints, where: str) -> list[str]:
    """Three commands that work as they stand."""
    commands = [f"  zerog status{where}", f"  zerog logs --follow{where}"]
    if endpoints.chain is not None:
        request = '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}'
        commands.insert(0, f"  curl -s {endpoints.chain.http} -H content-type:application/json -d '{request}'")
    return commands


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _is_here(endpoints: Endpoints) -> bool:
    return Path(endpoints.data_dir).parent == Path.cwd()
