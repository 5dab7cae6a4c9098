"""Starting a network: in this process, or in one of its own that outlives the command which asked for it."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from zerog.devnet.endpoints import Endpoints
from zerog.devnet.folder import NetworkFolder
from zerog.devnet.settings import DevnetSettings
from zerog.runtime.files import FileLock
from zerog.runtime.process import EXIT_BUG, EventHerald, Herald, RoleEvent, RolePlace, run_role
from zerog.runtime.report import ErrorReport, report_of

__all__ = ["run_network", "start_in_background", "working_folder"]


@dataclass(frozen=True, slots=True)
class _ForegroundHerald:
    """Shows where everything is once the network is ready."""

    folder: NetworkFolder
    show: Callable[[Endpoints], None]
    show_error: Callable[[ErrorReport], None]

    def ready(self, _url: str) -> None:
        self.show(msgspec.json.decode(self.folder.endpoints.read_bytes(), type=Endpoints))

    def failed(self, report: ErrorReport) -> None:
        self.show_error(report)


def working_folder(asked: Path, settings: DevnetSettings) -> Path:
    """The folder whose network it is; a throw-away one for a throw-away network."""
    return Path(tempfile.mkdtemp(prefix="zerog-")) if settings.ephemeral else asked


def run_network(
    folder: NetworkFolder,
    settings: DevnetSettings,
    lock: FileLock,
    *,
    show: Callable[[Endpoints], None],
    show_error: Callable[[ErrorReport], None],
    attached: bool = False,
) -> int:
    """Be the supervisor until told to stop, with the network's lock held, if `attached` also until stdin ends. Returns the exit code."""
    with lock:
        return _supervise(folder, settings, lock, _ForegroundHerald(folder, show, show_error), attached=attached)


def start_in_background(folder: NetworkFolder, settings: DevnetSettings, lock: FileLock) -> Endpoints | ErrorReport:
    """Start a supervisor that outlives this process, and wait until every role is proven ready or one has failed."""
    reader, writer = os.pipe()
    pid = os.fork()  # No thread has been started yet. The lock goes along: it belongs to the open file.
    if pid == 0:
        os.close(reader)
        _become_supervisor(folder, settings, lock, writer)
    os.close(writer)
    lock.release()  # Here; the new process holds it still.
    try:
        with os.fdopen(reader, "rb") as events:
            line = events.readline()
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGTERM)
        raise
    if not line:
        return ErrorReport(code="supervisor_ended", cause="the supervisor ended without a word", remedy=f"look into {folder.logs}")
    event = msgspec.json.decode(line, type=RoleEvent)
    if event.error is not None:
        return event.error
    return msgspec.json.decode(folder.endpoints.read_bytes(), type=Endpoints)


def _become_supervisor(folder: NetworkFolder, settings: DevnetSettings, lock: FileLock, events: int) -> None:
    """The forked process. It leaves the terminal and never returns to the caller's code."""
    code = EXIT_BUG
    try:
        os.setsid()
        herald = EventHerald(events)
        try:
            lock.name_holder("zerog up --wait")
            folder.prepare()
            _leave_terminal(folder.logs / "supervisor.stderr")
            code = _supervise(folder, settings, lock, herald)
        except Exception as error:  # noqa: BLE001 - there is no caller to raise to, only the one who waits on the pipe.
            herald.failed(report_of(error))
    finally:
        os._exit(code)


def _leave_terminal(output: Path) -> None:
    """Put stdin on nothing, and stdout and stderr into a file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    sys.stdout.flush()
    sys.stderr.flush()
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(file)


def _supervise(folder: NetworkFolder, settings: DevnetSettings, lock: FileLock, herald: Herald, *, attached: bool = False) -> int:
    from zerog.devnet.supervisor import Supervisor  # The lock comes first: who does not get it need not load the rest.
    from zerog.networks import own_network

    folder.prepare()
    place = RolePlace(state_folder=folder.path, herald=herald, has_more_to_do=True, supervised=attached, log_form="none", lock=lock)
    network = own_network(settings.like, settings.rules, chain_id=settings.chain_id)
    with lock.shared():  # So that whoever stops the network waits until its folder has gone.
        code = run_role("supervisor", lambda: Supervisor(settings, folder, network), place)
        if settings.ephemeral:
            _remove(folder)
    return code


def _remove(folder: NetworkFolder) -> None:
    """The lock goes last, and all at once what is left with it."""
    if not folder.path.exists():  # Somebody was quicker.
        return
    for entry in folder.path.iterdir():
        if entry != folder.run:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    shutil.rmtree(folder.path.parent)
