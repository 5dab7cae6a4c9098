"""A pass keeps to its rate, is hurried on request, goes on after a restart, and the shell waits for it."""

import json
from itertools import count
from pathlib import Path

import pytest

from tests.unit.storage.node.network import Chain, Network
from tests.unit.storage.node.test_peers import uploaded
from tests.unit.storage.node.test_repair import flip_bits
from zerog.cli.application import run
from zerog.storage.node.settings import StorageNodeSettings, StorageSettingsError

seeds = count(130_000)
SEGMENT = 262_144
SLOW = {"scrub_mib_s": 0.001, "scrub_interval_s": 0.05}
"""At this rate a pass takes longer than any test."""


def test_a_pass_at_a_rate_waits_and_one_in_a_hurry_does_not(network: Network, chain: Chain, tmp_path: Path) -> None:
    with network.running(chain, data_dir=tmp_path, **SLOW) as node:
        uploaded(chain, node, 40 * SEGMENT)
        scrubber = node.keeper.store.scrubber
        node.wait(lambda: scrubber.progress.bytes_checked > 0)
        state = node.admin.rpc("admin_getUpkeep")["scrub"]
        assert (state["is_under_way"], state["is_hurried"]) == (True, False)
        assert state["bytes_checked"] < state["bytes_total"] / 2
        before = scrubber.progress.passes
        node.admin.rpc("admin_startScrub")
        node.wait(lambda: scrubber.progress.passes > before)
        assert scrubber.progress.ended_bytes > 40 * SEGMENT
        assert node.keeper.counters.scrubbed_bytes > 40 * SEGMENT


def test_a_pass_goes_on_after_a_restart(network: Network, chain: Chain, tmp_path: Path) -> None:
    with network.running(chain, data_dir=tmp_path, **SLOW) as node:
        uploaded(chain, node, 40 * SEGMENT)
        node.wait(lambda: node.keeper.store.scrubber.progress.bytes_checked > 0)
        node.keeper.store.scrubber.note()
        began = node.keeper.store.scrubber.progress.began_s
    with network.running(chain, data_dir=tmp_path, **SLOW) as node:
        progress = node.keeper.store.scrubber.progress
        assert (progress.began_s, progress.bytes_checked > 0, progress.offset > 0) == (began, True, True)


def test_a_node_that_does_not_scrub_does_so_when_asked(network: Network, chain: Chain, tmp_path: Path) -> None:
    with network.running(chain, data_dir=tmp_path, scrub_mib_s=0.0) as node:
        uploaded(chain, node, 3 * SEGMENT)
        assert node.admin.rpc("admin_startScrub") == 0
        node.wait(lambda: node.keeper.store.scrubber.progress.passes == 1)
        assert not node.keeper.store.scrubber.is_under_way


def test_the_shell_waits_for_a_pass_and_fails_for_damage(
    network: Network, chain: Chain, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with network.running(chain, data_dir=tmp_path) as node:
        uploaded(chain, node, 3 * SEGMENT)
        assert run(["storage", "scrub", "--node", node.admin.url]) == 0
        assert f"{node.admin.url}  7" in capfd.readouterr().out
        flip_bits(tmp_path, 1, next(seeds))
        assert run(["storage", "scrub", "--node", node.admin.url, "--json"]) == 1
        out = capfd.readouterr().out  # The node logs to it as well.
        printed, _ = json.JSONDecoder().raw_decode(out[out.index("{\n") :])
        assert printed[node.admin.url]["segments_damaged"] == 1
        assert run(["storage", "scrub", "--no-wait", "--node", node.admin.url]) == 0
    assert run(["storage", "scrub", "--dir", str(tmp_path)]) == 1
    assert "no storage node runs in this folder" in capfd.readouterr().err


@pytest.mark.parametrize("wrong", [{"scrub_mib_s": -1.0}, {"scrub_interval_s": 0.0}, {"orphans_kept_s": 0.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(StorageSettingsError):
        StorageNodeSettings(**wrong)  # type: ignore[arg-type]
