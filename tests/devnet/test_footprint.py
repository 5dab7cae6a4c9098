"""What the processes of a whole network hold once nothing happens, and that none of them has loaded what it does not need."""

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from tests.devnet.command import Zerog
from zerog.devnet.inspect import NetworkStatus
from zerog.runtime.memory import memory_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

TOGETHER_MB_MAX = 500
ROLE_MB_MAX = 130
"""Each is at 50 to 80: this says only that nobody has kept a blob's tables or a model."""
QUIET_S_MAX = 90
LOOK_S = 0.5
NEEDLESS = {"chain": ("cygrpc", "_sqlite3", "_upb"), "supervisor": ("cygrpc", "_sqlite3", "_upb", "httptools")}
"""Parts of the names of libraries that a process has no use for."""


@pytest.fixture(scope="module")
def pids(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, int]]:
    """The processes of a network of all subsystems after its first start, by their roles."""
    command = Zerog(tmp_path_factory.mktemp("footprint"))
    command.up()
    status = msgspec.json.decode(command.run("status", "--json").stdout, type=NetworkStatus)
    assert status.pid is not None
    yield {"supervisor": status.pid, **{name: int(str(role["pid"])) for name, role in status.roles.items()}}
    command.down()


def megabytes(pids: Mapping[str, int]) -> dict[str, float]:
    held = {name: memory_bytes(pid) for name, pid in pids.items()}
    assert None not in held.values()
    return {name: (each or 0) / 1e6 for name, each in held.items()}


def test_an_idle_network_holds_no_model_and_no_tables(pids: Mapping[str, int]) -> None:
    deadline = time.monotonic() + QUIET_S_MAX
    while True:
        held = megabytes(pids)
        if sum(held.values()) <= TOGETHER_MB_MAX and max(held.values()) <= ROLE_MB_MAX:
            break
        assert time.monotonic() < deadline, f"after {QUIET_S_MAX} s it still holds {held}"
        time.sleep(LOOK_S)  # noqa: TID251 - nobody tells when a process has given memory back.
    assert set(held) == {"supervisor", "chain", "storage", "da", "compute"}


@pytest.mark.parametrize("role", NEEDLESS)
def test_a_process_has_no_library_loaded_that_it_does_not_need(pids: Mapping[str, int], role: str) -> None:
    mapped = {Path(line.split()[-1]).name for line in Path(f"/proc/{pids[role]}/maps").read_text().splitlines() if "/" in line}
    assert any("_kernel" in name for name in mapped)
    assert [name for name in mapped for part in NEEDLESS[role] if part in name] == []
