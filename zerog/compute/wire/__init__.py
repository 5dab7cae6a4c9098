"""Shapes of what goes between users and providers as JSON, and of the files that answers are kept in."""

__all__: list[str] = []
