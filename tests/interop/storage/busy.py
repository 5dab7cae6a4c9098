"""A storage node that is too busy at first: a proxy in front of a real one, which refuses each segment a number of times."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Final

import httpx

__all__ = ["BusyProxy", "busy"]

ANSWER_S_MAX: Final = 30


class BusyProxy(ThreadingHTTPServer):
    """Hands requests on to `upstream` as they are, but for the first `refusals` uploads of each segment."""

    daemon_threads = True

    def __init__(self, upstream: str, refusals: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = httpx.Client(base_url=upstream, timeout=ANSWER_S_MAX)
        self.refusals = refusals
        self.refused: Counter[tuple[str, int]] = Counter()
        """How often each segment was refused, by root and index."""
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def refusal(self, request: Any) -> bytes | None:
        """The node's words for too many writes at once, if it is this request's turn to hear them."""
        if "uploadSegment" not in request["method"]:
            return None
        segments = request["params"][0]
        key = (segments[0]["root"], segments[0]["index"])
        with self.lock:
            if self.refused[key] == self.refusals:
                return None
            self.refused[key] += 1
        error = {"code": -32000, "message": "too many data writing: 16"}
        return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode()


class Handler(BaseHTTPRequestHandler):
    server: BusyProxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = self.server.refusal(json.loads(body))
        if answer is None:
            answer = self.server.upstream.post(self.path, content=body, headers={"content-type": "application/json"}).content
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words: object) -> None:
        """Say nothing: a test's output is for what went wrong."""


@contextmanager
def busy(upstream: str, *, refusals: int) -> Iterator[BusyProxy]:
    """Such a proxy on a port that the system chooses."""
    with BusyProxy(upstream, refusals) as proxy:
        thread = Thread(target=proxy.serve_forever, name="busy proxy")
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
            proxy.upstream.close()
