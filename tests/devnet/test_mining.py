"""`zerog up --mine`: a file is stored, time passes, and the network's own miner proves it and is paid."""

import json
import os
import time
from pathlib import Path

from tests.devnet.command import Zerog, ask
from zerog import networks
from zerog.chain.client import ChainClient
from zerog.primitives import Address, Hash32
from zerog.storage.client import MinerClient

LOCAL = networks.load("local")
WAIT_S = 30.0
"""Far more than an answer takes, so that a miner that finds nothing is a failure and not a hang."""


def test_a_stored_file_is_mined_and_paid_for(tmp_path: Path) -> None:
    """2^12 sectors are 1 MiB: a pricing chunk of a local network."""
    assert LOCAL.storage is not None
    zerog = Zerog(tmp_path)
    endpoints = zerog.up("--mine")
    try:
        assert endpoints.storage is not None
        assert endpoints.chain is not None
        (tmp_path / "file").write_bytes(os.urandom(LOCAL.storage.pricing_chunk_sectors * 256))
        zerog.run("storage", "put", str(tmp_path / "file"))
        ask(endpoints, "evm_increaseTime", 31 * 86_400)
        ask(endpoints, "hardhat_mine", hex(LOCAL.storage.blocks_per_epoch + 1))
        with MinerClient(endpoints.storage.nodes[0].admin) as miner:
            deadline = time.monotonic() + WAIT_S
            while not miner.status().answers_accepted:
                assert time.monotonic() < deadline, miner.status()
        zerog.run("miner", "stop")
        earned = json.loads(zerog.run("miner", "rewards", "--json").stdout)
        assert int(earned["withdrawableWei"]) > 0
        assert "accepted" in zerog.run("miner", "status").stdout
        assert "a day" in zerog.run("miner", "forecast").stdout
        with ChainClient(endpoints.chain.http) as chain:
            account = Address.from_json(earned["account"])
            before = chain.balance(account)
            paid = json.loads(zerog.run("miner", "withdraw", "--json").stdout)
            receipt = chain.receipt(Hash32.from_json(paid["transactionHash"]))
            assert receipt is not None
            assert int(paid["withdrawnWei"]) >= int(earned["withdrawableWei"])
            assert chain.balance(account) == before + int(paid["withdrawnWei"]) - receipt.gas_used * receipt.effective_gas_price
        assert "nothing to withdraw" in zerog.run("miner", "withdraw").stdout
    finally:
        zerog.down()


def test_a_network_without_a_miner_says_so(tmp_path: Path) -> None:
    refused = Zerog(tmp_path).run("miner", "status", expect=1)
    assert "no local network" in refused.stderr or "runs" in refused.stderr
