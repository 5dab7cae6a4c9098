"""The committed artefacts are what the compiler makes of the committed sources, byte for byte."""

import subprocess
from pathlib import Path

from tests.interop.node import REPOSITORY

COMPILE_S_MAX = 110


def _artefacts(root: Path) -> dict[str, bytes]:
    folders = (root / "contracts", root / "zerog" / "contracts" / "artefacts")
    paths = (path for folder in folders for path in folder.glob("*/*.json") if "node_modules" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def test_every_artefact_comes_out_byte_for_byte_and_no_other_lies_there(tmp_path: Path) -> None:
    build = ["node", str(REPOSITORY / "contracts" / "build.mjs"), "--output", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True, timeout=COMPILE_S_MAX)
    made, committed = _artefacts(tmp_path), _artefacts(REPOSITORY)
    assert made.keys() == committed.keys()
    assert "contracts/chain/W0G.json" in made
    assert [name for name in made if made[name] != committed[name]] == []


def test_contracts_for_tests_are_not_shipped() -> None:
    shipped = [path.parent.name for path in (REPOSITORY / "zerog" / "contracts" / "artefacts").glob("*/*.json")]
    assert shipped
    assert "testing" not in shipped
