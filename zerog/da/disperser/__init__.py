"""The disperser: takes blobs, sees each of them through to a quorum on chain, and gives them back."""

__all__: list[str] = []
