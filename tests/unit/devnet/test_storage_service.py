"""Storage as one role: its settings, how it finds the chain, and what it says before it runs."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from zerog.devnet.chain_place import ChainNotFoundError, ChainPlace, find_chain
from zerog.devnet.storage import ServiceStoppedError, StorageService
from zerog.devnet.storage_settings import StorageServiceSettings, StorageServiceSettingsError
from zerog.networks import load, own_network, role_account
from zerog.runtime.control import connect
from zerog.runtime.process import serve_role

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"shards": 3}, "power of two, not 3"),
        ({"shards": 0}, "power of two, not 0"),
        ({"replicas": 0}, "at least one node, not by 0"),
        ({"further_ports": (1, 2, 3)}, "1 nodes have no use for 3 further ports"),
        ({"shards": 2, "further_ports": (1, 2, 3, 4)}, "2 nodes have no use for 4"),
    ],
    ids=str,
)
async def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(StorageServiceSettingsError, match=cause):
        StorageServiceSettings(**changes)


async def test_a_folder_without_a_chain_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChainNotFoundError, match=str(tmp_path)):
        await find_chain(tmp_path, None, timeout_s=0.05)


async def test_a_chain_that_is_named_is_not_looked_for_and_nobody_pays_on_it(tmp_path: Path) -> None:
    place = await find_chain(tmp_path, NOWHERE)
    assert place == ChainPlace(NOWHERE)
    assert place.role_account("storage") is None


class ToldChain:
    """A role that says of itself what a test wants."""

    name = "chain"

    def __init__(self, said: dict[str, object]) -> None:
        self.said = said

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        task_status.started(NOWHERE)
        await anyio.sleep_forever()

    async def probe(self) -> dict[str, object]:
        return {}

    def status(self) -> dict[str, object]:
        return self.said

    async def quiesce(self, block: int) -> None: ...
    async def checkpoint(self, directory: Path) -> None: ...
    async def resume(self) -> None: ...


@pytest.mark.parametrize(
    ("said", "network"),
    [
        ({"network": "local", "chain_id": 31337}, own_network()),
        ({"network": "local", "chain_id": 7, "follows": None}, own_network(chain_id=7)),
        ({"network": "galileo-clone", "chain_id": 16602}, own_network("galileo")),
        ({"network": "galileo", "chain_id": 16602}, None),
        ({"network": "local", "chain_id": 31337, "follows": "http://elsewhere"}, None),
        ({"network": "chain-7", "chain_id": 7}, None),
    ],
    ids=str,
)
async def test_the_chain_of_the_folder_says_where_and_what_it_is(tmp_path: Path, said: dict[str, object], network: object) -> None:
    """Nobody pays for roles on a chain that is not all our own."""
    async with anyio.create_task_group() as tasks:
        ready = anyio.Event()
        tasks.start_soon(partial(serve_role, ToldChain(said), tmp_path / "run", announce=lambda _: ready.set()))
        await ready.wait()
        with pytest.raises(ChainNotFoundError):
            await find_chain(tmp_path, None, timeout_s=0.05)  # It is starting: it does not say where it is.
        said["url"] = NOWHERE
        place = await find_chain(tmp_path, None)
        said.pop("url")
        assert (place.url, place.network) == (NOWHERE, network)
        genesis = load("local").genesis
        assert genesis is not None
        assert place.role_account("storage") == (None if network is None else role_account(genesis.mnemonic, "storage"))
        async with connect(tmp_path / "run" / "chain.sock") as chain:
            await chain.ask("stop", timeout_s=5)


async def test_before_it_runs_it_says_so(tmp_path: Path) -> None:
    service = StorageService(StorageServiceSettings(), tmp_path)
    with pytest.raises(ServiceStoppedError):
        service.status()
    with pytest.raises(ServiceStoppedError):
        await service.probe()
