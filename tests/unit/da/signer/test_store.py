"""What a DA node keeps: rows that are whole or not there, blobs as the chain told of them, and nothing of what a crash left half."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from zerog.da.client.chain import BlobEvent
from zerog.da.following import BlockMark
from zerog.da.protocol.constants import ROW_BYTES
from zerog.da.protocol.names import BlobName
from zerog.da.signer.errors import BadRequestError, StoreForeignError
from zerog.da.signer.store import HeldRow, SignerStore
from zerog.da.signer.store.row_files import PATH_BYTES
from zerog.primitives import Hash32
from zerog.runtime.clock import SystemClock

COMMITMENT, SIGNATURE = bytes(range(64)), bytes(range(64, 128))
ROOTS = (b"\1" * 32, b"\2" * 32, b"\3" * 32)


def blob(number: int, epoch: int = 1) -> BlobName:
    return BlobName(Hash32(number.to_bytes(32, "big")), epoch, 0)


def rows_of(indexes: list[int]) -> list[HeldRow]:
    """Every third row is of zeros, as in short blobs."""
    dice = random.Random(len(indexes))
    return [
        HeldRow(index=index, data=bytes(ROW_BYTES) if index % 3 == 0 else dice.randbytes(ROW_BYTES), path=dice.randbytes(PATH_BYTES))
        for index in indexes
    ]


def mark(number: int) -> BlockMark:
    return BlockMark(number, Hash32(number.to_bytes(32, "big")))


def event(of: BlobName, block: int, *, verified: bool = False) -> BlobEvent:
    return BlobEvent(blob=of, is_verified=verified, block_number=block, block_hash=mark(block).hash, transaction_hash=Hash32(bytes(32)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SignerStore]:
    store = SignerStore(tmp_path, SystemClock())
    yield store
    store.close()


def keep(store: SignerStore, of: BlobName, indexes: list[int], commitment: bytes = COMMITMENT) -> None:
    store.keep(of, commitment, ROOTS, rows_of(indexes), SIGNATURE)


def read(store: SignerStore, of: BlobName, indexes: list[int]) -> list[HeldRow | None]:
    file = store.open_rows(of)
    assert file is not None
    with file:
        assert file.head.coset_roots == ROOTS
        return [file.row(index) for index in indexes]


def test_rows_come_back_as_they_were_kept(store: SignerStore) -> None:
    indexes = [0, 1, 2, 1026, 3071]
    keep(store, blob(1), indexes)
    assert read(store, blob(1), [*indexes, 5]) == [*rows_of(indexes), None]
    signed = store.signed(blob(1))
    assert signed is not None
    assert (signed.commitment, signed.signature, signed.row_count) == (COMMITMENT, SIGNATURE, 5)
    assert 3 * ROW_BYTES < signed.size_bytes < 3 * ROW_BYTES + 5 * PATH_BYTES + 1_000, "rows of zeros take no place"
    assert store.totals() == (1, signed.size_bytes)


def test_what_was_kept_is_there_after_a_start(tmp_path: Path) -> None:
    first = SignerStore(tmp_path, SystemClock())
    first.take(mark(5), [event(blob(1), 5)])
    first.take(mark(6), [])
    keep(first, blob(1), [4, 5])
    first.close()
    second = SignerStore(tmp_path, SystemClock())
    assert read(second, blob(1), [4, 5]) == rows_of([4, 5])
    assert second.standing(blob(1)).is_uploaded
    assert second.mark() == mark(6)
    second.close()


def test_a_file_without_its_entry_is_completed(store: SignerStore, tmp_path: Path) -> None:
    """The process was killed between the two."""
    keep(store, blob(1), [1, 2])
    path = next(tmp_path.glob("rows/*/*.rows"))
    written = path.stat().st_mtime_ns
    with store._database.transaction() as connection:
        connection.execute("DELETE FROM signed")
    assert read(store, blob(1), [1, 2]) == rows_of([1, 2])
    keep(store, blob(1), [1, 2])
    assert store.signed(blob(1)) is not None
    assert path.stat().st_mtime_ns == written, "what is there is not written again"


def test_what_a_killed_process_had_begun_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "rows" / "1"
    folder.mkdir(parents=True)
    draft = folder / f".0-{blob(1).root.hex()}.rows.draft"
    draft.write_bytes(b"half a file")
    store = SignerStore(tmp_path, SystemClock())
    assert not draft.exists()
    assert store.open_rows(blob(1)) is None
    store.close()


@pytest.mark.parametrize("seed", range(24))
def test_no_damage_to_a_file_gives_a_wrong_row(store: SignerStore, tmp_path: Path, seed: int) -> None:
    """Any bit of it flipped, or its end cut off: rows are as they were, or missing; and keeping them again mends the file."""
    indexes = [1, 3, 4]
    keep(store, blob(1), indexes)
    path = next(tmp_path.glob("rows/*/*.rows"))
    data = bytearray(path.read_bytes())
    dice = random.Random(seed)
    if seed % 6 == 0:
        del data[dice.randrange(len(data)) :]
    else:
        # Half of the bits are in the head, which is a small part of the file.
        place = dice.randrange(400 if seed % 2 else len(data))
        data[place] ^= 1 << dice.randrange(8)
    path.write_bytes(data)
    file = store.open_rows(blob(1))
    if file is not None:
        with file:
            found = [file.row(index) for index in indexes]
        assert all(row is None or row == due for row, due in zip(found, rows_of(indexes), strict=True))
        assert None in found
    keep(store, blob(1), indexes)
    assert read(store, blob(1), indexes) == rows_of(indexes)


def test_a_second_commitment_for_a_blob_is_refused(store: SignerStore) -> None:
    keep(store, blob(1), [1])
    with pytest.raises(BadRequestError, match="another commitment was signed"):
        keep(store, blob(1), [1], COMMITMENT[::-1])
    assert read(store, blob(1), [1]) == rows_of([1])


def test_rows_that_the_chain_drew_anew_replace_the_old_ones(store: SignerStore) -> None:
    keep(store, blob(1), [1, 2])
    keep(store, blob(1), [7, 8, 9])
    assert read(store, blob(1), [1, 7, 8, 9]) == [None, *rows_of([7, 8, 9])]
    assert store.totals()[0] == 1


def test_what_the_chain_takes_back_is_forgotten(store: SignerStore) -> None:
    store.take(mark(1), [event(blob(1), 1)])
    store.take(mark(2), [event(blob(2), 2)])
    store.take(mark(3), [event(blob(1), 3, verified=True), event(blob(2), 3)])
    assert (store.standing(blob(1)).is_verified, store.standing(blob(2)).is_uploaded) == (True, True)
    store.unwind(mark(2))
    assert store.marks() == [mark(2), mark(1)]
    assert (store.standing(blob(1)).is_uploaded, store.standing(blob(1)).is_verified) == (True, False)
    assert store.standing(blob(2)).is_uploaded, "it was announced before, too"
    store.unwind(None)
    assert store.mark() is None
    assert not store.standing(blob(1)).is_uploaded


def test_blocks_without_events_are_noted_now_and_then(store: SignerStore) -> None:
    store.take(mark(1), [])
    for number in range(2, 200):
        store.take(mark(number), [])
    assert 1 < len(store.marks()) < 20


def test_old_epochs_go_with_everything(store: SignerStore, tmp_path: Path) -> None:
    for epoch in range(1, 5):
        keep(store, blob(epoch, epoch), [epoch])
        store.take(mark(epoch), [event(blob(epoch, epoch), epoch)])
    assert store.prune(3) == 2
    assert sorted(path.name for path in (tmp_path / "rows").iterdir()) == ["3", "4"]
    assert [store.standing(blob(epoch, epoch)).is_uploaded for epoch in range(1, 5)] == [False, False, True, True]
    assert [store.open_rows(blob(epoch, epoch)) is None for epoch in (1, 2)] == [True, True]
    assert store.prune(3) == 0


def test_the_list_has_every_blob_once(store: SignerStore) -> None:
    blobs = [blob(number, epoch) for epoch in (1, 2) for number in range(5)]
    for each in blobs:
        keep(store, each, [1])
    store.take(mark(1), [event(blobs[0], 1, verified=True)])
    found, cursor, pages = [], "", 0
    while cursor or not pages:
        page, cursor = store.held(cursor, 3)
        found += [(each.signed.blob, each.is_verified) for each in page]
        pages += 1
    assert pages == 4
    assert sorted(found, key=lambda each: (each[0].epoch, each[0].root)) == [(each, each == blobs[0]) for each in blobs]
    assert [each.epoch for each, _ in found] == sorted((each.epoch for each, _ in found), reverse=True)


@pytest.mark.parametrize("cursor", ["x", "1-2", "1-2-zz", "1-2-00", f"{1 << 63}-0-{'00' * 32}"])
def test_a_cursor_of_nobody_is_refused(store: SignerStore, cursor: str) -> None:
    with pytest.raises(BadRequestError, match="cursor"):
        store.held(cursor, 3)


def test_a_folder_is_that_of_one_signer_on_one_chain(store: SignerStore, tmp_path: Path) -> None:
    store.bind("signer A")
    store.bind("signer A")
    with pytest.raises(StoreForeignError, match="signer A"):
        store.bind("signer B")
    assert tmp_path.stat().st_mode & 0o077 == 0


def test_a_copy_has_all_of_it(store: SignerStore, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    keep(store, blob(1), [1, 2])
    store.take(mark(4), [event(blob(1), 4)])
    copy = tmp_path.parent / f"{tmp_path.name}-copy"
    copy.mkdir()
    store.copy(copy)
    keep(store, blob(2), [1])
    opened = SignerStore(copy, SystemClock())
    assert read(opened, blob(1), [1, 2]) == rows_of([1, 2])
    assert (opened.mark(), opened.totals()[0], opened.open_rows(blob(2))) == (mark(4), 1, None)
    opened.close()
