"""A retriever: it gets blobs back from the signers of their quorums."""

__all__: list[str] = []
