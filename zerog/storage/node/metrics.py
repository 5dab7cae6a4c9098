"""What the node counts, in the text format that Prometheus reads. Source: prometheus.io, "Exposition formats", version 0.0.4."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from zerog.runtime.jsonrpc import Dispatcher
from zerog.storage.node.keeper import Keeper
from zerog.storage.node.mining import Miner

__all__ = ["Figure", "figures", "render_metrics"]

Figure: TypeAlias = tuple[str, str, str, int]
"""Name with its labels, kind, meaning and value."""


def figures(keeper: Keeper) -> Iterator[Figure]:
    """All figures of a node."""
    yield from _chain_figures(keeper)
    yield from _data_figures(keeper)
    yield from _peer_figures(keeper)
    yield from _upkeep_figures(keeper)
    if keeper.miner is not None:
        yield from _mining_figures(keeper.miner)
    for name, value in sorted(keeper.store.statistics().items()):
        yield f"zerog_storage_store_{name}", "gauge", "Counter of the store.", value


def _chain_figures(keeper: Keeper) -> Iterator[Figure]:
    follower, counters = keeper.follower, keeper.counters
    read = -1 if follower.read is None else follower.read.number
    yield "zerog_storage_log_block", "gauge", "Newest block whose log was read; -1 for none.", read
    yield "zerog_storage_log_synced", "gauge", "Whether the newest block was read at the last look.", int(follower.is_synced)
    yield "zerog_storage_submissions", "gauge", "Submissions on the chain.", keeper.store.next_seq
    yield "zerog_storage_flow_sectors", "gauge", "Length of the flow.", follower.tree.sectors
    yield "zerog_storage_blocks_read_total", "counter", "Blocks whose log was read.", counters.blocks_read
    yield "zerog_storage_submissions_read_total", "counter", "Submissions that were read.", counters.submissions_read
    yield "zerog_storage_logs_ignored_total", "counter", "Logs of the flow that are no submissions.", counters.logs_ignored
    yield "zerog_storage_reorganizations_total", "counter", "Times that the chain took back what was read.", counters.reorganizations
    yield "zerog_storage_chain_failures_total", "counter", "Calls to the chain that failed.", counters.chain_failures
    yield "zerog_storage_roots_checked_total", "counter", "Times that the flow's root was the contract's.", counters.roots_checked


def _data_figures(keeper: Keeper) -> Iterator[Figure]:
    counters, cache = keeper.counters, keeper.uploads.cache
    yield "zerog_storage_segments_stored_total", "counter", "Segments that uploads brought.", counters.segments_stored
    yield "zerog_storage_segments_held_before_total", "counter", "Uploaded segments that were held.", counters.segments_held_before
    yield "zerog_storage_segments_of_others_total", "counter", "Uploaded segments of other shards.", counters.segments_of_others
    yield "zerog_storage_segments_cached_total", "counter", "Segments that came before their block.", counters.segments_cached
    yield "zerog_storage_segments_read_total", "counter", "Segments that were read.", counters.segments_read
    yield "zerog_storage_cache_bytes", "gauge", "Memory of segments without a block.", cache.cost_bytes
    yield "zerog_storage_cache_files", "gauge", "Files without a block.", len(cache)
    yield from _by_reason("zerog_storage_uploads_refused_total", "Refused uploads.", counters.uploads_refused)


def _peer_figures(keeper: Keeper) -> Iterator[Figure]:
    counters, peers = keeper.counters, keeper.peers
    yield "zerog_storage_segments_fetched_total", "counter", "Segments that peers gave.", counters.segments_fetched
    yield "zerog_storage_peers_connected", "gauge", "Peers that answered last time.", peers.connected_count
    yield "zerog_storage_files_wanted", "gauge", "Files that miss a segment.", len(peers.wanted)
    yield from _by_reason("zerog_storage_peers_refused_total", "Answers of peers that were thrown away.", counters.peers_refused)
    for peer in peers.all:
        yield (
            f'zerog_storage_peer_segments_total{{peer="{peer.url}"}}',
            "counter",
            "True segments of a peer.",
            peer.standing.segments,
        )
    for peer in peers.all:
        score = round(1000 * peer.standing.score)
        yield f'zerog_storage_peer_score{{peer="{peer.url}"}}', "gauge", "What is thought of a peer, from 0 to 1000.", score


def _upkeep_figures(keeper: Keeper) -> Iterator[Figure]:
    counters, upkeep = keeper.counters, keeper.upkeep
    pruned, doomed = keeper.store.lives.counts()
    yield "zerog_storage_files_pruned", "gauge", "Submissions whose time is over.", pruned
    yield "zerog_storage_files_in_grace", "gauge", "Of these, those whose data is still there.", doomed
    yield "zerog_storage_files_expired_total", "counter", "Submissions marked as pruned.", counters.files_expired
    yield "zerog_storage_files_revived_total", "counter", "Marks taken back because the chain took back time.", counters.files_revived
    yield "zerog_storage_files_dropped_total", "counter", "Submissions whose data was dropped after their time.", counters.files_dropped
    next_end_s = upkeep.pruning.next_end_s
    yield "zerog_storage_next_expiry_seconds", "gauge", "When the next files expire, since 1970; 0 if not known.", next_end_s or 0
    yield "zerog_storage_shards", "gauge", "Into how many the flow is cut, of which the node holds one.", keeper.shard.count
    yield "zerog_storage_shard_changes_total", "counter", "Times that the shard was split.", counters.shard_changes
    yield "zerog_storage_segments_shed_total", "counter", "Segments dropped because the shard was split.", counters.segments_shed
    yield "zerog_storage_compacting", "gauge", "Whether a sparse data file is being rewritten.", int(upkeep.compacting.is_working)
    progress = keeper.store.scrubber.progress
    yield "zerog_storage_scrubbed_bytes_total", "counter", "Stored bytes held against their roots.", counters.scrubbed_bytes
    yield "zerog_storage_scrub_passes_total", "counter", "Passes through the whole store.", progress.passes
    yield "zerog_storage_scrub_pass_bytes", "gauge", "Bytes checked in the pass that is under way.", progress.bytes_checked
    yield "zerog_storage_scrub_ended_seconds", "gauge", "When the latest pass ended, since 1970; 0 for never.", int(progress.ended_s or 0)
    lost = sum(count for _, count in upkeep.repair.lost())
    yield "zerog_storage_lost_segments", "gauge", "Damaged segments that no peer has.", lost
    yield "zerog_storage_orphans_dropped_total", "counter", "Files dropped that the chain took back.", counters.orphans_dropped
    yield from ((f"zerog_storage_duty_{name}", "gauge", "What the node must hold.", count) for name, count in upkeep.duty.status().items())


def _mining_figures(miner: Miner) -> Iterator[Figure]:
    counters, rig = miner.counters, miner.rig
    nonces, loads, seals, hits = miner.tally()
    yield "zerog_storage_mining_on", "gauge", "Whether the node mines.", int(miner.is_on)
    yield "zerog_storage_mining_loads_held", "gauge", "Sealed loads that can be searched.", 0 if rig is None else rig.sealing.load_count
    yield "zerog_storage_mining_loads_sealed_total", "counter", "Loads that were sealed.", counters.loads_sealed
    yield "zerog_storage_mining_nonces_total", "counter", "Nonces tried since mining began.", nonces
    yield "zerog_storage_mining_loads_total", "counter", "Loads weighed since mining began.", loads
    yield "zerog_storage_mining_seals_total", "counter", "Seals weighed since mining began.", seals
    yield "zerog_storage_mining_hits_total", "counter", "Seals found since mining began.", hits
    yield "zerog_storage_mining_answers_sent_total", "counter", "Answers sent.", counters.answers_sent
    yield "zerog_storage_mining_answers_accepted_total", "counter", "Answers accepted.", counters.answers_accepted
    yield "zerog_storage_mining_earned_gwei_total", "counter", "What accepted answers earned, in 10^9 wei.", counters.earned_wei // 10**9
    yield "zerog_storage_mining_failures_total", "counter", "Times that chain or disk stood in the way.", counters.failures
    yield from _by_reason("zerog_storage_mining_answers_refused_total", "Answers that were not taken.", counters.answers_refused)


def _by_reason(name: str, meaning: str, counts: Mapping[str, int]) -> Iterator[Figure]:
    yield from ((f'{name}{{reason="{reason}"}}', "counter", meaning, count) for reason, count in sorted(counts.items()))


def render_metrics(keeper: Keeper, *dispatchers: Dispatcher) -> bytes:
    """All figures of a node, one a line."""
    lines: list[str] = []
    named: set[str] = set()
    for name, kind, meaning, value in figures(keeper):
        bare = name.partition("{")[0]
        if bare not in named:
            named.add(bare)
            lines += [f"# HELP {bare} {meaning}", f"# TYPE {bare} {kind}"]
        lines.append(f"{name} {value}")
    lines.append("# TYPE zerog_storage_rpc_calls_total counter")
    statistics = [item for dispatcher in dispatchers for item in dispatcher.statistics().items() if item[1].calls]
    lines += [f'zerog_storage_rpc_calls_total{{method="{method}"}} {statistic.calls}' for method, statistic in statistics]
    lines.append("# TYPE zerog_storage_rpc_errors_total counter")
    lines += [f'zerog_storage_rpc_errors_total{{method="{method}"}} {statistic.errors}' for method, statistic in statistics]
    return ("\n".join(lines) + "\n").encode()
