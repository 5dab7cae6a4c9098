"""`zerog demo`: the life of an AI answer on the network of this folder, or on one that is there for this alone."""

import shlex
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from zerog.cli.output import AsJson, WorkingFolder, print_json, say

if TYPE_CHECKING:
    from zerog.demo import Folder, Life, Result, Step

__all__ = ["demo"]

ELSEWHERE: Final = " --network"
"""Named by its URL a chain is taken for any, where a simulated enclave is too little unless one says so."""
EXIT_TERMINATED: Final = 143
"""Ended by SIGTERM. Source: bash(1), 128 plus the signal's number."""


def demo(
    *,
    keep: Path | None = None,
    model: Path | None = None,
    directory: WorkingFolder = Path(),
    json: AsJson = False,
) -> None:
    """Live the life of an AI answer, from a stored text to a payment that anybody can check, and show the proof of each step.

    Where no network runs, one is started for this and removed afterwards.

    Parameters
    ----------
    keep
        Folder to keep the saved bytes in, with the changed ones that are refused; it must not exist yet.
    model
        File of the provider's model, for the replay, where it is not in the cache.
    """
    from zerog.cli.demo_stage import Page, Stage, table
    from zerog.demo import ReplayMissingError, live
    from zerog.sdk import connect

    page = Page()
    with _folder(keep) as folder, _network(directory, model) as (place, is_passing), connect("local", folder=place) as network:
        life = live(network, folder, _Silence() if json else Stage(page), model=model)
    told = _facts(life, keep)
    if keep is not None:
        folder.write(folder.facts, msgspec.json.format(msgspec.json.encode(told)) + b"\n")
        _explain(folder, is_passing=is_passing, is_replayed=life.not_replayed is None)
    if json:
        print_json(told)
    else:
        table(life, page)
        page.line()
        for line in _ending(keep, place, is_passing=is_passing, is_replayed=life.not_replayed is None):
            if line.startswith(" "):
                page.line(line)  # A command, to be copied as it is.
            else:
                page.paragraph(line, first="", rest="")
    if life.not_replayed is not None:
        raise ReplayMissingError(life.not_replayed)


class _Silence:
    """An audience for programs: they read the end."""

    def begins(self, name: str) -> None:
        """See `Audience.begins`."""

    def hears(self, words: str) -> None:
        """See `Audience.hears`."""

    def ends(self, step: "Step") -> None:
        """See `Audience.ends`."""


@contextmanager
def _folder(keep: Path | None) -> Iterator["Folder"]:
    """Where the bytes are saved, in any case: the steps that check them read them there. Raises `KeepError` before anything is paid."""
    from zerog.demo import Folder

    if keep is not None:
        yield Folder.make(keep)
        return
    with tempfile.TemporaryDirectory(prefix="zerog-demo-") as folder:
        yield Folder.make(Path(folder))


@contextmanager
def _network(directory: Path, model: Path | None) -> Iterator[tuple[Path, bool]]:
    """The folder of a running network, and whether it is one that is there for this alone. Raises `ReportedError` where none starts."""
    from zerog.sdk import NoNetworkError, resolve

    try:
        resolve("local", directory)
    except NoNetworkError:
        with _passing_network(model) as folder:
            yield folder, True
    else:
        yield directory, False


@contextmanager
def _passing_network(model: Path | None) -> Iterator[Path]:
    """A throw-away network on ports that the system chooses, which ends with the block, also where this process is told to end."""
    from zerog.demo import NoModelError
    from zerog.devnet.folder import NetworkFolder
    from zerog.devnet.settings import DevnetSettings
    from zerog.devnet.start import start_in_background, working_folder
    from zerog.devnet.stop import stop_network
    from zerog.runtime.report import ErrorReport, ReportedError

    say("no network runs here: one is started for this, and removed afterwards (`zerog up --wait` starts one that stays)")
    settings = DevnetSettings(ephemeral=True, port_base=0, model=None if model is None else str(model.absolute()))
    folder = NetworkFolder.of(working_folder(Path(), settings))
    former = signal.signal(signal.SIGTERM, _terminate)
    try:
        outcome = start_in_background(folder, settings, folder.acquire("zerog demo"))
        if isinstance(outcome, ErrorReport):
            raise ReportedError(outcome)
        troubles = [] if outcome.compute is None else [provider.trouble for provider in outcome.compute.providers if provider.trouble]
        if troubles:
            raise NoModelError(troubles[0].partition(":")[0])  # The rest of it is for the operator, which the remedy says.
        yield folder.path.parent
    finally:
        stop_network(folder)
        signal.signal(signal.SIGTERM, former)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(EXIT_TERMINATED)


