"""Machines on one wire, as namespaces of the network: the roles of a real network meet over addresses, and a cable can be pulled.

All namespaces live inside one outer one, which belongs to a process of ours and goes with it. So nothing of the machine that the tests run
on is touched, and no rights are needed but those to make namespaces: root has them, others where the system lets users make their own.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Machines"]

SUBNET: Final = "10.0.0"
GUEST_NUMBER: Final = 254
"""Of the outer namespace, where clients run."""
COMMAND_S_MAX: Final = 120

SWITCH: Final = f"""
mount -t tmpfs tmpfs /run && mkdir /run/netns
ip link set lo up
ip link add switch type bridge && ip address add {SUBNET}.{GUEST_NUMBER}/24 dev switch && ip link set switch up
"""
MACHINE: Final = f"""
ip netns add $machine
ip link add cable-$machine type veth peer name eth0 netns $machine
ip link set cable-$machine master switch up
ip -n $machine address add {SUBNET}.$number/24 dev eth0
ip -n $machine link set lo up && ip -n $machine link set eth0 up
"""


@dataclass(frozen=True, slots=True)
class Machines:
    """Named machines, the first at 10.0.0.1. `holder` keeps their namespaces; it ends when its stdin does."""

    names: tuple[str, ...]
    holder: subprocess.Popen[str]

    @staticmethod
    def make(*names: str) -> "Machines":
        """Connect machines of these names. Fails where namespaces cannot be made."""
        new_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        script = "set -e\n" + SWITCH
        for number, name in enumerate(names, start=1):
            script += f"machine={name} number={number}\n{MACHINE}"
        script += "echo connected\nexec cat\n"
        command = ["unshare", *new_user, "--net", "--mount", "sh", "-c", script]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        if holder.stdout.readline() != "connected\n":
            _, told = holder.communicate(timeout=COMMAND_S_MAX)
            raise AssertionError(f"namespaces of the network cannot be made here, neither as root nor as a user: {told}")
        return Machines(names, holder)

    def address(self, name: str) -> str:
        """Of a machine on the wire."""
        return f"{SUBNET}.{self.names.index(name) + 1}"

    def command(self, name: str | None, words: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> list[str]:
        """What runs `words` on a machine, or as a guest on the wire. The process that it makes is that of the program itself."""
        own_user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        inside = ["nsenter", f"--target={self.holder.pid}", *own_user, "--net", "--mount", f"--wd={folder}", "--"]
        there = [] if name is None else ["ip", "netns", "exec", name]
        return [*inside, *there, "env", *(f"{key}={value}" for key, value in environment.items()), *words]

    def pull_cable(self, name: str) -> None:
        """Nothing reaches the machine any more, and nobody is told."""
        self._set_cable(name, "down")

    def plug_cable(self, name: str) -> None:
        """And again it does."""
        self._set_cable(name, "up")

    def close(self) -> None:
        """Let the namespaces go; what runs in them has to be stopped before."""
        self.holder.communicate(timeout=COMMAND_S_MAX)

    def _set_cable(self, name: str, state: str) -> None:
        words = ["ip", "link", "set", f"cable-{name}", state]
        subprocess.run(self.command(None, words, folder=Path("/"), environment={}), check=True, timeout=COMMAND_S_MAX)
