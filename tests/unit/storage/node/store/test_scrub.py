"""A pass through the data files finds every damaged record and no sound one, wherever the damage is; the node goes on meanwhile."""

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tests.unit.storage.node.store.audit import audit
from tests.unit.storage.node.store.samples import SampleFile, some_file
from zerog.primitives import Hash32
from zerog.storage.node.store import Store, StoreOptions
from zerog.storage.node.store.data_files import FILE_HEADER, RECORD_HEADER
from zerog.storage.node.store.scrub import WINDOW_BYTES, Scrubber
from zerog.storage.protocol.units import HASH_BYTES, SEGMENT_BYTES

OPTIONS = StoreOptions(data_file_bytes_max=1 << 20)
FILES = [some_file(f"scrubbed {number}", size) for number, size in enumerate((9 * SEGMENT_BYTES + 700, 1, 300, 5000, 2 * SEGMENT_BYTES))]
SEGMENTS = sum(len(file.segments) for file in FILES)
DATA_AT = RECORD_HEADER.size

Key = tuple[Hash32, int]


def scrub(scrubber: Scrubber) -> None:
    """A whole pass, or the rest of one."""
    if not scrubber.is_under_way:
        scrubber.begin(1.0)
    buffer = memoryview(bytearray(WINDOW_BYTES))
    while window := scrubber.next_window():
        scrubber.check(window, buffer)
    scrubber.end(2.0)


def flip(path: Path, offset: int, bit: int = 3) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def places(folder: Path) -> dict[Key, tuple[Path, int, int]]:
    """Data file and offset of each record, and how many siblings it has."""
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as catalogue:
        rows = catalogue.execute("SELECT root, place, data_file, offset, siblings FROM segments JOIN files ON file = id").fetchall()
    return {(Hash32(root), index): (folder / "data" / f"{number:08}.segments", at, siblings) for root, index, number, at, siblings in rows}


