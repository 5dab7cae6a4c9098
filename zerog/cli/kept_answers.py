"""Files that answers are kept in, as commands read and write them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zerog.compute.protocol.constants import BODY_BYTES_MAX
from zerog.compute.wire.answer_file import ANSWER_FILE_BYTES_MAX, AnswerFile, AnswerFileError, read_answer_file
from zerog.primitives.errors import RefusalError
from zerog.runtime.files import FileUnreadableError, open_for_reading, write_atomically

__all__ = ["SETTLE_S_MAX", "check_savable", "read_answer", "read_quoted", "save_answer"]

SETTLE_S_MAX: Final = 900.0
"""Official providers settle within ten minutes."""


@dataclass(eq=False)
class AnswerNotSavedError(RefusalError):
    """An answer cannot be kept where it is to be."""

    path: Path
    cause: str

    code = "answer_not_saved"
    remedy = "name a file in a folder that you can write to"

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


def read_answer(path: Path) -> AnswerFile:
    """Raises `FileUnreadableError`, `AnswerFileError`."""
    try:
        with open_for_reading(path) as stream:
            content = stream.read(ANSWER_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise FileUnreadableError(path, error.strerror or str(error)) from None
    if not content:
        raise AnswerFileError("it is empty")
    return read_answer_file(content)


def read_quoted(path: Path) -> bytes:
    """A text that a request is to quote; of a longer one than any request only so much that it is refused. Raises `FileUnreadableError`."""
    try:
        with open_for_reading(path) as stream:
            return stream.read(BODY_BYTES_MAX + 1)
    except OSError as error:
        raise FileUnreadableError(path, error.strerror or str(error)) from None


def check_savable(path: Path) -> None:
    """See before anything is paid whether an answer can be kept there. Raises `AnswerNotSavedError`."""
    if path.is_dir():
        raise AnswerNotSavedError(path, "it is a folder")
    if not path.parent.is_dir():
        raise AnswerNotSavedError(path, "there is no such folder")
    if not os.access(path.parent, os.W_OK):
        raise AnswerNotSavedError(path, "nobody may write into its folder")


def save_answer(path: Path, file: AnswerFile) -> None:
    """Whole or not at all, for its owner alone. Raises `AnswerNotSavedError`."""
    try:
        write_atomically(path, file.to_bytes())
    except OSError as error:
        raise AnswerNotSavedError(path, error.strerror or str(error)) from None
