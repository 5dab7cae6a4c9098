"""Files over plain HTTP: every route with every code, parts, conditions, and headers that keep a browser from running what users stored."""

import base64
import socket
import threading
from itertools import count
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.unit.storage.indexer.stage import Indexer, Stage
from tests.unit.storage.node.network import File, Node, pattern
from zerog.storage.protocol.manifest import DirectoryEntry, FileEntry, LinkEntry, encode_manifest
from zerog.storage.protocol.units import SEGMENT_BYTES

seeds = count(1)
UNKNOWN = "0x" + "ab" * 32
MIB = 1 << 20


def file_of(size_bytes: int) -> File:
    return File(pattern(size_bytes, next(seeds)))


@pytest.fixture(scope="module")
def nodes(stage: Stage) -> list[Node]:
    return stage.nodes("0/2", "1/2")


@pytest.fixture(scope="module")
def indexer(stage: Stage, nodes: list[Node]) -> Indexer:
    return stage.indexer(*(node.url for node in nodes), folder_file_bytes_max=2 * MIB)


@pytest.fixture(scope="module")
def stored(stage: Stage, nodes: list[Node], indexer: Indexer) -> tuple[File, int]:
    """A file of 5 segments and a bit, and its number."""
    file = file_of(5 * SEGMENT_BYTES + 1234)
    return file, stage.stored(file, indexer, *nodes)


@pytest.fixture(scope="module")
def announced(stage: Stage, nodes: list[Node], indexer: Indexer, stored: tuple[File, int]) -> tuple[File, int]:
    """A file that is on the chain, and of which nothing was uploaded."""
    file = file_of(2 * SEGMENT_BYTES)
    [seq] = stage.chain.submit(file.submission())
    for node in nodes:
        node.wait_for_seq(seq)
    return file, seq


def envelope(answer: httpx.Response) -> tuple[int, str, Any]:
    body = answer.json()
    assert list(body) == ["code", "message", "data"]
    assert answer.status_code == (600 if body["code"] == 2 else 200)
    return body["code"], body["message"], body["data"]


def connection(indexer: Indexer) -> socket.socket:
    """For requests that no HTTP client makes."""
    parts = urlsplit(indexer.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30)


# Whole files and parts of them.


