"""The model that `make ready` fetches, for the tests that need a real one."""

from pathlib import Path

import pytest

from tests.unit.models.gguf_files import read_metadata
from zerog._kernel import ModelFile
from zerog.models import DEFAULT_NAME, find_named


@pytest.fixture(scope="session")
def model_path() -> Path:
    path = find_named(DEFAULT_NAME).path
    assert path is not None, "the model is missing: `make ready` fetches it"
    return path


@pytest.fixture(scope="session")
def model(model_path: Path) -> ModelFile:
    return ModelFile.open(model_path)


@pytest.fixture(scope="session")
def metadata(model_path: Path) -> dict[str, tuple[bytes, object]]:
    """Of the real model, read without our reader."""
    return read_metadata(model_path)
