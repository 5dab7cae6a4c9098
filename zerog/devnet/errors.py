"""What can be wrong with a local network, and what to do about it."""

from dataclasses import dataclass
from pathlib import Path

from zerog.primitives.errors import RefusalError
from zerog.runtime.report import ErrorReport

__all__ = [
    "FewerNodesError",
    "FolderUnusableError",
    "ForeignNetworkError",
    "NetworkRunningError",
    "NetworkUpError",
    "RecordBrokenError",
    "RoleFailedError",
]


@dataclass(eq=False)
class FewerNodesError(RefusalError):
    """A network that forgets some of its storage nodes would lose files."""

    kept: int
    asked: int

    code = "fewer_nodes"
    remedy = "start it with as many nodes, or more; or begin again with `zerog reset`"
    http_status = 409

    def __str__(self) -> str:
        return f"the network's files lie on {self.kept} storage nodes, and {self.asked} were asked for"


@dataclass(eq=False)
class FolderUnusableError(RefusalError):
    """Nothing can be kept in the folder that was named."""

    folder: Path
    cause: str

    code = "folder_unusable"
    remedy = "name a folder where you can write and where there is room (--dir)"

    def __str__(self) -> str:
        return f"{self.folder}: {self.cause}"


@dataclass(eq=False)
class ForeignNetworkError(RefusalError):
    """The folder holds another network than the one that was asked for."""

    folder: Path
    kept: str
    asked: str

    code = "genesis_mismatch"
    remedy = "remove the old network with `zerog reset`, or start it with the settings, or the version, that it was made with"
    http_status = 409

    def __str__(self) -> str:
        return f"{self.folder} holds {self.kept}, not {self.asked}"


@dataclass(eq=False)
class NetworkRunningError(RefusalError):
    """The network must stand still for this."""

    folder: Path

    code = "network_running"
    remedy = "stop it first with `zerog down`"
    http_status = 409

    def __str__(self) -> str:
        return f"the network in {self.folder} is running"


@dataclass(eq=False)
class NetworkUpError(RefusalError):
    """A second start of a network that runs, or starts."""

    folder: Path
    """Its working folder."""
    pid: int
    rpc_url: str | None
    """Of its chain, once it has been ready."""

    code = "lock_held"
    remedy = "see it with `zerog status`, stop it with `zerog down`, or start another one in another folder (--dir)"
    http_status = 409

    def __str__(self) -> str:
        where = "it is still starting" if self.rpc_url is None else f"its RPC is {self.rpc_url}"
        return f"the network of {self.folder} runs already (pid {self.pid}); {where}"


@dataclass(eq=False)
class RecordBrokenError(RefusalError):
    """A file in which the network remembers something cannot be read."""

    path: Path
    cause: str

    code = "record_broken"
    remedy = "repair the file, or begin again with `zerog reset`"

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


@dataclass(eq=False)
class RoleFailedError(RefusalError):
    """A role did not start, or ended and could not be brought back."""

    role: str
    report: ErrorReport
    last_lines: tuple[str, ...] = ()
    """The end of what it wrote."""

    http_status = 503

    @property
    def code(self) -> str:  # type: ignore[override]  # The role's own code says more than that it failed.
        return self.report.code

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return self.report.remedy or f"look at `zerog logs {self.role}`"

    def __str__(self) -> str:
        return "\n".join((f"{self.role}: {self.report.cause}", *self.last_lines))
