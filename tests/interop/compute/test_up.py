"""`zerog up`, and the official SDK with nothing but the chain's URL and a test key, under an id that it does not know."""

import subprocess
from pathlib import Path

from tests.devnet.command import Zerog

QUICKSTART = Path(__file__).parent / "quickstart.mjs"
PROGRAM_S_MAX = 60


def test_the_quick_start_works_on_a_network_under_another_chain_id(tmp_path: Path) -> None:
    command = Zerog(tmp_path)
    try:
        endpoints = command.up("--only", "chain", "--only", "compute", "--chain-id", "4242")
        assert endpoints.chain is not None
        program = ["node", str(QUICKSTART), endpoints.chain.http, endpoints.accounts[0].private_key, "Tell me of a tree."]
        done = subprocess.run(program, capture_output=True, text=True, timeout=PROGRAM_S_MAX, check=True)
        assert "is signed by the provider's signer" in done.stdout
    finally:
        command.down()
