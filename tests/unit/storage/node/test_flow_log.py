"""The log of the flow as values: which pages are read, what is taken from them, and what is passed by."""

from collections.abc import Sequence
from itertools import count

import msgspec
import pytest

from tests.unit.storage.node.network import ACCOUNTS, LOCAL, Chain, File, pattern
from zerog.chain.protocol.logs import LogCriteria
from zerog.chain.wire.answers import LogAnswer
from zerog.contracts.storage import FLOW, Extend, Submit
from zerog.primitives import Data, Hash32
from zerog.storage.following import LogGapError, next_page, read_logs
from zerog.storage.protocol.flow import FlowTree

seeds = count(70_000)


@pytest.mark.parametrize(
    ("read", "head", "confirmations", "page"),
    [
        (None, 0, 0, (0, 0)),
        (None, 5_000, 0, (0, 998)),
        (998, 5_000, 0, (999, 1_997)),
        (4_999, 5_000, 0, (5_000, 5_000)),
        (5_000, 5_000, 0, None),
        (5_001, 5_000, 0, None),
        (4_990, 5_000, 3, (4_991, 4_997)),
        (4_997, 5_000, 3, None),
        (None, 2, 3, None),
    ],
)
def test_pages_follow_each_other_up_to_the_confirmed_tip(
    read: int | None, head: int, confirmations: int, page: tuple[int, int] | None
) -> None:
    assert next_page(read, head, first_block=0, confirmations=confirmations, blocks_max=999) == page


def test_reading_may_begin_later() -> None:
    assert next_page(None, 5_000, first_block=4_000, confirmations=0, blocks_max=999) == (4_000, 4_998)
    assert next_page(None, 3_000, first_block=4_000, confirmations=0, blocks_max=999) is None


@pytest.fixture(scope="module")
def files() -> list[File]:
    return [File(pattern(size, next(seeds))) for size in (1, 300, 262145, 5_000)]


@pytest.fixture(scope="module")
def logs(chain: Chain, files: list[File]) -> Sequence[LogAnswer]:
    """What a real chain says of four files in two blocks."""
    assert chain.submit(*(file.submission() for file in files[:3])) == [0, 1, 2]
    assert chain.submit(files[3].submission()) == [3]
    return chain.client.logs(LogCriteria((LOCAL.addresses["flow"],), ((Submit.TOPIC,),)))


def test_submissions_come_in_their_order_whatever_the_nodes_order(logs: Sequence[LogAnswer], files: list[File]) -> None:
    page = read_logs(list(reversed(logs)), 0)
    assert [entry.seq for entry in page.submissions] == [0, 1, 2, 3]
    assert [entry.root for entry in page.submissions] == [file.root for file in files]
    assert [entry.submission for entry in page.submissions] == [file.submission() for file in files]
    assert [entry.block_hash for entry in page.submissions] == [log.block_hash for log in logs]
    tree = FlowTree()
    for entry in page.submissions:
        tree.append(entry.start_sector, entry.submission.nodes)
    assert page.ignored == 0


def test_a_missing_submission_is_noticed(logs: Sequence[LogAnswer]) -> None:
    with pytest.raises(LogGapError) as gap:
        read_logs([logs[0], logs[2]], 0)
    assert (gap.value.expected_seq, gap.value.found_seq) == (1, 2)
    with pytest.raises(LogGapError):
        read_logs(logs[1:], 0)


def test_what_was_read_before_is_passed_by(logs: Sequence[LogAnswer]) -> None:
    page = read_logs(logs, 2)
    assert ([entry.seq for entry in page.submissions], page.ignored) == ([2, 3], 2)


def test_what_is_no_submission_is_passed_by(logs: Sequence[LogAnswer]) -> None:
    """Cut off, of another event, with a topic too few, with numbers that are none, and with a size that its nodes do not have."""
    good = logs[0]
    bad = [
        msgspec.structs.replace(good, data=Data(good.data[:-33])),
        msgspec.structs.replace(good, data=Data(b"")),
        msgspec.structs.replace(good, data=Data(b"\xff" * len(good.data))),
        msgspec.structs.replace(good, topics=[Hash32(b"\x11" * 32), *good.topics[1:]]),
        msgspec.structs.replace(good, topics=good.topics[:1]),
        msgspec.structs.replace(good, topics=[]),
        msgspec.structs.replace(good, data=Data(good.data.replace((1).to_bytes(32, "big"), (999).to_bytes(32, "big")))),
    ]
    page = read_logs([*bad, *logs], 0)
    assert ([entry.seq for entry in page.submissions], page.ignored) == ([0, 1, 2, 3], len(bad))


def test_extensions_are_told_apart_from_submissions(chain: Chain, logs: Sequence[LogAnswer]) -> None:
    """An extension counts as none of the logs that are ignored; one that cannot be read does."""
    fee_wei = LOCAL.storage.price_per_sector_wei if LOCAL.storage is not None else 0
    for _ in range(2):
        sent = chain.client.send(LOCAL.addresses["flow"], value_wei=fee_wei, data=FLOW.function("extend").encode(0), account=ACCOUNTS[1])
        assert chain.client.wait_for_receipt(sent).succeeded
    extends = chain.client.logs(LogCriteria((LOCAL.addresses["flow"],), ((Extend.TOPIC,),)))
    damaged = msgspec.structs.replace(extends[0], data=Data(b"short"))
    page = read_logs([*extends, *logs, damaged], 0)
    assert [(entry.seq, entry.extensions) for entry in page.extensions] == [(0, 1), (0, 2)]
    assert [entry.block_number for entry in page.extensions] == [log.block_number for log in extends]
    assert (len(page.submissions), page.ignored) == (len(logs), 1)
