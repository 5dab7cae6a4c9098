"""Ask one node, and a second one when the first is slower than it usually is: the first good answer counts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from zerog.primitives.errors import ZerogError
from zerog.storage.indexer.nodes import Node

__all__ = ["Asked", "ask_all", "first_good", "in_order"]

T = TypeVar("T")

Question = Callable[[Node], Awaitable[T]]


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """What became of a question to one node: an answer, or the error that took its place."""

    node: Node
    answer: T | None
    error: ZerogError | None = None


def in_order(nodes: Sequence[Node]) -> list[Node]:
    """Those that gave data lately before those that failed, the less busy and the quicker first."""
    return sorted(nodes, key=lambda node: (node.is_avoided, node.reads_under_way, node.usual_s))


async def ask_all(nodes: Sequence[Node], question: Question[T]) -> list[Asked[T]]:
    """Ask all at once and wait for all. Failures are in the list, in the order of `nodes`."""
    outcomes: list[Asked[T] | None] = [None] * len(nodes)

    async def ask(index: int) -> None:
        outcomes[index] = await _ask(nodes[index], question)

    if len(nodes) == 1:
        await ask(0)
    else:
        async with anyio.create_task_group() as tasks:
            for index in range(len(nodes)):
                tasks.start_soon(ask, index, name="indexer.ask")
    return [outcome for outcome in outcomes if outcome is not None]


async def first_good(
    nodes: Sequence[Node], question: Question[T], is_good: Callable[[T], bool], *, slow_s: float
) -> tuple[Asked[T] | None, list[Asked[T]]]:
    """Ask in order: the next one at once where one fails or its answer is not good, and as soon as one is slower than usual.

    Gives the first good outcome, if there is one, and all others that came before it. `slow_s` is the longest wait for one.
    """
    if len(nodes) == 1:
        only = await _timed(nodes[0], question)
        return (only, []) if _is_good(only, is_good) else (None, [only])
    good: Asked[T] | None = None
    others: list[Asked[T]] = []
    waiting = list(nodes)
    under_way = 0
    send, receive = anyio.create_memory_object_stream[Asked[T]](max(1, len(nodes)))
    with send, receive:
        async with anyio.create_task_group() as tasks:
            while good is None and (waiting or under_way):
                limit_s = None
                if waiting:
                    node = waiting.pop(0)
                    _start(tasks, node, question, send)
                    under_way += 1
                    limit_s = node.slow_s(slow_s) if waiting else None
                outcome = await _next_within(receive, limit_s)
                if outcome is None:
                    continue  # Slower than usual: ask another one beside it.
                under_way -= 1
                if _is_good(outcome, is_good):
                    good = outcome
                else:
                    others.append(outcome)
            if under_way:  # A cancellation for nothing would leave a traceback that keeps the data alive until it is collected.
                tasks.cancel_scope.cancel()
    return good, others


def _is_good(outcome: Asked[T], is_good: Callable[[T], bool]) -> bool:
    return outcome.answer is not None and is_good(outcome.answer)


def _start(tasks: TaskGroup, node: Node, question: Question[T], send: MemoryObjectSendStream[Asked[T]]) -> None:
    async def ask() -> None:
        send.send_nowait(await _timed(node, question))

    tasks.start_soon(ask, name="indexer.ask")


async def _next_within(receive: anyio.abc.ObjectReceiveStream[Asked[T]], limit_s: float | None) -> Asked[T] | None:
    with anyio.move_on_after(limit_s):
        return await receive.receive()
    return None


async def _timed(node: Node, question: Question[T]) -> Asked[T]:
    """Ask, and remember how long it took; also of one that was given up, but not of one that failed."""
    began_s = anyio.current_time()
    node.reads_under_way += 1
    outcome: Asked[T] | None = None
    try:
        outcome = await _ask(node, question)
    finally:
        node.reads_under_way -= 1
        if outcome is None or outcome.error is None:
            node.took(anyio.current_time() - began_s)
    return outcome


async def _ask(node: Node, question: Question[T]) -> Asked[T]:
    try:
        return Asked(node, await question(node))
    except ZerogError as error:
        return Asked(node, None, error)
