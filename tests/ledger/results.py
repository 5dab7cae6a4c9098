"""What `make test-long` proved, kept as a file that is committed."""

import json
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.ledger.counts import LONG, commit

__all__ = ["record"]

RESULT_FILE: Final = Path(__file__).parents[2] / "benchmarks" / "results" / "test-long.json"


def record(name: str, **figures: object) -> None:
    """Keep the figures of one long test under its name; a short run leaves the file alone."""
    if not LONG:
        return
    kept = json.loads(RESULT_FILE.read_text(encoding="utf-8")) if RESULT_FILE.exists() else {}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    kept[name] = {"when": when, "commit": commit(), "python": platform.python_version(), **figures}
    RESULT_FILE.parent.mkdir(exist_ok=True)
    RESULT_FILE.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
