"""What a tool can hold, a tool holds: order in the tree, in the words and in the sizes. Limits ratchet: what is long may only shrink."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import zerog
from zerog.cli.application import make_app
from zerog.devnet.folder import NetworkFolder

ROOT = Path(__file__).parent.parent

TOP_LEVEL = {
    ".ci", ".github", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.lock", "Cargo.toml", "LICENSE",
    "Makefile",
    "llms.txt", "README.md", "SECURITY.md", "benchmarks", "clippy.toml", "contracts", "docs", "examples", "kernel",
    "THIRD-PARTY-NOTICES.txt", "pyproject.toml", "requirements", "rustfmt.toml", "scripts", "sdk", "tests", "zerog",
}  # fmt: skip
"""Everything that may stand at the top of the tree."""
SUFFIXES = {
    "", ".c", ".cjs", ".css", ".html", ".in", ".js", ".json", ".lock", ".md", ".mjs", ".proto", ".py", ".pyi", ".rs", ".service", ".sh",
    ".sol", ".svg", ".toml", ".ts", ".txt", ".typed", ".xz", ".yml",
}  # fmt: skip
"""Kinds of files that we keep."""
FILE_BYTES_MAX = 1 << 20
LARGE_FILES_MAX = 3 << 20
"""Test vectors are compressed and may be larger."""

FUNCTION_LINES_MAX = 60
"""A screen."""
FILE_LINES_MAX = 600
LONG_FUNCTIONS: dict[str, int] = {}
"""Functions that were longer when the limit came, with their length then: it may shrink, and leave this list."""
LONG_FILES: dict[str, int] = {}
"""Files likewise."""

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b")
MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/\w")
REGISTRY = re.compile(r"https?://[\w.-]*(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|crates\.io|golang\.org|maven\.org|debian\.org)")
BANNED_CALLS = {
    "asyncio.create_task", "asyncio.ensure_future", "asyncio.gather", "asyncio.sleep", "asyncio.wait_for", "eval", "exec", "os.system",
    "os.popen", "pickle.loads", "breakpoint",
}  # fmt: skip


@cache
def tracked() -> list[Path]:
    """The files that git knows and that exist."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def texts(*suffixes: str) -> Iterator[tuple[str, str]]:
    """Name and text of the tracked files with one of `suffixes`, all text files if none is given. This file is not held to its words."""
    for path in tracked():
        if path.suffix != ".xz" and path != Path(__file__) and (not suffixes or path.suffix in suffixes):
            yield name_of(path), text_of(path)


def python_trees() -> Iterator[tuple[str, ast.Module]]:
    for name, text in texts(".py"):
        yield name, ast.parse(text)


def test_there_is_no_stray_file() -> None:
    stray = [name_of(path) for path in tracked() if name_of(path).split("/")[0] not in TOP_LEVEL or path.suffix not in SUFFIXES]
    large = [
        name_of(path)
        for path in tracked()
        if path.stat().st_size > (LARGE_FILES_MAX if path.suffix in (".xz", ".lock") else FILE_BYTES_MAX)
    ]
    assert (stray, large) == ([], [])


