"""The wheels as a user gets them: what is in them, what they say of themselves, and that a network runs from nothing else."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from packaging.requirements import Requirement

import zerog
from scripts.make_notices import NOTICES, notices
from tests.wheel.environment import ROOT, Environment, make_environment
from tests.wheel.pages import add_node_packages, play
from zerog.models import models_folder

BUILD_S_MAX = 1500
"""Where the kernel was never compiled."""
WHEEL_BYTES_MAX = 30_000_000
TOOLS = ("cargo", "rustc", "cc", "gcc", "ld", "make", "node", "npm", "git", "pip")
"""What a build may need, and a run must not."""
PYTEST = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")

pytestmark = pytest.mark.timeout(BUILD_S_MAX)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The wheel, as the Makefile builds it, and what the build said."""
    out = tmp_path_factory.mktemp("dist")
    python = str(Path(sys.prefix, "bin", "python").relative_to(ROOT)) if Path(sys.prefix).is_relative_to(ROOT) else sys.executable
    command = [sys.executable, "-m", "maturin", "build", "--release", "--locked", "--interpreter", python, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BUILD_S_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = out.glob("*.whl")
    return wheel, done.stderr


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, str]) -> Path:
    return built[0]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of pytest-zerog."""
    out = tmp_path_factory.mktemp("plugin")
    subprocess.run([sys.executable, "-m", "flit_core.wheel", "--outdir", out], cwd=ROOT / "sdk" / "pytest-zerog", check=True, timeout=60)
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("venv")
    make_environment(path, wheel, plugin, besides=PYTEST)
    return path


@pytest.fixture
def environment(installed: Path, tmp_path: Path) -> Iterator[Environment]:
    environment = Environment(installed, tmp_path, models_folder())
    yield environment
    environment.run("down")


def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_after_setup_the_wheel_compiles_nothing(built: tuple[Path, str]) -> None:
    """Our own crates may have changed since; those of others were compiled in the same way."""
    assert re.findall(r"Compiling (?!zerog-)\S+", built[1]) == []


def test_it_is_one_wheel_for_every_python_and_small(wheel: Path) -> None:
    assert re.fullmatch(rf"zerog-{re.escape(zerog.__version__)}-cp311-abi3-\w+\.whl", wheel.name)
    assert wheel.stat().st_size <= WHEEL_BYTES_MAX


@pytest.mark.skipif(sys.platform != "linux", reason="tags of Linux")
def test_the_tag_promises_no_older_system_than_the_kernel_needs(wheel: Path) -> None:
    promised = re.search(r"-manylinux_2_(\d+)_", wheel.name)
    assert promised is not None
    with ZipFile(wheel) as archive:
        kernel = archive.read("zerog/_kernel.abi3.so")
    needed = {int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)(?:\.\d+)?\0", kernel)}
    assert needed
    assert max(needed) <= int(promised[1])
    assert b"libpython" not in kernel


def test_the_package_is_in_it_file_by_file_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z", "zerog"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert found == {name for name in listed.split("\0") if name} | {"zerog/_kernel.abi3.so"}
        changed = [name for name in found - {"zerog/_kernel.abi3.so"} if archive.read(name) != (ROOT / name).read_bytes()]
        others = {name.partition(".dist-info/")[2] for name in archive.namelist()} - {""}
    assert changed == []
    assert others == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE", f"licenses/{NOTICES.name}"}


def test_what_it_says_of_itself(wheel: Path) -> None:
    facts = metadata(wheel)
    assert (facts["Name"], facts["Version"], facts["Requires-Python"]) == ("zerog", zerog.__version__, ">=3.11")
    assert facts["License-Expression"] == "Apache-2.0"
    assert facts.get_all("License-File") == ["LICENSE", NOTICES.name]
    assert "Programming Language :: Rust" in facts.get_all("Classifier", [])
    assert str(facts.get_payload()).strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    with ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert archive.read(name).decode().split() == ["[console_scripts]", "zerog=zerog.cli:main"]


@pytest.mark.parametrize("which", ["wheel", "plugin"])
def test_what_it_requires_is_bounded_below_and_by_the_next_breaking_version(which: str, request: pytest.FixtureRequest) -> None:
    """But for pytest itself, which its plugins follow."""
    required = [Requirement(text) for text in metadata(request.getfixturevalue(which)).get_all("Requires-Dist", [])]
    loose = [str(one) for one in required if {bound.operator for bound in one.specifier} != {">=", "<"}]
    assert loose == (["pytest>=8"] if which == "plugin" else [])


def test_it_says_whose_work_it_carries() -> None:
    assert NOTICES.read_text(encoding="utf-8") == notices(), "run `make notices`"


def test_a_network_runs_where_there_is_nothing_but_the_wheel(environment: Environment) -> None:
    """From an empty folder: first calls on every layer, then the life of an answer."""
    assert [tool for tool in TOOLS if shutil.which(tool, path=environment.variables()["PATH"])] == []
    environment.run("up", "--wait", "--port-base", "0")
    (environment.folder / "letter.txt").write_text("Kept on storage, and made available.\n")
    root = environment.run("storage", "put", "letter.txt").strip()
    assert environment.run("storage", "get", root) == (environment.folder / "letter.txt").read_text()
    environment.run("kv", "put", "notes", "greeting", "hello")
    assert "hello" in environment.run("kv", "get", "notes", "greeting")
    steps = json.loads(environment.run("demo", "--json"))["steps"]
    assert [step["step"] for step in steps] == ["store", "ask", "receipt", "settle", "publish", "verify", "replay", "refuse"]


def test_without_a_model_it_starts_and_says_how_to_get_one(environment: Environment, tmp_path: Path) -> None:
    environment = Environment(environment.path, environment.folder, tmp_path / "no-models")
    command = "zerog model pull smollm2"
    printed = environment.run("up", "--wait", "--port-base", "0", "--only", "chain", "--only", "compute")
    assert command in printed
    assert "no model" in environment.run("status")
    [provider] = json.loads((environment.folder / ".zerog" / "endpoints.json").read_text())["compute"]["providers"]
    answer = httpx.get(f"{provider['url']}/readyz")
    assert (answer.status_code, "no_model" in answer.text) == (503, True)
    assert command in environment.run("compute", "chat", "Hello", expect=1)


@pytest.mark.parametrize("page", ["docs/testing.md", "sdk/pytest-zerog/README.md", "sdk/js/README.md"])
def test_what_the_pages_on_tests_show_runs(page: str, installed: Path, tmp_path: Path) -> None:
    """With the wheels, which pytest finds the plugin in by itself, and with the package as npm packs it."""
    if "npm install" in (ROOT / page).read_text(encoding="utf-8"):
        add_node_packages(tmp_path)
    environment = Environment(installed, tmp_path, models_folder())
    node = Path(str(shutil.which("node"))).parent
    path = f"{environment.variables()['PATH']}:{node}:/usr/bin:/bin"
    assert play(ROOT / page, tmp_path, {**environment.variables(), "PATH": path, "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"})
    if sources := [path.name for path in tmp_path.glob("*.ts")]:
        compiler = ["node", "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--module", "nodenext", "--target", "es2022"]
        done = subprocess.run([*compiler, *sources], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout
