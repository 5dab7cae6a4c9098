"""TCP ports: bind one or name who has it."""

import errno
import re
import secrets
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Final

from zerog.primitives.errors import RefusalError

__all__ = ["PortHolder", "PortInUseError", "hold_port", "holder_of_port", "listen", "local_url", "reserve_port"]

LISTENING: Final = "0A"
"""State TCP_LISTEN in /proc/net/tcp. Source: Linux, include/net/tcp_states.h."""
INTERPRETERS: Final = ("python", "node")
"""Programs whose first arguments say more than their name."""
PLAIN_WORD: Final = re.compile(r"[\w./@-]+")
WORDS_MAX: Final = 5
BACKLOG: Final = 2048
"""Connections that may wait to be accepted."""
CHOSEN_FROM: Final = 20_000
"""Where the ports begin that we choose."""
OUTGOING: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""First and last port that Linux gives to connections which programs open. Source: ip(7)."""
TRIES: Final = 64


@dataclass(frozen=True, slots=True)
class PortHolder:
    """A process that listens on a port."""

    name: str
    pid: int
    network: str | None = None
    """Folder of the network that the process is a role of, if it is one of ours."""

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})" + (f", of the network in {self.network}" if self.network else "")


@dataclass(eq=False)
class PortInUseError(RefusalError):
    """Another process listens on the port that we want."""

    host: str
    port: int
    holder: PortHolder | None

    code = "port_in_use"
    http_status = 409

    @property
    def remedy(self) -> str:  # type: ignore[override]
        network = None if self.holder is None else self.holder.network
        stop = "stop that process" if network is None else f"stop that network with `zerog down --dir {shlex.quote(network)}`"
        return f"{stop}, or choose other ports with --port-base (0 lets the system choose)"

    def __str__(self) -> str:
        return f"port {self.port} on {self.host} is in use by {self.holder or 'a process of another user, or by an outgoing connection'}"


def listen(host: str, port: int) -> socket.socket:
    """A non-blocking TCP socket that listens; for port 0 a free one is chosen. Raises `PortInUseError`."""
    listener = socket.socket(_family_of(host), socket.SOCK_STREAM)
    try:
        _bind(listener, host, port)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port, holder_of_port(port)) from error
        raise
    return listener


def reserve_port(until: ExitStack, host: str) -> int:
    """A port that nobody else is given before `until` is closed; a socket of ours may `listen` there meanwhile."""
    return _have_port(until, host, 0)


def hold_port(until: ExitStack, host: str, port: int) -> None:
    """Keep a free port for whoever knows it, before `until` is closed: nobody is given it who takes any port, and no outgoing connection.

    On Linux alone, where a socket may `listen` on a port that another one only has; elsewhere it is only seen to be free. Raises
    `PortInUseError`.
    """
    listen(host, port).close()
    if sys.platform == "linux":
        _have_port(until, host, port)


def _have_port(until: ExitStack, host: str, port: int) -> int:
    """Bind a port without listening."""
    place = until.enter_context(socket.socket(_family_of(host), socket.SOCK_STREAM))
    _bind(place, host, port)
    return int(place.getsockname()[1])


def _family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bind(place: socket.socket, host: str, port: int) -> None:
    """To a port, or for 0 to a free one, which is not among those of outgoing connections where there are others.

    A network keeps the ports that were chosen for it. Were they among those of outgoing connections, one of these would sooner or
    later have one of them while the network is down.
    """
    if port == 0:
        for candidate in _candidates():
            with suppress(OSError):  # Somebody has it.
                place.bind((host, candidate))
                # Only now: two sockets with this option that do not listen yet can have the same port.
                place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                return
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind((host, port))


def _candidates() -> Iterator[int]:
    """Some ports at random between ours and those of outgoing connections; none where that is not known, or leaves no room."""
    try:
        end = int(OUTGOING.read_text(encoding="ascii").split()[0])
    except OSError:  # Not Linux.
        return
    if end - CHOSEN_FROM < TRIES:
        return
    for _ in range(TRIES):
        yield CHOSEN_FROM + secrets.randbelow(end - CHOSEN_FROM)


def local_url(host: str, port: int) -> str:
    """Where a client on this machine reaches a server that listens on `host`."""
    match host:
        case "" | "0.0.0.0":  # noqa: S104 - compared, not bound.
            return f"http://127.0.0.1:{port}"
        case "::":
            return f"http://[::1]:{port}"
        case _:
            return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def holder_of_port(port: int) -> PortHolder | None:
    """The process that listens on TCP `port`; `None` if there is none, or none that we may look at, or not on Linux."""
    if sys.platform != "linux":
        return None
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _has_open(folder / "fd", sockets):
            return PortHolder(_process_name(folder), int(folder.name), _network_of(folder))
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on `port`. Source: proc_pid_net(5)."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _has_open(descriptors: Path, sockets: set[str]) -> bool:
    with suppress(OSError):  # The process may be gone by now, or belong to somebody else.
        for descriptor in descriptors.iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) in sockets:
                    return True
    return False


def _network_of(folder: Path) -> str | None:
    """The folder that a role of ours was started for: `--dir` of a command line of this package."""
    with suppress(OSError, ValueError, IndexError):
        words = (folder / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        if words[words.index("-m") + 1].partition(".")[0] == "zerog":
            return words[words.index("--dir") + 1]
    return None


def _process_name(folder: Path) -> str:
    """What the process calls itself: the program's file, and for an interpreter also the script."""
    with suppress(OSError):
        words = (folder / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        if words[0]:
            name = Path(words[0]).name
            plain = takewhile(PLAIN_WORD.fullmatch, words[1:]) if name.startswith(INTERPRETERS) else ()
            return " ".join([name, *islice((Path(word).name for word in plain), WORDS_MAX)])
    with suppress(OSError):
        return (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
    return "unknown"
