"""Mining rules: the values that other libraries computed, and what holds for any flow, shard and difficulty."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.storage.protocol.plain import pattern
from zerog._kernel import (
    MiningWork,
    SealedLoads,
    hash_paths,
    keccak256,
    pora_probe,
    pora_qualities,
    pora_scratchpad,
    pora_seal,
    pora_unseal,
)
from zerog.primitives import Hash32
from zerog.storage.protocol import pora
from zerog.storage.protocol.flow import FlowTree, siblings_inside
from zerog.storage.protocol.merkle import FileTree
from zerog.storage.protocol.pora import LOAD_BYTES, LOAD_SECTORS, SEAL_BYTES, RecallRange
from zerog.storage.protocol.shards import EVERYTHING, Shard

MINER, CONTEXT, NONCE, SUBTASK = (Hash32(bytes([byte]) * 32) for byte in (0x11, 0x22, 0x33, 0x44))
RANGE = RecallRange(start_sector=0, sectors=4096, shard_id=1, shard_mask=2**64 - 2)
PATHS = hash_paths()
shards = st.integers(0, 8).flatmap(lambda bits: st.builds(Shard, st.just(1 << bits), st.integers(0, (1 << bits) - 1)))


def work(recall: RecallRange = RANGE, highest: int = 2**256 - 1) -> MiningWork:
    return MiningWork(
        miner_id=MINER,
        subtask_digest=SUBTASK,
        start_sector=recall.start_sector,
        sectors=recall.sectors,
        shard_id=recall.shard_id,
        shard_mask=recall.shard_mask,
        quality_max=highest,
    )


@pytest.mark.parametrize("path", PATHS)
def test_sealing_agrees_with_other_libraries(path: str) -> None:
    sealed = pora_seal(MINER, 16, [CONTEXT], pattern(SEAL_BYTES), path=path)
    assert sealed[:32].hex() == "831941cafec50ee185da1d31be08a8a104de5e994ece597635b060437fe4cee8"
    assert keccak256(sealed).hex() == "f79a4e692fcb228c70d313374a09201b35adb27af962630318f83b88b2765637"
    assert pora_unseal(MINER, 16, [CONTEXT], sealed, path=path) == pattern(SEAL_BYTES)


@pytest.mark.parametrize("path", PATHS)
def test_an_iteration_agrees_with_other_libraries(path: str) -> None:
    assert RANGE.digest().hex() == work().range_digest().hex() == "ef2e6fe809a56978e3b0c3675e863599de4ec019e439939c703e2f19b8450261"
    seed, pad, recall_seed = pora_scratchpad(work(), NONCE, path=path)
    assert seed.hex() == (
        "3133175b5207847107f90c29ee194fda618a41c996ac6989a3a508671f976802c1b78d4eca86b0611ad087ceedfd0d68b1f5df3026d29f4513cf2eda0d283e61"
    )
    assert pad[:64].hex() == (
        "0bd65da35ce6904434d27ae926f923e9397b2645930d9c30686e6180f9a06f2570002eb2f523fe30d9ad781ebdc664fd6a5ca56adc43def35b9aeba4f80fcdab"
    )
    assert keccak256(pad).hex() == "aad69d7093c51b21091f9193208056389d9cad99f19a131fea7439135e99355a"
    assert recall_seed.hex() == "b0ef712b36e5151063740441f097c9bfee7aaac39cd85658541ac5634f464b1f"
    assert pora.recall_sector(RANGE, Hash32(recall_seed)) == 3072
    assert work().load_of(recall_seed) == 3
    load = bytearray(LOAD_BYTES)
    load[5 * SEAL_BYTES : 6 * SEAL_BYTES] = pora.seal(MINER, 16, [CONTEXT], pattern(SEAL_BYTES))
    quality = 0xE0FBF11034653439F8BC7FB6AEE973BF34AC6B22930036BF86704FB808181F8E
    assert pora_qualities(work(), NONCE, load, 1 << 5, path=path) == [(5, quality)]


def test_seals_have_their_place_and_length() -> None:
    with pytest.raises(ValueError, match="multiple of 16 sectors"):
        pora.seal(MINER, 8, [CONTEXT], bytes(SEAL_BYTES))
    with pytest.raises(ValueError, match="4095 bytes are not the 1 seals"):
        pora.unseal(MINER, 16, [CONTEXT], bytes(SEAL_BYTES - 1))
    with pytest.raises(ValueError, match="no way to hash named"):
        pora_seal(MINER, 0, [CONTEXT], bytes(SEAL_BYTES), path="abacus")
    with pytest.raises(ValueError, match="a load has 262144 bytes"):
        pora_qualities(work(), NONCE, bytes(1), 1)


def test_a_probe_finds_the_same_on_every_path(tmp_path: Path) -> None:
    loads = SealedLoads(tmp_path / "sealed", MINER, 4)
    assert loads.put(3, 2**64 - 1, [CONTEXT] * 64, pora.seal(MINER, 3072, [CONTEXT] * 64, pattern(LOAD_BYTES)))
    assert loads.held() == [(3, 2**64 - 1)]
    rare = work(RANGE, 2**256 >> 8)
    found = [pora_probe(rare, loads, NONCE, 20, path=path) for path in PATHS]
    hits, (nonces, picked, seals, counted) = found[0]
    assert nonces == 20
    assert 0 < counted == len(hits)
    assert seals == 64 * picked
    assert all(other == found[0] for other in found)
    for nonce, load, place, quality, sealed in hits:
        assert dict(pora_qualities(rare, nonce, loads.read(3) or b"", 1 << place)) == {place: quality}
        assert (load, len(sealed)) == (3, SEAL_BYTES)


@given(shards, st.integers(LOAD_SECTORS, 2**45), st.integers(0, 2**45), st.integers(0, 25), st.binary(min_size=32, max_size=32))
def test_a_seed_picks_a_load_of_the_shard_within_the_range(
    shard: Shard, flow_sectors: int, start: int, chunk_bits: int, seed: bytes
) -> None:
    recall = RecallRange.of(shard, flow_sectors, start, chunk_sectors=1 << chunk_bits)
    end = flow_sectors // LOAD_SECTORS * LOAD_SECTORS
    assert recall.sectors == min(end, pora.RANGE_SECTORS_MAX * shard.count)
    assert recall.start_sector % (1 << chunk_bits) == 0
    assert 0 <= recall.start_sector <= min(start, end - recall.sectors)
    assert recall.shards == shard.count
    assert recall.shard_id & recall.shard_mask == 0
    sector = pora.recall_sector(recall, Hash32(seed))
    if sector is not None:
        assert shard.holds((sector - recall.start_sector) // LOAD_SECTORS)
        assert recall.start_sector <= sector <= recall.start_sector + recall.sectors - LOAD_SECTORS
    if recall.start_sector % LOAD_SECTORS == 0:
        load = work(recall).load_of(seed)
        assert load == (None if sector is None else sector // LOAD_SECTORS)


@given(st.integers(1, 2**256 - 1), st.integers(2**10, 2**45), shards)
def test_a_shard_has_no_more_chances_than_the_whole(target: int, flow_sectors: int, shard: Shard) -> None:
    own = pora.quality_max(target, flow_sectors, shard.count)
    assert own <= pora.quality_max(target, flow_sectors, 1) <= target
    assert pora.scale_x64(flow_sectors, 1) == 2**64


@given(st.integers(2**32, 2**256 - 1), st.integers(0, 400), st.integers(1, 200), st.integers(1, 100))
def test_a_target_moves_towards_the_wanted_number_of_answers(target: int, answers: int, wanted: int, ratio: int) -> None:
    moved = pora.adjusted_target(target, submissions=answers, target_submissions=wanted, adjust_ratio=ratio, difficulty_min=1)
    # The lowest bits do not count, and divisions round down.
    unit = 1 << 17
    if answers < wanted:
        assert moved >= target - unit
    if answers > wanted:
        assert moved <= target
    assert target // 2 - unit <= moved <= min(2 * target, 2**256 - 1)
    easy = pora.adjusted_target(target, submissions=answers, target_submissions=wanted, adjust_ratio=ratio, difficulty_min=1000)
    assert easy <= pora.initial_target(1000)


def test_a_window_opens_after_its_start_and_ends_with_its_last_block() -> None:
    window = pora.mining_window(CONTEXT, MINER, mine_start=100, subtasks=4, subtask_interval_blocks=800, target_mine_blocks=750)
    index = pora.subtask_index(CONTEXT, MINER, 4)
    assert window == pora.MiningWindow(100 + 800 * index, 850 + 800 * index)
    assert [window.holds(window.start + offset) for offset in (0, 1, 750, 751)] == [False, True, True, False]
    assert pora.subtask_digest(CONTEXT, MINER) == keccak256(CONTEXT + MINER)


def test_a_seal_leads_to_the_root_of_the_flow() -> None:
    tree, data = FileTree(pattern(3 * LOAD_BYTES)), pattern(3 * LOAD_BYTES)
    flow = FlowTree()
    flow.append(4096, tree.submission().nodes)
    for sector in (4096, 4096 + 16 * 77, 4096 + 3 * LOAD_SECTORS - 16):
        within = sector - 4096
        segment = within // LOAD_SECTORS
        part = data[segment * LOAD_BYTES : (segment + 1) * LOAD_BYTES]
        proof = flow.proof(sector, siblings_inside(tree.submission(), within, part, tree.segment_proof(segment).lemma[1:-1]))
        siblings = proof.lemma[1 + pora.SEAL_HEIGHT : -1]
        assert pora.seal_root(data[within * 256 : within * 256 + SEAL_BYTES], sector, siblings) == flow.root


def test_a_short_flow_has_nothing_to_mine() -> None:
    with pytest.raises(pora.NothingToMineError, match="a flow of 1023 sectors"):
        RecallRange.of(EVERYTHING, 1023)
    assert RecallRange.of(Shard(4, 3), 4095).sectors == 3072
