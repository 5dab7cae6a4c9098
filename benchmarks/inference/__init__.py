"""The exact engine beside llama.cpp (npm `node-llama-cpp`, its program for processors) on the same file with the same threads."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.inference.rows import agreement, inference_paces, replay
from benchmarks.inference.sides import llama_version

__all__ = ["INFERENCE_ROWS", "llama_version"]

INFERENCE_ROWS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "inference": inference_paces,
    "replay": replay,
    "agreement": agreement,
}
