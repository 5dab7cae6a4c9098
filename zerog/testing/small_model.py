"""A model's file that is made in a moment: Llama-shaped, two layers, a vocabulary of bytes, weights out of a seed. It writes nonsense.

Source of the format: ggml-org/ggml, `docs/gguf.md`; of the bytes' names: openai/gpt-2, `src/encoder.py`.
"""

import random
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["make_small_model"]

MAGIC: Final = b"GGUF"
VERSION: Final = 3
ALIGNMENT: Final = 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
F32: Final = 0
NORMAL, CONTROL = 1, 3
LAYERS, WIDTH, HEADS, KEY_VALUE_HEADS, FEED_FORWARD, CONTEXT = 2, 64, 2, 1, 96, 512
CONTROLS: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
END: Final = 256 + CONTROLS.index("<|im_end|>")
TEMPLATE: Final = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_small_model(path: Path, *, seed: int = 0, context: int = CONTEXT) -> Path:
    """Write the file, some 350 KB; the same for the same seed."""
    dice = random.Random(seed)
    tensors = [(name, shape, _weights(dice, name, shape)) for name, shape in _shapes()]
    directory, offset = b"", 0
    for name, shape, data in tensors:
        directory += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, F32, offset)
        offset += -(-len(data) // ALIGNMENT) * ALIGNMENT
    facts = _facts(context)
    head = MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(facts)) + b"".join(facts) + directory
    body = b"".join(_padded(data) for _, _, data in tensors)
    path.write_bytes(_padded(head) + body)
    return path


def _shapes() -> list[tuple[str, tuple[int, ...]]]:
    narrow = WIDTH * KEY_VALUE_HEADS // HEADS
    of_layer: list[tuple[str, tuple[int, ...]]] = [
        ("attn_norm", (WIDTH,)), ("attn_q", (WIDTH, WIDTH)), ("attn_k", (WIDTH, narrow)), ("attn_v", (WIDTH, narrow)),
        ("attn_output", (WIDTH, WIDTH)), ("ffn_norm", (WIDTH,)), ("ffn_gate", (WIDTH, FEED_FORWARD)), ("ffn_up", (WIDTH, FEED_FORWARD)),
        ("ffn_down", (FEED_FORWARD, WIDTH)),
    ]  # fmt: skip
    layers = [(f"blk.{layer}.{name}.weight", shape) for layer in range(LAYERS) for name, shape in of_layer]
    return [("token_embd.weight", (WIDTH, 256 + len(CONTROLS))), ("output_norm.weight", (WIDTH,)), *layers]


def _weights(dice: random.Random, name: str, shape: Sequence[int]) -> bytes:
    """Norms are 1; all else is drawn so that the numbers in between stay near 1."""
    count = 1
    for size in shape:
        count *= size
    if "norm" in name:
        return struct.pack(f"<{count}f", *[1.0] * count)
    spread = 1.0 if name.startswith("token_embd") else 1.5 / shape[0] ** 0.5
    return struct.pack(f"<{count}f", *(dice.gauss(0.0, spread) for _ in range(count)))


def _facts(context: int) -> list[bytes]:
    numbers = {
        "block_count": LAYERS,
        "context_length": context,
        "embedding_length": WIDTH,
        "feed_forward_length": FEED_FORWARD,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KEY_VALUE_HEADS,
        "vocab_size": 256 + len(CONTROLS),
        "rope.dimension_count": WIDTH // HEADS,
    }
    tokens = [*_byte_names(), *CONTROLS]
    kinds = [NORMAL] * 256 + [CONTROL] * len(CONTROLS)
    return [
        _string("general.architecture") + _text("llama"),
        _string("general.name") + _text("small nonsense"),
        *(_string(f"llama.{name}") + struct.pack("<II", UINT32, value) for name, value in numbers.items()),
        _string("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", FLOAT32, 1e-5),
        _string("llama.rope.freq_base") + struct.pack("<If", FLOAT32, 10_000.0),
        _string("tokenizer.ggml.model") + _text("gpt2"),
        _string("tokenizer.ggml.pre") + _text("smollm"),
        _string("tokenizer.ggml.tokens") + _array(STRING, [_string(token) for token in tokens]),
        _string("tokenizer.ggml.token_type") + _array(INT32, [struct.pack("<i", kind) for kind in kinds]),
        _string("tokenizer.ggml.merges") + _array(STRING, []),
        _string("tokenizer.ggml.bos_token_id") + struct.pack("<II", UINT32, 257),
        _string("tokenizer.ggml.eos_token_id") + struct.pack("<II", UINT32, END),
        _string("tokenizer.ggml.add_bos_token") + struct.pack("<I?", BOOL, False),
        _string("tokenizer.chat_template") + _text(TEMPLATE),
    ]


def _byte_names() -> list[str]:
    return [_named(bytes([byte])) for byte in range(256)]


def _named(byte: bytes) -> str:
    """A byte as a character that is seen: those that are none are numbered from 256 on."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    number = byte[0]
    if number in plain:
        return chr(number)
    return chr(256 + [each for each in range(256) if each not in plain].index(number))


def _string(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content


def _text(text: str) -> bytes:
    return struct.pack("<I", STRING) + _string(text)


def _array(kind: int, items: Sequence[bytes]) -> bytes:
    return struct.pack("<IIQ", ARRAY, kind, len(items)) + b"".join(items)


def _padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // ALIGNMENT) * ALIGNMENT, b"\0")
