"""Files of blobs and slices, the limit on clients, and settings that cannot be."""

from pathlib import Path

import pytest

from zerog.da.disperser.blob_files import BlobFiles
from zerog.da.disperser.errors import DisperserSettingsError
from zerog.da.disperser.limiter import SpacingLimiter, client_address
from zerog.da.disperser.settings import DaDisperserSettings
from zerog.da.protocol.constants import ENCODED_ROWS, SLICE_BYTES


class Hands:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def unix_s(self) -> float:
        return self.now_s

    def monotonic_s(self) -> float:
        return self.now_s


def test_what_a_dead_process_left_goes_and_what_is_in_the_books_stays(tmp_path: Path) -> None:
    files = BlobFiles(tmp_path)
    files.open(set())
    files.keep(1, b"one")
    files.keep(2, b"two")
    draft = files.draft_slices(1)
    draft.write([bytes(SLICE_BYTES)])
    draft._close()
    (tmp_path / "blobs" / ".3.77").write_bytes(b"half")
    again = BlobFiles(tmp_path)
    again.open({2})
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["2"]
    assert again.read(2) == b"two"
    again.remove(2)
    with pytest.raises(FileNotFoundError):
        again.read(2)


def test_slices_have_a_name_once_they_are_all_there(tmp_path: Path) -> None:
    files = BlobFiles(tmp_path)
    files.open(set())
    draft = files.draft_slices(5)
    slices = [row.to_bytes(2, "big") + bytes(SLICE_BYTES - 2) for row in range(ENCODED_ROWS)]
    draft.write(slices[:100])
    with pytest.raises(ValueError, match="100 came"):
        draft.finish()
    assert not files.has_slices(5)
    draft.write(slices[100:])
    with pytest.raises(ValueError, match="3072 slices of 34680 bytes"):
        draft.write(slices[:1])
    other = files.draft_slices(6)
    with pytest.raises(ValueError, match="3072 slices of 34680 bytes"):
        other.write([b"short"])
    other.discard()
    draft.finish()
    draft.discard()
    assert files.read_slices(5, [3071, 0, 17]) == [slices[3071], slices[0], slices[17]]
    assert files.slices_bytes() >= ENCODED_ROWS * SLICE_BYTES
    files.remove_slices(5)
    assert not files.has_slices(5)


def test_a_client_may_call_again_after_a_while() -> None:
    hands = Hands()
    limiter = SpacingLimiter(60, hands)
    assert limiter.lets("a")
    assert limiter.lets("b")
    hands.now_s += 0.9
    assert not limiter.lets("a")
    hands.now_s += 0.1
    assert limiter.lets("a")


def test_a_client_behind_two_proxies_is_the_last_but_one_of_the_header() -> None:
    peer = "ipv4:10.0.0.1:5000"
    assert client_address(peer, {}, None) == "10.0.0.1"
    assert client_address(peer, {"x-forwarded-for": "1.1.1.1, 2.2.2.2, 3.3.3.3"}, "X-Forwarded-For") == "2.2.2.2"
    assert client_address(peer, {"x-forwarded-for": "1.1.1.1"}, "X-Forwarded-For") == "10.0.0.1"
    assert client_address("ipv6:[::1]:5000", {}, "X-Forwarded-For") == "[::1]"


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70_000},
        {"chain_url": "localhost"},
        {"pending_mib": 1},
        {"at_once": 0},
        {"sign_s": 0},
        {"writes_per_minute": 0},
        {"private_key": "0x1", "key_file": Path("key")},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DisperserSettingsError):
        DaDisperserSettings(**wrong)  # type: ignore[arg-type]
