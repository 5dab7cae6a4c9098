"""An indexer: which nodes there are, which to use, and where a file lies; and files as its gateway serves them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final, Self, TypeVar
from urllib.parse import quote

from zerog.primitives import Hash32
from zerog.storage.client import calls
from zerog.storage.client.calls import Call
from zerog.storage.client.connection import AnswerStream, HttpServer, PeerLimits
from zerog.storage.client.errors import PeerStatusError
from zerog.storage.client.rpc import run_call, words
from zerog.storage.wire.nodes import ShardedNode, ShardedNodes

__all__ = ["IndexerClient"]

T = TypeVar("T")

REFUSAL_BYTES_MAX: Final = 4096


class IndexerClient:
    """Talks to one indexer, from any number of threads. Every method raises as `NodeClient`'s."""

    def __init__(self, url: str, limits: PeerLimits | None = None) -> None:
        self.url: Final = url
        self._server: Final = HttpServer(url, limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections; requests that are on their way fail."""
        self._server.close()

    def request(self, method: str, *params: object) -> object:
        """Call any method of the indexer, with JSON values in and out."""
        return self._run(calls.anything(method, params))

    def sharded_nodes(self) -> ShardedNodes:
        """All nodes: those that the indexer was told to trust, and those that it found."""
        return self._run(calls.sharded_nodes()).to_nodes()

    def selected_nodes(
        self, replicas: int = 1, *, method: str = "min", trusted_only: bool = True, dropped: Sequence[str] = ()
    ) -> ShardedNodes:
        """Nodes that together hold each segment `replicas` times, as the indexer chooses them; without those at the URLs in `dropped`."""
        return self._run(calls.selected_nodes(replicas, method, trusted_only=trusted_only, dropped=dropped)).to_nodes()

    def file_locations(self, root: Hash32) -> list[ShardedNode]:
        """Nodes that together hold a file; empty if there are none. An indexer may also refuse with "file not found"."""
        return self._run(calls.file_locations(root)) or []

    @contextmanager
    def file(self, name: Hash32 | int, path: str = "", *, offset: int = 0, length: int | None = None) -> Iterator[AnswerStream]:
        """A file, or one inside the directory `name`, as the gateway streams it, whole or from `offset` on.

        The gateway has checked it; this program has not: whoever does not trust the gateway downloads from nodes. Raises `PeerStatusError`
        where the gateway refuses.
        """
        if path:
            target = f"/file/{name}/{quote(path.strip('/'))}"
        else:
            target = f"/file?txSeq={name}" if isinstance(name, int) else f"/file?root={name}"
        ranged = offset > 0 or length is not None
        end = "" if length is None else str(offset + length - 1)
        with self._server.stream(target, {"Range": f"bytes={offset}-{end}"} if ranged else None) as answer:
            wanted = HTTPStatus.PARTIAL_CONTENT if ranged else HTTPStatus.OK
            if answer.status != wanted:
                raise PeerStatusError(self.url, answer.status, words(answer.read(REFUSAL_BYTES_MAX)))
            yield answer

    def _run(self, call: Call[T]) -> T:
        return run_call(self._server, call)
