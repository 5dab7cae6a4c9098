"""Binding a port, and naming who has it."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from zerog.runtime.ports import PortInUseError, hold_port, holder_of_port, listen, local_url, reserve_port

LISTEN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_the_holder_of_a_port_is_named_with_its_pid() -> None:
    with subprocess.Popen([sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        port = int(other.stdout.readline())
        with pytest.raises(PortInUseError) as caught:
            listen("127.0.0.1", port)
        other.stdin.close()
    assert f"{Path(sys.executable).name} -c (pid {other.pid})" in str(caught.value)
    assert "--port-base" in caught.value.remedy


def test_port_0_gives_a_free_port_that_is_free_again_after_closing() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        holder = holder_of_port(port)
        assert holder is not None
        assert holder.pid == os.getpid()
    assert holder_of_port(port) is None
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - for a moment, and nobody is answered.
def test_a_reserved_port_is_for_us_alone(host: str) -> None:
    with ExitStack() as until:
        ports = [reserve_port(until, host) for _ in range(50)]
        assert len(set(ports)) == 50
        with listen(host, ports[0]) as listener:
            assert listener.getsockname()[1] == ports[0]
            assert holder_of_port(ports[0]) is not None
            with pytest.raises(PortInUseError):
                listen(host, ports[0])


def test_a_port_that_is_held_is_for_whoever_knows_it() -> None:
    """Again and again, as by a role that is brought back; whoever takes any port binds without SO_REUSEADDR."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    with ExitStack() as until:
        hold_port(until, "127.0.0.1", port)
        for _ in range(2):
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))
            with listen("127.0.0.1", port), pytest.raises(PortInUseError), ExitStack() as again:
                hold_port(again, "127.0.0.1", port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))


def test_no_outgoing_connection_can_take_a_port_that_was_chosen() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split())
    with ExitStack() as until:
        for _ in range(20):
            assert not first <= reserve_port(until, "127.0.0.1") <= last
    with listen("127.0.0.1", 0) as listener:
        assert not first <= listener.getsockname()[1] <= last


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:7"),
        ("", "http://127.0.0.1:7"),
        ("0.0.0.0", "http://127.0.0.1:7"),  # noqa: S104 - as above.
        ("::", "http://[::1]:7"),
        ("::1", "http://[::1]:7"),
        ("localhost", "http://localhost:7"),
    ],
)
def test_a_client_of_this_machine_is_told_an_address_that_it_can_reach(host: str, url: str) -> None:
    assert local_url(host, 7) == url
