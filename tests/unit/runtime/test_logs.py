"""Where events go, and what must never go there."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from zerog.runtime.logs import configure_logging


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Logging is the process' own: put it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def events(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_events_go_to_the_stream_and_to_the_file_of_the_role(tmp_path: Path) -> None:
    stream = io.StringIO()
    configure_logging("chain", folder=tmp_path, form="json", stream=stream)
    structlog.get_logger("zerog.test").info("block_made", number=7)
    logging.getLogger("elsewhere").warning("a library says %s", "hello")
    written = events(tmp_path / "chain.jsonl")
    assert [event["event"] for event in written] == ["block_made", "a library says hello"]
    assert written[0]["number"] == 7
    assert {event["role"] for event in written} == {"chain"}
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["block_made", "a library says hello"]


def test_no_key_reaches_a_log(tmp_path: Path) -> None:
    stream = io.StringIO()
    configure_logging("chain", folder=tmp_path, form="console", stream=stream)
    structlog.get_logger("zerog.test").info("account", private_key="0xsecret", nested={"mnemonic": "0xsecret", "address": "0xopen"})
    for text in (stream.getvalue(), (tmp_path / "chain.jsonl").read_text()):
        assert "0xsecret" not in text
        assert "0xopen" in text


def test_a_traceback_is_one_field_of_one_line(tmp_path: Path) -> None:
    configure_logging("chain", folder=tmp_path, form="none")
    try:
        int("wrong")
    except ValueError:
        structlog.get_logger("zerog.test").exception("failed")
    (event,) = events(tmp_path / "chain.jsonl")
    assert "ValueError: invalid literal" in str(event["exception"])