def test_a_file_is_downloaded_by_root_and_by_number(indexer: Indexer, stored: tuple[File, int]) -> None:
    file, seq = stored
    for answer in (indexer.get(f"/file?root={file.root}"), indexer.get(f"/file?txSeq={seq}")):
        assert answer.status_code == 200
        assert answer.content == file.data
        assert answer.headers["content-length"] == str(file.size)
        assert answer.headers["etag"] == f'"{file.root}"'
        assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=262143-262144", 262143, 262145),
        ("bytes=262144-524287", 262144, 524288),
        ("bytes=1000000-", 1_000_000, None),
        ("bytes=-100", -100, None),
        ("bytes=-99999999", 0, None),
        ("bytes=5-99999999", 5, None),
    ],
)
def test_a_part_is_206(indexer: Indexer, stored: tuple[File, int], asked: str, start: int, end: int | None) -> None:
    file, _ = stored
    answer = indexer.get(f"/file?root={file.root}", {"Range": asked})
    wanted = file.data[start:end]
    first = start if start >= 0 else file.size + start
    assert (answer.status_code, answer.content == wanted) == (206, True)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(wanted) - 1}/{file.size}"
    assert answer.headers["content-length"] == str(len(wanted))


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-5", "lines=1-2", "bytes=a-b", "bytes=-", ""])
def test_what_is_no_single_part_is_the_whole(indexer: Indexer, stored: tuple[File, int], asked: str) -> None:
    file, _ = stored
    answer = indexer.get(f"/file?root={file.root}", {"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, file.size)


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_part_that_there_is_not_is_416(indexer: Indexer, stored: tuple[File, int], asked: str) -> None:
    file, _ = stored
    answer = indexer.get(f"/file?root={file.root}", {"Range": asked})
    assert (answer.status_code, answer.headers["content-range"], answer.content) == (416, f"bytes */{file.size}", b"")


def test_a_part_of_another_file_is_not_sent(indexer: Indexer, stored: tuple[File, int]) -> None:
    file, _ = stored
    for tag, status in ((f'"{file.root}"', 206), (f'"{UNKNOWN}"', 200), ("Sat, 28 Nov 2026 12:00:00 GMT", 200)):
        assert indexer.get(f"/file?root={file.root}", {"Range": "bytes=0-9", "If-Range": tag}).status_code == status


@pytest.mark.parametrize("tags", ['"{root}"', 'W/"{root}"', '"x", "{root}"', "*"])
def test_who_has_the_file_already_is_told_so(indexer: Indexer, stored: tuple[File, int], tags: str) -> None:
    file, _ = stored
    answer = indexer.get(f"/file?root={file.root}", {"If-None-Match": tags.format(root=file.root)})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", f'"{file.root}"')
    assert indexer.get(f"/file?root={file.root}", {"If-None-Match": f'"{UNKNOWN}"'}).status_code == 200


def test_head_says_what_get_would(indexer: Indexer, stored: tuple[File, int]) -> None:
    file, _ = stored
    url = f"{indexer.url}/file?root={file.root}"
    got, head = indexer.http.get(url), indexer.http.head(url)
    assert (head.status_code, head.content, dict(head.headers)) == (200, b"", dict(got.headers))
    part = indexer.http.head(url, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"]) == (206, "10")


# What a browser is told.


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("photo.png", "image/png"),
        ("notes.txt", "text/plain"),
        ("film.mp4", "video/mp4"),
        ("page.html", "application/octet-stream"),
        ("page.xhtml", "application/octet-stream"),
        ("drawing.svg", "application/octet-stream"),
        ("feed.xml", "application/octet-stream"),
        ("script.js", "application/octet-stream"),
        ("style.css", "application/octet-stream"),
        ("drawing.svgz", "application/octet-stream"),
        ("nothing", "application/octet-stream"),
    ],
)
def test_nothing_that_users_stored_runs_in_a_browser(indexer: Indexer, stored: tuple[File, int], name: str, kind: str) -> None:
    answer = indexer.get("/file", {"Range": "bytes=0-0"}, root=str(stored[0].root), name=name)
    headers = answer.headers
    assert headers["content-type"] == kind
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["content-disposition"].startswith(f'attachment; filename="{name}"')


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("", "attachment; filename=\"{root}\"; filename*=UTF-8''{root}"),
        ("Grüße €.txt", "attachment; filename=\"Gr__e _.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%E2%82%AC.txt"),
        ('a"b\\c.txt', "attachment; filename=\"c.txt\"; filename*=UTF-8''c.txt"),
        ("../../etc/passwd", "attachment; filename=\"passwd\"; filename*=UTF-8''passwd"),
        ("a\r\nSet-Cookie: x=1", "attachment; filename=\"aSet-Cookie: x=1\"; filename*=UTF-8''aSet-Cookie%3A%20x%3D1"),
        ("..", "attachment; filename=\"..\"; filename*=UTF-8''.."),
    ],
)
def test_names_are_written_so_that_no_header_breaks(indexer: Indexer, stored: tuple[File, int], name: str, disposition: str) -> None:
    file, _ = stored
    answer = indexer.get("/file", {"Range": "bytes=0-0"}, root=str(file.root), name=name)
    assert answer.headers["content-disposition"] == disposition.format(root=file.root)


def test_only_pages_of_this_machine_may_read(indexer: Indexer, stored: tuple[File, int]) -> None:
    path = f"/file?root={stored[0].root}"
    ours = indexer.get(path, {"Origin": "http://localhost:3000", "Range": "bytes=0-0"})
    assert ours.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "content-range" in ours.headers["access-control-expose-headers"]
    preflight = indexer.http.options(f"{indexer.url}{path}", headers={"Origin": "http://localhost:3000"})
    assert "range" in preflight.headers["access-control-allow-headers"]
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for route in (path, "/node/status", "/files/info?cid=0", f"/file/info/{stored[0].root}"):
            assert indexer.get(route, headers).status_code == 403


# What becomes of files that cannot be had.


def test_codes_of_files_that_cannot_be_had(indexer: Indexer, announced: tuple[File, int]) -> None:
    file, seq = announced
    assert envelope(indexer.get("/file")) == (1, "Invalid parameter", "Either 'root' or 'txSeq' must be provided")
    assert envelope(indexer.get("/file?root=0x12"))[0] == 1
    assert envelope(indexer.get("/file?txSeq=-1"))[0] == 1
    for path in (f"/file?root={UNKNOWN}", "/file?txSeq=99999", f"/file/info/{UNKNOWN}", "/file/info/99999", f"/file/{UNKNOWN}/a"):
        assert envelope(indexer.get(path)) == (101, "File not found", None)
    for path in (f"/file?root={file.root}", f"/file?txSeq={seq}", f"/file/{file.root}/a"):
        assert envelope(indexer.get(path)) == (103, "File not finalized yet", None)


