"""What roles say of themselves, as far as the screen of `zerog status` shows it: of a network that is well, to be changed by a test."""

from collections.abc import Mapping
from typing import Any

from zerog.devnet.endpoints import ChainEndpoints, ComputeEndpoints, DaEndpoints, Endpoints, ProviderEndpoints, StorageEndpoints

__all__ = ["ENDPOINTS", "NOW_S", "chain", "compute", "da", "storage", "streams", "supervised"]

NOW_S = 1_800_000_000.0
SIGNERS = ("0xdc7ed1F0098E60a5E17B40419736b0f39A0a2E84", "0x7665beC6674c5045a19eE8D5c663f8970060663d")

ENDPOINTS = Endpoints(
    network="local",
    chain_id=31337,
    pid=100,
    data_dir="/somewhere/.zerog",
    logs="/somewhere/.zerog/logs",
    chain=ChainEndpoints(http="http://127.0.0.1:8545", ws="ws://127.0.0.1:8545"),
    storage=StorageEndpoints(indexer="http://127.0.0.1:12345", kv="http://127.0.0.1:6789"),
    da=DaEndpoints(
        disperser="127.0.0.1:51001", encoder="127.0.0.1:34000", retriever="127.0.0.1:34005", signers=[], gateway="http://127.0.0.1:3100"
    ),
    compute=ComputeEndpoints(
        providers=[
            ProviderEndpoints(
                address=SIGNERS[0], url="http://127.0.0.1:3080", model="smollm2", service_type="chatbot", signer=SIGNERS[1], simulated=True
            )
        ]
    ),
)


def chain(**changes: object) -> dict[str, Any]:
    return {
        "role": "chain", "pid": 101, "url": "http://127.0.0.1:8545", "network": "local", "chain_id": 31337, "block": 15,
        "block_timestamp": NOW_S - 12, "pool_executable": 0, "pool_waiting": 0, "automine": True, "interval_s": None, "follows": None,
        "behind": None, "quiesced": False, **changes,
    }  # fmt: skip


def storage_node(**changes: object) -> dict[str, Any]:
    return {
        "url": "http://127.0.0.1:5678", "log_sync_block": 15, "chain_head": 15, "is_synced": True, "trouble": None, "peers": {},
        "upkeep": {
            "duty": {"files": 2, "files_complete": 2, "segments_required": 3, "segments_held": 3},
            "repair": {"damaged": 0, "lost": 0, "lost_files": []},
        },
        "store": {"failed": 0}, "miner": None, **changes,
    }  # fmt: skip


def streams(**changes: object) -> dict[str, Any]:
    return {
        "url": "http://127.0.0.1:6789", "log_sync_block": 15, "chain_head": 15, "is_synced": True, "trouble": None, "follows_all": True,
        "applied_seq": 2, "items_waiting": 0, "items_settled": 1, "items_missing": 0, "nodes_trouble": None, "replay_trouble": None,
        "store": {"streams": 1}, **changes,
    }  # fmt: skip


def storage(*nodes: dict[str, Any], **changes: object) -> dict[str, Any]:
    found = nodes or (storage_node(),)
    return {
        "role": "storage", "pid": 102, "url": "http://127.0.0.1:12345", "shards": 1,
        "nodes": {str(index): node for index, node in enumerate(found)}, "indexer": {}, "kv": streams(), **changes,
    }  # fmt: skip


def signer(index: int, **changes: object) -> dict[str, Any]:
    return {"signer": SIGNERS[index], "registration_trouble": None, "trouble": None, "log_block": 15, **changes}


def da(**changes: object) -> dict[str, Any]:
    return {
        "role": "da", "pid": 103, "url": "http://127.0.0.1:3100", "endpoints": {"trouble": None},
        "encoder": {"setup": "insecure-dev", "waiting": 0}, "signer-0": signer(0), "signer-1": signer(1),
        "disperser": {"open_blobs": 0, "wrong_signatures": {}, "trouble": None},
        "books": {
            "blobs": {"processing": 1, "confirmed": 0, "finalized": 2, "failed": 0},
            "quorum": {"epoch": 4, "rows": 3072, "rows_needed": 2048, "rows_by_signer": dict.fromkeys(SIGNERS, 1536)},
        }, **changes,
    }  # fmt: skip


def compute(**changes: object) -> dict[str, Any]:
    return {
        "role": "compute", "pid": 104, "url": "http://127.0.0.1:3080", "models": ["smollm2"], "engines": ["exact"], "simulated": True,
        "refused": 0, "under_way": 0, "trouble": None, "model_command": None, "settler": {"trouble": None},
        "publisher": {"file": {"made": 1, "trouble": None}},
        "books": {"requests": 3, "settled_wei": "1500000000000", "unsettled_wei": "250"}, **changes,
    }  # fmt: skip


def supervised(**restarts: int) -> dict[str, Mapping[str, object]]:
    names = ("chain", "storage", "da", "compute")
    return {name: {"url": "http://127.0.0.1:1", "ready": True, "restarts": restarts.get(name, 0)} for name in names}
