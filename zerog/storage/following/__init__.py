"""How any role of storage follows the log of the flow's contract: to the tip of the chain, and back where the chain goes back."""

from zerog.storage.following.chain_view import ChainView
from zerog.storage.following.errors import ChainNotFollowedError, FlowUnknownError, ForeignChainError
from zerog.storage.following.flow_log import LogGapError, LogPage, next_page, read_logs
from zerog.storage.following.follower import FollowCounters, Follower, FollowOptions, Sink
from zerog.storage.following.identity import Identity, identify
from zerog.storage.following.records import BlockMark, LoggedExtension, LoggedSubmission

__all__ = [
    "BlockMark",
    "ChainNotFollowedError",
    "ChainView",
    "FlowUnknownError",
    "FollowCounters",
    "FollowOptions",
    "Follower",
    "ForeignChainError",
    "Identity",
    "LogGapError",
    "LogPage",
    "LoggedExtension",
    "LoggedSubmission",
    "Sink",
    "identify",
    "next_page",
    "read_logs",
]
