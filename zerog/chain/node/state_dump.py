"""All accounts as one file, in the form of anvil: JSON with `accounts` by address, compressed when it is written here."""

import gzip
import zlib
from typing import Final

import msgspec
from anyio import to_thread

from zerog._kernel import Ledger
from zerog.chain.node.chain import Chain
from zerog.chain.protocol.errors import StateDumpError
from zerog.chain.protocol.system_contracts import BEACON_ROOTS, HISTORY_STORAGE
from zerog.chain.wire.numbers import LooseNumber, StorageSlot
from zerog.primitives import ZERO_HASH, Address, Data, Quantity, decode_hook, encode_data, encode_quantity

__all__ = ["dump_state", "load_state"]

PAGE_ACCOUNTS: Final = 1_000
DUMP_BYTES_MAX: Final = 1_000_000_000
"""A dump that grows beyond this when it is unpacked is not believed."""
GZIP_MAGIC: Final = b"\x1f\x8b"
"""Source: RFC 1952, section 2.3.1."""
NOTED_BY_THE_CHAIN: Final = frozenset({BEACON_ROOTS, HISTORY_STORAGE})
"""Contracts in which a chain notes its own blocks: what another chain noted there would be wrong on this one."""


class DumpedAccount(msgspec.Struct, frozen=True):
    """One account of a dump."""

    balance: Quantity = Quantity(0)
    nonce: LooseNumber = LooseNumber(0)
    code: Data = Data()
    storage: dict[StorageSlot, StorageSlot] = {}


class Dump(msgspec.Struct, frozen=True):
    """What we read of a dump; anvil's holds more."""

    accounts: dict[Address, DumpedAccount]


async def dump_state(chain: Chain) -> bytes:
    """The newest state as a compressed file."""
    async with chain.producer.exclusive():
        return await to_thread.run_sync(_dump, chain.ledger)


async def load_state(chain: Chain, dump: bytes) -> None:
    """Make the accounts of a dump what it says they are, on top of the newest block; all others stay. Raises `StateDumpError`."""
    accounts = (await to_thread.run_sync(_parse, dump)).accounts
    async with chain.producer.edit():
        await to_thread.run_sync(_load, chain.ledger, accounts)


def _dump(ledger: Ledger) -> bytes:
    accounts: dict[str, object] = {}
    page = ledger.accounts(None, PAGE_ACCOUNTS)
    while page:
        for address, nonce, balance, code, storage in page:
            accounts[encode_data(address)] = {
                "nonce": nonce,
                "balance": encode_quantity(balance),
                "code": encode_data(code),
                "storage": {encode_data(slot): encode_data(value) for slot, value in storage},
            }
        page = ledger.accounts(page[-1][0], PAGE_ACCOUNTS)
    document = {"accounts": accounts, "block": None, "best_block_number": None}  # anvil wants the names, and if a block, then whole.
    return gzip.compress(msgspec.json.encode(document), mtime=0)


def _parse(dump: bytes) -> Dump:
    try:
        text = _unpack(dump) if dump.startswith(GZIP_MAGIC) else dump
        return msgspec.json.decode(text, type=Dump, dec_hook=decode_hook)
    except (zlib.error, msgspec.DecodeError) as error:
        raise StateDumpError(str(error)) from None


def _unpack(dump: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16 asks for the header of gzip.
    text = unpacker.decompress(dump, DUMP_BYTES_MAX)
    if unpacker.unconsumed_tail:
        raise StateDumpError(f"it holds more than {DUMP_BYTES_MAX} bytes")
    return text


def _load(ledger: Ledger, accounts: dict[Address, DumpedAccount]) -> None:
    for address, account in accounts.items():
        if address in NOTED_BY_THE_CHAIN:
            continue
        for slot in _slots(ledger, address):
            if slot not in account.storage:
                ledger.set_storage(address, slot, ZERO_HASH)
        ledger.set_balance(address, account.balance)
        ledger.set_nonce(address, account.nonce)
        ledger.set_code(address, account.code)
        for slot, value in account.storage.items():
            ledger.set_storage(address, slot, value)


def _slots(ledger: Ledger, address: Address) -> list[bytes]:
    """Slots of an account that hold something."""
    number = int.from_bytes(address, "big")
    page = ledger.accounts((number - 1).to_bytes(20, "big") if number else None, 1)
    return [slot for found, _, _, _, storage in page for slot, _ in storage if found == address]
