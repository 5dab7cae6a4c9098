"""Downloads: whole, in parts, in order, in several runs, from nodes of which some lie; never a byte that its root does not name."""

import threading
import time
from collections.abc import Iterator
from itertools import chain as joined
from pathlib import Path

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.storage.client.impostors import Lie, impostor, segments_of_file
from tests.unit.storage.client.peers import EnoughError, answer_of, peer
from tests.unit.storage.node.network import ACCOUNTS, Chain, Network, Node, pattern
from zerog.primitives import Hash32
from zerog.storage.client import (
    AsyncStorageClient,
    DownloadOptions,
    Encryption,
    FileUnknownError,
    LocalFileError,
    NoNodesError,
    PeerLimits,
    Progress,
    RangeError,
    SegmentMissingError,
    StorageClient,
    TargetExistsError,
    Upload,
    UploadOptions,
)
from zerog.storage.client.downloading import windows_of
from zerog.storage.protocol.encryption import FileKeys, SecretKey, recipient_key_of
from zerog.storage.protocol.errors import NotEncryptedError, WrongKeyError
from zerog.storage.protocol.merkle import FileTree, file_root
from zerog.storage.protocol.units import SEGMENT_BYTES

DATA = pattern(40 * SEGMENT_BYTES + 777, seed=77)
KEY = SecretKey(bytes(range(32)))
PRIVATE = SecretKey(b"\x05" * 32)


@pytest.fixture(scope="module")
def stored(client: StorageClient) -> Upload:
    return client.upload(DATA)


# ---- what is asked for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, None),
        (0, 0),
        (0, 1),
        (len(DATA) - 1, 5),
        (SEGMENT_BYTES - 1, 2),
        (16 * SEGMENT_BYTES - 3, 9),
        (5, 20 * SEGMENT_BYTES),
        (len(DATA), None),
    ],
)
def test_any_part_is_read_as_it_is(client: StorageClient, stored: Upload, offset: int, length: int | None) -> None:
    expected = DATA[offset:] if length is None else DATA[offset : offset + length]
    assert client.read(stored.root, offset=offset, length=length) == expected
    assert b"".join(client.open(stored.root).stream(offset, length)) == expected
    assert client.read(stored.root, DownloadOptions(verify=False, threads=1), offset=offset, length=length) == expected


def test_nothing_begins_beyond_the_end(client: StorageClient, stored: Upload) -> None:
    for offset, length in ((len(DATA) + 1, None), (-1, None), (0, -1)):
        with pytest.raises(RangeError):
            client.read(stored.root, offset=offset, length=length)


def test_what_nobody_has_is_said(client: StorageClient, chain: Chain) -> None:
    with pytest.raises(FileUnknownError, match="no node knows a file"):
        client.read(Hash32(b"\x09" * 32))
    with pytest.raises(FileUnknownError, match="submission 99999"):
        client.stat(99_999)
    with StorageClient(nodes=["http://127.0.0.1:1"], chain=chain.client) as alone, pytest.raises(NoNodesError, match="refused"):
        alone.read(0)


def test_a_file_that_was_announced_and_not_sent_is_missing_and_not_empty(client: StorageClient, chain: Chain, node: Node) -> None:
    data = pattern(1000, seed=81)
    [seq] = chain.submit(FileTree(data).submission())
    node.wait_for_seq(seq)
    with pytest.raises(SegmentMissingError, match="does not have it"):
        client.read(file_root(data))


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 64))
def test_windows_cover_each_byte_once(first: int, second: int, segments: int) -> None:
    start, end = sorted((first, second))
    windows = list(windows_of(start, end, segments))
    assert list(joined.from_iterable((window.start, window.end) for window in windows))[1:-1:2] == [window.start for window in windows[1:]]
    assert (not windows and start == end) or (windows[0].start, windows[-1].end) == (start, end)
    for window in windows:
        assert window.count <= segments
        assert window.first * SEGMENT_BYTES <= window.start < window.end <= (window.first + window.count) * SEGMENT_BYTES
        assert (window.first + window.count - 1) * SEGMENT_BYTES < window.end


