"""A model's file opened for the exact engine: the kernel's reader and decoder, as a provider and whoever replays its answers use them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from zerog import models
from zerog._kernel import Decoder, ModelFile, ModelRefusedError, SamplingParameters, TokenEvent
from zerog._kernel import Score as KernelScore
from zerog.compute.protocol.errors import ComputeError
from zerog.compute.protocol.exact import InvalidChatError, Sampling
from zerog.primitives import Hash32

__all__ = ["DEFAULT_MODEL", "LoadedModel", "ModelFileError", "load_model", "open_model"]

DEFAULT_MODEL: Final = models.DEFAULT_NAME
"""What is served where nobody names a model."""
SUFFIX: Final = ".gguf"
SLOTS: Final = 8
"""Answers that are computed at once."""
SMALL_PARAMETERS: Final = 1_000_000_000


class ModelFileError(ComputeError):
    """A file that is no model, or none that the exact engine runs."""

    http_status = 500

    def __init__(self, path: Path, error: ModelRefusedError) -> None:
        super().__init__(path)
        self.path: Final = path
        self._facts: Final = error.args

    @property
    def code(self) -> str:  # type: ignore[override]  # The reader knows what is wrong.
        return str(self._facts[0])

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return str(self._facts[2])

    def __str__(self) -> str:
        return f"{self.path}: {self._facts[1]}"


class KernelMachine:
    """The kernel's decoder, asked in the words of the protocol."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder: Final = decoder
        self.slots: Final = decoder.slots
        self.context: Final = decoder.context

    def add(self, tokens: Sequence[int], sampling: Sampling) -> tuple[int, int]:
        """See `Machine.add`."""
        sequence = self._decoder.add(tokens, _parameters(sampling))
        return sequence, self._decoder.cached_tokens(sequence)

    def step(self) -> list[TokenEvent]:
        """See `Machine.step`."""
        return self._decoder.step()

    def cancel(self, sequence: int) -> bytes | None:
        """See `Machine.cancel`."""
        return self._decoder.cancel(sequence)

    def score(self, tokens: Sequence[int], first: int, sampling: Sampling) -> KernelScore:
        """See `Machine.score`."""
        return self._decoder.score(tokens, first, _parameters(sampling))

    def embed(self, tokens: Sequence[int]) -> bytes:
        """See `Machine.embed`."""
        return self._decoder.embed(tokens)

    def idle_release(self) -> None:
        """See `Machine.idle_release`."""
        self._decoder.idle_release()


class LoadedModel:
    """A model whose file is open."""

    def __init__(self, file: ModelFile, decoder: Decoder, *, name: str, sha256: Hash32, root: Hash32) -> None:
        self.id: Final = name
        self.engine_version: Final = str(decoder.version)
        self.sha256: Final = sha256
        self.root: Final = root
        self.vocabulary: Final = file
        self.machine: Final = KernelMachine(decoder)

    @property
    def details(self) -> Mapping[str, object]:
        """What a list of models tells of it, with what to expect of it."""
        file = self.vocabulary
        told = {
            "name": file.name,
            "architecture": file.architecture,
            "parameter_count": file.parameter_count,
            "quantization": file.quantization,
            "size_bytes": file.size_bytes,
            "license": file.license,
            "limits": _limits(file.parameter_count),
        }
        return {name: value for name, value in told.items() if value is not None}

    def prompt(self, messages: bytes) -> list[int]:
        """A conversation in the model's template. Raises `InvalidChatError` for one that the template refuses."""
        try:
            return self.vocabulary.render_chat(messages)
        except ModelRefusedError as error:
            raise InvalidChatError(f"messages: {error.args[1]}") from None


def load_model(wish: str | None = None) -> LoadedModel | None:
    """The model of a file (`….gguf`), or of this name in the cache, by default the usual one; `None` if the cache does not have it.

    Raises `ModelFileError`, and `ModelUnknownError` for a name that no model has.
    """
    if wish is not None and wish.endswith(SUFFIX):
        return open_model(Path(wish))
    found = models.find_named(wish or DEFAULT_MODEL)
    return None if found.path is None else open_model(found.path, name=found.name)


def open_model(path: Path, *, name: str | None = None, slots: int = SLOTS) -> LoadedModel:
    """Open a file. Raises `ModelFileError`."""
    try:
        file = ModelFile.open(path)
        decoder = Decoder(file, slots=slots)
    except ModelRefusedError as error:
        raise ModelFileError(path, error) from None
    facts = models.facts(path)
    return LoadedModel(file, decoder, name=name or path.stem.lower(), sha256=facts.sha256, root=facts.root)


def _parameters(sampling: Sampling) -> SamplingParameters:
    return SamplingParameters(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        seed=sampling.seed,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
        logit_bias=dict(sampling.logit_bias),
        top_logprobs=sampling.top_logprobs,
        trace=sampling.trace,
    )


def _limits(parameter_count: int) -> str:
    millions = round(parameter_count / 1_000_000)
    small = "it makes things up, reckons badly, forgets what was said and reads little but English; rely on nothing that it says"
    large = "it makes things up; check what matters"
    return f"{millions} million parameters: {small if parameter_count < SMALL_PARAMETERS else large}"
