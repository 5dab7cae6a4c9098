"""A storage node: one of the nodes that hold the segments of files."""

__all__: list[str] = []
