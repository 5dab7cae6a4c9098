"""Files of every size at and around a border, through the official SDK into a network and back."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pytest

from tests.interop.storage.content import SIZES, pattern, random_bytes, root_of, written
from tests.interop.storage.network import running_network
from tests.interop.storage.sdk import ACCOUNTS, Job, Outcome, Sdk, download, upload

pytestmark = pytest.mark.timeout(300)  # Whatever test comes first makes all transfers.

PUBLISHED: Final = {
    1: "0xd397b3b043d87fcd6fad1291ff0bfd16401c274896d8c63a923727f077b8e0b5",
    255: "0x037a0c9cbd377fa4d88832b1adb2de77b7a2939815debfc83137ecf1b89bf984",
    256: "0xe2a94a8afb5941b26a9be1be979c403e33559570b52961b48b3f7d36237fecc8",
    257: "0x24b74d6cdc150cad90a1ba71ff747a7e0d377f676fc78dbcc9218d22dafa503b",
    262_143: "0xf8f1aae97b95c26ee1d7b2190ac539b7f708c150b75d8f31f701ad1e1514b65a",
    262_144: "0x4d533607c0f4423a9287d761e7394aa61552adb7d6a080cdb278ddb65b2eacb7",
    262_145: "0x1458412a6ece9f4f9dc83ade0c68037378ef3e10fe484cea5d451cc10c9212d0",
    4_456_448: "0x889b5f23259aa98e971c0839f4c6fe1a9de7444ae7fced2bff6cd7354ef7e5f1",
    10_485_761: "0x8c4faecc5763e42c3a9559ec833a62e5aa3ac3847bfb49ceade84b0bd830127f",
}
"""Roots of the pattern, as SDK 1.2.8 computes them."""


MAKERS: Final[Mapping[str, Callable[[int], bytes]]] = {"random": random_bytes, "zeros": bytes, "pattern": pattern}
NAMES: Final = (
    *(f"random-{size}" for size in SIZES),
    *(f"zeros-{size}" for size in SIZES),
    *(f"pattern-{size}" for size in PUBLISHED),
)


@dataclass(frozen=True, slots=True)
class File:
    """A file on its way to the network and back."""

    name: str
    data: bytes
    root: str

    @classmethod
    def named(cls, name: str) -> Self:
        kind, size = name.split("-")
        data = MAKERS[kind](int(size))
        return cls(name, data, root_of(data))


@dataclass(frozen=True, slots=True)
class Transfer:
    """How it went."""

    file: File
    upload: Outcome
    download: Outcome
    fetched: Path


@dataclass(frozen=True, slots=True)
class Transfers:
    """All of them, by the names of the files."""

    lanes: Sequence[Sequence[File]]
    by_name: Mapping[str, Transfer]
    first_number: int
    """What the network gives to the next submission, before any of these."""

    def first_of(self, root: str) -> Transfer:
        """The transfer that brought this root into the network."""
        return next(transfer for transfer in self.by_name.values() if transfer.file.root == root)


def spread(files: Iterable[File]) -> list[list[File]]:
    """The files over as many lanes as there are accounts, evenly; those of one root stand in one lane, in their order."""
    by_root: dict[str, list[File]] = defaultdict(list)
    for file in files:
        by_root[file.root].append(file)
    lanes: list[list[File]] = [[] for _ in range(ACCOUNTS)]
    for group in sorted(by_root.values(), key=lambda group: -len(group[0].data)):
        min(lanes, key=lambda lane: sum(len(file.data) for file in lane)).extend(group)
    return lanes


@pytest.fixture(scope="module")
def transfers(tmp_path_factory: pytest.TempPathFactory) -> Transfers:
    """All files, uploaded and then downloaded by one client; lanes at the same time."""
    with running_network(tmp_path_factory.mktemp("sizes")) as network:
        first_number: int = network.storage("zgs_getStatus")["nextTxSeq"]
        lanes = spread(map(File.named, NAMES))
        return Transfers(lanes, made_by(network.sdk, lanes), first_number)


def made_by(sdk: Sdk, lanes: Sequence[Sequence[File]]) -> Mapping[str, Transfer]:
    jobs: list[list[Job]] = [[job for file in lane for job in round_trip(sdk.folder, file)] for lane in lanes]
    return {
        file.name: Transfer(file, of_lane[2 * index], of_lane[2 * index + 1], sdk.folder / f"{file.name}.fetched")
        for lane, of_lane in zip(lanes, sdk.run(*jobs), strict=True)
        for index, file in enumerate(lane)
    }


def round_trip(folder: Path, file: File) -> tuple[Job, Job]:
    return upload(written(folder / file.name, file.data)), download(file.root, folder / f"{file.name}.fetched")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_goes_in_under_its_root_and_comes_back_as_it_was(transfers: Transfers, name: str) -> None:
    transfer = transfers.by_name[name]
    assert transfer.upload.result()["rootHash"] == transfer.file.root
    transfer.download.result()
    first = transfers.first_of(transfer.file.root)  # A root does not tell how many zeros end its last sector.
    assert transfer.fetched.read_bytes() == first.file.data


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_pattern_has_its_published_root(transfers: Transfers, size: int) -> None:
    assert transfers.by_name[f"pattern-{size}"].upload.result()["rootHash"] == PUBLISHED[size]


def test_every_new_root_has_the_next_number_and_no_known_one_pays_again(transfers: Transfers) -> None:
    numbers = {}
    for transfer in transfers.by_name.values():
        result, first = transfer.upload.result(), transfers.first_of(transfer.file.root)
        if transfer is first:
            assert result["txHash"].startswith("0x")
            numbers[transfer.file.root] = result["txSeq"]
        else:
            assert (result["txHash"], result["txSeq"]) == ("", first.upload.result()["txSeq"])
    assert sorted(numbers.values()) == list(range(transfers.first_number, transfers.first_number + len(numbers)))


def test_numbers_of_one_account_increase(transfers: Transfers) -> None:
    for lane in transfers.lanes:
        results = [transfers.by_name[file.name].upload.result() for file in lane]
        numbers = [result["txSeq"] for result in results if result["txHash"]]
        assert numbers == sorted(numbers)
