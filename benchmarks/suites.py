"""What `make bench` measures: a suite for each part of zerog, with its rows and the peers that they stand beside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.compute import COMPUTE_ROWS
from benchmarks.compute.places import ensure_litellm
from benchmarks.compute.settlement import web3_version
from benchmarks.da import DA_ROWS, arkworks_version
from benchmarks.hardhat import ensure_hardhat
from benchmarks.inference import INFERENCE_ROWS, llama_version
from benchmarks.mining import MINING_ROWS, pycryptodome_version
from benchmarks.network import NETWORK_ROWS
from benchmarks.nodes import ensure_anvil
from benchmarks.rows import ROWS, WRITING
from benchmarks.storage import STORAGE_ROWS
from benchmarks.storage.sdk import ensure_sdk
from benchmarks.streams import STREAM_ROWS
from benchmarks.streams.etcd import ensure_etcd
from benchmarks.streams.replay import sqlite_version
from benchmarks.upkeep import UPKEEP_ROWS
from benchmarks.upkeep.aria2 import ensure_aria2
from benchmarks.upkeep.coreutils import ensure_coreutils

__all__ = ["SUITES", "Suite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Rows that stand in one table and one result file."""

    name: str
    rows: Mapping[str, Callable[[Bench], None]]
    """By the name that `--only` takes, in the order of the table."""
    writing: frozenset[str] = frozenset()
    """Rows that wait for the disk again and again; a second table, with a slower one, has these alone."""
    peers: Mapping[str, Callable[[], str]]
    """At most two, each with what installs it where it is missing and gives its version."""


SUITES: Final = (
    Suite(name="chain", rows=ROWS, writing=WRITING, peers={"anvil": ensure_anvil, "hardhat": ensure_hardhat}),
    Suite(name="storage", rows=STORAGE_ROWS, peers={"ts-sdk": ensure_sdk}),
    Suite(name="streams", rows=STREAM_ROWS, peers={"etcd": ensure_etcd, "sqlite": sqlite_version}),
    Suite(name="upkeep", rows=UPKEEP_ROWS, peers={"coreutils": ensure_coreutils, "aria2": ensure_aria2}),
    Suite(name="compute", rows=COMPUTE_ROWS, peers={"litellm": ensure_litellm, "web3.py": web3_version}),
    Suite(name="inference", rows=INFERENCE_ROWS, peers={"llama.cpp": llama_version}),
    Suite(name="da", rows=DA_ROWS, peers={"arkworks": arkworks_version}),
    Suite(name="network", rows=NETWORK_ROWS, peers={"anvil": ensure_anvil, "hardhat": ensure_hardhat}),
    Suite(name="mining", rows=MINING_ROWS, peers={"pycryptodome": pycryptodome_version}),
)
