"""`make reference`: writes every generated page to its place; `python -m scripts.reference FOLDER` to one below another folder."""

import sys
from pathlib import Path

from scripts.reference.pages import ROOT, generated


def main() -> None:
    """Write what differs."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    for name, text in generated():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)


main()
