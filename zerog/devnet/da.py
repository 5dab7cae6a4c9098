"""DA as a local network has it: encoder, disperser, signers of equal weight, retriever and gateway, as one role."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
import structlog
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskGroup, TaskStatus

from zerog.chain.client import AsyncChainClient, RpcError
from zerog.da.client.chain import DaChain, EntranceUnknownError
from zerog.da.client.setup import Setup, open_setup
from zerog.da.disperser.service import DaDisperser
from zerog.da.disperser.settings import DaDisperserSettings
from zerog.da.encoder.service import DaEncoder
from zerog.da.encoder.settings import DaEncoderSettings
from zerog.da.gateway.service import DaGateway
from zerog.da.gateway.settings import DaGatewaySettings
from zerog.da.retriever.service import DaRetriever
from zerog.da.retriever.settings import DaRetrieverSettings
from zerog.da.signer.service import DaSigner
from zerog.da.signer.settings import DaSignerSettings
from zerog.devnet.chain_place import ChainPlace, find_chain
from zerog.devnet.da_proof import Services, prove_da
from zerog.devnet.da_settings import DaServiceSettings
from zerog.primitives import DecodeError
from zerog.primitives.errors import RefusalError
from zerog.runtime.ports import local_url, reserve_port
from zerog.runtime.role import FollowsChain, Role
from zerog.runtime.settings import fill

__all__ = ["DaService"]

S = TypeVar("S")

FOLDER: Final = "da"
DISPERSER_ACCOUNT: Final = 0
"""Which of the accounts of DA announces and confirms blobs; the signers' follow."""

log = structlog.get_logger(__name__)


class ServiceStoppedError(RefusalError):
    """DA does not run, or not yet."""

    code = "da_stopped"
    remedy = "start it and wait until it reports its URL"
    http_status = 503

    def __str__(self) -> str:
        return "DA is not running"


