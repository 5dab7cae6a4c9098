"""Plays a page as a reader does who pastes its blocks, one after the other, into one terminal in one folder."""

import lzma
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Final

import msgspec

from tests.docs.pages import ROOT, Block, Page
from tests.docs.shown import differs
from zerog.devnet.endpoints import Endpoints

__all__ = ["SharedNetwork", "play", "ports_of", "wants_own_network"]

PROGRAMS: Final = Path(__file__).parent / "programs"
BLOCK_S_MAX: Final = 180
"""Far more than any block takes, so that a hang is a failure and not a hang."""
SHELL: Final = ("bash", "--noprofile", "--norc")
OWN: Final = re.compile(r"^zerog (?!.*--dir )(?:up .*--(?!wait\b)\w|down|reset)", re.MULTILINE)
"""Commands that change the network of the page's folder, so that it cannot be everybody's."""
PORT: Final = re.compile(r"(?:(?<=127\.0\.0\.1:)|(?<=localhost:)|(?<=port )|(?<=http\.server ))\d{4,5}\b")
DEFAULT_PORTS: Final = frozenset({8545, 12345, 6789, 5678, 5679, 51001, 34000, 34005, 34010, 34011, 34012, 3100, 3080})
RUNNERS: Final = {"python": ("python -W error", ".py"), "js": ("node", ".mjs")}
SAMPLES: Final = {
    "README.md": b"# A sample\n" + b"A line of a file that somebody has.\n" * 40,
    "report.pdf": b"%PDF-1.4\n" + bytes(range(256)) * 1200,
    "cat.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1100,
    "picture.jpg": b"\xff\xd8\xff\xe0" + bytes(range(256)) * 1000,
}
"""Files that the pages take for granted, with names that they use. What a page shows of a program of ours lies there, too."""
CHAIN: Final = ROOT / "tests" / "ledger" / "vectors" / "every_fork"


@dataclass(frozen=True, slots=True)
class SharedNetwork:
    """The network beside which most pages are played."""

    state_folder: Path
    endpoints: Endpoints
    shown: Path
    """What its start printed."""


def wants_own_network(page: Page) -> bool:
    """Whether the page stops a network, removes it, or starts one with flags."""
    return any(OWN.search(block.code) for block in page.blocks if block.language == "sh" and block.runs)


def ports_of(endpoints: Endpoints) -> dict[str, str]:
    """Default ports, and where they are."""
    found: dict[str, str] = {}
    if endpoints.chain is not None:
        found["8545"] = endpoints.chain.http
    if (storage := endpoints.storage) is not None:
        found |= {"12345": storage.indexer, "6789": storage.kv or "", "5678": storage.nodes[0].rpc, "5679": storage.nodes[0].admin}
    if (da := endpoints.da) is not None:
        found |= {"51001": da.disperser, "34000": da.encoder, "34005": da.retriever, "3100": da.gateway}
        found |= {str(34010 + index): address for index, address in enumerate(da.signers)}
    if endpoints.compute is not None:
        found["3080"] = endpoints.compute.providers[0].url
    return {default: place.rpartition(":")[2] for default, place in found.items()}


def play(page: Page, folder: Path, shared: SharedNetwork | None) -> None:
    """Run all blocks of `page` in `folder`; raises `AssertionError` at the first that does not do what the page says."""
    for name, content in SAMPLES.items():
        (folder / name).write_bytes(content)
    if "chain.rlp" in page.text:
        (folder / "chain.rlp").write_bytes(lzma.decompress((CHAIN / "chain.rlp.xz").read_bytes()))
        (folder / "genesis.json").write_bytes((CHAIN / "genesis.json").read_bytes())
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(PROGRAMS)
    for block in page.blocks:
        if block.quoted_file is not None:
            (folder / Path(block.quoted_file).name).write_text(block.code)
    if shared is not None:
        (folder / ".zerog").symlink_to(shared.state_folder)
    with _opened(page, folder, shared) as terminal:
        for block in page.blocks:
            if block.runs:
                terminal.perform(block)


@contextmanager
def _opened(page: Page, folder: Path, shared: SharedNetwork | None) -> Iterator["Terminal"]:
    notes = folder.with_name(f"{folder.name}-blocks")
    notes.mkdir()
    passing = Path(tempfile.mkdtemp(prefix="page-"))  # Of throw-away networks; a control socket's path may not be long.
    environment = _environment(notes) | {"PAGES_START": str(shared.shown) if shared is not None else "", "TMPDIR": str(passing)}
    terminal = Terminal(page, folder, notes, environment, {} if shared is None else ports_of(shared.endpoints))
    terminal.places |= {str(folder): "/your/folder"} | ({} if shared is None else {str(shared.state_folder.parent): "/your/folder"})
    try:
        yield terminal
    finally:
        terminal.close()
        for state in [path for path in [*folder.glob("**/.zerog"), *passing.glob("*/.zerog")] if not path.is_symlink()]:
            down = [str(PROGRAMS / "zerog"), "down", "--dir", str(state.parent)]
            subprocess.run(down, env=environment, timeout=BLOCK_S_MAX, check=True, capture_output=True)
        shutil.rmtree(passing, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    """Nothing of ours but the models that are on this machine: wallets and logs of a page are gone with it."""
    models = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zerog" / "models"
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("ZEROG_")}
    return foreign | {
        "PATH": f"{PROGRAMS}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PAGES_ROOT": str(ROOT),
        "HOME": str(home),
        "ZEROG_MODELS": os.environ.get("ZEROG_MODELS") or str(models),
        "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true",
        "NO_COLOR": "1",
    }