def test_a_pruned_file_is_102(stage: Stage) -> None:
    [node] = stage.nodes("0/1")
    indexer = stage.indexer(node.url)
    file = file_of(1000)
    seq = stage.stored(file, indexer, node)
    node.keeper.store.prune(seq)
    node.keeper.files.forget()
    assert envelope(indexer.get(f"/file?txSeq={seq}")) == (102, "File already pruned", None)
    assert envelope(indexer.get(f"/file/info/{seq}"))[2]["pruned"] is True
    assert envelope(indexer.get(f"/file?root={file.root}"))[0] == 101


def test_without_a_node_it_is_600(stage: Stage) -> None:
    indexer = stage.indexer("http://127.0.0.1:9")
    for path in (f"/file?root={UNKNOWN}", f"/file/info/{UNKNOWN}", "/node/status"):
        assert envelope(indexer.get(path)) == (2, "Internal server error", indexer.get(path).json()["data"])


# Routes that tell.


def test_info_of_a_file(indexer: Indexer, nodes: list[Node], stored: tuple[File, int]) -> None:
    file, seq = stored
    code, message, info = envelope(indexer.get(f"/file/info/{seq}"))
    assert (code, message) == (0, "Success")
    assert info == {
        "tx": {
            "streamIds": [],
            "data": None,
            "dataMerkleRoot": str(file.root),
            "startEntryIndex": nodes[0].info(seq)["tx"]["startEntryIndex"],
            "size": file.size,
            "seq": seq,
        },
        "finalized": True,
        "isCached": False,
        "uploadedSegNum": 6,
        "pruned": False,
    }
    assert envelope(indexer.get(f"/file/info/{file.root}"))[2] == info
    assert envelope(indexer.get("/file/info/xyz"))[0] == 1


def test_info_of_several_files(indexer: Indexer, stored: tuple[File, int]) -> None:
    file, seq = stored
    code, _, infos = envelope(indexer.get(f"/files/info?cid={file.root}&cid={UNKNOWN}&cid={seq}&cid=nonsense"))
    assert code == 0
    assert (infos[0]["tx"]["seq"], infos[1], infos[2]["tx"]["seq"]) == (seq, None, seq)
    assert "nonsense" in infos[3]
    assert len(envelope(indexer.get("/files/info?" + "&".join([f"cid={seq}"] * 100)))[2]) == 100
    assert envelope(indexer.get("/files/info?" + "&".join([f"cid={seq}"] * 101)))[0] == 1
    assert envelope(indexer.get("/files/info"))[0] == 1


def test_status_of_the_nodes_beside_the_router(indexer: Indexer) -> None:
    code, _, status = envelope(indexer.get("/node/status"))
    assert (code, status) == (0, indexer.router.rpc("zgs_getStatus"))
    assert indexer.http.post(f"{indexer.url}/node/status", json={"jsonrpc": "2.0", "id": 1, "method": "zgs_getShardConfig"}).json()[
        "result"
    ] == {"shardId": 0, "numShard": 1}


def test_other_paths_are_404(indexer: Indexer) -> None:
    for path in ("/files", "/files/other", "/nodes", "/file/info/", "/unknown"):
        assert indexer.get(path).status_code in (404, 200), path
    assert indexer.get("/files/other").status_code == 404
    assert indexer.http.delete(f"{indexer.url}/file").status_code == 405


# Segments by REST.


def test_segments_are_uploaded_one_by_one(stage: Stage, indexer: Indexer, nodes: list[Node]) -> None:
    file = file_of(3 * SEGMENT_BYTES + 5)
    [seq] = stage.chain.submit(file.submission())
    for node in nodes:
        node.wait_for_seq(seq)
    for index in file.segments:
        segment = file.segment(index)
        body = {"root": str(file.root), "data": segment["data"], "index": index, "proof": segment["proof"], "expectedReplica": 1}
        if index % 2:
            body = {**body, "root": "", "txSeq": seq}
        answer = indexer.http.post(f"{indexer.url}/file/segment", json=body)
        assert envelope(answer) == (0, "Success", "Succeeded to upload segment")
    assert indexer.get(f"/file?root={file.root}").content == file.data
    again = {"root": str(file.root), "data": file.segment(0)["data"], "index": 0, "proof": file.segment(0)["proof"]}
    assert envelope(indexer.http.post(f"{indexer.url}/file/segment", json=again))[0] == 0


