"""GGUF files for tests: a reader of metadata that shares nothing with ours, and small models written from what it read.

Source of the format: ggml-org/ggml, docs/gguf.md.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

__all__ = ["flag", "floats", "integers", "read_metadata", "text", "texts", "uint", "write_model"]

SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
WIDTH: Final = 32
ALIGNMENT: Final = 32
F32, Q8_0 = 0, 8


def read_metadata(path: Path) -> dict[str, tuple[bytes, Any]]:
    """Each key of a file with its value, as the bytes that say it and as what they mean."""
    with path.open("rb") as file:
        _magic, _version, _tensors, count = struct.unpack("<4sIQQ", file.read(24))
        found = {}
        for _ in range(count):
            key = _text(file)
            start = file.tell()
            value = _value(file, *struct.unpack("<I", file.read(4)))
            end = file.tell()
            file.seek(start)
            found[key] = (file.read(end - start), value)
        return found


def _text(file: BinaryIO) -> str:
    return file.read(*struct.unpack("<Q", file.read(8))).decode()


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == 8:
        return _text(file)
    if kind == 9:
        inner, count = struct.unpack("<IQ", file.read(12))
        return [_value(file, inner) for _ in range(count)]
    form = f"<{SCALARS[kind]}"
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def text(value: str) -> bytes:
    return struct.pack("<IQ", 8, len(value.encode())) + value.encode()


def uint(value: int) -> bytes:
    return struct.pack("<II", 4, value)


def flag(value: bool) -> bytes:
    return struct.pack("<I?", 7, value)


def texts(values: Sequence[str]) -> bytes:
    return struct.pack("<IIQ", 9, 8, len(values)) + b"".join(text(value)[4:] for value in values)


def integers(values: Sequence[int]) -> bytes:
    return struct.pack(f"<IIQ{len(values)}i", 9, 5, len(values), *values)


def floats(values: Sequence[float]) -> bytes:
    return struct.pack(f"<IIQ{len(values)}f", 9, 6, len(values), *values)


def write_model(path: Path, metadata: Mapping[str, bytes], *, vocabulary: int) -> Path:
    """A Llama of one layer with zeros for weights, and these metadata of its tokenizer."""
    measures = {
        "general.architecture": text("llama"),
        "llama.block_count": uint(1),
        "llama.context_length": uint(4096),
        "llama.embedding_length": uint(WIDTH),
        "llama.feed_forward_length": uint(WIDTH),
        "llama.attention.head_count": uint(1),
        "llama.attention.layer_norm_rms_epsilon": struct.pack("<If", 6, 1e-5),
    }
    square = [WIDTH, WIDTH]
    matrices = {f"blk.0.{part}.weight": square for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")}
    norms = {name: [WIDTH] for name in ("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight")}
    tensors = {"token_embd.weight": [WIDTH, vocabulary], **matrices, **norms}
    entries = {**metadata, **measures}
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(entries))
    head += b"".join(text(key)[4:] + value for key, value in entries.items())
    place = 0
    for name, dims in tensors.items():
        kind, size = (F32, 4 * dims[0]) if len(dims) == 1 else (Q8_0, dims[1] * 34)
        head += text(name)[4:] + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, place)
        place += -(-size // ALIGNMENT) * ALIGNMENT
    head += bytes(-len(head) % ALIGNMENT)
    path.write_bytes(head + bytes(place))
    return path
