"""What the program of each role loads when it starts: a library too many costs each start its time and each process its memory."""

import subprocess
import sys
from typing import Final

import msgspec
import pytest

COMMON: Final = {"_kernel", "contracts", "devnet", "networks", "primitives", "runtime"}
"""Parts of zerog that a role may load beside those of its own subsystem."""
LOADED: Final = {
    "chain": {"chain"},
    "storage": {"chain", "storage"},
    "da": {"chain", "da"},
    "compute": {"chain", "compute", "models", "storage"},
    "supervisor": set[str](),
}
HEAVY: Final = {
    "chain": {"cryptography", "google", "grpc", "numpy", "sqlalchemy", "sqlite3"},
    "storage": {"cryptography", "google", "grpc", "numpy", "sqlalchemy"},
    "da": {"cryptography", "numpy", "sqlalchemy"},
    "compute": {"cryptography", "google", "grpc", "numpy"},
    "supervisor": {"cryptography", "cyclopts", "google", "grpc", "httpx", "numpy", "sqlalchemy", "sqlite3", "uvicorn"},
}
"""Libraries that it does not need to start, if ever."""
LOADING: Final = """
import json, sys, zerog.devnet.{role}
print(json.dumps(sorted({{".".join(name.split(".")[: 2 if name.startswith("zerog.") else 1]) for name in sys.modules}})))
"""


@pytest.mark.parametrize("role", LOADED)
def test_a_role_loads_its_own_subsystem_and_no_library_that_it_can_do_without(role: str) -> None:
    command = [sys.executable, "-c", LOADING.format(role=role)]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    modules = set(msgspec.json.decode(printed, type=list[str]))
    own = {name.removeprefix("zerog.") for name in modules if name.startswith("zerog.")}
    assert own <= COMMON | LOADED[role]
    assert not modules & HEAVY[role]
