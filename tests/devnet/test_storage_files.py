"""`zerog storage put`, `get`, `stat` and `ls` on a running network, as a user types them."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devnet.command import Zerog
from zerog.cli.storage_options import StorageArgumentError, byte_range, file_names
from zerog.primitives import Hash32
from zerog.storage.protocol.merkle import file_root

KEY = "0x" + "11" * 32


@pytest.fixture(scope="module")
def zerog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zerog]:
    zerog = Zerog(tmp_path_factory.mktemp("files"))
    zerog.up("--only", "chain", "--only", "storage")
    yield zerog
    zerog.down()


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(700_001)


@pytest.fixture(scope="module")
def root(zerog: Zerog, content: bytes) -> str:
    (zerog.folder / "file").write_bytes(content)
    done = zerog.run("storage", "put", str(zerog.folder / "file"))
    assert "700,001 bytes" in done.stderr
    return done.stdout.strip()


def raw(zerog: Zerog, *words: str) -> bytes:
    """What a command prints, byte by byte."""
    return subprocess.run(zerog.arguments(*words), capture_output=True, timeout=60, check=True).stdout


def test_a_file_is_put_once_and_fetched_whole_or_in_part(zerog: Zerog, root: str, content: bytes, tmp_path: Path) -> None:
    assert root == str(file_root(content))
    again = json.loads(zerog.run("storage", "put", str(zerog.folder / "file"), "--json").stdout)
    assert (again["root"], again["sent"], again["fee_wei"]) == (root, 0, "0")
    assert raw(zerog, "storage", "get", root) == content
    assert raw(zerog, "storage", "get", root, "--range", "262140-262149") == content[262140:262150]
    assert raw(zerog, "storage", "get", str(again["tx_seqs"][0]), "--range", "-5") == content[-5:]
    target = tmp_path / "copy"
    zerog.run("storage", "get", root, "-o", str(target))
    assert target.read_bytes() == content
    assert "is there already" in zerog.run("storage", "get", root, "-o", str(target), expect=1).stderr
    zerog.run("storage", "get", root, "-o", str(target), "--force", "--range", "0-9")
    assert target.read_bytes() == content[:10]
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_file_in_fragments_needs_all_its_roots(zerog: Zerog, content: bytes) -> None:
    path = zerog.folder / "fragments"
    path.write_bytes(content[::-1])
    roots = zerog.run("storage", "put", str(path), "--fragment-bytes", "262144").stdout.split()
    assert len(roots) == 3
    assert raw(zerog, "storage", "get", *roots) == content[::-1]


def test_what_the_network_has_is_listed_page_by_page_and_described(zerog: Zerog, root: str) -> None:
    page = json.loads(zerog.run("storage", "ls", "--json", "--limit", "1").stdout)
    assert len(page["files"]) == 1
    second = zerog.run("storage", "ls", "--cursor", str(page["next"]))
    assert root in zerog.run("storage", "ls").stdout
    assert page["files"][0]["root"] not in second.stdout
    facts = json.loads(zerog.run("storage", "stat", root, "--json").stdout)
    assert (facts["root"], facts["size"], facts["segments"], facts["finalized"]) == (root, 700_001, 3, True)
    assert facts["nodes"][0]["held"] == 3
    assert "complete" in zerog.run("storage", "stat", root).stdout


def test_a_directory_is_put_listed_and_fetched(zerog: Zerog, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "a").write_bytes(b"content of a")
    (tree / "deep" / "empty").touch()
    (tree / "deep" / "er" / "large").write_bytes(os.urandom(300_000))
    (tree / "link").symlink_to("deep/empty")
    root = zerog.run("storage", "put", str(tree)).stdout.strip()
    assert [line.split(maxsplit=1) for line in zerog.run("storage", "ls", root).stdout.splitlines()] == [
        ["12", "a"], ["deep/"], ["link", "-> deep/empty"],
    ]  # fmt: skip
    assert [entry["name"] for entry in json.loads(zerog.run("storage", "ls", root, "deep", "--json").stdout)] == ["empty", "er"]
    assert raw(zerog, "storage", "get", root, "--path", "a") == b"content of a"
    assert "with -o" in zerog.run("storage", "get", root, expect=1).stderr
    zerog.run("storage", "get", root, "-o", str(tmp_path / "copy"))
    assert subprocess.run(["diff", "-r", "--no-dereference", tree, tmp_path / "copy"], check=False).returncode == 0
    assert "is there already" in zerog.run("storage", "get", root, "-o", str(tmp_path / "copy"), expect=1).stderr


@pytest.mark.parametrize("form", [(), ("--official-form",)], ids=["sealed", "official"])
def test_an_encrypted_file_is_read_with_its_key_alone(zerog: Zerog, root: str, content: bytes, form: tuple[str, ...]) -> None:
    stored = zerog.run("storage", "put", str(zerog.folder / "file"), "--encrypt-key", KEY, *form).stdout.strip()
    assert stored != root
    assert raw(zerog, "storage", "get", stored, "--decrypt-key", KEY) == content
    assert content[:1000] not in raw(zerog, "storage", "get", stored)
    assert "encrypt" in zerog.run("storage", "get", root, "--decrypt-key", KEY, expect=1).stderr


def test_errors_tell_cause_and_remedy(zerog: Zerog, tmp_path: Path) -> None:
    for words, cause in (
        (("get", "0x" + "77" * 32), "no node knows a file"),
        (("stat", "9999"), "no node knows submission 9999"),
        (("get", "0x77"), "a root is 0x and 64 hex digits"),
        (("put", str(tmp_path / "missing")), "No such file"),
        (("ls", "--node", "http://127.0.0.1:1"), "refused"),
        (("put", str(zerog.folder / ".zerog" / "endpoints.json"), "--key", "0x12", "--replicas", "1"), "--key"),
    ):
        failed = zerog.run("storage", *words, expect=1)
        assert failed.stdout == ""
        assert cause in failed.stderr
        assert "remedy: " in failed.stderr


@pytest.mark.parametrize(
    ("text", "bounds"),
    [(None, (0, 100)), ("0-9", (0, 10)), ("90-", (90, 100)), ("-30", (70, 100)), ("-300", (0, 100)), ("99-500", (99, 100))],
)
def test_ranges_are_those_of_http(text: str | None, bounds: tuple[int, int]) -> None:
    assert byte_range(text, 100) == bounds


@pytest.mark.parametrize("text", ["", "-", "a-b", "5", "9-3", "100-", "1-2-3", "0x1-", "٣-", "9" * 40 + "-"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(StorageArgumentError):
        byte_range(text, 100)


def test_a_file_is_named_by_root_number_or_roots() -> None:
    root = Hash32(b"\x07" * 32)
    assert file_names([str(root)]) == root
    assert file_names(["17"]) == 17
    assert file_names([str(root), str(root)]) == (root, root)
    for texts in ([], ["17", "18"], ["-1"], [str(root), "5"], ["9" * 30]):
        with pytest.raises(StorageArgumentError):
            file_names(texts)
