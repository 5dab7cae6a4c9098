//! Traces of transactions that are in a block.
use super::{
    BYTES_MAX, TIME_DEFAULT, TIME_MAX, TraceRefusal,
    guard::{Guard, Limits, Recorder},
    options::TraceOptions,
    parity::{self, TraceTypes},
    replay::{Replay, ReplayContext},
    tracers::{Place, Recording, append},
};
use crate::{
    json,
    ledger::{
        account::Edit,
        block::Block,
        error::{LedgerError, Result},
        machine::{At, Ledger},
        query::BlockId,
        view::View,
    },
};
use alloy_primitives::B256;
use alloy_rpc_types_trace::{
    filter::TraceFilter,
    parity::{LocalizedTransactionTrace, TraceResultsWithTransactionHash},
};
use revm::{Inspector, context::result::ResultAndState, interpreter::interpreter::EthInterpreter};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

pub(super) fn limits(timeout: Option<Duration>) -> Limits {
    Limits::new(timeout.unwrap_or(TIME_DEFAULT).min(TIME_MAX), BYTES_MAX)
}

pub(super) fn place(block: &Block, index: usize) -> Place {
    Place {
        transaction: block.transactions.get(index).map(|transaction| transaction.hash),
        index: Some(index as u64),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
    }
}

/// Raises when an answer has grown too large.
pub(super) fn check_size(out: &[u8], limits: &Limits) -> Result<()> {
    if out.len() > limits.bytes { Err(TraceRefusal::TooLarge(limits.bytes).into()) } else { Ok(()) }
}

/// Run transactions of a block under inspectors, those before them without; `see` gets each with the state before it.
pub(super) fn inspect_each<'a, I>(
    replay: &mut Replay<'a>,
    block: &Block,
    range: Range<usize>,
    limits: Limits,
    make: impl Fn() -> I,
    mut see: impl FnMut(&mut Replay<'a>, usize, I, &ResultAndState) -> Result<()>,
) -> Result<()>
where
    I: Recorder + Inspector<ReplayContext<'a>, EthInterpreter>,
{
    let (first, last) = (range.start, range.end);
    replay.skip(&block.transactions[..first])?;
    for index in range {
        let (ran, guard) = replay.inspect(&block.transactions[index], Guard::new(make(), limits))?;
        see(replay, index, guard.finish()?, &ran)?;
        if index + 1 < last {
            replay.keep(ran.state);
        }
    }
    Ok(())
}

impl Ledger {
    /// The state on which a block of the chain was executed, and the developer edits between it and the block.
    pub(super) fn ground(&self, block: &Block) -> Result<(View, Vec<Edit>)> {
        let Some(parent) = block.header.number.checked_sub(1) else { return Err(TraceRefusal::Genesis.into()) };
        let (view, _) = self.view(&At::Number(parent))?;
        Ok((view, self.changes_of(block.header.number)?.1))
    }

    pub(super) fn mined(&self, hash: &B256) -> Result<(Arc<Block>, usize)> {
        self.transaction(hash)?.ok_or_else(|| TraceRefusal::UnknownTransaction.into())
    }

    pub(super) fn block_or_refuse(&self, id: BlockId) -> Result<Arc<Block>> {
        self.block(id)?.ok_or_else(|| match id {
            BlockId::Number(number) => LedgerError::UnknownBlock(number.to_string()),
            BlockId::Hash(hash) => LedgerError::UnknownBlock(hash.to_string()),
        })
    }

    // ---- in the form of geth ---------------------------------------------------------------------------------

    /// The trace of a transaction, by the tracer that the options name.
    pub fn trace_transaction(&self, hash: &B256, options: &[u8]) -> Result<Vec<u8>> {
        let options = TraceOptions::parse(options)?;
        self.settled(|| {
            let (block, index) = self.mined(hash)?;
            let (view, edits) = self.ground(&block)?;
            let mut replay = Replay::begin(&block, &view, &edits, &self.rules)?;
            let mut out = Vec::new();
            let make = || Recording::new(&options.tracer);
            inspect_each(&mut replay, &block, index..index + 1, limits(options.timeout), make, |replay, index, recording, ran| {
                recording.write(&mut out, replay, &block.transactions[index].tx_env(), ran, &place(&block, index))
            })?;
            Ok(out)
        })
    }

