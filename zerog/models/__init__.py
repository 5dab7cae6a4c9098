"""Model files on this machine: a cache by name and by hash, and where known models come from."""

from zerog.models.cache import CachedModel, add, find, find_named, models, models_folder, remove
from zerog.models.errors import (
    ModelBusyError,
    ModelCacheError,
    ModelDamagedError,
    ModelError,
    ModelExistsError,
    ModelNameError,
    ModelPullError,
    ModelUnknownError,
)
from zerog.models.facts import ModelFacts, facts
from zerog.models.known import DEFAULT_NAME, KNOWN_MODELS, KnownModel
from zerog.models.pulling import is_pulled, pull

__all__ = [
    "DEFAULT_NAME",
    "KNOWN_MODELS",
    "CachedModel",
    "KnownModel",
    "ModelBusyError",
    "ModelCacheError",
    "ModelDamagedError",
    "ModelError",
    "ModelExistsError",
    "ModelFacts",
    "ModelNameError",
    "ModelPullError",
    "ModelUnknownError",
    "add",
    "facts",
    "find",
    "find_named",
    "is_pulled",
    "models",
    "models_folder",
    "pull",
    "remove",
]
