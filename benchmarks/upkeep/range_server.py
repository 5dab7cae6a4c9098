"""A plain HTTP server of the files in a folder that answers ranges, as fast as the system sends files. Prints its URL.

Usage: `python range_server.py FOLDER`.
"""

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of one file, whole or a range."""

    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_HEAD(self) -> None:
        self.answer(send=False)

    def do_GET(self) -> None:
        self.answer(send=True)

    def answer(self, *, send: bool) -> None:
        path = self.folder / Path(self.path).name
        size_bytes = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, size_bytes) if asked and asked[2] else size_bytes
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(end - first))
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size_bytes}")
        self.end_headers()
        if send:
            with path.open("rb") as file:
                try:
                    self.connection.sendfile(file, first, end - first)
                except ConnectionError:
                    self.close_connection = True  # Whoever splits a file takes as much of an answer as it needs.

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    Handler.folder = Path(sys.argv[1])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
