"""A replayer for the exact engine, as the client's `verify` takes one."""

from collections.abc import Callable
from typing import Final, TypeAlias

from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.client.replaying.differences import DifferenceError, NotReplayableError
from zerog.compute.client.replaying.rules import replay
from zerog.compute.client.verifying.replaying import Replay, ReplayImpossibleError, ReplayTask
from zerog.compute.protocol.exact import ServedModel
from zerog.primitives import Hash32

__all__ = ["ExactReplayer", "ModelFinder"]

ModelFinder: TypeAlias = Callable[[Hash32], ServedModel]
"""Opens the model whose file has this SHA-256. Raises `NotReplayableError` where there is none."""


class ExactReplayer:
    """Runs the models that a finder opens."""

    def __init__(self, find: ModelFinder) -> None:
        self._find: Final = find

    def replay(self, task: ReplayTask) -> Replay:
        """See `Replayer.replay`. Raises `AnswerRefutedError` with the first difference, named by the part where it is."""
        try:
            return Replay(is_same=True, what=str(replay(task, self._model(task))))
        except NotReplayableError as error:
            raise ReplayImpossibleError(f"{error.cause}; {error.advice}") from error
        except DifferenceError as error:
            raise AnswerRefutedError(error.part, error.cause) from error

    def _model(self, task: ReplayTask) -> ServedModel:
        engine = task.receipt.engine
        if engine.model_sha256 is None:
            advice = "only answers of the exact engine can be made again"
            raise NotReplayableError(f"the engine {engine.name!r} computed it, which names no model's file", advice)
        return self._find(engine.model_sha256)