class DaService:
    """All services of one network. They meet on the wire, and share nothing but the parameters that proofs are made with."""

    name: Final = "da"

    def __init__(self, settings: DaServiceSettings, state_folder: Path) -> None:
        self._settings: Final = settings
        self._state_folder: Final = state_folder
        self._ports: dict[str, int] = {}
        self._chain: ChainPlace | None = None
        self._encoder: DaEncoder | None = None
        self._disperser: DaDisperser | None = None
        self._retriever: DaRetriever | None = None
        self._gateway: DaGateway | None = None
        self._signers: list[DaSigner] = []
        self._url: str | None = None
        self._trouble: str | None = None
        """Why no blob will get to a quorum here, if that is known from the beginning."""

    async def run(self, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports the gateway's URL once all of it answers; a part that fails stops the whole role.

        Raises `ChainNotFoundError`, and whatever a service raises.
        """
        try:
            async with anyio.create_task_group() as parts:
                with ExitStack() as reserved:
                    self._reserve_ports(reserved)
                    chain = self._chain = await find_chain(self._state_folder, self._settings.chain_url)
                    self._trouble = await _trouble_of(chain)
                    self._make(chain, await self._open_setup(chain))
                    await self._start(parts)
                self._url = local_url(self._settings.host, self._ports["gateway"])
                log.info("da_ready", url=self._url, signers=len(self._signers))
                task_status.started(self._url)
        finally:
            self._url = None

    async def probe(self) -> Mapping[str, object]:
        """Disperse a small blob and read it back from the signers; what is there already is only read. Raises `ZerogError`."""
        if self._chain is None or self._url is None:
            raise ServiceStoppedError
        if self._trouble is not None:
            return {"proof": None, "trouble": self._trouble}
        services = Services(disperser=self._address("disperser"), retriever=self._address("retriever"))
        proof = await prove_da(self._chain, services, self._folder, self._signers)
        return {**proof, "signers": len(self._signers)}

    def status(self) -> Mapping[str, object]:
        """Where its parts are, and what each says of itself; JSON values only."""
        if self._url is None or self._chain is None:
            raise ServiceStoppedError
        return {
            "url": self._url,
            "chain_url": self._chain.url,
            "ports": dict(self._ports),
            "endpoints": {
                **{use: self._address(use) for use in ("disperser", "encoder", "retriever")},
                "signers": [self._address(_signer_port(index)) for index in range(len(self._signers))],
                "gateway": self._url,
                "trouble": self._trouble,
            },
            **{role.name: role.status() for role in self._roles()},
        }

    async def books(self) -> Mapping[str, object]:
        """Those of the disperser, with the signers of the current epoch."""
        return {} if self._disperser is None else await self._disperser.books()

    async def follow(self) -> None:
        """See `FollowsChain.follow`."""
        for role in self._roles():  # Each follows by itself, so to ask one after the other costs little.
            if isinstance(role, FollowsChain):
                await role.follow()

    async def quiesce(self, block: int) -> None:
        """Until every service has read the chain up to `block` and holds what it has acknowledged; then none takes more."""
        async with anyio.create_task_group() as roles:
            for role in self._roles():
                roles.start_soon(role.quiesce, block)

    async def checkpoint(self, directory: Path) -> None:
        """Each service into its own folder below `directory`."""
        for role in self._roles():
            await role.checkpoint(directory / role.name)

    async def resume(self) -> None:
        """Take work again."""
        for role in self._roles():
            await role.resume()

    # How it is put together.

    @property
    def _folder(self) -> Path:
        return self._state_folder / FOLDER

    def _roles(self) -> Iterator[Role]:
        """Those that follow others come after them."""
        for role in (self._encoder, *self._signers, self._retriever, self._disperser, self._gateway):
            if role is not None:
                yield role

    def _reserve_ports(self, reserved: ExitStack) -> None:
        """Choose every port that the system may choose, since services are told where the others are before any of them listens."""
        settings = self._settings

        def chosen(port: int) -> int:
            return port or reserve_port(reserved, settings.host)

        given = iter(settings.signer_ports)
        self._ports = {
            "gateway": chosen(settings.gateway_port),
            "disperser": chosen(settings.disperser_port),
            "encoder": chosen(settings.encoder_port),
            "retriever": chosen(settings.retriever_port),
            **{_signer_port(index): chosen(next(given, 0)) for index in range(settings.signers)},
        }

    async def _open_setup(self, chain: ChainPlace) -> Setup:
        """That of the encoder; whoever wants signers to have another one runs them alone."""
        settings = fill(DaEncoderSettings, [], command=("da", "run", "encoder"), state_folder=self._state_folder)
        opening = partial(
            open_setup,
            settings.setup,
            host=self._settings.host,
            is_own_network=chain.network is not None,
            allow_remote=settings.allow_insecure_setup,
        )
        return await to_thread.run_sync(opening)

    def _make(self, chain: ChainPlace, setup: Setup) -> None:
        self._encoder = DaEncoder(self._fill(DaEncoderSettings, "encoder"), setup=setup)
        count = self._settings.signers if self._trouble is None else 0
        self._signers = [self._make_signer(index, chain, setup) for index in range(count)]
        retriever = replace(self._fill(DaRetrieverSettings, "retriever"), chain_url=chain.url)
        self._retriever = DaRetriever(retriever)
        addresses = ["--encoder", self._address("encoder"), "--retriever", self._address("retriever")]
        disperser = replace(self._fill(DaDisperserSettings, "disperser", *addresses), chain_url=chain.url)
        self._disperser = DaDisperser(disperser, account=chain.role_account("da", DISPERSER_ACCOUNT))
        addresses = ["--disperser", self._address("disperser"), "--retriever", self._address("retriever")]
        gateway = replace(self._fill(DaGatewaySettings, "gateway", *addresses), chain_url=chain.url)
        self._gateway = DaGateway(gateway)

    def _make_signer(self, index: int, chain: ChainPlace, setup: Setup) -> DaSigner:
        name = f"signer-{index}"
        flags = ["--host", self._settings.host, "--port", str(self._ports[_signer_port(index)]), "--http-port", "0"]
        flags += ["--data-dir", str(self._folder / name), "--signer", str(index + 1), "--chain-url", chain.url]
        settings = fill(DaSignerSettings, flags, command=("da", "run", "signer"), state_folder=self._state_folder)
        return DaSigner(settings, account=chain.role_account("da", DISPERSER_ACCOUNT + 1 + index), setup=setup, name=name)

    def _fill(self, kind: type[S], use: str, *further: str) -> S:
        flags = ["--host", self._settings.host, "--port", str(self._ports[use]), *further]
        if use in ("disperser", "gateway"):
            flags += ["--data-dir", str(self._folder / use)]
        return fill(kind, flags, command=("da", "run", use), state_folder=self._state_folder)

    async def _start(self, parts: TaskGroup) -> None:
        """All at once: none needs another one before it is asked for something."""
        async with anyio.create_task_group() as starts:
            for role in self._roles():
                starts.start_soon(partial(parts.start, role.run, name=f"da.{role.name}"), name=f"da.start.{role.name}")

    def _address(self, use: str) -> str:
        return local_url(self._settings.host, self._ports[use]).removeprefix("http://")


async def _trouble_of(place: ChainPlace) -> str | None:
    """Under the rules of Ethereum alone nobody knows who the signers are."""
    async with AsyncChainClient(place.url) as client:
        try:
            chain = await DaChain.find(client)
            await chain.epoch_number()
        except (DecodeError, RpcError, EntranceUnknownError):
            return "the chain has no contract of DA's signers: its rules are those of Ethereum, or of somebody else"
    return None


def _signer_port(index: int) -> str:
    return f"signer.{index}"
