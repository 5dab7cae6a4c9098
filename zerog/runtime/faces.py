"""The second face of a client made from the first, method by method: waiting from blocking, or blocking from waiting.

What a method takes, returns and raises is said once, where it does its work; the other face has the same signature and docstring.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from functools import partial, wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, get_args

from anyio import to_thread

__all__ = ["HasBlocking", "HasLoop", "described_by", "in_loop", "in_thread", "in_thread_to_the_end", "step_by_step"]

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Callable[..., object])
B_co = TypeVar("B_co", covariant=True)


class HasBlocking(Protocol[B_co]):
    """An asynchronous client whose work a blocking one does."""

    @property
    def blocking(self) -> B_co: ...


class HasLoop(Protocol[B_co]):
    """A blocking client whose work an asynchronous one does, in an event loop of its own."""

    @property
    def waiting(self) -> B_co: ...

    def run(self, work: Callable[[], Awaitable[R]]) -> R: ...


def in_thread(method: Callable[Concatenate[B_co, P], R]) -> Callable[Concatenate[HasBlocking[B_co], P], Coroutine[Any, Any, R]]:
    """A method of the blocking client, run in a thread. Who is cancelled waits no longer; the call ends by itself, within its limits."""

    @wraps(method)
    async def call(client: HasBlocking[B_co], /, *arguments: P.args, **options: P.kwargs) -> R:
        return await to_thread.run_sync(partial(method, client.blocking, *arguments, **options), abandon_on_cancel=True)

    return call


def in_thread_to_the_end(method: Callable[Concatenate[B_co, P], R]) -> Callable[Concatenate[HasBlocking[B_co], P], Coroutine[Any, Any, R]]:
    """As `in_thread`, for what moves money: who is cancelled waits until it is done, so that nobody does it twice."""

    @wraps(method)
    async def call(client: HasBlocking[B_co], /, *arguments: P.args, **options: P.kwargs) -> R:
        return await to_thread.run_sync(partial(method, client.blocking, *arguments, **options))

    return call


def step_by_step(method: Callable[Concatenate[B_co, P], Iterator[R]]) -> Callable[Concatenate[HasBlocking[B_co], P], AsyncIterator[R]]:
    """A method that yields, each step of it in a thread. Leave the loop with `aclosing` around it, so that it ends at once."""

    @wraps(method)
    async def steps(client: HasBlocking[B_co], /, *arguments: P.args, **options: P.kwargs) -> AsyncIterator[R]:
        found = await to_thread.run_sync(partial(method, client.blocking, *arguments, **options))
        try:
            while (step := await to_thread.run_sync(next, found, None)) is not None:
                yield step
        finally:
            close = getattr(found, "close", None)
            if close is not None:
                close()

    (item,) = get_args(method.__annotations__["return"])
    steps.__annotations__ = {**method.__annotations__, "return": AsyncIterator[item]}  # type: ignore[valid-type]
    steps.__signature__ = signature(method).replace(return_annotation=AsyncIterator[item])  # type: ignore[attr-defined, valid-type]
    return steps


def in_loop(method: Callable[Concatenate[B_co, P], Coroutine[Any, Any, R]]) -> Callable[Concatenate[HasLoop[B_co], P], R]:
    """A method of the asynchronous client, run in the event loop of the blocking one. Who is interrupted here ends it there."""

    @wraps(method)
    def call(client: HasLoop[B_co], /, *arguments: P.args, **options: P.kwargs) -> R:
        return client.run(partial(method, client.waiting, *arguments, **options))

    del call.__wrapped__  # It is a coroutine function, and this is none.
    call.__signature__ = signature(method)  # type: ignore[attr-defined]
    return call


def described_by(method: Callable[..., object]) -> Callable[[M], M]:
    """For a method that is written twice, since it is used in a block: what it does is said with the other one."""

    def describe(twin: M) -> M:
        twin.__doc__ = method.__doc__
        return twin

    return describe
