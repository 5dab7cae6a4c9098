"""Where methods are declared: one function a method, and its types are the schema.

    eth = Namespace("eth")

    @eth.method("getBalance")
    def get_balance(node: ChainNode, address: Address, block: BlockTag = LATEST) -> Quantity: ...

The first parameter is the object that the application serves. The others are the call's positional parameters; one with a default may
be left out or be null. Plain functions answer at once and must be quick; coroutine functions may wait; a plain function that is quick
only most of the time returns a coroutine when it is not. Consecutive calls in one batch are answered in order, one after the other.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from zerog.primitives.errors import ZerogError

__all__ = ["BatchHandler", "Method", "Namespace"]

Handler = TypeVar("Handler", bound=Callable[..., object])

BatchHandler = Callable[[Any, Sequence[tuple[Any, ...]]], Awaitable[Sequence[object | ZerogError]]]
"""Answers consecutive calls of one method in one batch: gets the parameters of each, returns a result or an error for each, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method as declared."""

    name: str
    """As called, with the namespace's prefix."""
    handler: Callable[..., object]
    batch_handler: BatchHandler | None = None
    is_dev: bool = False
    """For developers' chains only; -32601 for a caller who may not use them."""
    needs_connection: bool = False
    """Gets the `Connection` as its second argument; -32601 where there is none to push on (HTTP)."""


class Namespace:
    """Methods that share a prefix. A namespace is a file; `Dispatcher` takes any number of them."""

    def __init__(self, prefix: str) -> None:
        self.prefix: Final = prefix
        self.methods: Final[dict[str, Method]] = {}

    def method(
        self,
        name: str,
        *,
        aliases: Sequence[str] = (),
        dev: bool = False,
        needs_connection: bool = False,
        batched: BatchHandler | None = None,
    ) -> Callable[[Handler], Handler]:
        """Declare a function as `prefix_name`.

        `aliases` are full names under which it answers too (`anvil_mine` beside `hardhat_mine`). `batched` takes consecutive calls in
        one batch together, decoded as the function itself declares them. Raises `ValueError` if a name is taken.
        """

        def declare(handler: Handler) -> Handler:
            for full_name in (f"{self.prefix}_{name}", *aliases):
                if full_name in self.methods:
                    raise ValueError(f"{full_name} is declared twice")
                self.methods[full_name] = Method(
                    name=full_name, handler=handler, batch_handler=batched, is_dev=dev, needs_connection=needs_connection
                )
            return handler

        return declare
