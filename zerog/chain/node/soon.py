"""Values that are there at once when that is quick, and else are a coroutine.

A task and a turn of the event loop cost more than most answers of a node.
"""

from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, TypeAlias, TypeGuard, TypeVar, cast

__all__ = ["Soon", "now", "then"]

T = TypeVar("T")
A = TypeVar("A")

Soon: TypeAlias = T | Coroutine[Any, Any, T]
"""A value, or what to await for it. Whoever holds the coroutine must await it."""


def then(value: Soon[T], make: Callable[[T], Soon[A]]) -> Soon[A]:
    """What `make` makes of a value: at once when both are there."""
    return _then(value, make) if _waits(value) else make(cast("T", value))


async def now(value: Soon[T]) -> T:
    """The value, waiting for it if that is needed."""
    return await value if _waits(value) else cast("T", value)


def _waits(value: Soon[T]) -> TypeGuard[Coroutine[Any, Any, T]]:
    # What `async def` returns. To ask for the abstract `Coroutine` takes ten times as long.
    return type(value) is CoroutineType


async def _then(value: Coroutine[Any, Any, T], make: Callable[[T], Soon[A]]) -> A:
    return await now(make(await value))
