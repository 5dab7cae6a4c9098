"""Binding a port, and naming who has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zerog.runtime.ports import PortInUseError, holder_of_port, listen

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
