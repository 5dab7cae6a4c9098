"""Transactions that show one rule each, with which the blocks of a scenario begin in turn: what draws alone may miss."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.ledger.transactions import CHAIN_ID, REVERTER, REVERTER_CODE, TransactionWriter, keys, signed_authorization
from zerog.chain.protocol.system_contracts import CONSOLIDATION_REQUESTS, HISTORY_STORAGE, WITHDRAWAL_REQUESTS

__all__ = ["CONTRACTS", "FLOOR_GAS", "HISTORY_READER", "LENDER", "LENT_WORD", "TURNS", "in_turn"]

HISTORY_READER: Final = b"\x2f" * 20
HISTORY_READER_CODE: Final = bytes.fromhex("5f355f5260205f60205f73" + HISTORY_STORAGE.hex() + "5afa505f515f555f354060015500")
"""Stores the hash of the block that its argument names: in slot 0 as the history contract tells it, in slot 1 as `BLOCKHASH` does."""

CALLER: Final = b"\x2d" * 20
CALLER_CODE: Final = bytes.fromhex(
    f"5f5f5f5f5f73{REVERTER.hex()}617530f150"  # CALL
    f"5f5f5f5f5f73{REVERTER.hex()}617530f250"  # CALLCODE
    f"5f5f5f5f73{REVERTER.hex()}617530f450"  # DELEGATECALL
    f"5f5f5f5f73{REVERTER.hex()}617530fa50"  # STATICCALL, which may not write and so burns all gas that it is given
    "60aa60205fa1"  # LOG1
    "5f5f5ff050"  # CREATE
    "5a5f5f5ff55000"  # CREATE2, at another address each time
)
"""Uses each opcode that calls, creates or logs, once."""

CONTRACTS: Final[Mapping[bytes, bytes]] = {REVERTER: REVERTER_CODE, HISTORY_READER: HISTORY_READER_CODE, CALLER: CALLER_CODE}
"""What the transactions call: code by address, for the genesis."""

FLOOR_DATA: Final = bytes([0, 1]) * 400
"""Calldata for which the floor of EIP-7623 decides where nothing is executed."""
FLOOR_GAS: Final = 21_000 + 10 * (400 + 4 * 400)
"""What that costs: a token for each byte that is 0, four for each other."""
LENDER: Final = keys("lender", 1)[0]
"""An account with funds that draws leave alone. Without funds anvil 1.7.1 would refund what EIP-7702 refunds for accounts that exist."""
LENT_WORD: Final = (7).to_bytes(32, "big")
NOBODY: Final = b"\x2c" * 20
UNDEFINED_OPCODE: Final = b"\x0c"


def failures(writer: TransactionWriter) -> Iterator[bytes]:
    """A revert after two that stored, and a creation that meets an opcode that is not defined."""
    yield from writer.write_write_revert()
    yield writer.sign(to=None, data=UNDEFINED_OPCODE, gas_limit=100_000)


def calls(writer: TransactionWriter) -> Iterator[bytes]:
    """Every opcode that calls, creates or logs."""
    yield writer.sign(to=CALLER, gas_limit=400_000)


def delegated_call(writer: TransactionWriter) -> Iterator[bytes]:
    """An account that lends itself code (EIP-7702) and is called, so that the code writes into its storage."""
    authorization = signed_authorization(LENDER, CHAIN_ID, REVERTER, writer.take_nonce(LENDER.address))
    yield writer.sign(kind=4, to=LENDER.address, data=LENT_WORD, gas_limit=200_000, authorizations=[authorization])


def withdrawal_request(writer: TransactionWriter) -> Iterator[bytes]:
    """A validator asks to leave (EIP-7002), with more than enough of a fee."""
    yield writer.sign(to=WITHDRAWAL_REQUESTS, value=10**9, data=writer.dice.randbytes(56), gas_limit=300_000)


def consolidation_request(writer: TransactionWriter) -> Iterator[bytes]:
    """A validator asks to be merged into another (EIP-7251), with more than enough of a fee."""
    yield writer.sign(to=CONSOLIDATION_REQUESTS, value=10**9, data=writer.dice.randbytes(96), gas_limit=300_000)


def history_read(writer: TransactionWriter) -> Iterator[bytes]:
    """The hash of the genesis block, asked of the history contract (EIP-2935)."""
    yield writer.sign(to=HISTORY_READER, data=bytes(32), gas_limit=200_000)


def calldata_floor(writer: TransactionWriter) -> Iterator[bytes]:
    """Much calldata to an account without code, where the floor of EIP-7623 is what it costs."""
    yield writer.sign(to=NOBODY, data=FLOOR_DATA, gas_limit=100_000)


def nothing(_: TransactionWriter) -> Iterator[bytes]:
    """A block without transactions."""
    yield from ()


TURNS: Final[tuple[Callable[[TransactionWriter], Iterator[bytes]], ...]] = (
    failures,
    calls,
    delegated_call,
    withdrawal_request,
    consolidation_request,
    history_read,
    calldata_floor,
    nothing,
)


def in_turn(number: int, writer: TransactionWriter) -> tuple[str, list[bytes]]:
    """Whose turn it is in block `number`, and the transactions that it begins with."""
    turn = TURNS[(number - 1) % len(TURNS)]
    return turn.__name__, list(turn(writer))
