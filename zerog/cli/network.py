"""`zerog up`, `down`, `reset`, `status` and `logs`: the network of one folder."""

import shlex
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import cyclopts

from zerog.cli.early import EARLY_LOCK
from zerog.cli.output import AsJson, WorkingFolder, print_json, say, tell_report
from zerog.devnet.folder import NetworkFolder
from zerog.devnet.settings import DevnetSettings, SettingsInvalidError
from zerog.runtime.report import ErrorReport

__all__ = ["down", "logs", "reset", "status", "up"]

CODES_WITH_LOG: Final = ("bug", "role_ended", "role_not_ready", "supervisor_ended")
"""Ends of a start of which the log may say more than the message."""
LINES_SHOWN: Final = 5

Flag = cyclopts.Parameter(negative="")


def up(
    *,
    settings: Annotated[DevnetSettings, cyclopts.Parameter(name="*")] = DevnetSettings(),  # noqa: B008 - it is frozen.
    wait: Annotated[bool, Flag] = False,
    attached: Annotated[bool, Flag] = False,
    directory: WorkingFolder = Path(),
    json: AsJson = False,
) -> int:
    """Start the network of this folder and keep it running; its state stays for the next start.

    Parameters
    ----------
    wait
        Run it in the background and return once every role is proven ready.
    attached
        Stop also when standard input ends, so that the network ends with the program that started it, however that ends.
    """
    from zerog.cli.summary import show_network
    from zerog.devnet.endpoints import Endpoints
    from zerog.devnet.start import run_network, start_in_background, working_folder

    if wait and attached:
        raise SettingsInvalidError("a network in the background outlives the program that started it: leave --wait or --attached away")
    folder = NetworkFolder.of(working_folder(directory, settings))
    lock = EARLY_LOCK.get()
    if lock is None or lock.path != folder.lock:
        lock = folder.acquire("zerog up")
    show = partial(show_network, as_json=json, background=wait)
    if not wait:
        return run_network(folder, settings, lock, show=show, show_error=partial(_tell_end, folder), attached=attached)
    outcome = start_in_background(folder, settings, lock)
    if isinstance(outcome, Endpoints):
        show(outcome)
        return 0
    _tell_end(folder, outcome)
    return 1


def _tell_end(folder: NetworkFolder, report: ErrorReport) -> None:
    """Why a network did not start, or ended; with the end of its logs where these may say more."""
    from zerog.cli.reading import last_lines

    tell_report(report)
    if report.code in CODES_WITH_LOG:
        say("last lines of the logs:")
        say("".join(last_lines(folder.logs, LINES_SHOWN)).rstrip())


def down(*, directory: WorkingFolder = Path()) -> None:
    """Stop the network of this folder. Without one there is nothing to do."""
    from zerog.devnet.stop import stop_network

    stopped = stop_network(NetworkFolder.of(directory))
    say("stopped" if stopped else "nothing runs here")


def reset(*, directory: WorkingFolder = Path()) -> None:
    """Remove the state of this folder's network; its settings (zerog.toml) stay."""
    folder = NetworkFolder.of(directory)
    gone = folder.reset()
    say(f"removed from {folder.path}: {', '.join(gone)}" if gone else "there is nothing to remove")


def status(*, directory: WorkingFolder = Path(), json: AsJson = False) -> int:
    """Show what runs in this folder. The exit code is 3 if nothing does."""
    from zerog.cli.overview import show_status
    from zerog.devnet.inspect import network_status

    found = network_status(NetworkFolder.of(directory))
    if json:
        print_json(found)
    else:
        show_status(found)
    if not found.running and (above := NetworkFolder.running_above(directory)) is not None:
        say(f"one runs in a folder above: zerog status --dir {shlex.quote(str(above.path.parent))}")
    return 0 if found.running else 3


def logs(
    role: str | None = None,
    /,
    *,
    lines: Annotated[int, cyclopts.Parameter(name=["--lines", "-n"])] = 20,
    follow: Annotated[bool, cyclopts.Parameter(name=["--follow", "-f"], negative="")] = False,
    directory: WorkingFolder = Path(),
    json: AsJson = False,
) -> None:
    """Print the last lines of the logs.

    Parameters
    ----------
    role
        One role alone, say chain; all if none is given.
    lines
        How many lines of each log.
    follow
        Go on printing as they grow.
    """
    from zerog.cli.reading import LogPrinter

    LogPrinter(NetworkFolder.of(directory).logs, role, as_json=json).run(lines, follow=follow)
