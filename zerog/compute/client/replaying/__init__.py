"""Running a model again on a saved request, to see whether it gives the saved answer."""

from zerog.compute.client.replaying.differences import DifferenceError, NotReplayableError
from zerog.compute.client.replaying.finding import ModelPlaces
from zerog.compute.client.replaying.replayer import ExactReplayer, ModelFinder
from zerog.compute.client.replaying.rules import Replayed, replay

__all__ = ["DifferenceError", "ExactReplayer", "ModelFinder", "ModelPlaces", "NotReplayableError", "Replayed", "replay"]
