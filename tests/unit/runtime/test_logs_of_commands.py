"""What clients log while a command runs: warnings on stderr, nothing on stdout, and afterwards all as before."""

import pytest
import structlog

from zerog.runtime.logs import warnings_on_stderr


def test_warnings_go_to_stderr_without_secrets_and_only_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    log = structlog.get_logger("a client")
    with warnings_on_stderr():
        log.info("said_in_passing")
        log.warning("provider_away", url="http://x", private_key="0x12")
    assert structlog.get_config() == before
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "said_in_passing" not in printed.err
    assert "provider_away" in printed.err
    assert "0x12" not in printed.err
