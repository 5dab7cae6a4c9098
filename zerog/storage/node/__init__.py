"""The storage node: follows the log of the flow's contract, and keeps and gives the segments of the files that stand in it."""

__all__: list[str] = []