    /// The traces of all transactions of a block.
    pub fn trace_block(&self, id: BlockId, options: &[u8]) -> Result<Vec<u8>> {
        let options = TraceOptions::parse(options)?;
        self.settled(|| {
            let block = self.block_or_refuse(id)?;
            let (view, edits) = self.ground(&block)?;
            self.trace_on(&block, &view, &edits, &options)
        })
    }

    /// The same for a block as RLP that need not be part of the chain, on the state of a parent that is.
    pub fn trace_raw_block(&self, rlp: &[u8], options: &[u8]) -> Result<Vec<u8>> {
        let options = TraceOptions::parse(options)?;
        let block = super::raw_block::decode(rlp)?;
        self.settled(|| {
            if let Some(own) = self.block(BlockId::Hash(block.hash))? {
                let (view, edits) = self.ground(&own)?;
                return self.trace_on(&own, &view, &edits, &options);
            }
            let parent = self.block(BlockId::Hash(block.header.parent_hash))?;
            let parent = parent.ok_or(TraceRefusal::UnknownParent(block.header.parent_hash))?;
            let (view, _) = self.view(&At::Number(parent.header.number))?;
            self.trace_on(&block, &view, &[], &options)
        })
    }

    fn trace_on(&self, block: &Block, view: &View, edits: &[Edit], options: &TraceOptions) -> Result<Vec<u8>> {
        let mut replay = Replay::begin(block, view, edits, &self.rules)?;
        let limits = limits(options.timeout);
        let mut out = vec![b'['];
        let make = || Recording::new(&options.tracer);
        inspect_each(&mut replay, block, 0..block.transactions.len(), limits, make, |replay, index, recording, ran| {
            let transaction = &block.transactions[index];
            out.extend_from_slice(if index == 0 { b"{\"txHash\":" } else { b",{\"txHash\":" });
            json::data(&mut out, transaction.hash.as_slice());
            out.extend_from_slice(b",\"result\":");
            recording.write(&mut out, replay, &transaction.tx_env(), ran, &place(block, index))?;
            out.push(b'}');
            check_size(&out, &limits)
        })?;
        out.push(b']');
        Ok(out)
    }

    // ---- in the form of OpenEthereum -------------------------------------------------------------------------

    fn calls_in(&self, block: &Block, range: Range<usize>, limits: Limits) -> Result<Vec<LocalizedTransactionTrace>> {
        // The first block has no transactions and so no parent to start from.
        if range.is_empty() {
            return Ok(vec![]);
        }
        let (view, edits) = self.ground(block)?;
        let mut replay = Replay::begin(block, &view, &edits, &self.rules)?;
        let mut traces = Vec::new();
        inspect_each(&mut replay, block, range, limits, parity::call_recorder, |_, index, inspector, _| {
            traces.extend(parity::localized(inspector, &place(block, index)));
            Ok(())
        })?;
        Ok(traces)
    }

    /// The calls of all transactions of a block.
    pub fn block_calls(&self, id: BlockId) -> Result<Vec<u8>> {
        let traces = self.settled(|| {
            let block = self.block_or_refuse(id)?;
            self.calls_in(&block, 0..block.transactions.len(), limits(None))
        })?;
        json_of(&traces)
    }

    /// The calls of a transaction; `null` when there is no such transaction. With a trace address, the call there or `null`.
    pub fn transaction_calls(&self, hash: &B256, trace_address: Option<&[usize]>) -> Result<Vec<u8>> {
        self.settled(|| {
            let Some((block, index)) = self.transaction(hash)? else { return Ok(b"null".to_vec()) };
            let traces = self.calls_in(&block, index..index + 1, limits(None))?;
            match trace_address {
                Some(address) => json_of(&traces.iter().find(|trace| trace.trace.trace_address == address)),
                None => json_of(&traces),
            }
        })
    }

    /// What a transaction did, in the chosen types.
    pub fn replay_transaction(&self, hash: &B256, types: &TraceTypes) -> Result<Vec<u8>> {
        self.settled(|| {
            let (block, index) = self.mined(hash)?;
            let results = self.replay_range(&block, index..index + 1, types)?;
            json_of(&results.first().map(|result| &result.full_trace))
        })
    }

