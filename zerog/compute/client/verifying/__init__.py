"""Checking a saved answer: first its bytes against each other, then against the chain."""

from zerog.compute.client.verifying.offline import Content, check_bytes
from zerog.compute.client.verifying.onchain import verify_answer
from zerog.compute.client.verifying.replaying import Replay, Replayer, ReplayImpossibleError, ReplayTask
from zerog.compute.client.verifying.verdict import Grade, Verdict

__all__ = [
    "Content",
    "Grade",
    "Replay",
    "ReplayImpossibleError",
    "ReplayTask",
    "Replayer",
    "Verdict",
    "check_bytes",
    "verify_answer",
]
