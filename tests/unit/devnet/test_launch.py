"""A role in a process of its own: what its supervisor learns of its end."""

import os
import sys

import anyio
import pytest
from anyio.abc import TaskStatus

from zerog.devnet.errors import RoleFailedError
from zerog.devnet.launch import run_as_process
from zerog.runtime.process import expected_error

READY = """print('{"ready": "http://127.0.0.1:1"}', flush=True)"""
LAST_WORDS = """print('{"error": {"code": "disk_full", "cause": "no room", "remedy": "make some"}}', flush=True)"""


async def ended(program: str) -> RoleFailedError:
    """How a role ends whose process runs a program."""

    async def run(*, task_status: TaskStatus[str]) -> None:
        await run_as_process("tiny", [sys.executable, "-c", program], ready_s_max=60, task_status=task_status)

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as roles:
            assert await roles.start(run) == "http://127.0.0.1:1"
    error = expected_error(caught.value)
    assert isinstance(error, RoleFailedError)
    return error


async def test_a_role_that_says_why_it_ends_is_heard_also_when_it_was_ready() -> None:
    error = await ended(f"{READY}\n{LAST_WORDS}\nraise SystemExit(1)")
    assert (error.code, str(error), error.remedy) == ("disk_full", "tiny: no room", "make some")


async def test_of_one_that_says_nothing_the_manner_of_its_end_is_told() -> None:
    error = await ended(f"{READY}\nraise SystemExit(3)")
    assert (error.code, str(error)) == ("role_ended", "tiny: its process ended with exit code 3")


async def test_it_is_of_the_supervisors_session_where_the_processors_are_shared_and_of_no_terminals_foreground() -> None:
    """Linux shares the processors among sessions first; a terminal's Ctrl-C is for the group in its foreground."""
    told = "import os; raise SystemExit(f'{os.getsid(0)} {os.getpgid(0) == os.getpid()}')"
    error = await ended(f"{READY}\n{told}")
    assert error.last_lines == (f"{os.getsid(0)} True",)
