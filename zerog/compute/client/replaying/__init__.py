"""Running a model again on a saved request, to see whether it gives the saved answer."""

from zerog.compute.client.replaying.differences import DifferenceError, NotReplayableError
from zerog.compute.client.replaying.rules import Replayed, ReplayTerms, replay

__all__ = ["DifferenceError", "NotReplayableError", "ReplayTerms", "Replayed", "replay"]
