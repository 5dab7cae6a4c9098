"""Who is next: users take turns, whoever sends many requests waits for his own. Nothing here waits or knows the time."""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

__all__ = ["QueueFullError", "Turns"]

_Item = TypeVar("_Item")


@dataclass(eq=False)
class QueueFullError(Exception):
    """No more may wait."""

    of_user: bool
    """Whether it is this user's own requests that are too many."""


class Turns(Generic[_Item]):
    """A bounded queue. Of each user the oldest is taken, and of the users the one who was served longest ago."""

    def __init__(self, items_max: int, items_of_user_max: int) -> None:
        self._items_max: Final = items_max
        self._items_of_user_max: Final = items_of_user_max
        self._queues: Final[OrderedDict[Hashable, deque[_Item]]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[_Item]:
        return (item for queue in self._queues.values() for item in queue)

    def put(self, user: Hashable, item: _Item) -> None:
        """Wait. Raises `QueueFullError`."""
        if self._count >= self._items_max:
            raise QueueFullError(of_user=False)
        queue = self._queues.get(user)
        if queue is not None and len(queue) >= self._items_of_user_max:
            raise QueueFullError(of_user=True)
        self._queues.setdefault(user, deque()).append(item)
        self._count += 1

    def take(self) -> _Item:
        """The next one; there must be one."""
        user, queue = self._queues.popitem(last=False)
        item = queue.popleft()
        self._count -= 1
        if queue:
            self._queues[user] = queue
        return item

    def remove(self, user: Hashable, item: _Item) -> bool:
        """Wait no longer. Returns whether it was still waiting."""
        queue = self._queues.get(user)
        if queue is None or item not in queue:
            return False
        queue.remove(item)
        self._count -= 1
        if not queue:
            del self._queues[user]
        return True
