"""The network that tests use: one that is started here and ends with this process, or one that runs already."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:  # Loaded on use, so that a pytest without tests of ours does not wait for it.
    from zerog.devnet.endpoints import Endpoints
    from zerog.sdk import AsyncNetwork, Network

__all__ = ["NetworkEndedError", "NetworkNotStartedError", "NetworkProcess", "SnapshotLostError", "ZerogNetwork"]

START_S_MAX: Final = 300.0
"""A role that does not get ready is given up by `zerog up` itself, earlier and with a reason."""
STOP_S_MAX: Final = 90.0
"""Likewise for one that does not stop."""


class NetworkNotStartedError(Exception):
    """`zerog up` ended before every role was ready; the message is what it said: code, cause, remedy, the end of the logs."""


class NetworkEndedError(Exception):
    """The network ended while tests were using it; the message is what it said."""


class SnapshotLostError(Exception):
    """The chain cannot be rolled back: the test has gone back behind its own beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZerogNetwork:
    """A network that runs."""

    chain_url: str
    folder: Path | None = None
    """Its working folder, that has `.zerog` in it; `None` where only the chain's URL is known."""
    endpoints: "Endpoints | None" = None
    """All of `endpoints.json`, likewise."""

    def connect(self) -> "Network":
        """A connection, to be closed by the caller or used in a `with` block. Nothing is rolled back."""
        import zerog

        return zerog.connect(self.chain_url) if self.folder is None else zerog.connect("local", folder=self.folder)

    def connect_async(self) -> "AsyncNetwork":
        """As `connect`, for programs with an event loop: `async with network.connect_async() as zerog:`."""
        import zerog

        return zerog.connect_async(self.chain_url) if self.folder is None else zerog.connect_async("local", folder=self.folder)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Roll the chain back at the end of the block, and wait until every role that follows it has gone back too.

        Raises `SnapshotLostError`, and `RpcError` where a role does not follow.
        """
        from zerog.chain.client import ChainClient

        with ChainClient(self.chain_url) as chain:
            snapshot_id = chain.request("evm_snapshot")
            yield
            if chain.request("evm_revert", snapshot_id) is not True:
                raise SnapshotLostError(f"snapshot {snapshot_id} is gone: something reverted the chain to an earlier one, or reset it")
            chain.request("zerog_waitForRoles")


class NetworkProcess:
    """`zerog up` as a child that holds a throw-away network, and stops when we close its standard input, or die."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        """Start it and wait until every role is proven ready. Raises `NetworkNotStartedError`."""
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed in `stop`.
        command = [sys.executable, "-P", "-m", "zerog", "up", "--attached", "--ephemeral", "--json", "--port-base", "0"]
        command += ["--dir", str(Path(__file__).parent)]  # Not settings of a project: tests see the same network wherever they run.
        self._process = subprocess.Popen(  # noqa: S603 - our own Python with the words of whoever runs the tests.
            [*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        try:
            self.network = self._await_ready()
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Stop it. Raises `NetworkEndedError` if it had ended by itself."""
        ended_before = self._process.poll() is not None
        code, said = self._end()
        if ended_before or code:
            raise NetworkEndedError(f"the zerog network ended with exit code {code}\n{said}".rstrip())

    def _await_ready(self) -> ZerogNetwork:
        from zerog.devnet.endpoints import Endpoints

        watchdog = threading.Timer(START_S_MAX, self._process.kill)
        watchdog.start()
        try:
            printed = "".join(_until_closing_brace(self._process.stdout))
        finally:
            watchdog.cancel()
        if not printed.endswith("}\n"):
            code, said = self._end()
            raise NetworkNotStartedError(f"the zerog network did not start (exit code {code})\n{said}".rstrip())
        import msgspec

        endpoints = msgspec.json.decode(printed, type=Endpoints)
        if endpoints.chain is None:
            raise NetworkNotStartedError("the zerog network has no chain: name it among the roles, as in --zerog-only chain,storage")
        return ZerogNetwork(chain_url=endpoints.chain.http, folder=Path(endpoints.data_dir).parent, endpoints=endpoints)

    def _end(self) -> tuple[int, str]:
        """Its exit code and what it wrote to standard error. Once it has ended nothing happens."""
        if self._errors.closed:
            return self._process.returncode, ""
        try:
            self._process.communicate(timeout=STOP_S_MAX)  # Closes its standard input, which tells it to stop.
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._errors.seek(0)
        said = self._errors.read()
        self._errors.close()
        return self._process.returncode, said


def running_network(folder: Path) -> ZerogNetwork:
    """The network that runs in `folder`. Raises `NetworkNotStartedError` where there is none with a chain."""
    import msgspec

    from zerog.devnet.endpoints import Endpoints

    path = folder / ".zerog" / "endpoints.json"
    try:
        endpoints = msgspec.json.decode(path.read_bytes(), type=Endpoints)
    except (OSError, msgspec.DecodeError) as error:
        raise NetworkNotStartedError(f"no network runs in {folder}: {error}\nremedy: zerog up --wait --dir {folder}") from None
    if endpoints.chain is None:
        raise NetworkNotStartedError(f"the network in {folder} has no chain")
    return ZerogNetwork(chain_url=endpoints.chain.http, folder=folder, endpoints=endpoints)


def _until_closing_brace(lines: IO[str] | None) -> Iterator[str]:
    """The lines of one JSON document, or what there is of it."""
    for line in lines or ():
        yield line
        if line == "}\n":
            return