# ---- into a file -------------------------------------------------------------------------------------------------


def test_a_file_appears_when_it_is_whole(client: StorageClient, stored: Upload, tmp_path: Path) -> None:
    told: list[Progress] = []
    done = client.download(stored.root, tmp_path / "copy", progress=told.append)
    assert done.path.read_bytes() == DATA
    assert (told[-1].done_bytes, told[-1].total_bytes, told[-1].phase) == (len(DATA), len(DATA), "done")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    with pytest.raises(TargetExistsError):
        client.download(stored.root, tmp_path / "copy")
    client.download(stored.root, tmp_path / "copy", offset=3, length=4, overwrite=True)
    assert (tmp_path / "copy").read_bytes() == DATA[3:7]
    with pytest.raises(LocalFileError, match="No such file"):
        client.download(stored.root, tmp_path / "missing" / "copy")


def broken_off(client: StorageClient, root: Hash32, target: Path) -> None:
    """Leave a download when some of it is done."""

    def leave(progress: Progress) -> None:
        if progress.done_bytes > 9 * 2**20 / 4:
            raise EnoughError

    with pytest.raises(EnoughError):
        client.download(root, target, DownloadOptions(threads=1), progress=leave)
    assert not target.exists()


def test_a_download_that_was_broken_off_goes_on(client: StorageClient, stored: Upload, tmp_path: Path) -> None:
    broken_off(client, stored.root, tmp_path / "copy")
    told: list[Progress] = []
    client.download(stored.root, tmp_path / "copy", progress=told.append)
    assert next(progress.done_bytes for progress in told if progress.total_bytes) >= 16 * SEGMENT_BYTES
    assert (tmp_path / "copy").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("spoil", ["part", "state of another file", "half a place", "no state", "state without a part"])
def test_what_an_earlier_run_left_is_not_believed(client: StorageClient, stored: Upload, tmp_path: Path, spoil: str) -> None:
    broken_off(client, stored.root, tmp_path / "copy")
    part, state = tmp_path / "copy.zerog-part", tmp_path / "copy.zerog-state"
    match spoil:
        case "part":
            part.write_bytes(b"x" + part.read_bytes()[1:])
        case "state of another file":
            state.write_bytes(state.read_bytes().replace(str(stored.root)[2:6].encode(), b"0000", 1))
        case "half a place":
            state.write_bytes(state.read_bytes() + b"\0\0\0")
        case "no state":
            state.unlink()
        case _:
            part.unlink()
    assert client.download(stored.root, tmp_path / "copy").path.read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_two_downloads_do_not_write_one_file(client: StorageClient, stored: Upload, tmp_path: Path) -> None:
    errors: list[Exception] = []

    def again(progress: Progress) -> None:
        if progress.done_bytes and not errors:
            try:
                client.download(stored.root, tmp_path / "copy")
            except LocalFileError as error:
                errors.append(error)

    client.download(stored.root, tmp_path / "copy", progress=again)
    assert "another download" in str(errors[0])
    assert (tmp_path / "copy").read_bytes() == DATA


# ---- several nodes -----------------------------------------------------------------------------------------------


@pytest.fixture
def many_nodes(network: Network, chain: Chain) -> Iterator[list[str]]:
    with network.running(chain, shard="0/2") as even, network.running(chain, shard="1/2") as odd:
        yield [even.url, odd.url]


