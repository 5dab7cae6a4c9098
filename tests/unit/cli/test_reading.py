"""Log files as a person reads them."""

import json
from pathlib import Path

import pytest

from zerog.cli.reading import LogPrinter, as_line, last_lines


def write(path: Path, *events: tuple[str, str]) -> None:
    lines = [json.dumps({"event": event, "number": 7, "timestamp": when, "level": "info", "role": path.stem}) for when, event in events]
    path.write_text("\n".join(lines) + "\n")


def test_lines_of_all_roles_are_merged_by_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "chain.jsonl", ("2026-01-01T00:00:01Z", "first"), ("2026-01-01T00:00:03Z", "third"))
    write(tmp_path / "supervisor.jsonl", ("2026-01-01T00:00:02Z", "second"))
    LogPrinter(tmp_path, None, as_json=False).run(10, follow=False)
    assert [line.split()[3] for line in capsys.readouterr().out.splitlines()] == ["first", "second", "third"]
    LogPrinter(tmp_path, "chain", as_json=True).run(1, follow=False)
    assert json.loads(capsys.readouterr().out)["event"] == "third"


def test_the_last_events_of_all_roles_together(tmp_path: Path) -> None:
    write(tmp_path / "chain.jsonl", ("2026-01-01T00:00:01Z", "first"), ("2026-01-01T00:00:03Z", "third"))
    write(tmp_path / "supervisor.jsonl", ("2026-01-01T00:00:02Z", "second"))
    assert [line.split()[3] for line in last_lines(tmp_path, 2)] == ["second", "third"]


def test_an_event_is_one_line_and_half_a_line_is_shown_as_it_is() -> None:
    event = {"event": "made", "number": 7, "timestamp": "2026", "level": "info", "role": "chain", "exception": "Trace\nback"}
    assert as_line(json.dumps(event)) == "2026 info chain made number=7\nTrace\nback\n"
    assert as_line('{"event": "ma') == '{"event": "ma'


def test_no_logs_is_said_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LogPrinter(tmp_path, "chain", as_json=False).run(10, follow=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no logs" in captured.err
