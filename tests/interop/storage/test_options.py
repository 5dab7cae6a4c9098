"""What the official SDKs' options do: uploads again, fragments, encryption, and the older SDK."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.interop.storage.content import SIZES, random_bytes, root_of, written
from tests.interop.storage.network import Network, running_network
from tests.interop.storage.sdk import ACCOUNTS, OLD, download, upload

pytestmark = pytest.mark.timeout(300)

QUICKSTART: Final = Path(__file__).parent / "quickstart.mjs"
PROGRAM_S_MAX: Final = 60
FRAGMENT_BYTES: Final = 1 << 20
AES_KEY: Final = "0x" + bytes(range(32)).hex()
OTHER_AES_KEY: Final = "0x" + bytes(32).hex()
PRIVATE_KEY: Final = "0x" + "01" * 32
PUBLIC_KEY: Final = "0x031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f"
"""Of that private key, compressed."""
ENCRYPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "aes256": {"type": "aes256", "key": AES_KEY},
    "ecies": {"type": "ecies", "key": PUBLIC_KEY},
}
FITTING: Final[Mapping[str, Mapping[str, str]]] = {"aes256": {"symmetricKey": AES_KEY}, "ecies": {"privateKey": PRIVATE_KEY}}
UNFITTING: Final = {"aes256": FITTING["ecies"], "ecies": FITTING["aes256"]}
HEADER_BYTES: Final = {"aes256": 17, "ecies": 50}
VERSION: Final = {"aes256": 1, "ecies": 2}


FRAGMENTS: Final[dict[str, object]] = {"fragmentSize": FRAGMENT_BYTES}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way into the network, and the lane in which it goes."""

    lane: int
    data: bytes
    options: Mapping[str, object] = field(default_factory=dict)


