"""A PostgreSQL server of our own, in a temporary folder, reachable through a unix socket only."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

BINARIES = Path("/usr/lib/postgresql/15/bin")
START_SECONDS_MAX = 60
UNPRIVILEGED = ("postgres", "nobody")
"""Whom the server runs as when the tests run as root, which it refuses to do."""


def require_binaries() -> None:
    missing = [name for name in ("initdb", "postgres") if not (BINARIES / name).exists()]
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)} of PostgreSQL 15 not found in {BINARIES}: install the Debian package postgresql-15")


def _user() -> pwd.struct_passwd | None:
    if os.getuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LookupError(f"PostgreSQL does not run as root, and none of the users {UNPRIVILEGED} exists")


@dataclass
class PostgresServer:
    """A server that can be stopped, killed and started again. `url()` makes a new, empty database in it."""

    folder: Path
    user: pwd.struct_passwd | None = field(default_factory=_user)
    process: subprocess.Popen[str] | None = None

    @property
    def owner(self) -> str:
        return self.user.pw_name if self.user else pwd.getpwuid(os.getuid()).pw_name

    def create(self) -> None:
        require_binaries()
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", f"--username={self.owner}"]
        self._run([str(BINARIES / "initdb"), *options, "-D", str(self.folder / "data")])

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, cwd=self.folder, check=False, capture_output=True, text=True, timeout=120, **self._as_user())
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

    def _as_user(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": [], "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}

    def start(self) -> None:
        """Return once it takes connections."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",  # What a killed server has handed to the system survives it; only a loss of power would not be survived.
            "max_connections": "60",
            "shared_buffers": "32MB",
            "deadlock_timeout": "200ms",
            "log_min_messages": "log",
        }
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(BINARIES / "postgres"), "-D", str(self.folder / "data"), *flags]
        self.process = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True, **self._as_user())
        ready, words = threading.Event(), list[str]()
        threading.Thread(target=_listen, args=(self.process, ready, words), daemon=True).start()
        if not ready.wait(START_SECONDS_MAX) or self.process.poll() is not None:
            self.kill()
            raise RuntimeError("PostgreSQL did not start:\n" + "".join(words))

    def stop(self) -> None:
        """End it at once, in order: connections are cut."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Let it lose all that it has not written."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def url(self) -> str:
        """The URL of a new, empty database. That is some 300 files; who needs one at a time takes `clean_url`."""
        name = f"book_{uuid4().hex}"
        with psycopg.connect(host=str(self.folder), user=self.owner, dbname="postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql://{self.owner}@/{name}?host={self.folder}"

    def clean_url(self) -> str:
        """The URL of the one database that each caller finds empty; who still uses it is cut off."""
        with psycopg.connect(host=str(self.folder), user=self.owner, dbname="postgres", autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return f"postgresql://{self.owner}@/postgres?host={self.folder}"


def _listen(process: subprocess.Popen[str], ready: threading.Event, words: list[str]) -> None:
    """Read what the server says, to its end, so that it never waits for us."""
    assert process.stderr is not None
    for line in process.stderr:
        words.append(line)
        del words[:-200]
        if "ready to accept connections" in line:
            ready.set()
    ready.set()
    process.stderr.close()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server, gone with its folder at the end. The folder lies in the system's: a socket's path may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="zerog-pg-"))
    server = PostgresServer(folder)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
