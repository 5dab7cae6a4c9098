"""`zerog up`, and the official SDK with nothing but the chain's URL and a test key: it lists, pays, asks and checks."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from anyio.from_thread import start_blocking_portal

from tests.devnet.command import Zerog
from zerog.testing.upstream import serve_upstream

QUICKSTART: Final = Path(__file__).parent / "quickstart.mjs"
QUESTION: Final = "Tell me of a tree."
PROGRAM_S_MAX: Final = 60


@pytest.fixture
def zerog(tmp_path: Path) -> Iterator[Zerog]:
    command = Zerog(tmp_path)
    yield command
    command.down()


def quick_start(zerog: Zerog, *words: str) -> list[str]:
    """What the program of the documentation prints about a network that `words` make."""
    endpoints = zerog.up("--only", "chain", "--only", "compute", *words)
    assert endpoints.chain is not None
    program = ["node", str(QUICKSTART), endpoints.chain.http, endpoints.accounts[0].private_key, QUESTION]
    return subprocess.run(program, capture_output=True, text=True, timeout=PROGRAM_S_MAX, check=True).stdout.splitlines()


def test_the_quick_start_works_in_front_of_a_server_with_the_api_of_openai(zerog: Zerog) -> None:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve_upstream()) as upstream:
        printed = quick_start(zerog, "--engine", upstream.url)
        zerog.down()
    assert printed[-1].endswith("is signed by the provider's signer")


def test_the_quick_start_works_on_a_network_under_another_chain_id(zerog: Zerog) -> None:
    printed = quick_start(zerog, "--chain-id", "4242")
    assert len("".join(printed[:-1])) > len(QUESTION)
    assert printed[-1].endswith("is signed by the provider's signer")
