"""Where the model of an answer is looked for: a file that is named, the cache, or 0G Storage by the root that the service has on chain."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from zerog import models
from zerog.compute.client.loading import open_model
from zerog.compute.client.replaying.differences import NotReplayableError
from zerog.compute.protocol.exact import ServedModel
from zerog.primitives import Hash32

__all__ = ["Fetch", "ModelPlaces"]

Fetch: TypeAlias = Callable[[Hash32], Path | None]
"""Brings the file with this SHA-256 into the cache; `None` where it is nowhere to be had."""


class ModelPlaces:
    """Opens models for a replay. Nothing is read before one is asked for."""

    def __init__(self, *, file: Path | None = None, fetch: Fetch | None = None) -> None:
        """`file` is taken as it is, and the replay says whether it is the right one; `fetch` is asked for what the cache does not have."""
        self._file: Final = file
        self._fetch: Final = fetch

    def __call__(self, sha256: Hash32) -> ServedModel:
        """The model whose file has this SHA-256. Raises `NotReplayableError`, `ModelFileError`."""
        path = self._file or models.find(sha256)
        if path is None and self._fetch is not None:
            path = self._fetch(sha256)
        if path is None:
            raise NotReplayableError(
                f"its model, the file with the SHA-256 {sha256}, is not in the cache",
                "fetch it with `zerog model pull`, or name the file with --model",
            )
        return open_model(path, slots=1)
