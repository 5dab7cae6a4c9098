"""Holds what a page shows against what was printed: words alike, numbers and hashes as they come."""

import re
from typing import Final

__all__ = ["differs"]

VARIES: Final = re.compile(r"0x[0-9a-fA-F]+(?:…[0-9a-fA-F]+)?|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b|\b[0-9a-f]{32,}\b|\d[\d.,:]*")
"""Hashes, addresses, ids of answers, numbers, amounts, times."""
LEFT_OUT: Final = "…"
TIME: Final = " (…)"


def differs(shown: str, printed: str) -> str | None:
    """The first line of `shown` that does not stand in `printed`, in the order of the page; `None` if all do.

    A line `…` stands for any lines, `…` within a line for any text. Without one, nothing may have been left out.
    A time at the end of a line, `(…)`, may be missing: test runners print it for what was slow.
    """
    found = [_plain(line) for line in printed.splitlines() if line.strip()]
    expected = [line for line in shown.splitlines() if line.strip()]
    may_skip, position = False, 0
    for line in expected:
        if line.strip() == LEFT_OUT:
            may_skip = True
            continue
        timed, time = (_plain(line).removesuffix(TIME), r"(?: \(.*\))?") if line.endswith(TIME) else (_plain(line), "")
        pattern = re.compile(".*".join(re.escape(part) for part in timed.split(LEFT_OUT)) + time)
        candidates = range(position, len(found)) if may_skip else range(position, min(position + 1, len(found)))
        hit = next((index for index in candidates if pattern.fullmatch(found[index])), None)
        if hit is None:
            return f"not printed there: {line}"
        may_skip, position = False, hit + 1
    return None if may_skip or position == len(found) else f"printed and not shown: {found[position]}"


def _plain(line: str) -> str:
    return re.sub(r"\s+", " ", VARIES.sub("#", line)).strip()