def test_shards_together_give_the_file(chain: Chain, many_nodes: list[str]) -> None:
    data = pattern(37 * SEGMENT_BYTES + 5, seed=90)
    with StorageClient(nodes=many_nodes, chain=chain.client, account=ACCOUNTS[6]) as client:
        root = client.upload(data).root
        assert client.read(root) == data
        assert b"".join(client.open(root).stream(100, 30 * SEGMENT_BYTES)) == data[100 : 100 + 30 * SEGMENT_BYTES]
    with StorageClient(nodes=many_nodes[:1]) as half, pytest.raises(SegmentMissingError, match="no node of its shard"):
        half.read(root)


def message(*segments: object) -> bytes:
    return answer_of(msgspec.msgpack.encode(list(segments)), kind="application/msgpack")


def other_bytes(data: bytes, first: int, count: int) -> bytes:
    return message(*segments_of_file(b"\1" + data[1:], range(first, first + count)))


def one_bit(data: bytes, first: int, count: int) -> bytes:
    segments = segments_of_file(data, range(first, first + count))
    spoilt = bytearray(segments[-1].data)
    spoilt[100] ^= 1
    return message(*segments[:-1], msgspec.structs.replace(segments[-1], data=memoryview(spoilt)))


def anothers_proof(data: bytes, first: int, count: int) -> bytes:
    segments = segments_of_file(data, range(first, first + count))
    return message(*(msgspec.structs.replace(segment, lemma=segments[0].lemma, path=segments[0].path) for segment in segments))


def moved(data: bytes, first: int, count: int) -> bytes:
    segments = segments_of_file(data, range(first, first + count))
    return message(*(msgspec.structs.replace(segment, index=first + count - 1 - place) for place, segment in enumerate(segments)))


def garbage(data: bytes, first: int, count: int) -> bytes:
    return answer_of(b"\xc1" * 100_000, kind="application/msgpack")


def cut_off(data: bytes, first: int, count: int) -> bytes:
    return message(*segments_of_file(data, range(first, first + count)))[:-1000]


def none_of_it(data: bytes, first: int, count: int) -> bytes:
    return message()


def unknown(data: bytes, first: int, count: int) -> bytes:
    return answer_of(b"{}", status="404 Not Found")


def broken(data: bytes, first: int, count: int) -> bytes:
    return answer_of(b"{}", status="500 Internal Server Error")


LIES = [other_bytes, one_bit, anothers_proof, moved, garbage, cut_off, none_of_it, unknown, broken]
HASTY = PeerLimits(answer_s=5, stall_s=0.3)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_node_that_lies_is_passed_over(node: Node, stored: Upload, lie: Lie) -> None:
    with peer(impostor(DATA, lie)) as liar:
        with StorageClient(nodes=[liar, node.url], limits=HASTY) as client:
            assert client.read(stored.root) == DATA
            assert b"".join(client.open(stored.root).stream()) == DATA
        with StorageClient(nodes=[liar], limits=HASTY) as client, pytest.raises(SegmentMissingError, match=r"segment \d+ of 0x"):
            client.read(stored.root)


@pytest.mark.parametrize("size_bytes", [len(DATA) - 1, len(DATA) - 300, len(DATA) + 300, 2**62])
def test_a_node_that_tells_another_size_is_passed_over(node: Node, network: Network, chain: Chain, stored: Upload, size_bytes: int) -> None:
    """A root does not tell how long its file is; that bytes follow after the end, or that the tree has another form, does."""
    with peer(
        impostor(DATA, lambda data, first, count: message(*segments_of_file(data, range(first, first + count))), size_bytes=size_bytes)
    ) as liar:
        with StorageClient(nodes=[liar, node.url], limits=HASTY) as client:
            assert client.read(stored.root) == DATA
        with StorageClient(nodes=[liar], limits=HASTY) as client, pytest.raises(SegmentMissingError):
            client.read(stored.root, offset=len(DATA) - 800)


def test_a_node_that_stalls_is_passed_over_in_bounded_time(node: Node, stored: Upload) -> None:
    def stall(data: bytes, first: int, count: int) -> bytes:
        return answer_of(b"", length=1_000_000)

    began_s = time.monotonic()
    with (
        peer(impostor(DATA, stall)) as liar,
        StorageClient(nodes=[liar, node.url], limits=HASTY) as client,
    ):
        assert client.read(stored.root) == DATA
    assert time.monotonic() - began_s < 30


