"""The rows of inference: paces in turn with llama.cpp, the replay of an answer, memory, and whether both compute the same model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.inference.sides import ours, theirs
from benchmarks.report import Row
from zerog._kernel import ModelFile
from zerog.models import DEFAULT_NAME, find_named, pull

__all__ = ["agreement", "inference_paces", "replay"]

THREADS: Final = 2
ROUNDS: Final = 3
"""Both sides in turn; the better of the rounds counts for each."""
TEXTS: Final = Path(__file__).parent / "texts.json"
COUNT: Final = 128
PREFILL: Final = 1024
REQUESTS: Final = 8
REPLAYED: Final = 256
RSS_MAX_MIB: Final = 300
MIB: Final = 1 << 20
FIRST: Final = 16
EQUAL_MIN: Final = 16


def default_path() -> Path:
    """The model that comes with zerog, fetched if it is not there."""
    return find_named(DEFAULT_NAME).path or pull(DEFAULT_NAME)[0]


def chat(model: ModelFile, text: str) -> list[int]:
    return model.render_chat(json.dumps([{"role": "user", "content": text}]).encode())


def job(task: str, **more: object) -> dict[str, object]:
    return {"model": str(default_path()), "threads": THREADS, "flash": False, "task": task, **more}


def inference_paces(bench: Bench) -> None:
    """Tokens a second, and the memory of a process that serves one request."""
    model = ModelFile.open(default_path())
    story = chat(model, "Tell me a long story about the sea.")
    long = model.encode(json.loads(TEXTS.read_text(encoding="utf-8"))["text"] * 4)[:PREFILL]
    eight = [chat(model, f"Tell me story number {number} about the sea.") for number in range(REQUESTS)]
    jobs = {
        "one": job("one", prompt=story, count=COUNT),
        "prefill": job("prefill", prompt=long),
        "together": job("together", prompts=eight, count=COUNT),
    }
    rounds = [{task: (ours(each), best_theirs(each)) for task, each in jobs.items()} for _ in range(ROUNDS)]
    bench.details["inference"] = rounds
    targets = {"one": 1.0, "prefill": 0.5, "together": 0.8}
    names = {
        "one": f"one request, greedy, {COUNT} tokens",
        "prefill": f"prompt of {PREFILL} tokens",
        "together": f"{REQUESTS} requests at once, {COUNT} tokens each",
    }
    for task, target in targets.items():
        own, peer = (max(each[task][side]["pace"] for each in rounds) for side in (0, 1))
        bench.rows.append(Row(names[task], "tokens/s", own, peer, f"≥ {target}×", own >= target * peer, f"{THREADS} threads"))
    own, peer = (max(each["one"][side]["rss_bytes"] for each in rounds) / MIB for side in (0, 1))
    note = f"of the whole process; at most {max(each['one'][0]['peak_bytes'] for each in rounds) / MIB:.0f} MiB, while it packs the weights"
    bench.rows.append(Row("memory with one request", "MiB", own, peer, f"≤ {RSS_MAX_MIB} MiB", own <= RSS_MAX_MIB, note))


def best_theirs(each: Mapping[str, object]) -> dict[str, float]:
    """The peer with its attention in one piece and in parts; what is faster counts."""
    runs: list[dict[str, float]] = [theirs({**each, "flash": flash}) for flash in (False, True)]
    return max(runs, key=lambda run: run["pace"])


def replay(bench: Bench) -> None:
    """Checking a sampled answer beside making it, both by the engine."""
    model = ModelFile.open(default_path())
    runs = [ours(job("replay", prompt=chat(model, "Tell me a long story about the sea."), count=REPLAYED)) for _ in range(ROUNDS)]
    bench.details["replay"] = runs
    made_s, checked_s = (min(run[key] for run in runs) for key in ("made_s", "checked_s"))
    note = f"made in {made_s:.2f} s"
    bench.rows.append(Row(f"replay of {REPLAYED} tokens", "s", checked_s, None, "≤ 1/5 of making", checked_s <= made_s / 5, note))


def agreement(bench: Bench) -> None:
    """The same model: perplexity of a text, and the first greedy tokens of prompts."""
    model = ModelFile.open(default_path())
    texts = json.loads(TEXTS.read_text(encoding="utf-8"))
    text = job("perplexity", tokens=model.encode(texts["text"]))
    own, peer = (side(text)["perplexity"] for side in (ours, theirs))
    bench.rows.append(Row("perplexity of a text", "", own, peer, "within 1 %", abs(own / peer - 1) <= 0.01))
    prompts = [model.encode(prompt) for prompt in texts["prompts"]]
    firsts = job("greedy", prompts=prompts, count=FIRST)
    pairs = list(zip(ours(firsts)["answers"], theirs(firsts)["answers"], strict=True))
    equal = sum(first == second for first, second in pairs)
    bench.details["agreement"] = {"perplexity": [own, peer], "common": [common(*pair) for pair in pairs]}
    target = f"≥ {EQUAL_MIN} of {len(prompts)}"
    bench.rows.append(Row(f"prompts with the same first {FIRST} tokens", "", float(equal), None, target, equal >= EQUAL_MIN))


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """Tokens before the first difference."""
    return next((index for index, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), len(first))