    /// The same for every transaction of a block.
    pub fn replay_calls(&self, id: BlockId, types: &TraceTypes) -> Result<Vec<u8>> {
        self.settled(|| {
            let block = self.block_or_refuse(id)?;
            json_of(&self.replay_range(&block, 0..block.transactions.len(), types)?)
        })
    }

    fn replay_range(&self, block: &Block, range: Range<usize>, types: &TraceTypes) -> Result<Vec<TraceResultsWithTransactionHash>> {
        if range.is_empty() {
            return Ok(vec![]);
        }
        let (view, edits) = self.ground(block)?;
        let mut replay = Replay::begin(block, &view, &edits, &self.rules)?;
        let mut results = Vec::new();
        inspect_each(
            &mut replay,
            block,
            range,
            limits(None),
            || types.recorder(),
            |replay, index, inspector, ran| {
                let full_trace = types.results(inspector, ran, replay.shared())?;
                results.push(TraceResultsWithTransactionHash { full_trace, transaction_hash: block.transactions[index].hash });
                Ok(())
            },
        )?;
        Ok(results)
    }

    /// The calls in a range of blocks between certain addresses, `after` of them left out, at most `count`.
    pub fn filter_calls(&self, filter: &TraceFilter) -> Result<Vec<u8>> {
        self.settled(|| {
            let limits = limits(None);
            let newest = self.newest().header.number;
            let (first, last) = (filter.from_block.unwrap_or(newest), filter.to_block.unwrap_or(newest).min(newest));
            let matcher = filter.matcher();
            let mut page = Page { skip: filter.after.unwrap_or_default(), left: filter.count.unwrap_or(u64::MAX), out: vec![b'['] };
            let mut look = |number: u64, range: Option<Range<usize>>| -> Result<bool> {
                if Instant::now() >= limits.until {
                    return Err(TraceRefusal::Timeout(limits.time.as_secs_f64()).into());
                }
                let block = self.block_or_refuse(BlockId::Number(number))?;
                let traces = self.calls_in(&block, range.unwrap_or(0..block.transactions.len()), limits)?;
                traces.iter().filter(|trace| matcher.matches(&trace.trace)).try_for_each(|trace| page.add(trace))?;
                check_size(&page.out, &limits)?;
                Ok(page.left > 0)
            };
            match self.candidates(filter, first, last)? {
                Some(candidates) => {
                    for (number, range) in candidates {
                        if !look(number, Some(range))? {
                            break;
                        }
                    }
                }
                None => {
                    for number in first..=last {
                        if !look(number, None)? {
                            break;
                        }
                    }
                }
            }
            page.out.push(b']');
            Ok(page.out)
        })
    }

    /// Transactions that can hold a call which the filter wants, as far as the index of addresses knows; nothing when all can.
    fn candidates(&self, filter: &TraceFilter, first: u64, last: u64) -> Result<Option<BTreeMap<u64, Range<usize>>>> {
        let mut candidates: Option<BTreeSet<(u64, u32)>> = None;
        for addresses in [&filter.from_address, &filter.to_address] {
            // Precompiled contracts are not in the index.
            if addresses.is_empty() || addresses.iter().any(|address| address.starts_with(&[0; 18])) {
                continue;
            }
            let mut found = BTreeSet::new();
            for address in addresses {
                found.extend(self.address_transactions(address, first, last, usize::MAX, false)?.0);
            }
            match &mut candidates {
                Some(candidates) => candidates.retain(|place| found.contains(place)),
                None => candidates = Some(found),
            }
        }
        let Some(candidates) = candidates else { return Ok(None) };
        let mut ranges: BTreeMap<u64, Range<usize>> = BTreeMap::new();
        for (block, index) in candidates {
            let index = index as usize;
            ranges.entry(block).or_insert(index..index + 1).end = index + 1;
        }
        Ok(Some(ranges))
    }
}

/// A page of an array under way.
struct Page {
    skip: u64,
    left: u64,
    out: Vec<u8>,
}

impl Page {
    fn add(&mut self, trace: &LocalizedTransactionTrace) -> Result<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        append(&mut self.out, trace)
    }
}

pub(super) fn json_of(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    append(&mut out, value)?;
    Ok(out)
}