def test_every_folder_of_the_package_is_a_package() -> None:
    folders = {path.parent for path in tracked() if path.suffix == ".py" and name_of(path).startswith("zerog/")}
    assert [name_of(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize(
    ("pattern", "exempt"),
    [
        (UNFINISHED, ()),
        (MACHINE, (".github/",)),
        (REGISTRY, ("Cargo.lock",)),
    ],
    ids=["unfinished", "machine paths", "registry addresses"],
)
def test_no_file_says_what_it_should_not(pattern: re.Pattern[str], exempt: tuple[str, ...]) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts()
        if not name.startswith(exempt or ("\0",))
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_no_banned_call_is_made() -> None:
    found = [
        f"{name}:{node.lineno}: {ast.unparse(node.func)}"
        for name, tree in python_trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in BANNED_CALLS
    ]
    assert found == []


def test_every_file_says_in_its_first_line_what_it_is() -> None:
    openings = {".py": ('"""', "#!"), ".pyi": ('"""',), ".rs": ("//!",), ".mjs": ("//", "/**", "#!"), ".cjs": ("//",)}
    openings |= {".sol": ("// SPDX",), ".sh": ("#!",)}
    silent = [name for name, text in texts(*openings) if text.strip() and not text.startswith(openings[Path(name).suffix])]
    assert silent == []


def test_a_package_exports_what_is_visible_in_it() -> None:
    wrong = {}
    for name, tree in python_trees():
        if name.startswith("zerog/") and name.endswith("__init__.py"):
            exported = exported_names(tree)
            hidden = visible_names(tree, name.removesuffix("/__init__.py").replace("/", ".")) - exported
            missing = exported - visible_names(tree, "")
            if hidden or missing:
                wrong[name] = (sorted(hidden), sorted(missing))
    assert wrong == {}


def exported_names(tree: ast.Module) -> set[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            value = getattr(node, "value", None)
            return set(ast.literal_eval(value)) if value is not None else set()
    return {"no __all__"}


def visible_names(tree: ast.Module, package: str) -> set[str]:
    """Public names that a module binds: defined there, or taken from a module of `package`. Also under `if TYPE_CHECKING`."""
    names: set[str] = set()
    for node in [*tree.body, *(inner for branch in tree.body if isinstance(branch, ast.If) for inner in branch.body)]:
        match node:
            case ast.ImportFrom(module=str(module), names=aliases) if module.startswith(f"{package}.".lstrip(".")):
                names |= {alias.asname or alias.name for alias in aliases}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return {name for name in names if not name.startswith("_") or name == "__version__"}


def test_functions_stay_within_a_screen() -> None:
    assert grown(dict(function_lengths()), FUNCTION_LINES_MAX, LONG_FUNCTIONS) == {}


def test_files_stay_readable() -> None:
    lengths = {name: text.count("\n") for name, text in texts(".py", ".rs", ".mjs", ".sol")}
    assert grown(lengths, FILE_LINES_MAX, LONG_FILES) == {}


def function_lengths() -> Iterator[tuple[str, int]]:
    for name, tree in python_trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1
    for name, text in texts(".rs"):
        yield from rust_function_lengths(name, text)


def rust_function_lengths(name: str, text: str) -> Iterator[tuple[str, int]]:
    """rustfmt closes a function with a brace in the column of its first line."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if opening := re.match(r"( *)(?:pub(?:\([a-z]+\))? )?(?:async |const |unsafe )*fn (\w+)", line):
            end = next((index for index in range(number, len(lines)) if lines[index].startswith(opening[1] + "}")), number)
            yield f"{name}:{opening[2]}", end - number + 1


def grown(lengths: dict[str, int], limit: int, known: dict[str, int]) -> dict[str, int]:
    """What is over its limit; also what is in the list of long ones and need not be any more."""
    over = {name: length for name, length in lengths.items() if length > known.get(name, limit)}
    return over | {name: lengths.get(name, 0) for name in known if lengths.get(name, 0) <= limit}


def test_required_packages_are_exact_and_hashed_and_come_from_nowhere_in_particular() -> None:
    for name in ("core", "dev", "eels", "litellm", "model"):
        text = text_of(ROOT / "requirements" / f"{name}.txt")
        assert "://" not in text
        assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links)", text, re.MULTILINE)
        for requirement in re.split(r"\n(?=\S)", text.strip()):
            assert re.match(r"[a-z0-9._-]+==[^ ]+( ; .+?)? \\\n    --hash=sha256:", requirement), requirement
    exact = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text_of(ROOT / "requirements" / "core.txt"), re.MULTILINE))
    developers = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text_of(ROOT / "requirements" / "dev.txt"), re.MULTILINE))
    assert {name: developers.get(name) for name in exact} == exact


def test_lock_files_of_node_name_no_address() -> None:
    """What is linked from a folder of ours has a path there."""
    elsewhere = re.compile(r'"resolved": "(?!node_modules/)')
    assert [name for name, text in texts(".json") if name.endswith("package-lock.json") and elsewhere.search(text)] == []


def test_the_version_is_the_same_everywhere() -> None:
    kernel = tomllib.loads(text_of(ROOT / "kernel" / "Cargo.toml"))["package"]["version"]
    assert zerog.__version__ == kernel
    assert f"## {kernel}" in text_of(ROOT / "CHANGELOG.md")


def commands_in(document: str, program: str) -> list[list[str]]:
    """The command lines of `program` in the code of a document: blocks and words between backticks."""
    text = text_of(ROOT / document)
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    lines = [line.split("#")[0].removeprefix("$ ").strip() for line in blocks.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    return [line.split() for line in lines if line.split()[:1] == [program]]


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "docs/local-network.md"])
def test_every_command_that_a_document_names_exists(document: str) -> None:
    app = make_app(NetworkFolder(ROOT / ".zerog"))
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    wrong = [words for words in commands_in(document, "make") if len(words) > 1 and words[1] not in targets]
    for words in commands_in(document, "zerog"):
        plain = [word for word in words[1:] if not re.match(r"[A-Z.…\[]", word)]
        command, _, unknown = app.parse_commands(plain)
        if (
            plain
            and not plain[0].startswith("-")
            and (not command or any(not word.startswith("-") and word == plain[0] for word in unknown))
        ):
            wrong.append(words)
        wrong += [words for flag in plain if flag.startswith("--") and flag not in help_of(app, command)]
    assert wrong == []


def help_of(app: object, command: tuple[str, ...]) -> str:
    """The flags of a command, as its help lists them."""
    done = subprocess.run([sys.executable, "-m", "zerog", *command, "--help"], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + "--help --version"
