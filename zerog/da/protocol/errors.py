"""What DA refuses.

DaError                               each module of this folder adds its own below it
"""

from zerog.primitives.errors import RefusalError

__all__ = ["DaError"]


class DaError(RefusalError):
    """A refusal of DA."""
