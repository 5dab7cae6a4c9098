"""A page in a real browser: headless Chromium on a site of the test, which gets the page's report."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import MappingProxyType
from typing import Any, Final

__all__ = ["PACKAGES", "visit"]

HERE: Final = Path(__file__).parent
PACKAGES: Final = HERE / "node_modules"
PAGES: Final = {
    "/": HERE / "pages/page.html",
    "/report.mjs": HERE / "pages/report.mjs",
    "/ethers.js": PACKAGES / "ethers/dist/ethers.js",
    "/zgstorage.js": PACKAGES / "@0gfoundation/0g-ts-sdk/dist/zgstorage.esm.js",
}
TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript"}
VISIT_S_MAX: Final = 60
"""Far more than a page here takes, so that one that waits for ever is a failure and not a hang."""


class Site(ThreadingHTTPServer):
    """Serves one page on a port of its own and keeps what the page reports."""

    daemon_threads = True

    def __init__(self, script: Path, work: Mapping[str, object], trees: Mapping[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        page = script.parent / "page.html"
        files = PAGES | {"/script.mjs": script} | ({"/": page} if page.exists() else {})
        self.pages = {path: (file.read_bytes(), TYPES[file.suffix]) for path, file in files.items()}
        self.pages["/work.json"] = (json.dumps(work).encode(), "application/json")
        self.trees = trees
        self.reports: Queue[Mapping[str, Any]] = Queue()

    def found(self, path: str) -> tuple[bytes, str] | None:
        """Content and type of a page, or of a file in one of the trees."""
        for prefix, folder in self.trees.items():
            file = folder / path.removeprefix(prefix)
            if path.startswith(prefix) and file.suffix in TYPES and file.is_file():
                return file.read_bytes(), TYPES[file.suffix]
        return self.pages.get(path)


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        found = self.server.found(self.path)
        self.answer(404, b"", "text/plain") if found is None else self.answer(200, *found)

    def do_POST(self) -> None:
        self.server.reports.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.answer(204, b"", "text/plain")

    def answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing: a test's output is for what went wrong."""


@contextmanager
def running_site(script: Path, work: Mapping[str, object], trees: Mapping[str, Path]) -> Iterator[Site]:
    with Site(script, work, trees) as site:
        thread = Thread(target=site.serve_forever, name="site")
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()


@contextmanager
def running_chromium(url: str, folder: Path) -> Iterator[Path]:
    """A browser that shows `url`; every name leads to this machine. Yields the file of its complaints."""
    command = [
        "chromium",
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        "--host-resolver-rules=MAP * 127.0.0.1",
        f"--user-data-dir={folder / 'profile'}",
        url,
    ]
    log = folder / "chromium.log"
    with log.open("w") as errors, subprocess.Popen(command, stdout=errors, stderr=errors) as process:
        try:
            yield log
        finally:
            process.terminate()


def visit(
    host: str,
    script: str,
    work: Mapping[str, object],
    folder: Path,
    *,
    pages: Path = HERE / "pages",
    trees: Mapping[str, Path] = MappingProxyType({}),
) -> Any:
    """What the page of `SCRIPT.mjs` in `pages` finds when it is visited under the name `host`; it must not fail.

    `page.html` in `pages` takes the place of the usual page. `trees` are folders whose files the site has too, by the path over them.
    """
    site_of = running_site(pages / f"{script}.mjs", work, trees)
    with site_of as site, running_chromium(f"http://{host}:{site.server_port}/", folder) as log:
        try:
            report = site.reports.get(timeout=VISIT_S_MAX)
        except Empty:
            raise AssertionError(f"the page reported nothing within {VISIT_S_MAX} s\n{log.read_text()[-4000:]}") from None
    assert "failure" not in report, report["failure"]
    return report["found"]
