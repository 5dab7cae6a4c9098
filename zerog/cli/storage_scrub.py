"""`zerog storage scrub`: have nodes hold everything that they store against its root."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import cyclopts

from zerog.cli.output import AsJson, WorkingFolder, print_json, say
from zerog.cli.storage_options import StorageArgumentError

__all__ = ["scrub"]

Flag = cyclopts.Parameter(negative="")
LOOK_S: Final = 0.2


def scrub(
    *,
    node: tuple[str, ...] = (),
    no_wait: Annotated[bool, Flag] = False,
    json: AsJson = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Check every stored byte at full speed; what is damaged is fetched from peers. Fails if something was damaged.

    Parameters
    ----------
    node
        URL of a node's admin port; can be given several times. Without it, all nodes that run in this folder.
    no_wait
        Only begin.
    """
    from zerog.storage.client import NodeClient

    urls = node or tuple(_admin_urls(directory))
    if not urls:
        raise StorageArgumentError("no storage node runs in this folder: name one with --node, by the URL of its admin port")
    with ExitStack() as stack:
        nodes = {url: stack.enter_context(NodeClient(url)) for url in urls}
        passes = {url: client.request("admin_startScrub") for url, client in nodes.items()}
        if no_wait:
            return 0
        found = {}
        for url, client in nodes.items():
            while (state := _scrub_of(client))["passes"] <= passes[url]:
                time.sleep(LOOK_S)  # noqa: TID251 - a node tells nobody that a pass has ended.
            last = found[url] = state["last_pass"]
            if not json:
                print(f"{url}  {last['bytes_checked']:,} bytes checked, {last['segments_damaged']} segments damaged")
    if json:
        print_json(found)
    damaged = sum(last["segments_damaged"] for last in found.values())
    if damaged:
        say("what is damaged is fetched from peers: see `zerog status --json`")
    return 1 if damaged else 0


def _scrub_of(client: Any) -> Mapping[str, Any]:
    state: Mapping[str, Any] = client.request("admin_getUpkeep")["scrub"]
    return state


def _admin_urls(directory: Path) -> Iterator[str]:
    """Of the nodes that run in a folder, by themselves or in the service of a network."""
    from zerog.devnet.folder import NetworkFolder
    from zerog.devnet.inspect import network_status

    role: Mapping[str, Any] = network_status(NetworkFolder.of(directory)).roles.get("storage", {})
    if isinstance(role.get("admin_url"), str):
        yield role["admin_url"]
    yield from (entry["admin"] for entry in role.get("endpoints", {}).get("nodes", ()))
