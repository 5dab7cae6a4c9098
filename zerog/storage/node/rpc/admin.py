"""`admin_*`, for operators and the official indexer. Source: 0gfoundation/0g-storage-node, `node/rpc/src/admin/api.rs`."""

import platform
from collections.abc import Mapping

from zerog import __version__
from zerog.runtime.jsonrpc import Namespace
from zerog.storage.node.addresses import address_of
from zerog.storage.node.errors import InternalRefusalError
from zerog.storage.node.keeper import Keeper
from zerog.storage.node.metrics import figures
from zerog.storage.node.peers import Peer
from zerog.storage.node.store import StoredSubmission
from zerog.storage.node.wanted import FileState, FileWish
from zerog.storage.protocol.padding import sectors_of, segments_of
from zerog.storage.protocol.shards import choose_replicas
from zerog.storage.protocol.units import SEGMENT_SECTORS
from zerog.storage.wire.nodes import ShardConfig
from zerog.storage.wire.parameters import Number

__all__ = ["admin"]

admin = Namespace("admin")


@admin.method("findFile", dev=True)
def find_file(keeper: Keeper, tx_seq: Number) -> None:
    """Look for a file at the peers."""
    keeper.peers.order(_living(keeper, tx_seq).seq)


@admin.method("shutdown", dev=True)
def shutdown(keeper: Keeper) -> None:
    """End the node."""
    keeper.stop()


@admin.method("startSyncFile", dev=True)
def start_sync_file(keeper: Keeper, tx_seq: Number) -> None:
    """Fetch what is missing of a file."""
    keeper.peers.order(_living(keeper, tx_seq).seq)


@admin.method("startSyncChunks", dev=True)
def start_sync_chunks(keeper: Keeper, tx_seq: Number, start: Number, end: Number) -> None:
    """Fetch what is missing of a file; all of it, since segments are the smallest unit that has a proof."""
    submission = _living(keeper, tx_seq)
    if not start < end <= sectors_of(submission.submission.size_bytes):
        raise InternalRefusalError("invalid chunk index")
    keeper.peers.order(submission.seq)


@admin.method("terminateSync", dev=True)
def terminate_sync(keeper: Keeper, tx_seq: Number) -> bool:
    """No longer look for a file; whether it was looked for."""
    return keeper.peers.wanted.stop(tx_seq)


@admin.method("getSyncStatus", dev=True)
def get_sync_status(keeper: Keeper, tx_seq: Number) -> str:
    """How far the fetching of a file is, in the reference's words."""
    wish = keeper.peers.wanted.get(tx_seq)
    return "unknown" if wish is None else _state(wish)


@admin.method("getSyncServiceState", dev=True)
def get_sync_service_state(keeper: Keeper) -> dict[str, object]:
    """How much there is to fetch."""
    peers = keeper.peers
    return {
        "numSyncing": sum(wish.state is FileState.DOWNLOADING for wish in peers.wanted.wishes()),
        "catchedUp": peers.has_caught_up,
        "autoSyncSerial": {
            "state": "idle" if peers.has_caught_up else "syncing",
            "next": keeper.store.next_seq,
            "max": keeper.store.next_seq,
        },
        "autoSyncRandom": {"count": len(peers.wanted)},
    }


@admin.method("getSyncInfo", dev=True)
def get_sync_info(keeper: Keeper, tx_seq: Number | None = None) -> dict[str, object]:
    """How far the fetching of one file, or of all, is."""
    wanted = keeper.peers.wanted
    wishes = list(wanted.wishes()) if tx_seq is None else [wish for wish in (wanted.get(tx_seq),) if wish is not None]
    found = ((wish, keeper.files.by_seq(wish.seq)) for wish in wishes)
    return {str(wish.seq): _sync_info(keeper, wish, submission) for wish, submission in found if submission is not None}


@admin.method("getNetworkInfo", dev=True)
def get_network_info(keeper: Keeper) -> dict[str, object]:
    """Numbers about the peers; all connections are ours."""
    total, connected = len(keeper.peers.all), keeper.peers.connected_count
    banned = sum(peer.standing.waits_until_s > keeper.peers.now_s() for peer in keeper.peers.all)
    return {
        "peerId": f"zerog-{keeper.chain_id}",
        "listenAddresses": [],
        "totalPeers": total,
        "bannedPeers": banned,
        "disconnectedPeers": total - connected,
        "connectedPeers": connected,
        "connectedOutgoingPeers": connected,
        "connectedIncomingPeers": 0,
    }


