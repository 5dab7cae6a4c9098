"""What a person sees of a network: where it is, one account to use, three commands to copy."""

import shlex
from pathlib import Path

from zerog import __version__
from zerog.cli.output import print_json
from zerog.devnet.endpoints import Endpoints

__all__ = ["show_network"]


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
