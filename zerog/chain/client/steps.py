"""One description of a call for two faces: steps without I/O, which one face takes waiting and the other one blocking.

A call is a generator that yields what is to be done and is sent the outcome: `balance = yield from ask(request)`. Its signature and its
docstring stand once, with the description; `waiting` and `blocking` make the method of each face from it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeAlias, TypeVar, get_args

from zerog.chain.client.errors import NodeSilentError
from zerog.chain.client.requests import Request
from zerog.runtime.deadlines import Late, TimeLimit, time_limit

__all__ = [
    "REQUEST_TIMEOUT_S",
    "Ask",
    "AskMany",
    "AsyncFace",
    "BlockingFace",
    "Pause",
    "Step",
    "Steps",
    "Work",
    "ask",
    "ask_many",
    "blocking",
    "describe",
    "pause",
    "silent",
    "waiting",
    "within",
    "work",
]

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C")

REQUEST_TIMEOUT_S: Final = 30.0
"""How long a node may take for one answer, where the caller does not say."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request; the outcome is the answer's value."""

    request: Request[Any]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class AskMany:
    """Send several requests at once; the outcome is the list of the answers' values."""

    requests: Sequence[Request[Any]]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass."""

    pause_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """Do what may take its time, such as to write a file; the outcome is what it returns."""

    function: Callable[[], Any]


Step: TypeAlias = Ask | AskMany | Pause | Work
Steps: TypeAlias = Generator[Step, Any, T]
"""What is to be done, one after the other, and what comes of it."""


def ask(request: Request[T], *, timeout_s: float | None = None) -> Steps[T]:
    """The answer to a request."""
    answer: T = yield Ask(request, REQUEST_TIMEOUT_S if timeout_s is None else timeout_s)
    return answer


def ask_many(requests: Sequence[Request[T]], *, timeout_s: float | None = None) -> Steps[list[T]]:
    """The answers to several requests, which are sent as one."""
    answers: list[T] = yield AskMany(requests, REQUEST_TIMEOUT_S if timeout_s is None else timeout_s)
    return answers


def pause(pause_s: float) -> Steps[None]:
    """Let time pass."""
    yield Pause(pause_s)


def work(function: Callable[[], T]) -> Steps[T]:
    """What a function returns that may block for a moment."""
    outcome: T = yield Work(function)
    return outcome


def within(timeout_s: float | None, late: Late, steps: Steps[T]) -> Steps[T]:
    """The same steps, which end after so many seconds; without a number, each ends by itself."""
    with time_limit(timeout_s, late):
        return (yield from steps)


def silent(url: str, what: str, limit: TimeLimit) -> NodeSilentError:
    """What is raised when the time for `what` is over."""
    return NodeSilentError(url, what, limit.timeout_s, limit.known)


class BlockingFace(ABC, Generic[C]):
    """Takes the steps of the calls in `C`, and blocks meanwhile."""

    def __init__(self, calls: C) -> None:
        self._calls: Final = calls

    @abstractmethod
    def _do(self, step: Step) -> object:
        """The outcome of a step."""

    def _take(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    outcome = self._do(step)
                except Exception as error:  # noqa: BLE001 - the description has the say in what becomes of it.
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()


class AsyncFace(ABC, Generic[C]):
    """Takes the steps of the calls in `C`, and lets its event loop go on meanwhile."""

    def __init__(self, calls: C) -> None:
        self._calls: Final = calls

    @abstractmethod
    async def _do(self, step: Step) -> object:
        """The outcome of a step."""

    async def _take(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    outcome = await self._do(step)
                except Exception as error:  # noqa: BLE001 - the description has the say in what becomes of it.
                    step = steps.throw(error)
                else:
                    step = steps.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()


def blocking(call: Callable[Concatenate[C, P], Steps[T]]) -> Callable[Concatenate[BlockingFace[C], P], T]:
    """The method of a blocking face that takes the steps of `call`, with its signature and docstring."""

    @wraps(call)
    def method(face: BlockingFace[C], /, *arguments: P.args, **options: P.kwargs) -> T:
        return face._take(call(face._calls, *arguments, **options))  # noqa: SLF001

    describe(method, call)
    return method


def waiting(call: Callable[Concatenate[C, P], Steps[T]]) -> Callable[Concatenate[AsyncFace[C], P], Coroutine[Any, Any, T]]:
    """The method of an asynchronous face that takes the steps of `call`, with its signature and docstring."""

    @wraps(call)
    async def method(face: AsyncFace[C], /, *arguments: P.args, **options: P.kwargs) -> T:
        return await face._take(call(face._calls, *arguments, **options))  # noqa: SLF001

    describe(method, call)
    return method


def describe(method: Callable[..., object], call: Callable[..., object], returned: object = None) -> None:
    """Let readers of signatures see what a method returns instead of the steps to it."""
    outcome = returned or get_args(call.__annotations__["return"])[-1]
    method.__annotations__ = {**call.__annotations__, "return": outcome}
    method.__signature__ = signature(call).replace(return_annotation=outcome)  # type: ignore[attr-defined]
