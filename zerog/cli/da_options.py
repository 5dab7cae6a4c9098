"""What the commands for blobs share: which network, and how a person sees a blob on its way."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zerog.primitives.errors import RefusalError

if TYPE_CHECKING:
    from zerog.da.client import DaClient, DispersalProgress, ProgressCallback

__all__ = ["DaArgumentError", "DaServices", "dispersal_spinner"]

DEFAULT_NETWORK: Final = "local"
KIB: Final = 1024


@dataclass(eq=False)
class DaArgumentError(RefusalError):
    """Words on the command line that do not go together, or not with what they name."""

    cause: str

    code = "arguments"
    remedy = "see the command's --help"

    def __str__(self) -> str:
        return self.cause


@dataclass(frozen=True, kw_only=True)
class DaServices:
    """Whose blobs are meant."""

    network: str = DEFAULT_NETWORK
    """local, galileo, mainnet, or the URL of a chain node."""
    disperser: str | None = None
    """Address (host:port) of a disperser, if not the network's."""
    retriever: str | None = None
    """Address of a retriever, likewise."""
    gateway: str | None = None
    """URL of a gateway, likewise."""

    @contextmanager
    def connect(self, folder: Path) -> Iterator["DaClient"]:
        """A client of these services. Raises `NoNetworkError`, `NoDaError`."""
        from zerog.da.client import DaClient
        from zerog.sdk.network import DaPlace, NoDaError, resolve

        found = DaPlace(disperser=self.disperser, retriever=self.retriever, gateway=self.gateway)
        if found == DaPlace() or self.network != DEFAULT_NETWORK:
            place = resolve(self.network, folder)
            if place.da is None and found == DaPlace():
                raise NoDaError(place.chain_url)
            known = place.da or DaPlace()
            found = DaPlace(
                disperser=self.disperser or known.disperser,
                retriever=self.retriever or known.retriever,
                gateway=self.gateway or known.gateway,
            )
        with DaClient(disperser=found.disperser, retriever=found.retriever, gateway=found.gateway) as da:
            yield da


@contextmanager
def dispersal_spinner(name: str) -> Iterator["ProgressCallback | None"]:
    """Shows where a blob is, and since when it is on its way; gives nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as lines:
        task = lines.add_task(f"sending {name}", total=None)

        def show(now: "DispersalProgress") -> None:
            where = now.state.step or now.state.status.name.lower()
            lines.update(task, description=f"{where} {name} ({now.size_bytes / KIB:,.1f} KiB)")

        yield show
