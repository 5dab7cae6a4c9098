"""`zerog da setup make`: parameters that open by the name that it prints, and are not overwritten."""

from pathlib import Path

import pytest

from zerog.cli.application import run
from zerog.da.client.setup import open_setup


def test_a_setup_that_was_made_opens_by_the_name_that_was_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["da", "setup", "make", str(tmp_path / "setup"), "--development"]
    assert run(command) == 0
    name, _, fingerprint = capsys.readouterr().out.split()
    opened = open_setup(name, host="127.0.0.1", prove=False)
    assert opened.fingerprint.hex() == fingerprint
    assert not opened.amt.knows_tau
    assert run(command) == 1
    assert "holds a setup already" in capsys.readouterr().err
