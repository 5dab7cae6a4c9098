"""How a role of DA follows the log of the entrance contract: to the tip of the chain, and back where the chain goes back."""

from zerog.da.following.follower import BlockMark, EntranceFollower, EntranceSink, FollowCounters, FollowOptions

__all__ = ["BlockMark", "EntranceFollower", "EntranceSink", "FollowCounters", "FollowOptions"]
