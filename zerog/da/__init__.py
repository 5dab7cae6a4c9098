"""0G DA: blobs that a quorum of signers keeps in rows, so that any third of the rows gives the blob back."""

__all__: list[str] = []
