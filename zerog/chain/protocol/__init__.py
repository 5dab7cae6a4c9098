"""Rules of the chain as pure functions and state machines: nothing here has a clock, a socket or a disk."""

__all__: list[str] = []