def test_segments_that_are_wrong_are_refused(indexer: Indexer, announced: tuple[File, int]) -> None:
    file, seq = announced
    good = file.segment(0)
    body = {"root": str(file.root), "txSeq": seq, "data": good["data"], "index": 0, "proof": good["proof"]}

    def code(**changes: object) -> tuple[int, object]:
        answer = envelope(indexer.http.post(f"{indexer.url}/file/segment", json={**body, **changes}))
        return answer[0], answer[2]

    spoiled = base64.b64encode(b"x" * SEGMENT_BYTES).decode()
    assert code(root="", txSeq=None) == (1, "Either 'root' or 'txSeq' must be provided")
    assert code(data="") == (1, "Segment data is empty")
    assert code(data=spoiled)[0] == 1
    assert code(index=1)[0] == 1
    assert code(proof=None)[0] == 1
    assert code(root=UNKNOWN, txSeq=None)[0] == 101
    assert code(expectedReplica=2)[0] == 2
    assert envelope(indexer.http.post(f"{indexer.url}/file/segment", content=b"{"))[0] == 1
    assert envelope(indexer.get(f"/file/info/{seq}"))[2]["uploadedSegNum"] == 0


# Folders.


@pytest.fixture(scope="module")
def folder(stage: Stage, nodes: list[Node], indexer: Indexer) -> tuple[File, dict[str, File]]:
    """A folder's manifest as a file, and the files in it."""
    files = {name: file_of(size) for name, size in (("a.txt", 1000), ("first", 2 * SEGMENT_BYTES), ("second", 700), ("large", 3 * MIB))}
    for file in files.values():
        stage.stored(file, indexer, *nodes)
    fragments = (files["first"].root, files["second"].root)
    directory = DirectoryEntry(
        entries=(
            FileEntry(name="a.txt", size_bytes=1000, roots=(files["a.txt"].root,)),
            FileEntry(name="empty", size_bytes=0, roots=()),
            FileEntry(name="false", size_bytes=11, roots=(files["a.txt"].root,)),
            FileEntry(name="large", size_bytes=3 * MIB, roots=(files["large"].root,)),
            LinkEntry(name="link", target="sub/both.bin"),
            DirectoryEntry(
                name="sub",
                entries=(
                    FileEntry(name="both.bin", size_bytes=2 * SEGMENT_BYTES + 700, roots=fragments),
                    FileEntry(name="gone", size_bytes=5, roots=(file_of(5).root,)),
                    FileEntry(name="ü 1.txt", size_bytes=1000, roots=(files["a.txt"].root,)),
                ),
            ),
        )
    )
    manifest = File(encode_manifest(directory))
    stage.stored(manifest, indexer, *nodes)
    return manifest, files


def test_a_folder_is_listed(indexer: Indexer, folder: tuple[File, dict[str, File]]) -> None:
    root = folder[0].root
    top = [
        {"name": "a.txt", "type": "file", "size": 1000},
        {"name": "empty", "type": "file", "size": 0},
        {"name": "false", "type": "file", "size": 11},
        {"name": "large", "type": "file", "size": 3 * MIB},
        {"name": "link", "type": "symbolic"},
        {"name": "sub", "type": "directory"},
    ]
    for path in (f"/file/{root}", f"/file/{root}/"):
        assert envelope(indexer.get(path)) == (0, "Success", top)
    names = [entry["name"] for entry in envelope(indexer.get(f"/file/{root}/sub"))[2]]
    assert names == ["both.bin", "gone", "ü 1.txt"]
    assert envelope(indexer.get(f"/file/{root}/link"))[2] == {"name": "link", "type": "symbolic", "link": "sub/both.bin"}


