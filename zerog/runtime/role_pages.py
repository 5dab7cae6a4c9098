"""The pages of a role whose own job is not HTTP: health, readiness and figures, on a port beside it."""

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.pages import RolePages
from zerog.runtime.jsonrpc import Dispatcher, JsonRpcApplication
from zerog.runtime.server import serve

__all__ = ["serve_pages"]


async def serve_pages(pages: RolePages, host: str, port: int, *, task_status: TaskStatus[str] = TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled. Reports the URL; port 0 lets the system choose. Raises `PortInUseError`."""
    app = JsonRpcApplication(Dispatcher(None, []), Guard(AccessRules(bind_host=host, dev_methods=False)), pages=pages)
    await serve(app, host, port, task_status=task_status)
