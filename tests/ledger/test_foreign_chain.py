"""A chain of the executable specification of Ethereum, from Frontier to the second set of blob parameters, comes out the same here."""

import json
import lzma
from pathlib import Path

import msgspec
import pytest

from tests.ledger.counts import LONG, commit_seed
from tests.ledger.foreign_chain import ForeignChain, build, load
from tests.ledger.results import record
from zerog._kernel import BlockRefusedError, Ledger, keccak256

FOLDER = Path(__file__).parent / "vectors" / "every_fork"


def imported(chain: ForeignChain, rlp: bytes) -> Ledger:
    ledger = Ledger.open(None, json.dumps(chain.genesis).encode())
    assert "0x" + ledger.genesis_hash.hex() == chain.genesis_hash
    summaries = ledger.import_blocks(split(rlp))
    assert ["0x" + summary.hash.hex() for summary in summaries] == [block.hash for block in chain.blocks]
    return ledger


def split(rlp: bytes) -> list[bytes]:
    """The blocks of a file: lists whose length takes two bytes or fewer."""
    blocks = []
    while rlp:
        size_bytes = rlp[0] - 0xF7
        size = 1 + size_bytes + int.from_bytes(rlp[1 : 1 + size_bytes], "big")
        blocks.append(rlp[:size])
        rlp = rlp[size:]
    return blocks


def compare(chain: ForeignChain, ledger: Ledger) -> int:
    """Hold receipts and states at every height against the specification's; returns how many answers were compared."""
    compared = 0
    for block in chain.blocks:
        receipts = msgspec.json.decode(ledger.receipts_json(block.number) or b"")
        assert [receipt["transactionHash"] for receipt in receipts] == [receipt.hash for receipt in block.receipts]
        for ours, theirs in zip(receipts, block.receipts, strict=True):
            assert ours.get("root") == theirs.root
            assert ours.get("status") == (None if theirs.succeeded is None else hex(theirs.succeeded))
            assert int(ours["cumulativeGasUsed"], 16) == theirs.cumulative_gas_used
            assert [{key: log[key] for key in ("address", "topics", "data")} for log in ours["logs"]] == theirs.logs
        assert block.facts is not None
        for text, (nonce, balance, code_hash) in block.facts.accounts.items():
            address = bytes.fromhex(text[2:])
            assert ledger.nonce(address, block.number) == nonce
            assert ledger.balance(address, block.number) == balance
            assert "0x" + keccak256(ledger.code(address, block.number)).hex() == code_hash
        for text, slot, value in block.facts.slots:
            assert int.from_bytes(ledger.storage(bytes.fromhex(text[2:]), bytes.fromhex(slot[2:]), block.number), "big") == value
        compared += len(receipts) + len(block.facts.accounts) + len(block.facts.slots)
    return compared


@pytest.mark.timeout(1800 if LONG else 120)
def test_a_chain_across_every_fork_comes_out_the_same() -> None:
    """The committed chain, and in a long run a longer one that is made now."""
    chain = load(FOLDER)
    ledger = imported(chain, lzma.decompress((FOLDER / "chain.rlp.xz").read_bytes()))
    assert compare(chain, ledger) > 50
    assert "0x" + ledger.recompute_root().hex() == chain.blocks[-1].state_root
    if LONG:
        chain = build(commit_seed(), blocks_per_fork=8, transactions_max=6)
        compared = compare(chain, imported(chain, chain.rlp))
        record("blocks_of_every_fork_equal_to_eels", seed=commit_seed(), blocks=len(chain.blocks), compared=compared)


def test_a_block_that_is_not_what_its_header_says_is_refused() -> None:
    chain = load(FOLDER)
    blocks = split(lzma.decompress((FOLDER / "chain.rlp.xz").read_bytes()))
    ledger = Ledger.open(None, json.dumps(chain.genesis).encode())
    with pytest.raises(BlockRefusedError, match="parent hash"):
        ledger.import_blocks([blocks[1]])
    root = bytes.fromhex(chain.blocks[0].state_root[2:])
    with pytest.raises(BlockRefusedError, match="state root"):
        ledger.import_blocks([blocks[0].replace(root, bytes(32), 1)])
    assert ledger.head().number == 0
