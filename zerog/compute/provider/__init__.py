"""The provider's broker: it answers requests with engines, charges for them, and settles on chain."""

__all__: list[str] = []
