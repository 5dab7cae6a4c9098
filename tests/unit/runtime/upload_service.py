"""A service in a process of its own that takes and gives large data, so that a test can ask how much memory that took it.

Run with the limits as JSON; prints its URL.
"""

import hashlib
import resource
import sys
from pathlib import Path

import anyio
import msgspec
from anyio import CapacityLimiter, to_thread

from zerog.runtime.http.asgi import Receive, Scope, Send, hold_memory, respond
from zerog.runtime.http.guard import AccessRules, Guard
from zerog.runtime.http.limits import HttpLimits
from zerog.runtime.jsonrpc import Dispatcher, JsonRpcApplication, Namespace
from zerog.runtime.server import serve

upload = Namespace("upload")


@upload.method("put")
async def put(workers: CapacityLimiter, data: bytes) -> str:
    """The hash of the data, by one of few workers."""
    return await to_thread.run_sync(lambda: hashlib.sha256(data).hexdigest(), limiter=workers)


@upload.method("get")
async def get(_workers: CapacityLimiter, size_bytes: int) -> str:
    await anyio.lowlevel.checkpoint()
    return "x" * size_bytes


@upload.method("resident")
def resident(_workers: CapacityLimiter) -> list[int]:
    """Bytes in memory now, and at most since the last call."""
    status = Path("/proc/self/status")
    if not status.exists():  # Not Linux: since the start.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return [peak, peak]
    lines = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Resets the peak. Source: proc_pid_clear_refs(5).
    return [int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")]


async def blob(_scope: Scope, _receive: Receive, send: Send) -> None:
    await respond(send, 200, bytes(350_000))


async def large(scope: Scope, _receive: Receive, send: Send) -> None:
    await hold_memory(scope, 4_000_000)
    await respond(send, 200, bytes(4_000_000))


async def run(limits: HttpLimits) -> None:
    app = JsonRpcApplication(
        Dispatcher(CapacityLimiter(2), [upload]), Guard(AccessRules()), limits=limits, mounts={"/blob": blob, "/large": large}
    )

    async def start(*, task_status: anyio.abc.TaskStatus[str]) -> None:
        await serve(app, "127.0.0.1", 0, limits=limits, task_status=task_status)

    async with anyio.create_task_group() as tasks:
        print(await tasks.start(start), flush=True)


if __name__ == "__main__":
    anyio.run(run, msgspec.json.decode(sys.argv[1], type=HttpLimits), backend_options={"use_uvloop": sys.platform != "win32"})
