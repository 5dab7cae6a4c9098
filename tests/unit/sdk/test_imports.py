"""What `import zerog` costs: the list of what it loads is held, since the time depends on the machine."""

import subprocess
import sys

import msgspec
import pytest

HEAVY = {
    "click", "cyclopts", "google", "grpc", "prometheus_client", "pygments", "rich", "sqlalchemy", "starlette", "structlog", "uvicorn",
}  # fmt: skip
"""Packages that nobody should pay for who only connects."""
SHOW = """
import msgspec
print(msgspec.json.encode(sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"__main__"})).decode())
print(msgspec.json.encode([name for name in sys.modules if name.startswith(("zerog", "asyncio"))]).decode())
"""


def loaded(code: str) -> tuple[set[str], set[str]]:
    """The packages of others, and the modules of ours, that a fresh interpreter has after `code`."""
    program = f"{code}\n{SHOW}"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    packages, ours = done.stdout.splitlines()
    return set(msgspec.json.decode(packages, type=list[str])), set(msgspec.json.decode(ours, type=list[str]))


def test_the_package_alone_loads_nothing() -> None:
    packages, ours = loaded("import zerog")
    assert ours == {"zerog"}
    assert packages <= {"zerog", "msgspec", "typing_extensions"}


def test_who_could_connect_loads_msgspec_alone() -> None:
    packages, ours = loaded("import zerog; zerog.connect; zerog.connect_async; zerog.errors")
    assert packages <= {"zerog", "msgspec", "typing_extensions"}
    assert "asyncio" not in ours
    subsystems = [name for name in ours if name.startswith(("zerog.storage", "zerog.da", "zerog.compute", "zerog.devnet", "zerog.cli"))]
    assert subsystems == []


@pytest.mark.parametrize("client", ["zerog.chain.client", "zerog.storage.client", "zerog.storage.client.kv", "zerog.compute.client"])
def test_no_client_loads_a_server_or_a_screen(client: str) -> None:
    packages, _ = loaded(f"import {client}; from zerog.runtime.outgoing import httpx")
    assert packages & HEAVY == set()


def test_the_client_of_da_loads_grpc_and_no_more() -> None:
    packages, _ = loaded("import zerog.da.client; zerog.da.client.DaClient")
    assert packages & HEAVY <= {"grpc", "google"}