@admin.method("getPeers", dev=True)
async def get_peers(keeper: Keeper) -> dict[str, object]:
    """The peers that this node was told of."""
    return {peer.url: await _peer(keeper, peer) for peer in keeper.peers.all}


@admin.method("getFileLocation", dev=True)
async def get_file_location(keeper: Keeper, tx_seq: Number, all_shards: bool = False) -> list[dict[str, object]] | None:
    """Peers that hold all that they must of a file; null if not all segments are covered though they shall be."""
    submission = _known(keeper, tx_seq)
    answers = await keeper.peers.ask_all(lambda client: client.shard() if client.is_finalized(submission.root) else None)
    found = [(peer, shard) for peer, shard in answers if shard is not None]
    if all_shards and choose_replicas(sorted(shard for _, shard in found), lambda shard: shard, 1) is None:
        return None
    return [{"ip": await address_of(peer.url), "shardConfig": ShardConfig.of(shard)} for peer, shard in found]


@admin.method("getMetrics", dev=True)
def get_metrics(keeper: Keeper, prefix: str | None = None) -> Mapping[str, str]:
    """What the node counts, as "type value"."""
    return {name: f"{kind} {value}" for name, kind, _, value in figures(keeper) if name.startswith(prefix or "")}


@admin.method("getUpkeep", dev=True)
def get_upkeep(keeper: Keeper) -> Mapping[str, object]:
    """Ours: what the node must hold and holds, how far it has checked its store, what was damaged, repaired and lost, and its peers."""
    peers = {peer.url: peer.status(keeper.peers.now_s()) for peer in keeper.peers.all}
    return {**keeper.upkeep.status(), "peers": peers}


@admin.method("startScrub", dev=True)
async def start_scrub(keeper: Keeper) -> int:
    """Ours: hold everything that is stored against its root, at full speed, from the beginning; says how many passes ended before."""
    return await keeper.upkeep.scrubbing.start()


def _known(keeper: Keeper, seq: int) -> StoredSubmission:
    """Raises `InternalRefusalError`."""
    submission = keeper.files.by_seq(seq)
    if submission is None:
        raise InternalRefusalError("tx not found")
    return submission


def _living(keeper: Keeper, seq: int) -> StoredSubmission:
    """Raises `InternalRefusalError` also where the time of the file is over."""
    submission = _known(keeper, seq)
    if submission.pruned:
        raise InternalRefusalError("already pruned")
    return submission


def _state(wish: FileWish) -> str:
    match wish.state:
        case FileState.FINDING:
            return "FindingPeers { origin: 0, since: 0 }"
        case FileState.DOWNLOADING:
            return f"Downloading {{ fetched: {wish.fetched} }}"
        case FileState.FAILED:
            return f'Failed {{ reason: "{wish.cause}" }}'
        case _:
            return str(wish.state.value)


def _sync_info(keeper: Keeper, wish: FileWish, submission: StoredSubmission) -> dict[str, object]:
    sectors = sectors_of(submission.submission.size_bytes)
    missing = keeper.files.missing(submission, 1)
    return {
        "elapsedSecs": max(0, int(keeper.peers.now_s() - wish.since_s)),
        "peers": {"Found": len(wish.peers)},
        "goal": {"numChunks": sectors, "indexStart": 0, "indexEnd": sectors, "allChunks": True},
        "nextChunks": (missing[0] if missing else segments_of(submission.submission.size_bytes)) * SEGMENT_SECTORS,
        "state": _state(wish),
    }


async def _peer(keeper: Keeper, peer: Peer) -> dict[str, object]:
    return {
        "client": {"version": __version__, "os": platform.system().lower(), "protocol": "http", "agent": "zerog"},
        "connectionStatus": {
            "status": "connected" if peer.is_connected else "disconnected",
            "connectionsIn": 0,
            "connectionsOut": int(peer.is_connected),
            "lastSeenSecs": 0 if peer.seen_s is None else max(0, int(keeper.peers.now_s() - peer.seen_s)),
        },
        "listeningAddresses": [peer.url],
        "seenIps": [await address_of(peer.url)],
        "isTrusted": True,
        "connectionDirection": "Outgoing" if peer.is_connected else None,
        "enr": "",
        "standing": peer.status(keeper.peers.now_s()),
    }
