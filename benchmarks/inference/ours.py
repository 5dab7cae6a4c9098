"""The exact engine alone in a process: the measurements that `peer.mjs` makes of llama.cpp.

Usage: `python -m benchmarks.inference.ours JOB.json`; JSON on standard output.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from zerog._kernel import Decoder, ModelFile, SamplingParameters


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    decoder = Decoder(ModelFile.open(job["model"]), slots=8, context=2048, threads=job["threads"])
    print(json.dumps(TASKS[job["task"]](decoder, job)))


def greedy(count: int) -> SamplingParameters:
    """Always the most probable token, through the ends of answers."""
    return SamplingParameters(count, temperature=0.0, end_tokens=[])


def answers(decoder: Decoder, prompts: Sequence[Sequence[int]], count: int) -> tuple[list[list[int]], float, float]:
    """Greedy answers made together; when the first token came and when the last did, in seconds."""
    tokens: dict[int, list[int]] = {decoder.add(prompt, greedy(count)): [] for prompt in prompts}
    started = time.perf_counter()
    first_s = None
    while decoder.running:
        for event in decoder.step():
            tokens[event.sequence].append(event.token)
            first_s = first_s or time.perf_counter() - started
    return list(tokens.values()), first_s or 0.0, time.perf_counter() - started


def one(decoder: Decoder, job: Mapping[str, Any]) -> dict[str, float]:
    _, first_s, whole_s = answers(decoder, [job["prompt"]], job["count"] + 1)
    return {"pace": job["count"] / (whole_s - first_s), "rss_bytes": resident_bytes("VmRSS"), "peak_bytes": resident_bytes("VmHWM")}


def prefill(decoder: Decoder, job: Mapping[str, Any]) -> dict[str, float]:
    _, _, whole_s = answers(decoder, [job["prompt"]], 1)
    return {"pace": len(job["prompt"]) / whole_s}


def together(decoder: Decoder, job: Mapping[str, Any]) -> dict[str, float]:
    made, _, whole_s = answers(decoder, job["prompts"], job["count"])
    return {"pace": sum(map(len, made)) / whole_s}


def first_tokens(decoder: Decoder, job: Mapping[str, Any]) -> dict[str, list[list[int]]]:
    return {"answers": [answers(decoder, [prompt], job["count"])[0][0] for prompt in job["prompts"]]}


def perplexity(decoder: Decoder, job: Mapping[str, Any]) -> dict[str, float]:
    score = decoder.score(job["tokens"], 1, greedy(1), to_end=True)
    return {"perplexity": math.exp(-sum(score.logprobs) / len(score.logprobs))}


def replay(decoder: Decoder, job: Mapping[str, Any]) -> dict[str, float]:
    """Seconds that an answer took, and seconds that its check takes without anything kept of it."""
    parameters = SamplingParameters(job["count"], temperature=0.8, top_p=0.95, seed=7, end_tokens=[])
    decoder.add(job["prompt"], parameters)
    started = time.perf_counter()
    made: list[int] = []
    while decoder.running:
        made += [event.token for event in decoder.step()]
    made_s = time.perf_counter() - started
    decoder.idle_release()
    started = time.perf_counter()
    score = decoder.score([*job["prompt"], *made], len(job["prompt"]), parameters)
    checked_s = time.perf_counter() - started
    if score.position is not None:
        raise ValueError(f"the answer does not come out again: token {score.position}")
    return {"made_s": made_s, "checked_s": checked_s}


def resident_bytes(field: str) -> int:
    """A line of this process's status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


TASKS: Final[Mapping[str, Callable[[Decoder, Mapping[str, Any]], Mapping[str, object]]]] = {
    "one": one,
    "prefill": prefill,
    "together": together,
    "greedy": first_tokens,
    "perplexity": perplexity,
    "replay": replay,
}

if __name__ == "__main__":
    main()
