"""How everybody else talks to the marketplace: services, accounts, answers, and what proves them."""

__all__: list[str] = []
