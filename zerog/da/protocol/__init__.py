"""Rules of DA, without I/O: sizes, identifiers, quorums, messages that are signed, and a blob's way to its quorum."""

__all__: list[str] = []
