"""What a provider answers over HTTP, by kind of route."""

__all__: list[str] = []