@dataclass
class Terminal:
    """One shell whose variables and folder stay, and those that run beside it."""

    page: Page
    folder: Path
    notes: Path
    """Where blocks, their output and the home of the shell lie."""
    environment: Mapping[str, str]
    ports: dict[str, str]
    """Ports of the text, and those that take their place."""
    places: dict[str, str] = field(default_factory=dict)
    """Folders, and what the text calls them."""
    printed: str = ""
    """By the block before."""

    def __post_init__(self) -> None:
        self._open = ExitStack()
        self._done, told = os.pipe()
        self._around = f"{told}>&-; echo done >&{told}"  # What a block leaves running must not keep the end of the shell from being seen.
        self._shell = self._started(SHELL, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=[told])
        os.close(told)
        self._open.callback(os.close, self._done)
        self._feed("set -euo pipefail")

    def close(self) -> None:
        """End everything that still runs."""
        self._open.close()

    def perform(self, block: Block) -> None:
        """Do what the page does with the block."""
        place = f"{self.page.name}:{block.line}"
        if block.saved_as is not None:
            (self.folder / block.saved_as).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / block.saved_as).write_text(self._with_our_ports(block.code))
        elif block.words == ("output",):
            assert (found := differs(block.code, self._with_their_words(self.printed))) is None, f"{place}: {found}\n{self.printed}"
        elif block.words == ("background",):
            self._begin(self._with_our_ports(block.code), place)
        elif block.words == ("fails",):
            self._run(f"! (\n{self._with_our_ports(block.code)})\n", place)
        elif block.language == "sh":
            for piece in _pieces(block.code):
                self._run(self._with_our_ports(piece), place)
                self._learn_ports()
        elif block.language in RUNNERS:
            program, suffix = RUNNERS[block.language]
            (self.folder / f"snippet{suffix}").write_text(self._with_our_ports(block.code))
            self._run(f"{program} snippet{suffix}\n", place)

    def _run(self, code: str, place: str) -> None:
        """Let the shell perform lines in its own process, so that their variables stay."""
        script, output = self.notes / "block.sh", self.notes / "block.out"
        script.write_text(code)
        self._feed(f". '{script}' </dev/null >'{output}' 2>&1 {self._around}")
        readable, _, _ = select.select([self._done], [], [], BLOCK_S_MAX)
        told = os.read(self._done, 64) if readable else b""
        self.printed = output.read_text()
        assert told, f"{place} {'fails' if readable else 'takes too long'}:\n{code}\n{self.printed}"

    def _begin(self, code: str, place: str) -> None:
        """Open another terminal, and wait for the first line that is written there: what pages start there tells when it is ready."""
        errors = self._open.enter_context((self.notes / "background.err").open("w+b"))
        process = self._started((*SHELL, "-euc", code), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], BLOCK_S_MAX)
        self.printed = process.stdout.readline().decode() if readable else ""
        assert self.printed, f"{place} {'ended' if readable else 'says nothing'}:\n{code}\n{(self.notes / 'background.err').read_text()}"
        rest = Thread(target=process.stdout.read, daemon=True)  # Or the pipe is full one day, and the program stands still.
        rest.start()

    def _started(self, command: tuple[str, ...], **pipes: object) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = subprocess.Popen(command, cwd=self.folder, env=self.environment, start_new_session=True, **pipes)  # type: ignore[call-overload]
        self._open.callback(_end, process)
        return process

    def _feed(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{line}\n".encode())
        self._shell.stdin.flush()

    def _learn_ports(self) -> None:
        """A page that started a network of its own is told where that listens."""
        endpoints = self.folder / ".zerog" / "endpoints.json"
        if endpoints.exists():
            self.ports |= ports_of(msgspec.json.decode(endpoints.read_bytes(), type=Endpoints))

    def _with_our_ports(self, code: str) -> str:
        return PORT.sub(lambda port: self._port(port[0]), code)

    def _port(self, port: str) -> str:
        if port not in self.ports and int(port) not in DEFAULT_PORTS:
            self.ports[port] = _free_port()
        return self.ports.get(port, port)

    def _with_their_words(self, printed: str) -> str:
        for theirs, ours in self.ports.items():
            printed = re.sub(rf":{ours}\b", f":{theirs}", printed)
        for ours, theirs in self.places.items():
            printed = printed.replace(ours, theirs)
        return printed


def _pieces(code: str) -> Iterator[str]:
    """A block, cut behind each start of a network: what follows needs the ports that were chosen."""
    piece = ""
    for line in code.splitlines(keepends=True):
        piece += line
        if line.startswith("zerog up"):
            yield piece
            piece = ""
    if piece:
        yield piece


def _free_port() -> str:
    """A port that nobody has at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(BLOCK_S_MAX)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