# ---- encryption --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["sealed", "official"])
@pytest.mark.parametrize("kind", ["shared", "recipient"])
@pytest.mark.parametrize("size_bytes", [1, SEGMENT_BYTES, 5 * 2**20 + 3])
def test_an_encrypted_file_comes_back_whole_and_in_parts(
    client: StorageClient, tmp_path: Path, form: str, kind: str, size_bytes: int
) -> None:
    path = tmp_path / "plain"
    path.write_bytes(data := pattern(size_bytes, seed=3))
    encrypt = (
        Encryption(key=KEY, form="sealed" if form == "sealed" else "official")
        if kind == "shared"
        else Encryption(recipient=recipient_key_of(PRIVATE), form="sealed" if form == "sealed" else "official")
    )
    keys = FileKeys(shared=KEY) if kind == "shared" else FileKeys(private=PRIVATE)
    upload = client.upload(path, UploadOptions(fragment_bytes=2**20), encrypt=encrypt)
    assert client.read(upload.roots, keys=keys) == data
    assert client.read(upload.roots, keys=keys, offset=size_bytes // 3, length=70_000) == data[size_bytes // 3 :][:70_000]
    assert b"".join(client.open(upload.roots, keys=keys).stream()) == data
    assert client.download(upload.roots, tmp_path / "copy", keys=keys).path.read_bytes() == data
    stored = client.read(upload.roots)
    assert data not in stored or size_bytes == 1
    assert file_root(stored[: 2**20]) == upload.roots[0]


def test_keys_must_fit(client: StorageClient, stored: Upload) -> None:
    with pytest.raises(NotEncryptedError):
        client.read(client.upload(b"plain as day").root, keys=FileKeys(shared=KEY))
    sealed = client.upload(b"for some", encrypt=Encryption(key=KEY)).root
    with pytest.raises(WrongKeyError):
        client.read(sealed, keys=FileKeys(shared=SecretKey(bytes(32))))


# ---- with an event loop ------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_program_with_a_loop_does_the_same(chain: Chain, node: Node, tmp_path: Path) -> None:
    async with AsyncStorageClient(nodes=[node.url], chain=chain.client, account=ACCOUNTS[7]) as client:
        data = pattern(2 * SEGMENT_BYTES, seed=101)
        upload = await client.upload(data)
        assert await client.read(upload.root, offset=5, length=5) == data[5:10]
        assert b"".join([bytes(piece) async for piece in client.stream(upload.root)]) == data
        assert (await client.download(upload.root, tmp_path / "copy")).path.read_bytes() == data
        assert (await client.stat(upload.root)).tx_seq == upload.tx_seqs[0]
        assert upload.root in {info.tx.data_merkle_root for info in (await client.files(upload.tx_seqs[0])).files}
        assert len(await client.upload_many([data, b"x"])) == 2


@pytest.mark.anyio
async def test_a_call_that_is_cancelled_ends_at_once_and_its_thread_soon(chain: Chain, node: Node) -> None:
    began, ended = threading.Event(), threading.Event()

    def notice(progress: Progress) -> None:
        began.set()

    async with AsyncStorageClient(nodes=[node.url], chain=chain.client, account=ACCOUNTS[7]) as client:
        async with anyio.create_task_group() as tasks:

            async def upload() -> None:
                try:
                    await client.upload(pattern(30 * SEGMENT_BYTES, seed=102), UploadOptions(message_bytes=1, threads=1), progress=notice)
                finally:
                    ended.set()

            tasks.start_soon(upload)
            await anyio.to_thread.run_sync(began.wait, 20)
            tasks.cancel_scope.cancel()
        assert ended.is_set()