# ---- what is left behind -----------------------------------------------------------------------------------------


def _commands(keep: Path, where: str, *, is_replayed: bool) -> list[str]:
    """What checks the kept bytes: the true ones, then some that were changed."""
    from zerog.demo import Folder

    folder = Folder(keep)
    answer, text = shlex.quote(str(folder.answer)), shlex.quote(str(folder.text))
    changed = shlex.quote(str(folder.changed("price.json")))
    least = " --at-least simulated" if where.startswith(ELSEWHERE) else ""
    return [
        f"  zerog verify {answer} --data {text} --settled{where}{least}",
        *([f"  zerog verify {answer} --data {text} --replay{where}"] if is_replayed else []),
        f"  zerog verify {changed}{where}",
    ]


def _ending(keep: Path | None, place: Path, *, is_passing: bool, is_replayed: bool) -> Iterator[str]:
    if keep is None:
        yield "Add --keep FOLDER to keep the saved bytes, and check them yourself with `zerog verify`."
        return
    if is_passing:
        yield f"The saved bytes are in {keep}. The chain that proves them went with its network: `zerog up --wait` starts one that stays."
        return
    where = "" if place == Path() else f" --dir {shlex.quote(str(place))}"
    yield f"The saved bytes are in {keep}. Check them again whenever the chain runs; the last one is refused:"
    yield from _commands(keep, where, is_replayed=is_replayed)


def _explain(folder: "Folder", *, is_passing: bool, is_replayed: bool) -> None:
    """A page beside the kept bytes that says what they are."""
    where = f"{ELSEWHERE} URL"
    lines = [
        "What `zerog demo` has kept: one answer of a model, and all that proves it.",
        "",
        "answer.json      request, answer, signature, receipt and settlement",
        f"{folder.text.name}   the text that was asked about, byte for byte",
        "receipts.json    what the provider published of the settlement: on 0G Storage, and as a blob on 0G DA",
        "demo.json        what each step has shown, how long it took and what it cost",
        "tampered/        the same with something changed: each is refused (text.txt goes with answer.json)",
        "",
        "URL is that of a node of the chain; on the folder of the network leave --network away:",
        "",
        *_commands(Path(), where, is_replayed=is_replayed),
        "",
    ]
    if is_passing:
        lines += ["The network was one for the demo alone: its chain is gone, and with it what these files can be held against.", ""]
    folder.write(folder.path / "README.txt", "\n".join(lines).encode())


def _facts(life: "Life", keep: Path | None) -> dict[str, object]:
    """For programs: amounts as decimal text, hashes in hex."""
    return {
        "chain_id": life.chain_id,
        "chain_url": life.chain_url,
        "account": str(life.account),
        "folder": None if keep is None else str(keep),
        "steps": [
            {"step": step.name, "seconds": round(step.seconds, 3), "cost_wei": str(step.cost_wei), "result": _result(step.result)}
            for step in life.steps
        ],
        "seconds": round(life.seconds, 3),
        "cost_wei": str(life.cost_wei),
    }


def _result(result: "Result") -> dict[str, object]:
    """All but the bytes themselves, which are in the files."""
    shown = {field.name: getattr(result, field.name) for field in fields(result) if field.repr}
    told = {name: str(value) if name.endswith("_wei") else value for name, value in shown.items()}
    return {name: msgspec.to_builtins(value, enc_hook=str) for name, value in told.items()}
