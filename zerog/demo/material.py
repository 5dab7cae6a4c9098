"""What the demo works with: a text in the public domain, a question about it, and how both become a prompt."""

from importlib import resources
from typing import Final

from zerog.primitives import Hash32

__all__ = ["FILE_NAME", "QUESTION", "TITLE", "load_text", "prompt_of"]

FILE_NAME: Final = "gettysburg.txt"
TITLE: Final = "the Gettysburg Address, by Abraham Lincoln, 1863 (public domain)"
QUESTION: Final = "What does Lincoln ask of the living? Answer in one sentence."


def load_text() -> bytes:
    """The text, UTF-8. Its last line says where it is from."""
    return resources.files("zerog.demo").joinpath(FILE_NAME).read_bytes()


def prompt_of(root: Hash32, text: str, question: str) -> str:
    """Names a file by its root, quotes it as it is, and asks: so whoever has the request knows which data was meant."""
    return f"File {root} of 0G Storage:\n\n{text}\nQuestion: {question}"
