"""The exact engine with the model that comes with zerog: committed answers on every path, threads, memory, and what Python sees of it."""

import array
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from zerog._kernel import Decoder, DecoderFullError, ModelFile, SamplingParameters, TokenEvent, exact_paths, trace_root
from zerog.models import DEFAULT_NAME, find_named

VECTORS: Final = Path(__file__).parents[2] / "vectors" / "inference" / "answers.json"
"""Made by this engine (`version` in the file) with the model whose SHA-256 stands there; made again only with a new version."""
RESIDENT_MAX_MIB: Final = 300
IDLE_CPU_MAX: Final = 0.03


def model_path() -> Path:
    path = find_named(DEFAULT_NAME).path
    assert path is not None, f"run `zerog model pull {DEFAULT_NAME}`"
    return path


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return ModelFile.open(model_path())


def parameters_of(answer: dict[str, object], **more: object) -> SamplingParameters:
    return SamplingParameters(**{"max_tokens": 16, "trace": True, **answer["parameters"], **more})  # type: ignore[dict-item, arg-type]


def made(decoder: Decoder, answers: Sequence[dict[str, object]], together: int) -> list[tuple[str, str]]:
    """What each request of the vectors gives: a digest of its tokens, and the root of its trace."""
    results: dict[int, tuple[list[int], bytes]] = {}
    order = list(enumerate(answers))
    running: dict[int, int] = {}
    while order or running:
        while order and len(running) < together:
            index, answer = order.pop(0)
            tokens = answer["prompt"]
            assert isinstance(tokens, list)
            running[decoder.add(tokens, parameters_of(answer))] = index
        for event in decoder.step():
            index = running[event.sequence]
            sampled = results.setdefault(index, ([], b""))[0]
            sampled.append(event.token)
            if event.finish:
                results[running.pop(event.sequence)] = (sampled, event.trace_root or b"")
    return [(tokens_digest(tokens), root.hex()) for tokens, root in (results[index] for index in range(len(answers)))]


def all_events(decoder: Decoder) -> list[TokenEvent]:
    events: list[TokenEvent] = []
    while decoder.running:
        events += decoder.step()
    return events


def tokens_digest(tokens: Sequence[int]) -> str:
    return hashlib.sha256(b"".join(token.to_bytes(4, "little") for token in tokens)).hexdigest()


@pytest.mark.parametrize("path", exact_paths())
def test_twenty_answers_are_those_that_were_committed_to(model: ModelFile, path: str) -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert (model.sha256().hex(), Decoder.version) == (vectors["model_sha256"], vectors["version"])
    answers = vectors["answers"] if path != "portable" or os.environ.get("ZEROG_TEST_LONG") else vectors["answers"][:3]
    decoder = Decoder(model, slots=8, context=512, path=path)
    expected = [(answer["tokens_sha256"], answer["trace_root"]) for answer in answers]
    assert made(decoder, answers, together=8) == expected


def test_an_answer_alone_in_one_thread_and_its_replay_are_the_same(model: ModelFile) -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    decoder = Decoder(model, slots=1, context=512, threads=1)
    for answer in vectors["answers"][::5]:
        decoder.add(answer["prompt"], parameters_of(answer))
        events = all_events(decoder)
        tokens = [event.token for event in events]
        assert (tokens_digest(tokens), events[-1].trace_root) == (answer["tokens_sha256"], bytes.fromhex(answer["trace_root"]))
        score = decoder.score([*answer["prompt"], *tokens], len(answer["prompt"]), parameters_of(answer))
        assert (score.position, score.trace_root) == (None, events[-1].trace_root)
        other = decoder.score([*answer["prompt"], *tokens[:-1], tokens[-1] ^ 1], len(answer["prompt"]), parameters_of(answer))
        assert (other.position, other.given, other.expected) == (len(answer["prompt"]) + len(tokens) - 1, tokens[-1] ^ 1, tokens[-1])


def test_it_answers_in_english(model: ModelFile) -> None:
    decoder = Decoder(model, slots=2, context=512)
    prompt = model.encode("The capital of France is")
    decoder.add(prompt, SamplingParameters(6, temperature=0, top_logprobs=2))
    events = all_events(decoder)
    assert b"Paris" in model.decode([event.token for event in events])
    assert all(event.top[0] == (event.token, event.logprob) and len(event.top) == 2 for event in events)
    assert (events[-1].finish, events[-1].trace_root, events[-1].digest) == ("length", None, None)


