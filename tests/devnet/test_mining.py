"""`zerog up --mine`: a file is stored, time passes, and the network's own miner proves it and is paid."""

import json
import os
import time
from pathlib import Path

from tests.devnet.command import Zerog, ask
from zerog import networks
from zerog.chain.client import ChainClient
from zerog.primitives import Hash32
from zerog.storage.client import MinerClient

LOCAL = networks.load("local")
WAIT_S = 30.0
"""Far more than an answer takes, so that a miner that finds nothing is a failure and not a hang."""


def test_a_stored_file_is_mined_and_paid_for(tmp_path: Path) -> None:
    """2^12 sectors are 1 MiB: a pricing chunk of a local network."""
    assert LOCAL.storage is not None
    zerog = Zerog(tmp_path)
    endpoints = zerog.up("--mine", "--only", "chain", "--only", "storage")
    try:
        assert endpoints.storage is not None
        assert endpoints.chain is not None
        (tmp_path / "file").write_bytes(os.urandom(LOCAL.storage.pricing_chunk_sectors * 256))
        zerog.run("storage", "put", str(tmp_path / "file"))
        ask(endpoints, "evm_increaseTime", 31 * 86_400)
        ask(endpoints, "hardhat_mine", hex(LOCAL.storage.blocks_per_epoch + 1))
        with MinerClient(endpoints.storage.nodes[0].admin) as miner, ChainClient(endpoints.chain.http) as chain:
            deadline = time.monotonic() + WAIT_S
            while not miner.status().answers_accepted:
                assert time.monotonic() < deadline, miner.status()
            miner.stop()
            rewards = miner.rewards()
            assert int(rewards.withdrawable_wei) > 0
            before = chain.balance(rewards.account)
            paid = json.loads(zerog.run("miner", "withdraw", "--json").stdout)
            receipt = chain.receipt(Hash32.from_json(paid["transactionHash"]))
            assert receipt is not None
            withdrawn_wei = int(paid["withdrawnWei"])
            assert withdrawn_wei >= int(rewards.withdrawable_wei)
            assert miner.rewards().withdrawable_wei == "0"
            cost_wei = receipt.gas_used * receipt.effective_gas_price
            assert chain.balance(rewards.account) == before + withdrawn_wei - cost_wei
    finally:
        zerog.down()
