"""What is said of a foreign chain that cannot be taken: code, cause and remedy, and how far it was taken."""

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]

from zerog._kernel import keccak256
from zerog.chain.node.foreign import ForeignBlockError, GenesisFileError, Imported, import_chain
from zerog.chain.protocol.block_file import BlockFileError, split_blocks
from zerog.runtime.report import report_of

VECTOR = Path(__file__).parents[3] / "ledger" / "vectors" / "every_fork"
WHOLE = lzma.decompress((VECTOR / "chain.rlp.xz").read_bytes())
BLOCKS = list(split_blocks([WHOLE]))
GENESIS = (VECTOR / "genesis.json").read_bytes()

Change = Callable[[Any], object]
"""What is done to a block that was decoded (header, transactions, uncles and, from Shanghai on, withdrawals), or to a genesis."""


def take(folder: Path, blocks: bytes, genesis: bytes = GENESIS) -> Imported:
    """The file comes in pieces that end anywhere."""
    pieces = (blocks[begin : begin + 1_000] for begin in range(0, len(blocks), 1_000))
    return import_chain(genesis, pieces, folder / "chain", lambda _: None)


def in_header(place: int, value: bytes) -> Change:
    def change(block: list[Any]) -> None:
        block[0][place] = value

    return change


WRONG_BLOCKS: dict[str, tuple[Change, str]] = {
    "parent": (in_header(0, b"\x11" * 32), f"its parent hash is 0x{'11' * 32}, it should be 0x"),
    "uncles": (in_header(1, b"\x11" * 32), f"its hash of uncles is 0x{'11' * 32}, it should be 0x1dcc4de8"),
    "state root": (in_header(3, b"\x11" * 32), f"its state root is 0x{'11' * 32}, it should be 0x"),
    "transactions": (in_header(4, b"\x11" * 32), f"its root of transactions is 0x{'11' * 32}, it should be 0x"),
    "receipts": (in_header(5, b"\x11" * 32), f"its root of receipts is 0x{'11' * 32}, it should be 0x"),
    "bloom": (in_header(6, b"\x11" * 256), "its bloom of logs is 0x1111"),
    "gas limit": (in_header(9, b"\x7f\xff\xff\xff"), "its gas limit is 2147483647, which is not within 3906 of 4000000"),
    "gas used": (in_header(10, b"\x01"), "its gas used is 1, it should be "),
    "time": (in_header(11, b"\x01"), "its timestamp is 1, the earliest is "),
    "extra data": (in_header(12, b"x" * 33), "its extra data has 33 bytes, 32 at most"),
    "an uncle": (lambda block: block[2].append(block[0]), "it has uncles, which are not supported"),
    "no transaction": (lambda block: block[1].append([b"\x01"] * 9), "cannot be decoded: rlp: input string has the wrong size"),
    "a transaction twice": (lambda block: block[1].extend(block[1][:1]), "cannot run: nonce_too_low"),
}


@pytest.mark.parametrize("name", WRONG_BLOCKS)
def test_a_block_that_breaks_the_rules_is_named_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    change, cause = WRONG_BLOCKS[name]
    block = rlp.decode(BLOCKS[3])
    change(block)
    with pytest.raises(ForeignBlockError) as refusal:
        take(tmp_path, b"".join([*BLOCKS[:3], rlp.encode(block), *BLOCKS[4:]]))
    report = report_of(refusal.value)
    assert report.code == "block_refused"
    assert report.cause.startswith(f"block 4 (0x{keccak256(rlp.encode(block[0])).hex()}) is refused: ")
    assert cause in report.cause
    assert report.remedy == "check that genesis and blocks are of one chain; all blocks before this one are in the folder"
    assert take(tmp_path, WHOLE).known == 3


def test_a_block_that_is_left_out_is_missed_by_the_next(tmp_path: Path) -> None:
    with pytest.raises(ForeignBlockError, match=r"block 8 \(0x\w+\) is refused: its parent hash is 0x\w+, it should be 0x"):
        take(tmp_path, b"".join([*BLOCKS[:6], *BLOCKS[7:]]))


