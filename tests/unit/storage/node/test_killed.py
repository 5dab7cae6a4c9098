"""A node that is killed in the middle of uploads: what it answered for is there, and nothing is complete that is not."""

import threading
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.unit.storage.node.network import Chain, File, pattern
from tests.unit.storage.node.process import NodeProcess, node_process

seeds = count(90_000)

UPLOADERS = 4
SEGMENTS = 24


@pytest.mark.parametrize("answered_before", [1, 7, 15])
def test_what_was_answered_for_survives(chain: Chain, tmp_path: Path, answered_before: int) -> None:
    """Four uploaders send different segments at once; the process is killed as soon as so many have been answered."""
    file = File(pattern(SEGMENTS * 262144, next(seeds)))
    [seq] = chain.submit(file.submission())
    answered: list[int] = []
    enough = threading.Event()
    with node_process(chain, tmp_path) as node:
        node.until(lambda: node.rpc("zgs_getStatus")["nextTxSeq"] > seq)

        def send(first: int) -> None:
            with httpx.Client() as http:
                for index in range(first, SEGMENTS, UPLOADERS):
                    try:
                        assert NodeProcess(node.process, node.url, http).rpc("zgs_uploadSegmentsByTxSeq", [file.segment(index)], seq) == 0
                    except (httpx.HTTPError, FileNotFoundError):
                        return  # It is gone.
                    answered.append(index)
                    if len(answered) >= answered_before:
                        enough.set()

        uploaders = [threading.Thread(target=send, args=(first,)) for first in range(UPLOADERS)]
        for uploader in uploaders:
            uploader.start()
        enough.wait(20)
        node.process.kill()
        for uploader in uploaders:
            uploader.join()
    with node_process(chain, tmp_path) as node:
        availability = node.rpc("zgs_getAvailability", seq)
        held = int.from_bytes(bytes.fromhex(availability["held"][2:]), "little")
        assert all(held >> index & 1 for index in answered)
        assert availability["finalized"] == (availability["heldCount"] == SEGMENTS)
        for index in file.segments:
            found = node.rpc("zgs_downloadSegmentWithProofByTxSeq", seq, index)
            assert found == (file.segment(index) if held >> index & 1 else None)
        missing = [file.segment(index) for index in file.segments if not held >> index & 1]
        if missing:
            assert node.rpc("zgs_uploadSegmentsByTxSeq", missing, seq) == 0
        assert node.rpc("zgs_checkFileFinalized", seq) is True
