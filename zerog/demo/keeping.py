"""The folder with the saved bytes: all that somebody needs to check the answer, and the changed files that have to be refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zerog.demo.errors import KeepError
from zerog.demo.material import FILE_NAME

__all__ = ["Folder"]

CHANGED: Final = "tampered"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the files lie. Every write raises `KeepError` where it fails."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> "Folder":
        """A new folder, or an empty one. Raises `KeepError`."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise KeepError(path, "there is something in it already")
            (path / CHANGED).mkdir()
        except OSError as error:
            raise KeepError(path, error.strerror or str(error)) from None
        return cls(path)

    @property
    def answer(self) -> Path:
        """Request, answer, signature and receipt; with the settlement once there is one."""
        return self.path / "answer.json"

    @property
    def text(self) -> Path:
        """What was asked about."""
        return self.path / FILE_NAME

    @property
    def receipts(self) -> Path:
        """What the provider has published of the settlement."""
        return self.path / "receipts.json"

    @property
    def facts(self) -> Path:
        """What each step has shown."""
        return self.path / "demo.json"

    def changed(self, name: str) -> Path:
        """A file that somebody changed."""
        return self.path / CHANGED / name

    def name_of(self, path: Path) -> str:
        """The name of one of the files within the folder."""
        return path.relative_to(self.path).as_posix()

    def write(self, path: Path, content: bytes) -> None:
        """Write one of the files."""
        try:
            path.write_bytes(content)
        except OSError as error:
            raise KeepError(path, error.strerror or str(error)) from None
