"""The service file that operators are given: systemd understands all of it, and the commands that it is for exist."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

from zerog.cli.application import make_app
from zerog.devnet.folder import NetworkFolder

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "docs" / "operate" / "zerog@.service"
PAGE = ROOT / "docs" / "operate" / "services.md"


def test_systemd_has_no_complaint(tmp_path: Path) -> None:
    """With a program where the file looks for one: that alone differs between machines."""
    program = shutil.which("systemd-analyze")
    assert program is not None
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/zerog/bin/zerog", sys.executable), encoding="utf-8")
    done = subprocess.run([program, "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_role_that_the_page_lists_is_a_command_with_a_table_of_its_name(tmp_path: Path) -> None:
    rows = re.findall(r"^\| [^|]+ \| `([a-z ]+)`[^|]*\| `\[([a-z.]+)\]`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == 6
    app = make_app(NetworkFolder.of(tmp_path))
    for command, table in rows:
        words = command.split()
        assert table == ".".join(words)
        named, _, unknown = app.parse_commands(words)
        assert (list(named), list(unknown)) == (words, [])
    unit = configparser.RawConfigParser(strict=False)
    unit.read(UNIT)
    assert unit["Service"]["ExecStart"] == "/opt/zerog/bin/zerog $ROLE --dir /var/lib/zerog/%i"