async def fill(folder: Path) -> None:
    with Store.open(folder, options=OPTIONS) as store:
        for file in FILES:
            await store.put(file.segments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a closed store with all files, in several data files."""
    anyio.run(fill, tmp_path)
    return tmp_path


@pytest.fixture
def lost() -> list[Key]:
    return []


@pytest.fixture
def store(folder: Path, lost: list[Key]) -> Iterator[Store]:
    with Store.open(folder, options=OPTIONS) as store:
        store.on_damage = lost.extend
        yield store
    audit(folder)


def sound(store: Store) -> set[Key]:
    """Segments that are held; each reads as it was put."""
    held = set()
    for file in FILES:
        for index in store.held(file.root).copy():
            assert store.read(file.root, index) == file.uploaded(index)
            held.add((file.root, index))
    return held


def test_a_sound_store_loses_nothing(store: Store, lost: list[Key]) -> None:
    scrub(store.scrubber)
    progress = store.scrubber.progress
    assert (len(sound(store)), lost, len(store.damage)) == (SEGMENTS, [], 0)
    assert (progress.passes, progress.ended_damaged, progress.ended_began_s, progress.ended_s) == (1, 0, 1.0, 2.0)
    headers = len(list((store.folder / "data").iterdir())) * FILE_HEADER.size
    assert progress.ended_bytes == store.statistics()["data_file_bytes"] - headers


@pytest.mark.parametrize("seed", range(6))
def test_bits_flipped_anywhere_are_found_before_anybody_reads_them(folder: Path, store: Store, lost: list[Key], seed: int) -> None:
    dice = random.Random(seed)
    records = places(folder)
    struck = dice.sample(sorted(records), 5)
    for key in struck:
        path, offset, siblings = records[key]
        segment = next(file for file in FILES if file.root == key[0]).segments[key[1]]
        flip(path, offset + RECORD_HEADER.size + dice.randrange(HASH_BYTES * siblings + len(segment.data)), dice.randrange(8))
    scrub(store.scrubber)
    assert sorted(lost) == sorted(struck)
    assert sound(store) == records.keys() - set(struck)
    assert (len(store.damage), store.statistics()["corrupt_segments"]) == (5, 5)
    assert store.scrubber.progress.ended_damaged == 5


async def test_what_was_damaged_counts_until_it_is_brought_again_also_after_a_restart(folder: Path, lost: list[Key]) -> None:
    path, offset, siblings = places(folder)[(FILES[0].root, 4)]
    flip(path, offset + RECORD_HEADER.size + HASH_BYTES * siblings)
    with Store.open(folder, options=OPTIONS) as store:
        scrub(store.scrubber)
        assert store.damage.files() == [(FILES[0].root, 1)]
    with Store.open(folder, options=OPTIONS) as store:
        assert store.damage.of_file(FILES[0].root, 10) == [4]
        assert store.scrubber.progress.ended_damaged == 1
        await store.put(FILES[0].segments)
        assert (store.damage.files(), len(store.damage)) == ([], 0)
        assert store.statistics()["repaired_segments"] == 1
        scrub(store.scrubber)
        assert len(sound(store)) == SEGMENTS
        assert store.scrubber.progress.ended_damaged == 0
    audit(folder)


@pytest.mark.parametrize("at", [0, 3, 12, 50, 63])
def test_a_damaged_header_is_written_again_and_costs_no_segment(folder: Path, store: Store, lost: list[Key], at: int) -> None:
    path, offset, _ = places(folder)[(FILES[0].root, 2)]
    before = path.read_bytes()
    flip(path, offset + at)
    flip(path, at % FILE_HEADER.size)
    scrub(store.scrubber)
    assert path.read_bytes() == before
    assert (lost, len(sound(store))) == ([], SEGMENTS)


@pytest.mark.parametrize("number", [0, 4])
def test_a_damaged_proof_is_written_again_if_the_whole_file_is_here(folder: Path, store: Store, lost: list[Key], number: int) -> None:
    """A file of ten segments is padded to ten, one of two has a proof of one hash."""
    path, offset, siblings = places(folder)[(FILES[number].root, 1)]
    before = path.read_bytes()
    for sibling in range(siblings):
        flip(path, offset + RECORD_HEADER.size + HASH_BYTES * sibling + 7)
    scrub(store.scrubber)
    assert siblings > 0
    assert path.read_bytes() == before
    assert (lost, len(sound(store))) == ([], SEGMENTS)


def test_a_damaged_proof_of_a_file_that_is_not_whole_costs_the_segment(folder: Path, store: Store, lost: list[Key]) -> None:
    records = places(folder)
    path, offset, siblings = records[(FILES[0].root, 3)]
    flip(path, offset + RECORD_HEADER.size + HASH_BYTES * siblings)
    assert store.read(FILES[0].root, 3) is None
    path, offset, _ = records[(FILES[0].root, 7)]
    flip(path, offset + RECORD_HEADER.size)
    scrub(store.scrubber)
    assert lost == [(FILES[0].root, 3), (FILES[0].root, 7)]


@pytest.mark.parametrize("keep_bytes", [None, 0, FILE_HEADER.size, FILE_HEADER.size + RECORD_HEADER.size + 1000])
def test_a_data_file_that_is_cut_or_gone_loses_what_was_in_it(folder: Path, store: Store, lost: list[Key], keep_bytes: int | None) -> None:
    records = places(folder)
    path = records[(FILES[0].root, 0)][0]
    inside = {key for key, (where, _, _) in records.items() if where == path}
    if keep_bytes is None:
        path.unlink()
    else:
        os.truncate(path, keep_bytes)
    scrub(store.scrubber)
    assert set(lost) == inside
    assert sound(store) == records.keys() - inside
    path.touch()  # Files and catalogue go together for the audit; what is cut is made longer by it.
    os.truncate(path, 1 << 20)


async def test_what_is_added_behind_the_back_of_a_deleted_last_file_is_not_lost(folder: Path, store: Store) -> None:
    last = max(path for path, _, _ in places(folder).values())
    last.unlink()
    new = some_file("after", 3 * SEGMENT_BYTES)
    await store.put(some_file("opens the last file", 1000).segments)
    store_tail = max((folder / "data").iterdir())
    store_tail.unlink()
    await store.put(new.segments)
    scrub(store.scrubber)
    assert [store.read(new.root, index) for index in range(3)] == [new.uploaded(index) for index in range(3)]
    for path in (last, store_tail):
        path.touch()
        os.truncate(path, 1 << 20)


def test_a_sector_that_cannot_be_read_loses_what_lies_on_it(
    folder: Path, store: Store, lost: list[Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk answers EIO for one record, whichever call asks for it."""
    path, offset, siblings = places(folder)[(FILES[0].root, 5)]
    bad = offset + RECORD_HEADER.size + HASH_BYTES * siblings + 4096
    real = os.preadv

    def preadv(descriptor: int, buffers: list[memoryview], at: int, *flags: int) -> int:
        if os.fstat(descriptor).st_ino == path.stat().st_ino and at <= bad < at + len(buffers[0]):
            raise OSError(5, "Input/output error")
        return real(descriptor, buffers, at, *flags)

    monkeypatch.setattr(os, "preadv", preadv)
    scrub(store.scrubber)
    assert lost == [(FILES[0].root, 5)]


def test_a_pass_goes_on_where_it_was_and_ends_where_it_was_to_end(folder: Path) -> None:
    seen: list[Key] = []
    with Store.open(folder, options=OPTIONS) as store:
        scrubber = store.scrubber
        scrubber.begin(1.0)
        buffer = memoryview(bytearray(WINDOW_BYTES))
        first, second = scrubber.next_window(), scrubber.next_window()
        assert first is not None
        assert second is not None
        scrubber.check(first, buffer)
        scrubber.note()  # The second is still being checked, and is checked again after a restart.
        seen += [(record.root, record.index) for record in first.records]
    with Store.open(folder, options=OPTIONS) as store:
        scrubber = store.scrubber
        assert scrubber.is_under_way
        assert scrubber.progress.bytes_checked == first.size_bytes
        while window := scrubber.next_window():
            scrubber.check(window, buffer)
            seen += [(record.root, record.index) for record in window.records]
        scrubber.end(9.0)
        assert (scrubber.progress.passes, scrubber.progress.ended_began_s, scrubber.progress.ended_s) == (1, 1.0, 9.0)
    assert sorted(seen) == sorted(places(folder))


def test_a_pass_that_began_behind_the_last_window_of_another_is_not_ended_with_it(store: Store) -> None:
    scrubber = store.scrubber
    scrubber.begin(1.0)
    buffer = memoryview(bytearray(WINDOW_BYTES))
    while window := scrubber.next_window():
        scrubber.check(window, buffer)
    scrubber.begin(3.0)
    assert not scrubber.end(4.0)
    assert (scrubber.is_under_way, scrubber.progress.passes) == (True, 0)
    scrub(scrubber)
    assert (scrubber.progress.passes, scrubber.progress.ended_began_s) == (1, 3.0)
    assert scrubber.progress.ended_bytes > 11 * SEGMENT_BYTES


async def test_files_that_come_during_a_pass_have_their_turn_in_the_next(store: Store) -> None:
    scrubber = store.scrubber
    scrubber.begin(1.0)
    late = SampleFile(random.Random(3).randbytes(8 * SEGMENT_BYTES))
    await store.put(late.segments)
    scrub(scrubber)
    before = scrubber.progress.ended_bytes
    scrub(scrubber)
    assert before + 4 * SEGMENT_BYTES < scrubber.progress.ended_bytes


async def test_what_is_dropped_during_a_pass_is_no_damage(store: Store, lost: list[Key]) -> None:
    scrubber = store.scrubber
    scrubber.begin(1.0)
    window = scrubber.next_window()
    assert window is not None
    assert store.drop(FILES[0].root)
    scrubber.check(window, memoryview(bytearray(WINDOW_BYTES)))
    scrub(scrubber)
    assert (lost, len(store.damage)) == ([], 0)
