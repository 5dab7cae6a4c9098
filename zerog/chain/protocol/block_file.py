"""The file in which clients hand chains to each other: blocks as RLP, one after the other, without anything between.

Source: ethereum/go-ethereum, cmd/utils/cmd.go (ImportChain, ExportChain).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from zerog.chain.protocol.errors import ChainError

__all__ = ["BLOCK_BYTES_MAX", "BlockFileError", "header_of", "split_blocks"]

BLOCK_BYTES_MAX: Final = 128 << 20
"""Far above any block, far below what a damaged length could ask for."""
LIST_MIN: Final = 0xC0
LONG_LIST_MIN: Final = 0xF8
"""First bytes of RLP lists: from the first on the length is in the byte itself, from the second on in the bytes after it."""
HEAD_BYTES_MAX: Final = 9


@dataclass(eq=False)
class BlockFileError(ChainError):
    """The file is not blocks one after the other."""

    offset: int
    """Byte at which the first block that cannot be read begins."""
    cause: str

    code = "block_file_damaged"
    remedy = "export the chain again; what comes before that byte can be imported as it is"
    http_status = 422

    def __str__(self) -> str:
        return f"no block can be read at byte {self.offset}: {self.cause}"


def split_blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks of a file that comes in pieces of any size; no more than one block and one piece are held. Raises `BlockFileError`."""
    held, offset = bytearray(), 0
    for chunk in chunks:
        held += chunk
        while (length := _length_of_list(held, offset)) is not None and length <= len(held):
            yield bytes(held[:length])
            del held[:length]
            offset += length
    if held:
        raise BlockFileError(offset, f"the file ends {len(held)} bytes after it begins")


def header_of(block: bytes, offset: int = 0) -> bytes:
    """The header of a block, RLP both; its Keccak-256 is the block's hash.

    Raises `BlockFileError`, with the byte of the file at which the block begins, when it holds none.
    """
    outer = _head_length(block)
    inner = memoryview(block)[outer : outer + HEAD_BYTES_MAX]
    length = _length_of_list(inner, offset)
    if length is None or outer + length > len(block):
        raise BlockFileError(offset, "a block begins with its header, and this one does not")
    return block[outer : outer + length]


def _head_length(item: bytes) -> int:
    return 1 if item[0] < LONG_LIST_MIN else 1 + item[0] - LONG_LIST_MIN + 1


def _length_of_list(held: bytes | bytearray | memoryview, offset: int) -> int | None:
    """Bytes of the list at the beginning, its head included; `None` while too little is there to tell."""
    if not held:
        return None
    first = held[0]
    if first < LIST_MIN:
        raise BlockFileError(offset, f"a block is an RLP list, and its first byte cannot be 0x{first:02x}")
    if first < LONG_LIST_MIN:
        return 1 + first - LIST_MIN
    size = first - LONG_LIST_MIN + 1
    if len(held) < 1 + size:
        return None
    length = 1 + size + int.from_bytes(held[1 : 1 + size], "big")
    if length > BLOCK_BYTES_MAX:
        raise BlockFileError(offset, f"it claims {length} bytes, and no block has more than {BLOCK_BYTES_MAX}")
    return length
