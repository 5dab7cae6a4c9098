"""A node that mines: what it stores is sealed, searched, proved to the contract, and paid for."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.unit.storage.node.network import LOCAL, Chain, File, Network, Node, pattern
from zerog.cli.application import run
from zerog.contracts.storage import REWARD, RewardState
from zerog.networks import role_account
from zerog.primitives import Hash32
from zerog.storage.node.mining import Miner
from zerog.storage.node.mining.proving import Found
from zerog.storage.node.settings import StorageNodeSettings, StorageSettingsError
from zerog.storage.protocol.pora import SEAL_BYTES, RecallRange
from zerog.storage.protocol.shards import EVERYTHING, Shard

assert LOCAL.genesis is not None
assert LOCAL.storage is not None
assert LOCAL.mining is not None
ACCOUNT = role_account(LOCAL.genesis.mnemonic, "storage", 1)
REWARDS = LOCAL.addresses["reward"]
RELEASE_S = LOCAL.storage.release_s
MONTH_S = 31 * 86_400
EPOCH_BLOCKS = LOCAL.storage.blocks_per_epoch + 1
ANSWERS_MAX = 2 * LOCAL.mining.target_submissions


@dataclass
class Mine:
    """A chain, and a node that mines on it."""

    chain: Chain
    node: Node

    @property
    def miner(self) -> Miner:
        miner = self.node.keeper.miner
        assert isinstance(miner, Miner)
        return miner

    @property
    def accepted(self) -> int:
        return self.miner.counters.answers_accepted

    def store(self, *files: File, uploaded: bool = True) -> list[int]:
        """Announce files, and upload them."""
        seqs = self.chain.submit(*(file.submission() for file in files))
        self.node.wait_for_seq(seqs[-1])
        for file, seq in zip(files, seqs, strict=True):
            if uploaded:
                self.node.upload(file, seq)
        return seqs

    def pass_time(self, seconds: int = MONTH_S) -> None:
        """A new epoch, and what is released meanwhile."""
        self.chain.rpc("evm_increaseTime", seconds)
        self.chain.rpc("hardhat_mine", hex(EPOCH_BLOCKS))

    def wait_for_answers(self, count: int) -> None:
        self.node.wait(lambda: self.accepted >= count)

    def reward(self, index: int) -> RewardState:
        """Of a pricing chunk."""
        return RewardState.decode(self.chain.client.call(REWARDS, REWARD.function("rewards").encode(index)))

    def status(self) -> dict[str, object]:
        found: dict[str, object] = self.node.admin.rpc("miner_getStatus")
        return found


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "miner.key"
    path.write_text(f"0x{ACCOUNT.private_key.hex()}\n")
    return path


@pytest.fixture
def mine(network: Network, key_file: Path) -> Iterator[Mine]:
    chain = network.chain()
    with network.running(chain, mine=True, mine_key_file=key_file) as node:
        yield Mine(chain, node)


def test_an_answer_is_accepted_half_is_paid_and_can_be_withdrawn(mine: Mine) -> None:
    mine.store(File(pattern(1 << 20)))
    mine.node.admin.rpc("miner_stop")
    mine.pass_time()
    before = {index: mine.reward(index) for index in (0, 1)}
    assert all(state.start_time for state in before.values())
    mine.node.admin.rpc("miner_start")
    mine.wait_for_answers(1)
    mine.node.admin.rpc("miner_stop")
    mine.node.wait(lambda: mine.miner.state == "stopped")
    paid = {index: mine.reward(index) for index in (0, 1)}
    for index, state in paid.items():
        if state.last_update == before[index].last_update:
            continue
        total = before[index].locked_wei + before[index].claimable_wei + before[index].distributed_wei
        released = total * (state.last_update - state.start_time) // RELEASE_S
        assert 0 < state.distributed_wei <= released - released // 2 ** min(mine.accepted, 60)
        assert state.claimable_wei == released - state.distributed_wei
    rewards = mine.node.admin.rpc("miner_getRewards")
    earned = sum(state.distributed_wei for state in paid.values())
    assert int(rewards["earnedWei"]) == int(rewards["withdrawableWei"]) == mine.miner.counters.earned_wei == earned > 0
    balance = mine.chain.client.balance(ACCOUNT.address)
    taken = mine.node.admin.rpc("miner_withdraw")
    assert int(taken["withdrawnWei"]) == earned
    receipt = mine.chain.client.receipt(Hash32.from_json(taken["transactionHash"]))
    assert receipt is not None
    assert mine.chain.client.balance(ACCOUNT.address) == balance + earned - receipt.gas_used * receipt.effective_gas_price
    assert mine.node.admin.rpc("miner_getRewards")["withdrawableWei"] == "0"
    assert mine.node.admin.rpc("miner_withdraw")["withdrawnWei"] == "0"
    forecast = mine.node.admin.rpc("miner_getForecast")
    assert forecast["pricingChunks"] == 0  # It is stopped, and holds nothing ready.


def test_mining_does_not_keep_itself_going(mine: Mine) -> None:
    mine.store(File(pattern(600_000)))
    mine.node.wait(partial(has_rig, mine.node))  # From here on it has its id.
    mine.pass_time()
    first = mine.chain.client.block_number()
    mine.node.wait(lambda: mine.miner.state == "waiting for a window")
    assert mine.accepted == ANSWERS_MAX
    assert mine.chain.client.block_number() == first + ANSWERS_MAX
    status = mine.status()
    assert (status["answersSent"], status["answersRefused"], status["trouble"]) == (ANSWERS_MAX, {}, None)
    forecast = mine.node.admin.rpc("miner_getForecast")
    assert forecast["sealsPerSecond"] > 0
    assert forecast["hitsPerEpoch"] == ANSWERS_MAX
    assert forecast["pricingChunks"] == 2
    metrics = mine.node.http.get(f"{mine.node.url}/metrics").text
    assert f"zerog_storage_mining_answers_accepted_total {ANSWERS_MAX}" in metrics


def test_every_seal_that_is_held_can_be_proved_and_no_other_is(mine: Mine) -> None:
    """Small files that share a seal, gaps between files, and one whose data is not here."""
    sizes = (300, 1, 5_000, 70_000, 255 * 256, 262_145)
    for seed, size in enumerate(sizes):
        mine.store(File(pattern(size, seed)))
    absent = File(os.urandom(9_000))
    [seq] = mine.store(absent, uploaded=False)
    mine.store(File(pattern(2_000, 77)))
    mine.pass_time()
    mine.wait_for_answers(1)
    mine.node.admin.rpc("miner_stop")
    mine.node.wait(lambda: mine.miner.state == "stopped")
    mine.node.admin.rpc("miner_start")
    mine.node.wait(lambda: mine.miner.rig is not None and mine.miner.worker is not None and bool(mine.miner.rig.sealing.load_count))
    hidden = mine.node.keeper.files.by_seq(seq)
    proved = mine.node.portal.call(prove_all, mine.miner)
    assert 0 not in proved
    assert not [sector for sector in proved if hidden.start_sector - 16 < sector < hidden.end_sector]
    seals = {start // 16 * 16 for start in range(16, mine.node.keeper.follower.tree.sectors - 15)}
    assert proved == {sector for sector in seals if sector + 16 <= hidden.start_sector or sector >= hidden.end_sector}


async def prove_all(miner: Miner) -> set[int]:
    """The sectors of all seals, each proved against the root of the flow."""
    rig, worker = miner.rig, miner.worker
    assert rig is not None
    assert worker is not None
    recall = RecallRange.of(EVERYTHING, worker.context.flow_length)
    proved = set()
    for load, present in rig.sealing.loads.held():
        data = rig.sealing.loads.read(load)
        assert data is not None
        for place in range(64):
            if present >> place & 1:
                found = Found(Hash32(bytes(32)), load, place, 0, data[place * SEAL_BYTES : (place + 1) * SEAL_BYTES])
                proved.add((await rig.prover.prove(found, worker, recall)).recall_position)
    return proved


def has_rig(node: Node) -> bool:
    return node.keeper.miner.rig is not None


def test_a_lost_id_is_found_in_the_log(network: Network, key_file: Path, tmp_path: Path) -> None:
    chain = network.chain()
    chain.rpc("hardhat_mine", "0x1")
    ids = []
    for folder in ("a", "a", "b"):
        with network.running(chain, mine=True, mine_key_file=key_file, data_dir=tmp_path / folder) as node:
            node.wait(partial(has_rig, node))
            ids.append(node.admin.rpc("miner_getStatus")["minerId"])
    assert ids[0] == ids[1] == ids[2]
    assert chain.client.nonce(ACCOUNT.address) == 1, "one transaction asked for an id"


def test_a_chain_that_went_back_is_mined_again(mine: Mine) -> None:
    mine.chain.rpc("hardhat_mine", "0x2")
    snapshot = mine.chain.rpc("evm_snapshot")
    mine.store(File(pattern(500_000)))
    mine.pass_time()
    mine.wait_for_answers(1)
    mine.chain.rpc("evm_revert", snapshot)
    mine.node.wait(lambda: mine.node.keeper.counters.reorganizations == 1)
    mine.store(File(pattern(700_000, 5)))
    mine.pass_time()
    before = mine.accepted
    mine.wait_for_answers(before + 1)


def test_a_shard_that_is_halved_is_mined_as_a_half(mine: Mine) -> None:
    mine.store(File(pattern(2 << 20)))
    mine.node.keeper.files.shard = Shard(2, 1)
    mine.pass_time()
    mine.wait_for_answers(1)
    rig = mine.miner.rig
    assert rig is not None
    assert {load % 2 for load in rig.sealing.held} == {1}


def test_an_answer_is_refused_for_a_reason_and_never_sent_twice(mine: Mine) -> None:
    mine.store(File(pattern(300_000)))
    mine.chain.rpc("anvil_setBalance", str(ACCOUNT.address), hex(10**16))
    mine.pass_time()
    mine.wait_for_answers(1)
    mine.chain.rpc("anvil_setBalance", str(ACCOUNT.address), "0x0")
    mine.pass_time()
    mine.node.wait(lambda: mine.miner.counters.answers_refused["balance"] > 0)
    sent = mine.miner.counters.answers_sent
    mine.chain.rpc("anvil_setBalance", str(ACCOUNT.address), hex(10**18))
    mine.node.wait(lambda: mine.miner.counters.answers_sent > sent)
    # An epoch can end between a find and its answer.
    assert set(mine.miner.counters.answers_refused) <= {"balance", "epoch_full", "other_context", "too_late"}


def test_an_answer_that_no_block_takes_is_waited_for_and_a_forgotten_one_is_dropped(mine: Mine) -> None:
    mine.store(File(pattern(300_000)))
    mine.node.wait(partial(has_rig, mine.node))
    mine.chain.rpc("evm_setAutomine", False)
    mine.miner.contract.receipt_s_max = 0.05
    mine.pass_time()
    mine.node.wait(lambda: mine.miner.state == "waiting for a block")
    [waiting] = mine.chain.rpc("txpool_content")["pending"].values()
    [transaction] = waiting.values()
    mine.chain.rpc("anvil_dropTransaction", transaction["hash"])
    mine.node.wait(lambda: mine.miner.counters.answers_refused["dropped"] == 1)
    mine.node.wait(lambda: mine.miner.counters.answers_sent == 2)
    mine.chain.rpc("evm_mine")
    mine.wait_for_answers(1)


def has_sealed(mine: Mine, loads: int) -> bool:
    rig = mine.miner.rig
    return rig is not None and rig.sealing.load_count == loads


def test_what_is_sealed_is_found_again_after_a_restart(network: Network, key_file: Path, tmp_path: Path) -> None:
    chain = network.chain()
    sealed = []
    for start in range(2):
        with network.running(chain, mine=True, mine_key_file=key_file, data_dir=tmp_path / "node") as node:
            mine = Mine(chain, node)
            if not start:
                mine.store(File(pattern(600_000)))
                mine.pass_time()
            node.wait(partial(has_sealed, mine, 5))
            sealed.append(mine.miner.counters.loads_sealed)
    assert sealed == [5, 0]


def test_the_shell_shows_what_the_miner_does(mine: Mine, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def zerog(command: str, *words: str, expect: int = 0) -> str:
        assert run(["miner", command, *words, "--dir", str(tmp_path)]) == expect
        return "".join(capsys.readouterr())

    place = ("--node", mine.node.admin.url)
    mine.store(File(pattern(1 << 20)))
    mine.pass_time()
    mine.wait_for_answers(1)
    zerog("stop", *place)
    mine.node.wait(lambda: mine.miner.state == "stopped")
    assert "accepted" in zerog("status", *place)
    assert json.loads(zerog("status", *place, "--json"))["state"] == "stopped"
    assert f"0G of {ACCOUNT.address}" in zerog("rewards", *place)
    assert "a day" in zerog("forecast", *place)
    assert "withdrew 0.0000" in zerog("withdraw", *place)
    assert "nothing to withdraw" in zerog("withdraw", *place)
    zerog("start", *place)
    mine.node.wait(lambda: mine.miner.state != "stopped")
    assert "no local network" in zerog("status", expect=1).lower()


def test_a_start_position_beyond_the_first_range_is_brought_back(mine: Mine) -> None:
    assert mine.node.admin.rpc("miner_setStartPosition", 5_000) is True
    assert mine.status()["startPosition"] == 5_000
    mine.store(File(pattern(1 << 20)))
    mine.pass_time()
    mine.wait_for_answers(1)


def test_a_node_that_does_not_mine_has_no_such_methods(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert node.admin.refusal("miner_start")[0] == -32601
    assert run(["miner", "status", "--node", node.admin.url]) == 1
    told = capsys.readouterr().err
    assert "[no_miner]" in told
    assert "does not mine" in told
    assert "zerog up --mine" in told


def test_settings_of_a_miner_are_checked(network: Network, tmp_path: Path) -> None:
    with pytest.raises(StorageSettingsError, match="mine_share"):
        StorageNodeSettings(mine_share=0)
    with pytest.raises(StorageSettingsError, match="mine_threads must be at least 1"):
        StorageNodeSettings(mine_threads=0)
    chain = network.chain()
    with pytest.raises(StorageSettingsError, match="name the file with its private key"), network.running(chain, mine=True):
        pass
    bad = tmp_path / "bad.key"
    bad.write_text("0x" + "00" * 32)
    with pytest.raises(StorageSettingsError, match="holds no private key") as refused, network.running(chain, mine=True, mine_key_file=bad):
        pass
    assert "0000" not in str(refused.value)
