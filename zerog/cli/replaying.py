"""How commands find the model of an answer that is to be made again."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from zerog.cli.output import say
from zerog.compute.client import ComputeClient, Replayer, ServiceUnknownError
from zerog.compute.client.market import weights_of
from zerog.compute.wire.answer_file import AnswerFile
from zerog.primitives import Hash32

if TYPE_CHECKING:
    from zerog.sdk.network import Place

__all__ = ["replayer_of"]

NAME_DIGITS: Final = 16


def replayer_of(place: "Place", compute: ComputeClient, answer: AnswerFile, model: Path | None) -> Replayer:
    """Runs the model again: the file `model`, the one of the cache, or the one that is fetched from the network's storage."""
    from zerog.compute.client.replaying import ExactReplayer, ModelPlaces

    return ExactReplayer(ModelPlaces(file=model, fetch=lambda sha256: _fetched(place, compute, answer, sha256)))


def _fetched(place: "Place", compute: ComputeClient, answer: AnswerFile, sha256: Hash32) -> Path | None:
    """The file that the service names on chain, from 0G Storage, every byte held against its root and then against its hash."""
    from zerog import models
    from zerog.storage.client import StorageClient

    try:
        weights = weights_of(compute.service(answer.provider))
    except ServiceUnknownError:
        return None
    if weights is None or weights.sha256 != sha256 or weights.root is None or place.indexer_url is None:
        return None
    say(f"fetching the model {weights.root} from 0G Storage")
    with TemporaryDirectory(prefix="zerog-model-") as folder, StorageClient(indexer=place.indexer_url) as storage:
        path = Path(folder) / "model.gguf"
        storage.download(weights.root, path)
        if models.facts(path).sha256 != sha256:
            return None
        known = next((known.name for known in models.KNOWN_MODELS.values() if known.sha256 == sha256), None)
        return models.add(path, name=known or f"fetched-{sha256.hex()[:NAME_DIGITS]}").path
