"""The official TypeScript SDKs at work, unmodified: jobs go into `client.mjs` (files) or `kv.mjs` (key-value streams), events come out."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any, Final, TypeAlias

__all__ = ["ACCOUNTS", "NEW", "OLD", "Event", "Job", "Outcome", "Sdk", "Session", "Step", "download", "upload"]

NEW: Final = "@0gfoundation/0g-ts-sdk"
OLD: Final = "@0glabs/0g-ts-sdk"

HERE: Final = Path(__file__).parent
CLIENT_S_MAX: Final = 400
"""Far more than any work here takes, so that a client that waits for ever is a failure and not a hang."""

Job: TypeAlias = Mapping[str, object]
"""A kind and what that kind takes; see `client.mjs` and `kv.mjs`."""
Step: TypeAlias = Job | Sequence[Job]
"""A job, or several at the same time; that `kv.mjs` alone can do."""
Event: TypeAlias = Mapping[str, Any]

ACCOUNTS: Final = 10
"""Test accounts, and so lanes at most."""


def upload(path: Path, **extra: object) -> Job:
    """Upload the file at `path`, by the SDK's own defaults unless there are `options`."""
    return {"kind": "upload", "path": str(path), **extra}


def download(root: str | Sequence[str], path: Path, **extra: object) -> Job:
    """Download into a file that must not exist; of several roots one after another into the same."""
    return {"kind": "download", "root": root, "path": str(path), **extra}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: with what it found, or with the SDK's own complaint."""

    found: Any = None
    failure: str | None = None

    def result(self) -> Any:
        """What it found; it must not have failed."""
        assert self.failure is None, self.failure
        return self.found


@dataclass(slots=True)
class Session:
    """A client at work."""

    process: subprocess.Popen[str]
    log: Path
    outcomes: dict[tuple[int, int], Outcome] = field(default_factory=dict)

    def events(self) -> Iterator[Event]:
        """What happens, as it happens, to the end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: Event = json.loads(line)
            if "progress" not in event:
                self.outcomes[event["lane"], event["job"]] = Outcome(event.get("found"), event.get("failure"))
            yield event
        assert self.process.wait() == 0, self.log.read_text()[-4000:]

    def finish(self, lanes: Sequence[Sequence[Step]]) -> list[list[Outcome]]:
        """Wait for the end; the outcomes stand as the jobs stood."""
        for _ in self.events():
            pass
        return [[self.outcomes[lane, job] for job in range(len(jobs))] for lane, jobs in enumerate(lanes)]


@dataclass(frozen=True, slots=True)
class Sdk:
    """One of the SDKs, pointed at an indexer and a chain. `folder` keeps what it writes to its console and its temporary files."""

    indexer: str
    chain: str
    folder: Path
    package: str = NEW
    program: str = "client.mjs"
    places: Mapping[str, str] = field(default_factory=dict)
    """What else the program has to be told."""

    def run(self, *lanes: Sequence[Step]) -> list[list[Outcome]]:
        """Do all jobs, lanes beside each other; each lane has the test account of its number."""
        with self.started(*lanes) as session:
            return session.finish(lanes)

    def do(self, job: Step) -> Any:
        """What one job of account 0 finds; it must not fail."""
        return self.run([job])[0][0].result()

    def fetched(self, root: str, name: str) -> bytes:
        """What a download into a file of this name brings."""
        self.do(download(root, self.folder / name))
        return (self.folder / name).read_bytes()

    @contextmanager
    def started(self, *lanes: Sequence[Step]) -> Iterator[Session]:
        """A client that has begun; it is ended with the block, or when it takes too long."""
        work = json.dumps({"indexer": self.indexer, "chain": self.chain, **self.places, "lanes": lanes})
        log = self.folder / "client.log"
        command = ["node", str(HERE / self.program), self.package]
        with (
            log.open("a") as errors,
            subprocess.Popen(command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
        ):
            watchdog = Timer(CLIENT_S_MAX, process.kill)
            watchdog.start()
            try:
                assert process.stdin is not None
                process.stdin.write(work)
                process.stdin.close()
                yield Session(process, log)
            finally:
                watchdog.cancel()
                process.kill()
