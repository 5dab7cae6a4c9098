"""Running a model again: what a replayer is given, and what it has to say. Whoever has the model hands one to the client."""

from dataclasses import dataclass, field
from typing import Protocol

from zerog.compute.client.errors import AnswerRefutedError
from zerog.compute.client.verifying.offline import Content
from zerog.compute.client.verifying.verdict import Findings
from zerog.compute.protocol.errors import ComputeError
from zerog.compute.protocol.receipts import Receipt
from zerog.compute.wire.answer_file import AnswerFile

__all__ = ["Replay", "ReplayImpossibleError", "ReplayTask", "Replayer", "check_replay"]


@dataclass(eq=False)
class ReplayImpossibleError(ComputeError):
    """An answer that cannot be made again here, which says nothing about whether it is true."""

    cause: str

    code = "replay_impossible"
    remedy = "replay it where the model is, or take a lower grade"

    def __str__(self) -> str:
        return f"the answer cannot be made again here: {self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTask:
    """An answer that is to be made again, in clear."""

    path: str
    """As in the file, such as `/v1/proxy/chat/completions`."""
    request: bytes = field(repr=False)
    """The body of the request."""
    answer: bytes = field(repr=False)
    """The body of the answer: JSON, or the events of a stream."""
    receipt: Receipt
    """Which says what computed the answer (`engine`: its name, version, the hash of the model, and what decided the answer beside the
    request) and what was used. All checks of it have held."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What came out."""

    is_same: bool
    what: str
    """What was compared and came out the same, or the first difference."""
    check: str = "replay"
    """Where the difference is, in a word: the prompt, the seed, the parameters, the model, or the answer itself."""


class Replayer(Protocol):
    """Runs models. It takes as long as the model does."""

    def replay(self, task: ReplayTask) -> Replay:
        """Make the answer again and compare. Raises `ReplayImpossibleError` where that cannot be done."""


def check_replay(file: AnswerFile, content: Content, replayer: Replayer, findings: Findings) -> str | None:
    """What the model, run again, gave the same; `None` where it cannot be run. Raises `AnswerRefutedError` where it gave others."""
    unproven = "that the model gives these bytes again"
    if file.receipt is None or content.request is None or content.answer is None:
        findings.not_proven.append(f"{unproven}: there is no receipt, or no key to read the exchange")
        return None
    task = ReplayTask(path=file.request.path, request=content.request, answer=content.answer, receipt=file.receipt.receipt)
    try:
        replay = replayer.replay(task)
    except ReplayImpossibleError as error:
        findings.not_proven.append(f"{unproven}: {error.cause}")
        return None
    if not replay.is_same:
        raise AnswerRefutedError(replay.check, f"the model, run again, gives another answer: {replay.what}")
    findings.proven.append(f"the model, run again, gave the same: {replay.what}")
    return replay.what
