"""`zerog da run encoder|disperser|signer|retriever|gateway`: one service of DA by itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import cyclopts

from zerog.cli.announced import check_announced
from zerog.cli.output import WorkingFolder
from zerog.da.disperser.settings import DaDisperserSettings
from zerog.da.encoder.settings import DaEncoderSettings
from zerog.da.gateway.settings import DaGatewaySettings
from zerog.da.retriever.settings import DaRetrieverSettings
from zerog.da.signer.settings import DaSignerSettings
from zerog.devnet.folder import NetworkFolder

if TYPE_CHECKING:
    from zerog.runtime.role import Role

__all__ = ["disperser", "encoder", "gateway", "retriever", "signer"]

FOLDER: Final = "da"
Supervised = Annotated[bool, cyclopts.Parameter(negative="", show=False)]
"""Tell the process that started this one how it went, and stop with it."""


def encoder(
    *,
    settings: Annotated[DaEncoderSettings, cyclopts.Parameter(name="*")] = DaEncoderSettings(),  # noqa: B008 - it is frozen.
    supervised: Supervised = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run an encoder in the foreground: it computes rows, commitments and proofs of blobs."""
    from zerog.da.encoder.service import DaEncoder

    return _run("encoder", lambda _folder: DaEncoder(settings), directory, supervised=supervised)


def disperser(
    *,
    settings: Annotated[DaDisperserSettings, cyclopts.Parameter(name="*")] = DaDisperserSettings(),  # noqa: B008 - as above.
    supervised: Supervised = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run a disperser in the foreground: it takes blobs and brings them to a quorum."""
    from zerog.da.disperser.service import DaDisperser

    def make(folder: Path) -> DaDisperser:
        return DaDisperser(settings if settings.data_dir is not None else replace(settings, data_dir=folder / "disperser"))

    return _run("disperser", make, directory, supervised=supervised)


def signer(
    *,
    settings: Annotated[DaSignerSettings, cyclopts.Parameter(name="*")] = DaSignerSettings(),  # noqa: B008 - as above.
    supervised: Supervised = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run a signer (a DA node) in the foreground: it checks, signs and keeps its rows of every blob."""
    from zerog.da.signer.service import DaSigner

    def make(folder: Path) -> DaSigner:
        kept = settings if settings.data_dir is not None else replace(settings, data_dir=folder / f"signer-{settings.signer - 1}")
        return DaSigner(kept)

    check_announced(settings.host, settings.socket, "socket")
    return _run("da-signer", make, directory, supervised=supervised)


def retriever(
    *,
    settings: Annotated[DaRetrieverSettings, cyclopts.Parameter(name="*")] = DaRetrieverSettings(),  # noqa: B008 - as above.
    supervised: Supervised = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run a retriever in the foreground: it puts blobs together from the rows of signers."""
    from zerog.da.retriever.service import DaRetriever

    return _run("retriever", lambda _folder: DaRetriever(settings), directory, supervised=supervised)


def gateway(
    *,
    settings: Annotated[DaGatewaySettings, cyclopts.Parameter(name="*")] = DaGatewaySettings(),  # noqa: B008 - as above.
    supervised: Supervised = False,
    directory: WorkingFolder = Path(),
) -> int:
    """Run a gateway in the foreground: rollups store their batches with it, and anybody takes samples of blobs."""
    from zerog.da.gateway.service import DaGateway

    def make(folder: Path) -> DaGateway:
        return DaGateway(settings if settings.data_dir is not None else replace(settings, data_dir=folder / "gateway"))

    return _run("gateway", make, directory, supervised=supervised)


def _run(name: str, make: "Callable[[Path], Role]", directory: Path, *, supervised: bool) -> int:
    """`make` gets the folder in which services of DA keep theirs."""
    from zerog.runtime.process import EventHerald, RolePlace, TerminalHerald, run_role

    folder = NetworkFolder.of(directory)
    folder.prepare()
    place = RolePlace(
        state_folder=folder.path,
        herald=EventHerald(1) if supervised else TerminalHerald(),
        supervised=supervised,
        log_form="none" if supervised else "console",
    )
    return run_role(name, lambda: make(folder.path / FOLDER), place)