def test_files_in_a_folder_are_served_whole_and_in_part(indexer: Indexer, folder: tuple[File, dict[str, File]]) -> None:
    manifest, files = folder
    root = manifest.root
    plain = indexer.get(f"/file/{root}/a.txt")
    assert (plain.content, plain.headers["content-type"]) == (files["a.txt"].data, "text/plain")
    assert indexer.get(f"/file/{root}/sub/{quote('ü 1.txt')}").content == files["a.txt"].data
    both = files["first"].data + files["second"].data
    assert indexer.get(f"/file/{root}/sub/both.bin").content == both
    border = 2 * SEGMENT_BYTES
    part = indexer.get(f"/file/{root}/sub/both.bin", {"Range": f"bytes={border - 10}-{border + 9}"})
    assert (part.status_code, part.content) == (206, both[border - 10 : border + 10])
    tail = indexer.get(f"/file/{root}/sub/both.bin", {"Range": "bytes=-5"})
    assert tail.content == both[-5:]
    empty = indexer.get(f"/file/{root}/empty")
    assert (empty.status_code, empty.content, empty.headers["content-length"]) == (200, b"", "0")


def test_codes_of_folders(indexer: Indexer, folder: tuple[File, dict[str, File]]) -> None:
    manifest, files = folder
    root = manifest.root
    for path in ("none", "a.txt/below", "sub/none", "../etc", "link/below"):
        assert envelope(indexer.get(f"/file/{root}/{quote(path, safe='')}"))[0] == 104, path
    assert envelope(indexer.get(f"/file/{root}/large")) == (105, "File size too large", {"actual": 3 * MIB, "max": 2 * MIB})
    assert envelope(indexer.get(f"/file/{files['a.txt'].root}/a"))[:2] == (106, "File type unsupported")
    assert envelope(indexer.get(f"/file/{root}/sub/gone"))[0] == 101
    assert envelope(indexer.get(f"/file/{root}/false"))[0] == 2


# When things go wrong on the way.


def test_a_node_that_lies_in_the_middle_cuts_the_answer_short(stage: Stage) -> None:
    [node] = stage.nodes("0/1")
    door = stage.door(node.url)
    indexer = stage.indexer(door.url)
    file = file_of(12 * MIB)
    stage.stored(file, indexer, node)

    def spoiled(content: bytes) -> bytes:
        return content if len(content) < 3 * MIB else content[:MIB] + bytes([content[MIB] ^ 1]) + content[MIB + 1 :]

    door.spoil = spoiled
    with connection(indexer) as client:
        client.sendall(f"GET /file?root={file.root} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head, _, received = b"".join(iter(lambda: client.recv(MIB), b"")).partition(b"\r\n\r\n")
    assert f"content-length: {file.size}".encode() in head
    assert 0 < len(received) < file.size
    assert file.data.startswith(received), "no wrong byte came through"
    assert indexer.service.budget.used_bytes == 0


def test_a_node_that_dies_in_the_middle_is_replaced_by_another(stage: Stage) -> None:
    first, second = stage.nodes("0/1", "0/1")
    door = stage.door(first.url)
    indexer = stage.indexer(door.url, second.url, hedge_s=30.0)
    file = file_of(30 * MIB)
    stage.stored(file, indexer, first, second)
    with connection(indexer) as client:
        client.sendall(f"GET /file?root={file.root} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        received = client.recv(1000)
        first.wait(lambda: len(door.asked) > 0)
        door.is_shut = True
        received += b"".join(iter(lambda: client.recv(MIB), b""))
    assert received.partition(b"\r\n\r\n")[2] == file.data


def test_a_client_that_leaves_is_read_for_no_longer(stage: Stage) -> None:
    [node] = stage.nodes("0/1")
    door = stage.door(node.url)
    indexer = stage.indexer(door.url)
    file = file_of(40 * MIB)
    stage.stored(file, indexer, node)
    with connection(indexer) as client:
        client.sendall(f"GET /file?root={file.root} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        node.wait(lambda: indexer.service.budget.used_bytes > 0)
        assert indexer.service.budget.used_bytes <= 20 * MIB, "what it does not take is not read ahead"
    node.wait(lambda: indexer.service.budget.used_bytes == 0)
    assert len(door.asked) < 10


def test_memory_is_shared_by_many_downloads(stage: Stage) -> None:
    [node] = stage.nodes("0/1")
    indexer = stage.indexer(node.url, buffer_bytes=4 * MIB)
    file = file_of(8 * MIB)
    stage.stored(file, indexer, node)
    right: list[bool] = []

    def download() -> None:
        right.append(httpx.get(f"{indexer.url}/file?root={file.root}", timeout=60).content == file.data)

    threads = [threading.Thread(target=download) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 8
