"""0G Compute: the marketplace for inference."""

__all__: list[str] = []
