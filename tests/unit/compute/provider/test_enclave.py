"""Keys of a simulated enclave on disk: private, kept, and shared by the brokers of one provider."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.compute.protocol.vectors import SIGNER
from zerog.compute.protocol.errors import EnclaveKeyError
from zerog.compute.provider.enclave import load_simulated_enclave


def test_keys_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "enclave.json"
    first = load_simulated_enclave(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load_simulated_enclave(path) == first
    assert first.is_simulated
    assert b"SIMULATED" in path.read_bytes()
    assert first.signer.private_key.hex() not in repr(first)
    assert first.encryption_key.hex() not in repr(first)


def test_a_signer_that_is_given_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "enclave.json"
    assert load_simulated_enclave(path, signer=SIGNER).signer == SIGNER
    assert load_simulated_enclave(path).signer == SIGNER


def test_brokers_that_start_together_have_the_same_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        enclaves = list(threads.map(load_simulated_enclave, [tmp_path / "enclave.json"] * 8))
    assert len({enclave.signer.address for enclave in enclaves}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["enclave.json"]


@pytest.mark.parametrize("content", ["", "{}", '{"signer_key":"00","encryption_seed":"00"}', '{"signer_key":"zz","encryption_seed":""}'])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "enclave.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(EnclaveKeyError, match="no keys"):
        load_simulated_enclave(path)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "enclave.json"
    load_simulated_enclave(path)
    path.chmod(0o640)
    with pytest.raises(EnclaveKeyError, match="read by others"):
        load_simulated_enclave(path)
