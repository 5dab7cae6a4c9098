"""A catalogue that is lost is made anew from the data files: every sound segment is held again, and nothing else."""

from pathlib import Path
from random import Random

from tests.unit.storage.node.store.audit import audit
from tests.unit.storage.node.store.samples import SampleFile, block_hash, some_file, submissions_of
from tests.unit.storage.node.store.test_damage import flip
from zerog.storage.node.store import BlockMark, Store, StoreOptions
from zerog.storage.node.store.data_files import FILE_HEADER, RECORD_HEADER, RECORD_MAGIC
from zerog.storage.protocol.units import SEGMENT_BYTES

OPTIONS = StoreOptions(data_file_bytes_max=1 << 20)
FILES = [some_file(f"rebuild {number}", size) for number, size in enumerate((300, 3 * SEGMENT_BYTES + 1, 5 * SEGMENT_BYTES, 40_000))]


async def filled(folder: Path) -> None:
    """A store with files, one of them twice submitted, closed."""
    with Store.open(folder, options=OPTIONS) as store:
        store.record(BlockMark(1, block_hash(1)), submissions_of(FILES, first_seq=0, block=1), b"checkpoint")
        for file in FILES:
            await store.put(file.segments)


def lose_catalogue(folder: Path) -> None:
    for path in folder.glob("catalogue.sqlite*"):
        path.unlink()


def whole_files(store: Store) -> list[SampleFile]:
    """The files of which every segment is held and reads back right."""
    whole = []
    for file in FILES:
        for index in store.held(file.root):
            found = store.read_with_proof(file.root, index, size_bytes=len(file.data))
            assert found is not None
            assert (found.data, found.proof) == (file.uploaded(index), file.tree.segment_proof(index))
        if store.held_count(file.root) == len(file.segments):
            whole.append(file)
    return whole


async def test_all_segments_are_held_again(tmp_path: Path) -> None:
    await filled(tmp_path)
    lose_catalogue(tmp_path)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert whole_files(store) == FILES
        assert (store.mark(), store.next_seq) == (None, 0)
        more = some_file("more", 2 * SEGMENT_BYTES)
        await store.put(more.segments)
        assert store.read(more.root, 1) == more.uploaded(1)
    audit(tmp_path)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert whole_files(store) == FILES


async def test_the_log_of_a_lost_catalogue_is_not_taken_for_the_new_ones(tmp_path: Path) -> None:
    await filled(tmp_path)
    lose_catalogue(tmp_path)
    (tmp_path / "catalogue.sqlite-wal").write_bytes(Random(1).randbytes(100_000))
    (tmp_path / "catalogue.draft").write_bytes(b"what an interrupted attempt left")
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert whole_files(store) == FILES
    audit(tmp_path)
    assert not (tmp_path / "catalogue.draft").exists()


async def test_damaged_records_are_passed_over(tmp_path: Path) -> None:
    """Data of one, the header of another; what stands behind them is found."""
    await filled(tmp_path)
    path = tmp_path / "data" / "00000001.segments"
    first_header = FILE_HEADER.size
    second_header = first_header + RECORD_HEADER.size + 512
    assert path.read_bytes()[second_header : second_header + 4] == RECORD_MAGIC.to_bytes(4, "little")
    flip(path, first_header + RECORD_HEADER.size + 7)
    flip(path, second_header + 1)
    lose_catalogue(tmp_path)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert whole_files(store) == FILES[2:]
        assert list(store.held(FILES[1].root)) == [1, 2, 3]
        assert not store.has(FILES[0].root, 0)
    audit(tmp_path)


async def test_a_record_within_the_bytes_of_a_user_does_no_harm(tmp_path: Path) -> None:
    """Somebody stores what looks like a record of another file."""
    forged = RECORD_HEADER.pack(RECORD_MAGIC, 0, 0, 256, FILES[0].root, 2, 0, 0) + bytes(256)
    file = SampleFile(forged.ljust(1024, b"\0"))
    with Store.open(tmp_path, options=OPTIONS) as store:
        await store.put(file.segments)
    flip(tmp_path / "data" / "00000001.segments", FILE_HEADER.size + 1)
    lose_catalogue(tmp_path)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert store.held_count(FILES[0].root) == 0
        assert store.statistics()["segments"] == 0


async def test_a_data_file_with_nothing_sound_is_put_aside(tmp_path: Path) -> None:
    await filled(tmp_path)
    (tmp_path / "data" / "00000001.segments").write_bytes(Random(2).randbytes(3_000_000))
    lose_catalogue(tmp_path)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert not store.has(FILES[0].root, 0)
        assert FILES[3] in whole_files(store)
    assert (tmp_path / "data" / "00000001.damaged").exists()


async def test_a_damaged_catalogue_is_made_anew_by_itself(tmp_path: Path) -> None:
    await filled(tmp_path)
    (tmp_path / "catalogue.sqlite").write_bytes(b"garbage" * 1000)
    with Store.open(tmp_path, options=OPTIONS) as store:
        assert whole_files(store) == FILES
    with Store.open(tmp_path, options=OPTIONS) as store:  # And is as good as any.
        assert whole_files(store) == FILES
    assert not (tmp_path / "catalogue.damaged").exists()