AGAIN: Final = random_bytes(300_000, seed=3)
UPLOADS: Final[Mapping[str, Upload]] = {
    "first": Upload(0, AGAIN),
    "second": Upload(0, AGAIN),
    "insisting": Upload(0, AGAIN, {"skipIfFinalized": False}),
    "fragments": Upload(1, random_bytes(5 * FRAGMENT_BYTES + 7, seed=5), FRAGMENTS),
    "plain": Upload(2, b"\x00" + random_bytes(1000, seed=8)),
    "aes256": Upload(3, random_bytes(300_000, seed=6), {"encryption": ENCRYPTIONS["aes256"]}),
    "ecies": Upload(4, random_bytes(300_000, seed=6), {"encryption": ENCRYPTIONS["ecies"]}),
    "aes256 in fragments": Upload(5, random_bytes(FRAGMENT_BYTES + 7, seed=9), {**FRAGMENTS, "encryption": ENCRYPTIONS["aes256"]}),
    "ecies in fragments": Upload(6, random_bytes(FRAGMENT_BYTES + 7, seed=9), {**FRAGMENTS, "encryption": ENCRYPTIONS["ecies"]}),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """What the network holds after all uploads, made by one client, lanes at the same time."""

    network: Network
    results: Mapping[str, Any]
    """What the SDK returned of each upload."""
    progress: Mapping[str, Sequence[str]]
    """What it told on the way."""
    submissions: int

    def roots(self, name: str) -> str | Sequence[str]:
        result = self.results[name]
        roots: str | Sequence[str] = result["rootHashes"] if "rootHashes" in result else result["rootHash"]
        return roots

    def opened(self, *wanted: tuple[str | Sequence[str], Mapping[str, str]]) -> list[bytes]:
        """What the SDK downloads into blobs, given roots and keys."""
        sdk = self.network.sdk
        paths = [sdk.folder / f"blob-{number}" for number in range(len(wanted))]
        jobs = [
            {"kind": "downloadToBlob", "root": root, "path": str(path), "decryption": keys or None}
            for path, (root, keys) in zip(paths, wanted, strict=True)
        ]
        for outcome in sdk.run(jobs)[0]:
            outcome.result()
        return [path.read_bytes() for path in paths]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running_network(tmp_path_factory.mktemp("options")) as network:
        yield network


@pytest.fixture(scope="module")
def stored(network: Network) -> Stored:
    """All uploads at once, since the SDK looks only once a second whether one is done."""
    names: list[list[str]] = [[] for _ in range(ACCOUNTS)]
    for name, file in UPLOADS.items():
        names[file.lane].append(name)
    folder = network.sdk.folder
    lanes = [
        [upload(written(folder / name.replace(" ", "-"), UPLOADS[name].data), options=UPLOADS[name].options) for name in lane]
        for lane in names
    ]
    progress: dict[str, list[str]] = {name: [] for name in UPLOADS}
    with network.sdk.started(*lanes) as session:
        for event in session.events():
            if "progress" in event:
                progress[names[event["lane"]][event["job"]]].append(event["progress"])
    results = {name: session.outcomes[lane, job].result() for lane, jobs in enumerate(names) for job, name in enumerate(jobs)}
    return Stored(network, results, progress, network.storage("zgs_getStatus")["nextTxSeq"])


def test_a_stored_file_is_not_paid_for_again(stored: Stored) -> None:
    first, second = stored.results["first"], stored.results["second"]
    assert first["rootHash"] == second["rootHash"] == root_of(AGAIN)
    assert (second["txHash"], second["txSeq"]) == ("", first["txSeq"])
    assert stored.progress["second"] == ["File already stored on network."]


def test_a_caller_who_insists_pays_and_needs_to_send_no_segment(stored: Stored) -> None:
    first, insisting = stored.results["first"], stored.results["insisting"]
    assert insisting["txHash"] not in ("", first["txHash"])
    assert stored.progress["insisting"][-1] == "File already stored on network."
    assert not any("Segments uploaded" in message for message in stored.progress["insisting"])
    infos = [stored.network.storage("zgs_getFileInfoByTxSeq", number) for number in range(stored.submissions)]
    same = [info for info in infos if info["tx"]["dataMerkleRoot"] == root_of(AGAIN)]
    assert [(info["finalized"], info["uploadedSegNum"], info["tx"]["size"]) for info in same] == [(True, 2, len(AGAIN))] * 2
    assert insisting["txSeq"] == first["txSeq"] == same[0]["tx"]["seq"]  # Of all with one root, the SDK is told the first.


def test_a_large_file_goes_in_as_fragments_and_comes_back_whole(stored: Stored) -> None:
    data, result = UPLOADS["fragments"].data, stored.results["fragments"]
    pieces = [data[start : start + FRAGMENT_BYTES] for start in range(0, len(data), FRAGMENT_BYTES)]
    assert result["rootHashes"] == [root_of(piece) for piece in pieces]
    assert len(pieces) == 6
    assert result["txSeqs"] == sorted(result["txSeqs"])
    assert stored.network.sdk.fetched(result["rootHashes"], "fragments.fetched") == data
    assert stored.opened((result["rootHashes"], {})) == [data]


@pytest.mark.parametrize("kind", ENCRYPTIONS)
def test_an_encrypted_file_opens_with_its_key_alone(stored: Stored, kind: str) -> None:
    data, root = UPLOADS[kind].data, stored.roots(kind)
    opened, sealed, unfitting = stored.opened((root, FITTING[kind]), (root, {}), (root, UNFITTING[kind]))
    assert opened == data
    assert root_of(sealed) == root
    assert len(sealed) == HEADER_BYTES[kind] + len(data)
    assert unfitting == sealed
    header = stored.network.sdk.do({"kind": "peekHeader", "root": root})
    assert header["version"] == VERSION[kind] == sealed[0]
    if kind == "ecies":
        assert header["ephemeralPub"] == "0x" + sealed[1:34].hex()


@pytest.mark.parametrize("kind", ENCRYPTIONS)
def test_each_encrypted_fragment_opens_with_the_key(stored: Stored, kind: str) -> None:
    # The SDK encrypts each fragment by itself, header and all. Asked for all at once it opens them as if the first's header were
    # that of all, and garbles the others, so they are asked for one by one.
    data, roots = UPLOADS[f"{kind} in fragments"].data, stored.roots(f"{kind} in fragments")
    assert len(roots) == 2
    assert stored.opened(*((root, FITTING[kind]) for root in roots)) == [data[:FRAGMENT_BYTES], data[FRAGMENT_BYTES:]]


def test_another_key_of_the_right_kind_yields_nothing_of_the_text(stored: Stored) -> None:
    [garbled] = stored.opened((stored.roots("aes256"), {"symmetricKey": OTHER_AES_KEY}))
    data = UPLOADS["aes256"].data
    assert len(garbled) == len(data)
    assert sum(one == other for one, other in zip(garbled, data, strict=True)) < len(data) // 64  # 1 in 256 is the same by chance.


def test_a_plain_file_has_no_header(stored: Stored) -> None:
    assert stored.network.sdk.do({"kind": "peekHeader", "root": stored.roots("plain")}) is None


def test_the_program_of_the_documentation_runs(network: Network, tmp_path: Path) -> None:
    data = random_bytes(300_000, seed=11)
    path = written(tmp_path / "picture.jpg", data)
    folder = Path(network.endpoints.data_dir).parent
    command = ["node", str(QUICKSTART), str(path)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PROGRAM_S_MAX, check=True)
    assert f"{path} is {root_of(data)}, number " in done.stdout
    assert Path(f"{path}.fetched").read_bytes() == data


def test_the_older_sdk_uploads_and_downloads(network: Network) -> None:
    sdk = replace(network.sdk, package=OLD)
    contents = [random_bytes(size, seed=10) for size in SIZES]
    paths = [written(sdk.folder / f"old-{len(data)}", data) for data in contents]
    jobs = [[upload(path), download(root_of(data), Path(f"{path}.fetched"))] for path, data in zip(paths, contents, strict=True)]
    lanes = [[job for pair in jobs[lane::ACCOUNTS] for job in pair] for lane in range(ACCOUNTS)]
    outcomes: list[Any] = [outcome.result() for lane in sdk.run(*lanes) for outcome in lane]
    assert {outcome["rootHash"] for outcome in outcomes if outcome} == {root_of(data) for data in contents}
    assert [Path(f"{path}.fetched").read_bytes() for path in paths] == contents
