"""What a row of docs/chain/errors.md needs to be provoked: requests of each kind, and nodes that are unlike the others."""

import lzma
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.unit.chain.node.conftest import ACCOUNTS, RefusedError, Running, run_node, text
from zerog.chain.node.foreign import foreign_network, import_chain, served
from zerog.chain.node.settings import ChainNodeSettings
from zerog.networks import own_network
from zerog.primitives import Account

__all__ = ["STRANGER", "Outcome", "Row", "answered", "asks", "calls", "elsewhere", "imported", "run_imported", "sends"]

SENDER = ACCOUNTS[1]
STRANGER: Final = "0x" + "77" * 20
"""Nobody has its key, and it has nothing."""
FOREIGN: Final = Path(__file__).parents[3] / "ledger" / "vectors" / "every_fork"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a node answered, and what it has to answer; a message that ends in `…` is compared up to there."""

    refused: RefusedError
    message: str
    data: object = None


Row = Callable[[Running], Outcome]


def asks(method: str, *params: object, message: str, data: object = None) -> Row:
    """One request."""
    return lambda chain: Outcome(chain.refusal(method, *params), message, data)


def calls(message: str, *, code: str | None = None, data: object = None, method: str = "eth_call", **fields: object) -> Row:
    """A call of a contract with this code, or of a stranger."""

    def provoke(chain: Running) -> Outcome:
        call = {"from": text(SENDER.address), "to": STRANGER if code is None else chain.place(code)} | fields
        return Outcome(chain.refusal(method, call, "latest"), message, data)

    return provoke


def sends(message: str, *, sender: Account = SENDER, **changes: Any) -> Row:
    """A signed transfer with these changes."""
    return lambda chain: Outcome(chain.refusal("eth_sendRawTransaction", chain.raw(sender, **changes)), message)


def answered(answer: dict[str, Any]) -> RefusedError:
    """The error in an answer, or in the outcome of a simulated call."""
    error = answer["error"]
    return RefusedError(error["code"], error["message"], error.get("data"))


def elsewhere(settings: dict[str, Any], row: Row) -> Row:
    """A row that needs a node of its own."""

    def provoke(_chain: Running) -> Outcome:
        network = own_network(settings.get("like", "local"))
        (outcome,) = [row(node) for node in run_node(ChainNodeSettings(rpc_port=0, **settings), network)]
        return outcome

    return provoke


def run_imported() -> Iterator[Running]:
    """A node that serves a chain of others across every fork."""
    genesis = (FOREIGN / "genesis.json").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        blocks = lzma.decompress((FOREIGN / "chain.rlp.xz").read_bytes())
        import_chain(genesis, [blocks], Path(folder), lambda _: None)
        settings = served(ChainNodeSettings(rpc_port=0, data_dir=Path(folder)))
        yield from run_node(settings, foreign_network(genesis), others=genesis)


def imported(row: Row) -> Row:
    """A row that shows on such a chain."""

    def provoke(_chain: Running) -> Outcome:
        (outcome,) = [row(node) for node in run_imported()]
        return outcome

    return provoke
