"""Writes THIRD-PARTY-NOTICES.txt: whose work the wheel carries besides ours, and under which words. `make notices` runs it.

A crate with a choice of licences is taken under the first of `PREFERRED` that it offers. What is kept are the texts that the chosen licence
asks for, every NOTICE, and the licences of C code that a crate brings along.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
NOTICES: Final = ROOT / "THIRD-PARTY-NOTICES.txt"
KERNEL: Final = "zerog-kernel"
OURS: Final = (KERNEL, "zerog-amt")
OPENZEPPELIN: Final = "Copyright (c) 2016-2025 Zeppelin Group Ltd"
"""Its npm package carries no text. Source: OpenZeppelin/openzeppelin-contracts, LICENSE."""

PREFERRED: Final = ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "Zlib", "Unicode-3.0", "CC0-1.0", "Unlicense")
WITHOUT_TEXT: Final = ("Apache-2.0", "CC0-1.0", "Unlicense")
"""The first stands in the file LICENSE, the others ask for nothing."""
TEXT_FILE: Final = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|COPYRIGHT)", re.IGNORECASE)
MIT_TEXT: Final = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""
HEAD: Final = """\
zerog carries work of others. Its own licence, Apache-2.0, is in the file LICENSE.

1. Compiled into the kernel (zerog/_kernel): the Rust standard library (MIT or Apache-2.0, taken under Apache-2.0), and these crates, each
   with the licence under which it is taken. The source of each is the package of that name and version on the registry of Rust crates; none
   is changed.

"""
CONTRACTS: Final = "2. Compiled into contracts (zerog/contracts, zerog/networks): OpenZeppelin Contracts {} (MIT).\n"
TEXTS: Final = """
3. The texts that these licences ask to be kept. Apache-2.0 is in the file LICENSE; CC0-1.0 and the Unlicense ask for none.
"""
RULE: Final = "=" * 120


@dataclass(frozen=True, slots=True)
class Crate:
    """One package of `cargo metadata`, that is linked into the kernel."""

    name: str
    version: str
    licences: tuple[str, ...]
    """Those chosen: all of them apply."""
    authors: tuple[str, ...]
    folder: Path

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def linked_crates() -> list[Crate]:
    """What is linked into the kernel on the platforms of our wheels; macros, build scripts and tests are not."""
    names: set[str] = set()
    for platform in ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin"):
        tree = ["tree", "--package", KERNEL, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}", "--target", platform]
        names |= {line.split(" (")[0] for line in _cargo(*tree).splitlines()}
    packages = json.loads(_cargo("metadata", "--format-version", "1"))["packages"]
    linked = [package for package in packages if f"{package['name']} v{package['version']}" in names and package["name"] not in OURS]
    return sorted((_crate(package) for package in linked), key=str)


def _cargo(*words: str) -> str:
    return subprocess.run(["cargo", *words, "--locked"], cwd=ROOT, capture_output=True, check=True, text=True).stdout


def _crate(package: Mapping[str, Any]) -> Crate:
    chosen = tuple(_choice(part) for part in package["license"].replace("/", " OR ").split(" AND "))
    folder = Path(package["manifest_path"]).parent
    return Crate(package["name"], package["version"], chosen, tuple(package["authors"]), folder)


def _choice(expression: str) -> str:
    """Of `A OR B`, perhaps in brackets. Raises `ValueError` for a licence that nobody has looked at."""
    offered = [name.strip() for name in expression.strip("() ").split(" OR ")]
    for licence in PREFERRED:
        if licence in offered:
            return licence
    raise ValueError(f"nobody has decided on the licence {expression!r}: look at it, then add it to PREFERRED")


def texts_of(crate: Crate) -> Iterator[str]:
    """What must be kept of one crate."""
    asked = [licence for licence in crate.licences if licence not in WITHOUT_TEXT]
    files = sorted(path for path in crate.folder.rglob("*") if TEXT_FILE.match(path.name) and path.is_file())
    own = [path for path in files if path.parent == crate.folder and not path.name.upper().startswith("NOTICE")]
    others = [path for path in files if path not in own and not _is_apache(path)]
    kept = [path for path in own if not _is_apache(path)] if asked else []
    yield from (path.read_text(encoding="utf-8", errors="replace") for path in [*kept, *others])
    if asked and not kept and asked != ["MIT"]:
        if not others:
            raise ValueError(f"{crate} carries no text of its licence {asked}")
    elif asked and not kept:
        yield f"Copyright (c) {', '.join(crate.authors) or f'the authors of {crate.name}'}\n\n{MIT_TEXT}"


def _is_apache(path: Path) -> bool:
    return "Apache License" in path.read_text(encoding="utf-8", errors="replace")[:400]


def notices() -> str:
    """The whole file."""
    crates = linked_crates()
    texts: dict[str, list[str]] = defaultdict(list)
    for crate in crates:
        for text in texts_of(crate):
            texts[_tidied(text)].append(str(crate))
    package = json.loads((ROOT / "contracts" / "package.json").read_text(encoding="utf-8"))
    version: str = package["devDependencies"]["@openzeppelin/contracts"]
    texts[f"{OPENZEPPELIN}\n\n{MIT_TEXT}"].append(f"OpenZeppelin Contracts {version}")
    listed = "".join(f"   {crate}: {' and '.join(crate.licences)}\n" for crate in crates)
    blocks = "".join(f"\n{RULE}\n{', '.join(names)}\n\n{text}\n" for text, names in sorted(texts.items(), key=lambda item: item[1]))
    return f"{HEAD}{listed}\n{CONTRACTS.format(version)}{TEXTS}{blocks}"


def _tidied(text: str) -> str:
    """Equal texts differ in their ends of lines and in blank lines around them."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip("\n").split("\n"))


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if NOTICES.read_text(encoding="utf-8") == notices() else "THIRD-PARTY-NOTICES.txt is out of date: make notices")
    NOTICES.write_text(notices(), encoding="utf-8")
