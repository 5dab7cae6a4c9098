"""Setups of DA as files: made for a τ that nobody keeps, loaded to prove or to verify, refused with file and cause."""

from pathlib import Path

import pytest

from tests.unit.da.amt_vectors import TAU, data_of, setup_of
from zerog._kernel import AmtSetup, SetupError, SliceError
from zerog.da.client.setup import open_setup

TAU_BYTES = TAU.to_bytes(32, "big")
DEVELOPMENT_ROWS = 192


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("setup") / "made"
    AmtSetup.make(folder, TAU_BYTES, development=True)
    return folder


def test_a_made_setup_writes_the_slices_of_the_tau_it_was_made_for(folder: Path) -> None:
    made, known = AmtSetup.load(folder), setup_of(development=True)
    assert made.fingerprint == known.fingerprint
    assert not made.knows_tau
    for length in (0, 1, 1000, 63_484):
        blob, expected = made.encode(data_of(length)), known.encode(data_of(length))
        assert blob.commitment == expected.commitment
        assert blob.slices(0, DEVELOPMENT_ROWS) == expected.slices(0, DEVELOPMENT_ROWS)


def test_a_signer_without_tau_checks_what_an_encoder_with_it_writes(folder: Path) -> None:
    signer = AmtSetup.load(str(folder), prove=False)
    blob = setup_of(development=True).encode(data_of(1000))
    slices = blob.slices(0, DEVELOPMENT_ROWS)
    assert signer.verify_slices(slices, blob.data_root, blob.commitment) == list(range(DEVELOPMENT_ROWS))
    slices[5] = slices[6]
    assert signer.verify_slices(slices[4:7], blob.data_root, blob.commitment) == [4, 6, 6]
    with pytest.raises(SetupError, match="no parameters to prove with"):
        signer.encode(b"data")


def test_two_sides_with_different_setups_refuse_each_other(folder: Path, tmp_path: Path) -> None:
    AmtSetup.make(tmp_path / "other", (TAU + 1).to_bytes(32, "big"), development=True)
    one, other = AmtSetup.load(folder), AmtSetup.load(tmp_path / "other")
    assert one.fingerprint != other.fingerprint
    for writer, reader in ((one, other), (other, one)):
        blob = writer.encode(data_of(1000))
        with pytest.raises(SliceError) as refused:
            reader.verify_slices(blob.slices(3, 9), blob.data_root, blob.commitment)
        assert refused.value.position == 0


def test_a_made_folder_does_not_pass_for_the_official_one_and_is_not_made_twice(folder: Path) -> None:
    with pytest.raises(SetupError, match="no digest is known"):
        AmtSetup.load(folder, official=True)
    with pytest.raises(SetupError, match="holds a setup already"):
        AmtSetup.make(folder, TAU_BYTES, development=True)


def test_a_folder_without_files_is_refused_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"amt-verify-coset0-5DWgDV-10-20\.bin"):
        AmtSetup.load(tmp_path)


def test_damage_is_named_with_its_file(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = next(tmp_path.glob("amt-verify-coset1-*"))
    content = bytearray(damaged.read_bytes())
    content[8 + 64 * 5] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(SetupError, match=rf"{damaged.name}, byte {8 + 64 * 5}: no point of the group"):
        AmtSetup.load(tmp_path)


def test_roles_open_a_made_setup_by_name(folder: Path) -> None:
    opened = open_setup(f"made:{folder}", host="0.0.0.0", is_own_network=False)  # noqa: S104 - nothing listens.
    assert opened.kind == "made"
    assert opened.fingerprint == setup_of(development=True).fingerprint
    with pytest.raises(SetupError, match="no digest is known"):
        open_setup(f"official:{folder}", host="127.0.0.1")