def test_an_end_token_ends_an_answer_and_a_full_decoder_says_so(model: ModelFile) -> None:
    decoder = Decoder(model, slots=1, context=512)
    prompt = model.render_chat(json.dumps([{"role": "user", "content": "Say hello."}]).encode())
    first = decoder.add(prompt, SamplingParameters(64, temperature=0))
    with pytest.raises(DecoderFullError) as full:
        decoder.add(prompt, SamplingParameters(1))
    assert full.value.args == (1,)
    assert decoder.cached_tokens(first) == 0
    decoder.cancel(first)
    decoder.add(prompt, SamplingParameters(64, temperature=0, end_tokens=range(model.vocabulary_size)))
    assert [event.finish for event in all_events(decoder)] == ["stop"]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_tokens": 0}, "tokens"),
        ({"top_logprobs": 65}, "top_logprobs"),
        ({"logit_bias": {1: 1e9}}, "bias"),
    ],
)
def test_parameters_that_cannot_be_are_refused(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        SamplingParameters(**{"max_tokens": 1, **wrong})  # type: ignore[arg-type]


def test_tokens_that_there_are_not_are_refused(model: ModelFile) -> None:
    decoder = Decoder(model, context=16)
    for prompt in ([], [model.vocabulary_size], [1] * 16):
        with pytest.raises(ValueError, match="token"):
            decoder.add(prompt, SamplingParameters(1))
    with pytest.raises(ValueError, match="path"):
        Decoder(model, path="abacus")


def test_texts_that_mean_the_same_are_nearer_than_others(model: ModelFile) -> None:
    decoder = Decoder(model, context=512)
    texts = ("The cat sleeps on the sofa.", "A kitten is napping on the couch.", "Interest rates were raised by the central bank.")
    vectors = [array.array("f", decoder.embed(model.encode(text))).tolist() for text in texts]
    assert {len(vector) for vector in vectors} == {model.width}
    cat, kitten, bank = vectors

    def nearness(one: Sequence[float], other: Sequence[float]) -> float:
        return sum(left * right for left, right in zip(one, other, strict=True))

    assert nearness(cat, cat) == pytest.approx(1, abs=1e-5)
    assert nearness(cat, kitten) > nearness(cat, bank)


def test_the_root_of_a_trace_follows_from_the_digests_of_its_tokens(model: ModelFile) -> None:
    decoder = Decoder(model, context=64)
    decoder.add(model.encode("Once upon a time"), SamplingParameters(5, seed=3, trace=True))
    events = all_events(decoder)
    digests = [event.digest for event in events if event.digest]
    assert len(digests) == 5
    assert events[-1].trace_root == trace_root(digests)


SERVING: Final = """
import sys, time
from zerog._kernel import Decoder, ModelFile, SamplingParameters

def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024

model = ModelFile.open(sys.argv[1])
decoder = Decoder(model, threads=2)
decoder.add(model.encode("word " * 1000), SamplingParameters(8))
while decoder.running:
    decoder.step()
serving = resident()
decoder.idle_release()
idle = resident()
before = time.process_time()
time.sleep(1)
print(serving, idle, time.process_time() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded_while_it_serves_and_given_back_when_it_is_idle() -> None:
    done = subprocess.run([sys.executable, "-c", SERVING, str(model_path())], capture_output=True, text=True, timeout=60, check=True)
    serving, idle, cpu_s = map(float, done.stdout.split())
    assert serving <= RESIDENT_MAX_MIB
    assert idle <= serving - 80  # The packed weights alone are 94 MiB.
    assert cpu_s <= IDLE_CPU_MAX


def test_other_threads_run_while_it_computes(model: ModelFile) -> None:
    decoder = Decoder(model, context=2048, threads=1)
    prompt = model.encode("word " * 200)
    seen: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            seen.append(time.perf_counter())

    looking = threading.Thread(target=look)
    looking.start()
    started = time.perf_counter()
    decoder.embed(prompt)
    ended = time.perf_counter()
    is_over.set()
    looking.join()
    assert sum(started < moment < ended for moment in seen) > 10