@pytest.mark.parametrize("fork", ["shanghai", "cancun", "prague"])
def test_a_fork_asks_for_its_fields(tmp_path: Path, fork: str) -> None:
    """The first block of a fork in the header of the one before it."""
    expected = json.loads((VECTOR / "expected.json").read_bytes())["blocks"]
    index = next(index for index, block in enumerate(expected) if block["fork"] == fork)
    block = rlp.decode(BLOCKS[index])
    block[0] = block[0][: len(rlp.decode(BLOCKS[index - 1])[0])]
    with pytest.raises(ForeignBlockError, match=r"is refused: it has no .+, which its fork asks for"):
        take(tmp_path, b"".join([*BLOCKS[:index], rlp.encode(block)]))


DAMAGES: dict[str, tuple[bytes, str]] = {
    "text": (b"hello", "a block is an RLP list, and its first byte cannot be 0x68"),
    "nothing in it": (b"\xc0", "a block begins with its header, and this one does not"),
    "no header": (rlp.encode([b"\x01" * 40, [], []]), "a block is an RLP list, and its first byte cannot be 0xa8"),
    "a short header": (rlp.encode([[b"\x01"], [], []]), "not the RLP of a block: "),
    "too much": (rlp.encode([[], [], [], [], []]), "not the RLP of a block: "),
    "torn": (b"\xf9\x02\x00\x01", "the file ends 4 bytes after it begins"),
    "endless": (b"\xfb" + b"\xff" * 8, "it claims 4294967300 bytes, and no block has more than 134217728"),
}


@pytest.mark.parametrize("count", [0, 5, 38])
@pytest.mark.parametrize("name", DAMAGES)
def test_where_a_file_is_damaged_is_told_and_all_before_it_is_taken(tmp_path: Path, name: str, count: int) -> None:
    damage, cause = DAMAGES[name]
    sound = b"".join(BLOCKS[:count])
    with pytest.raises(BlockFileError) as refusal:
        take(tmp_path, sound + damage)
    report = report_of(refusal.value)
    assert report.code == "block_file_damaged"
    assert report.cause.startswith(f"no block can be read at byte {len(sound)}: {cause}")
    assert report.remedy == "export the chain again; what comes before that byte can be imported as it is"
    again = take(tmp_path, WHOLE)
    assert (again.known, again.taken, again.head_number) == (count, 38 - count, 38)


WRONG_DOCUMENTS: dict[str, tuple[Change, str]] = {
    "no rules": (lambda genesis: genesis.pop("config"), "Object missing required field `config`"),
    "no chain id": (lambda genesis: genesis["config"].pop("chainId"), "Object missing required field `chainId`"),
    "no address": (
        lambda genesis: genesis["alloc"].update({"0x12": {"balance": "0x1"}}),
        "the genesis is not valid: invalid string length",
    ),
    "no number": (lambda genesis: genesis.update(gasLimit="-5"), 'the genesis is not valid: invalid value: string "-5"'),
}


@pytest.mark.parametrize("name", WRONG_DOCUMENTS)
def test_what_is_wrong_in_a_genesis_is_told(tmp_path: Path, name: str) -> None:
    change, cause = WRONG_DOCUMENTS[name]
    genesis = json.loads(GENESIS)
    change(genesis)
    with pytest.raises(GenesisFileError) as refusal:
        take(tmp_path, WHOLE, json.dumps(genesis).encode())
    report = report_of(refusal.value)
    assert report.code == "genesis_refused"
    assert report.cause.startswith(f"the genesis cannot be read: {cause}")
    assert report.remedy.startswith("give the genesis of this chain, in the form that geth takes")


def test_a_genesis_of_another_chain_fits_no_block(tmp_path: Path) -> None:
    """Its hash is another where an account differs; where a fork begins differs, the first block that this changes is named."""
    genesis = json.loads(GENESIS)
    with pytest.raises(ForeignBlockError, match=r"^block 1 \(0x336df458\w+\) is refused: its parent hash is "):
        take(tmp_path / "alloc", WHOLE, json.dumps(genesis | {"alloc": {}}).encode())
    later = genesis | {"config": genesis["config"] | {"byzantiumBlock": 11}}
    with pytest.raises(ForeignBlockError, match=r"^block 9 \(0x\w+\) is refused: its root of receipts is "):
        take(tmp_path / "fork", WHOLE, json.dumps(later).encode())


def test_an_empty_file_leaves_the_first_block(tmp_path: Path) -> None:
    done = take(tmp_path, b"")
    assert (done.taken, done.known, done.head_number) == (0, 0, 0)
    assert take(tmp_path, WHOLE).taken == 38
