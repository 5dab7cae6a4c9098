"""The chain of this folder, as the other roles find it: by its control socket, so that they may start before it does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from zerog.networks import NetworkParams, RoleName, load, own_network, role_account
from zerog.primitives import Account
from zerog.primitives.errors import RefusalError
from zerog.runtime.control import ControlFaultError, RoleNotRunningError, connect
from zerog.runtime.report import ReportedError

__all__ = ["ChainNotFoundError", "ChainPlace", "find_chain"]

CHAIN_S_MAX: Final = 120.0
"""A chain that replays a long log takes its time."""
ASK_S_MAX: Final = 5.0
LOOK_S: Final = 0.01
"""Between two looks for a chain that is starting."""


@dataclass(eq=False)
class ChainNotFoundError(RefusalError):
    """No chain runs in this folder, and none was named."""

    folder: Path
    waited_s: float

    code = "chain_not_found"
    remedy = "start it with `zerog up`, or name another one with the setting `chain-url`"
    http_status = 503

    def __str__(self) -> str:
        return f"no chain answered in {self.folder} within {self.waited_s:g} seconds"


@dataclass(frozen=True, slots=True)
class ChainPlace:
    """A chain and what is known of it."""

    url: str
    network: NetworkParams | None = None
    """Which of our own networks it is; `None` for any other chain."""

    def role_account(self, role: RoleName, index: int = 0) -> Account | None:
        """Who pays for what a role does; nobody on a chain that is not of our own."""
        if self.network is None or self.network.genesis is None:
            return None
        return role_account(self.network.genesis.mnemonic, role, index)


async def find_chain(state_folder: Path, url: str | None, *, timeout_s: float = CHAIN_S_MAX) -> ChainPlace:
    """The chain at `url`, or the one whose control socket lies in `state_folder`, once it serves. Raises `ChainNotFoundError`."""
    if url is not None:
        return ChainPlace(url)
    with anyio.move_on_after(timeout_s):
        while True:
            try:
                async with connect(state_folder / "run" / "chain.sock") as chain:
                    status = await chain.ask("status", timeout_s=ASK_S_MAX)
            except (RoleNotRunningError, ReportedError, ControlFaultError, TimeoutError):
                status = {}  # It is still starting, or again.
            if isinstance(found := status.get("url"), str):
                return ChainPlace(found, _own_network(status))
            await anyio.sleep(LOOK_S)
    raise ChainNotFoundError(state_folder, timeout_s)


def _own_network(status: Mapping[str, object]) -> NetworkParams | None:
    """Which of our networks a chain node says it runs; it is no matter under which rules."""
    name, chain_id = status.get("network"), status.get("chain_id")
    if status.get("follows") or not isinstance(chain_id, int):
        return None
    if name == load("local").name:
        return own_network(chain_id=chain_id)
    return next((copy for copy in (own_network("galileo"), own_network("mainnet")) if copy.name == name), None)
