"""Where a program connects to, listens and sends, as the kernel of the operating system sees it: by strace, over all of its processes."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Final

__all__ = ["Peer", "peers", "traced"]

CALLS: Final = ("connect", "bind", "sendto", "sendmsg", "sendmmsg")
ADDRESSED: Final = re.compile(r"\b(?P<call>connect|bind|sendto|sendmsg|sendmmsg)\(.*?sa_family=(?P<family>AF_\w+)")
ADDRESS: Final = re.compile(r'inet_addr\("(?P<v4>[^"]+)"\)|inet_pton\(AF_INET6, "(?P<v6>[^"]+)"')


@dataclass(frozen=True, slots=True, order=True)
class Peer:
    """One address that a call names."""

    call: str
    family: str
    address: str

    @property
    def stays_here(self) -> bool:
        """Whether it is on this machine: a socket of the file system, a question to the kernel, or a loopback address."""
        return self.family in ("AF_UNIX", "AF_NETLINK") or (self.address != "" and _is_loopback(self.address))


def _is_loopback(text: str) -> bool:
    """Also of an IPv4 address as gRPC writes it, ::ffff:127.0.0.1."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def traced(command: Sequence[str], trace_file: Path) -> list[str]:
    """The command line that runs `command` and all that it starts, and notes every address that one of them uses."""
    if shutil.which("strace") is None:
        raise FileNotFoundError("strace is missing, which sees the addresses (Debian: apt-get install strace)")
    return ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "signal=none", "-o", str(trace_file), "-e", "trace=" + ",".join(CALLS), *command]


def peers(trace: str) -> Iterator[Peer]:
    """Every address in a trace. Calls on connected sockets name none, and those were seen when they connected."""
    for line in trace.splitlines():
        if found := ADDRESSED.search(line):
            address = ADDRESS.search(line)
            yield Peer(found["call"], found["family"], "" if address is None else address["v4"] or address["v6"])
