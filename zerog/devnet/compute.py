"""Compute as a local network has it: one provider, and the owner of the contracts, who acknowledges every signer."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from zerog.chain.client import AsyncChainClient
from zerog.compute.provider.service import ComputeProvider
from zerog.compute.provider.settings import ComputeProviderSettings
from zerog.devnet.acknowledgement import SignerAcknowledger
from zerog.devnet.chain_place import ChainPlace, find_chain
from zerog.devnet.compute_proof import prove_compute
from zerog.devnet.compute_settings import ComputeServiceSettings
from zerog.devnet.role_place import find_endpoint
from zerog.networks import NetworkParams
from zerog.primitives import Account
from zerog.primitives.errors import RefusalError
from zerog.runtime.settings import fill

__all__ = ["ComputeService"]

log = structlog.get_logger(__name__)

PROVIDER_ACCOUNT: Final = 0
"""Which of the accounts of compute pays the stake and is paid by settlements."""
OWNER_ACCOUNT: Final = 1
"""Which one owns the contracts."""
PAUSE_S: Final = 0.05
"""Between two looks at the services, however fast blocks come."""
FOLDER: Final = "compute"
OWN_SETTLE_S: Final = 5.0
"""How long a debt stands on a network of our own, where gas costs nothing and whoever asked waits for the proof. Without debts there is
no settlement, so an idle chain makes no blocks by it."""


class ServiceStoppedError(RefusalError):
    """Compute does not run, or not yet."""

    code = "compute_stopped"
    remedy = "start it and wait until it reports its URL"
    http_status = 503

    def __str__(self) -> str:
        return "compute is not running"


class ComputeService:
    """A provider with its contracts' owner beside it."""

    name: Final = "compute"

    def __init__(self, settings: ComputeServiceSettings, state_folder: Path) -> None:
        self._settings: Final = settings
        self._state_folder: Final = state_folder
        self._provider: ComputeProvider | None = None
        self._chain: ChainPlace | None = None
        self._url: str | None = None

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports the provider's URL once it answers; a part that fails stops the whole role.

        Raises `ChainNotFoundError`, `RoleNotFoundError`, and whatever the provider raises.
        """
        of_provider = self._provider_settings()
        chain = self._chain = await find_chain(self._state_folder, self._settings.chain_url)
        of_provider = _settled_soon(replace(of_provider, chain_url=chain.url), chain)
        of_provider = await self._publishing(of_provider)
        account = chain.role_account("compute", PROVIDER_ACCOUNT) if of_provider.private_key is None else None
        provider = self._provider = ComputeProvider(of_provider, account=account)
        try:
            async with AsyncChainClient(chain.url) as client, anyio.create_task_group() as parts:
                self._url = await parts.start(provider.run, name="compute.provider")
                parts.start_soon(self._acknowledge, client, chain, provider, name="compute.owner")
                log.info("compute_ready", url=self._url)
                task_status.started(self._url)
        finally:
            self._url = None

    async def probe(self) -> Mapping[str, object]:
        """On a network of our own: wait until the signer is acknowledged, and the first time pay for a chat and see its signature.

        Without a model there is nothing to prove: the network runs, and says so. Raises `ZerogError`.
        """
        provider, chain = self._parts()
        if provider.trouble is not None:
            return {"proof": None, "trouble": provider.trouble}
        proof = await prove_compute(chain, provider, str(self._url))
        return {**await provider.probe(), **proof}

    def status(self) -> Mapping[str, object]:
        """What the provider says of itself, and where it is; JSON values only."""
        provider, chain = self._parts()
        found = dict(provider.status())
        return {
            **found,
            "chain_url": chain.url,
            "ports": {"http": int(str(self._url).rsplit(":", 1)[1])},
            "endpoints": {"providers": [self._endpoints(provider)]},
        }

    async def books(self) -> Mapping[str, object]:
        """Those of the provider."""
        return await self._parts()[0].books()

    async def follow(self) -> None:
        """See `FollowsChain.follow`."""
        await self._parts()[0].follow()

    async def quiesce(self, block: int) -> None:
        """Let those requests end that are under way; others wait."""
        await self._parts()[0].quiesce(block)

    async def checkpoint(self, directory: Path) -> None:
        """Leave a copy of the provider's books and of its enclave's key in `directory`."""
        await self._parts()[0].checkpoint(directory)

    async def resume(self) -> None:
        """Take requests again."""
        await self._parts()[0].resume()

    def _parts(self) -> tuple[ComputeProvider, ChainPlace]:
        if self._provider is None or self._chain is None or self._url is None:
            raise ServiceStoppedError
        return self._provider, self._chain

    def _provider_settings(self) -> ComputeProviderSettings:
        """All but the chain, which may still be starting."""
        flags = ["--host", self._settings.host, "--port", str(self._settings.port)]
        for engine in self._settings.engine:
            flags += ["--engine", engine]
        if self._settings.model is not None:
            flags += ["--model", self._settings.model]
        filled = fill(ComputeProviderSettings, flags, command=("compute", "run"), state_folder=self._state_folder)
        return filled if filled.data_dir is not None else replace(filled, data_dir=self._state_folder / FOLDER)

    async def _publishing(self, settings: ComputeProviderSettings) -> ComputeProviderSettings:
        """Settings that name the storage and the DA of this folder, unless they name others."""
        if not self._settings.with_storage or settings.receipts_indexer is not None:
            return settings
        indexer = await find_endpoint(self._state_folder, "storage", "indexer")
        disperser = await find_endpoint(self._state_folder, "da", "disperser") if self._settings.with_da else None
        return replace(settings, receipts_indexer=indexer, receipts_disperser=disperser)

    async def _acknowledge(self, client: AsyncChainClient, chain: ChainPlace, provider: ComputeProvider) -> None:
        """With every block, for whatever service stands there; on a chain of others nothing is to be done."""
        owner = chain.role_account("compute", OWNER_ACCOUNT)
        if owner is None or chain.network is None:
            return
        acknowledger = _acknowledger(client, chain.network, owner)
        news = provider.running.chain
        while True:
            seen = news.head
            await acknowledger.acknowledge_all()
            await anyio.sleep(PAUSE_S)
            if news.head == seen:  # Otherwise a block has come meanwhile, and its news are over.
                await news.wait_for_news()

    def _endpoints(self, provider: ComputeProvider) -> Mapping[str, object]:
        running = provider.running
        first = running.desk.catalogue.first
        return {
            "address": str(running.place.account.address),
            "url": provider.settings.public_url or self._url,
            "model": first.id,
            "service_type": first.service_type.value,
            "signer": str(running.desk.enclave.signer.address),
            "simulated": running.desk.enclave.is_simulated,
            "trouble": provider.trouble,
        }


def _acknowledger(client: AsyncChainClient, network: NetworkParams, owner: Account) -> SignerAcknowledger:
    addresses = network.addresses
    return SignerAcknowledger(client, owner, addresses["inference_serving"], addresses["fine_tuning_serving"])


def _settled_soon(settings: ComputeProviderSettings, chain: ChainPlace) -> ComputeProviderSettings:
    """The settings with settlements after seconds on a network of our own, unless somebody said how often."""
    usual = ComputeProviderSettings()
    asked, by_default = ((of.settle_interval_s, of.settle_check_s) for of in (settings, usual))
    if chain.network is None or asked != by_default:
        return settings
    return replace(settings, settle_interval_s=OWN_SETTLE_S, settle_check_s=OWN_SETTLE_S)
