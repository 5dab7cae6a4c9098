"""What can end the demo beside what its clients raise.

RefusalError
└── DemoError
    ├── NoModelError         the network has nothing to answer with
    ├── ReplayMissingError   the answer cannot be made again here
    ├── ForgeryTakenError    a change was not noticed
    ├── DataDifferError      what was fetched is not what was stored
    └── KeepError            the folder for the saved bytes cannot be used
"""

from dataclasses import dataclass
from pathlib import Path

from zerog.primitives.errors import RefusalError

__all__ = ["DataDifferError", "DemoError", "ForgeryTakenError", "KeepError", "NoModelError", "ReplayMissingError"]


class DemoError(RefusalError):
    """A step of the demo that did not show what it should."""

    code = "demo"


@dataclass(eq=False)
class NoModelError(DemoError):
    """The network's provider has no model to answer with."""

    cause: str

    code = "no_model"
    remedy = (
        "fetch one with `zerog model pull` (98 MB, once for this machine); "
        "a network that runs already takes it at its next start: `zerog down`, then `zerog up --wait`"
    )
    http_status = 503

    def __str__(self) -> str:
        return f"nobody answers here: {self.cause}"


@dataclass(eq=False)
class ReplayMissingError(DemoError):
    """The model could not be run again; all other steps have shown what they should."""

    cause: str

    code = "demo_not_replayed"
    remedy = "use a network whose provider runs the exact engine, and name the file of its model with --model if it is not in the cache"

    def __str__(self) -> str:
        return f"the answer was not replayed: {self.cause}"


@dataclass(eq=False)
class ForgeryTakenError(DemoError):
    """A changed file verified as the true one."""

    changed: str

    code = "demo_forgery_taken"
    remedy = "report this: no changed file may verify"
    http_status = 500

    def __str__(self) -> str:
        return f"{self.changed} was changed, and verified all the same"


@dataclass(eq=False)
class DataDifferError(DemoError):
    """Two copies of the same thing differ."""

    what: str

    code = "demo_data_differ"
    remedy = "report this: what is fetched must be what was stored"
    http_status = 500

    def __str__(self) -> str:
        return f"{self.what} came back changed"


@dataclass(eq=False)
class KeepError(DemoError):
    """A folder that is not new, or cannot be made."""

    path: Path
    cause: str

    code = "demo_folder"
    remedy = "name a folder that does not exist yet, where you can write"

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"
