"""`llms.txt`: a map of the documentation for language models, as llmstxt.org proposes it, from the pages' titles and first sentences."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["llms_text"]

HEAD: Final = """# zerog

> The whole 0G stack (chain, storage, data availability, compute) on your own machine, as one Python package with its hot loops in Rust.
> `zerog up` starts a local network that the official, unmodified 0G clients work against; `import zerog` talks to it and to public ones.

Every command and snippet in these pages is executed by tests. `zerog up --wait` writes where everything is to `.zerog/endpoints.json`.
Every refusal has a code, a cause and a remedy. Test keys are public: never send them money on a public network.
"""
SECTIONS: Final = (
    ("Start", ("README.md", "docs/start/*.md", "docs/demo.md", "docs/local-network.md", "docs/testing.md")),
    (
        "What is proven",
        ("docs/simulated-and-real.md", "docs/differences.md", "docs/compute/verify.md", "docs/compute/replay.md", "docs/da/sampling.md"),
    ),
    ("Reference", ("docs/reference/*.md", "docs/chain/methods.md", "docs/chain/errors.md")),
    ("Python", ("docs/sdk/*.md",)),
    ("Chain", ("docs/chain/*.md",)),
    ("Storage", ("docs/storage/*.md",)),
    ("Data availability", ("docs/da/*.md",)),
    ("Compute", ("docs/compute/*.md",)),
    ("Operate", ("docs/operate/*.md",)),
    ("Optional", ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "docs/decisions/*.md")),
)


def llms_text(root: Path, generated: Mapping[str, str]) -> str:
    """The whole file. A page stands in the first section that names it; `generated` are those not yet written."""
    parts = [HEAD]
    seen: set[str] = set()
    for title, patterns in SECTIONS:
        lines = []
        for pattern in patterns:
            names = {str(path.relative_to(root)) for path in root.glob(pattern)} | {name for name in generated if Path(name).match(pattern)}
            for name in sorted(names - seen):
                seen.add(name)
                lines.append(_line(name, generated.get(name) or (root / name).read_text(encoding="utf-8")))
        if lines:
            parts.append(f"## {title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _line(name: str, text: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    title = name if found is None else found[1].strip()
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    prose = next((part for part in paragraphs if part and not part.startswith(("#", "<!--", "```", "|", "-", ">"))), "")
    sentence = re.split(r"(?<=[.:])\s", prose, maxsplit=1)[0].rstrip(":")
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", sentence)
    return f"- [{title}]({name})" + (f": {plain}" if plain else "")
