//! Searching logs: the indexes tell in which blocks something that is asked for occurs, and only those are looked through.
use super::{
    block::{StoredLog, decode_header, decode_receipts, transaction_hashes},
    error::{LedgerError, Result},
    machine::Ledger,
    render::{self, BlockLogs},
    store::{Kept, Store, read_kept},
    tables::{IndexedBlocks, IndexedValue},
};
use alloy_primitives::{Address, B256};
use rayon::prelude::*;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
};

/// Blocks that one task looks through: some hundred microseconds.
const BLOCKS_A_TASK: usize = 64;
/// Entries of an index that are passed over one by one before it is searched anew: what a search costs.
const ENTRIES_PASSED_MAX: usize = 12;

/// Which logs: an empty list, of addresses or at a position of topics, matches everything.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    pub first: u64,
    pub last: u64,
    pub addresses: Vec<Address>,
    pub topics: Vec<Vec<B256>>,
}

impl LogQuery {
    pub fn matches(&self, log: &StoredLog) -> bool {
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= log.topics.len()
            && self.topics.iter().zip(&log.topics).all(|(choices, topic)| choices.is_empty() || choices.contains(topic))
    }
}

impl Ledger {
    /// JSON array of logs, in order of the chain.
    pub fn logs_json(&self, query: &LogQuery, removed: bool) -> Result<Vec<u8>> {
        let last = query.last.min(self.newest().header.number);
        if query.first > last {
            return Ok(b"[]".to_vec());
        }
        let blocks = self.blocks_to_search(&LogQuery { last, ..query.clone() })?;
        let search = |blocks: &[u64]| -> Result<Vec<u8>> {
            let mut found = Vec::new();
            blocks.iter().try_for_each(|number| self.search_block(&mut found, *number, query, removed))?;
            Ok(found)
        };
        let parts: Vec<Vec<u8>> = if blocks.len() <= BLOCKS_A_TASK {
            vec![search(&blocks)?]
        } else {
            self.threads.install(|| blocks.par_chunks(BLOCKS_A_TASK).map(search).collect::<Result<_>>())?
        };
        let mut out = Vec::with_capacity(2 + parts.iter().map(|part| part.len() + 1).sum::<usize>());
        out.push(b'[');
        for part in parts.iter().filter(|part| !part.is_empty()) {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(part);
        }
        out.push(b']');
        Ok(out)
    }

    /// Blocks that can hold a log that is asked for, ascending.
    fn blocks_to_search(&self, query: &LogQuery) -> Result<Vec<u64>> {
        let mut criteria = {
            let store = self.store.read();
            let addresses = query.addresses.iter().map(|address| IndexedValue::Address(*address)).collect();
            let topics = query.topics.iter().map(|choices| choices.iter().map(|topic| IndexedValue::Topic(*topic)).collect());
            let criteria = std::iter::once(addresses).chain(topics).filter(|values: &Vec<IndexedValue>| !values.is_empty());
            criteria.map(|values| AnyOf::new(&store, values, query.first, query.last)).collect::<Result<Vec<_>>>()?
        };
        if criteria.is_empty() {
            return Ok((query.first..=query.last).collect());
        }
        let (mut blocks, mut from) = (Vec::new(), query.first);
        while let Some(block) = first_common(&mut criteria, from)? {
            blocks.push(block);
            from = block + 1;
        }
        Ok(blocks)
    }

    /// Append the logs of a block that are asked for, with commas between them and what is there.
    fn search_block(&self, out: &mut Vec<u8>, number: u64, query: &LogQuery, removed: bool) -> Result<()> {
        match read_kept(&self.store, number)? {
            None => {}
            Some(Kept::Recent(block)) => {
                let logs = BlockLogs { header: &block.header, hash: block.hash, receipts: &block.receipts };
                render::write_logs(out, &logs, |index| block.transactions[index].hash, removed, |log| query.matches(log));
            }
            Some(Kept::Logged(record, place)) => {
                let receipts = decode_receipts(&record)?;
                // Most of a block need not be read to see that nothing in it is asked for.
                if !receipts.iter().flat_map(|receipt| &receipt.logs).any(|log| query.matches(log)) {
                    return Ok(());
                }
                let (header, hashes) = (decode_header(&record)?, transaction_hashes(&record)?);
                if header.hash_slow() != place.hash || hashes.len() != receipts.len() {
                    return Err(LedgerError::Corrupt(format!("the log holds another block where block {number} should be")));
                }
                let logs = BlockLogs { header: &header, hash: place.hash, receipts: &receipts };
                render::write_logs(out, &logs, |index| hashes[index], removed, |log| query.matches(log));
            }
        }
        Ok(())
    }
}

/// The first block from `from` on in which every criterion is met.
fn first_common(criteria: &mut [AnyOf], from: u64) -> Result<Option<u64>> {
    let mut block = from;
    'search: loop {
        for criterion in &mut *criteria {
            match criterion.skip_to(block)? {
                None => return Ok(None),
                Some(found) if found > block => {
                    block = found;
                    continue 'search;
                }
                Some(_) => {}
            }
        }
        return Ok(Some(block));
    }
}

/// Blocks in which any of some values occurs, ascending.
struct AnyOf {
    values: Vec<Occurrences>,
    /// The block at which each value stands, the earliest first.
    order: BinaryHeap<Reverse<(u64, usize)>>,
}

impl AnyOf {
    fn new(store: &Store, values: Vec<IndexedValue>, first: u64, last: u64) -> Result<Self> {
        let mut values: Vec<Occurrences> =
            values.into_iter().map(|value| Occurrences::new(store, value, first, last)).collect::<Result<_>>()?;
        let mut order = BinaryHeap::with_capacity(values.len());
        for (index, value) in values.iter_mut().enumerate() {
            order.extend(value.skip_to(first)?.map(|block| Reverse((block, index))));
        }
        Ok(Self { values, order })
    }

    /// The first block from `block` on; what lies before it is over.
    fn skip_to(&mut self, block: u64) -> Result<Option<u64>> {
        while let Some(mut earliest) = self.order.peek_mut() {
            let Reverse((at, index)) = *earliest;
            if at >= block {
                return Ok(Some(at));
            }
            match self.values[index].skip_to(block)? {
                Some(found) => *earliest = Reverse((found, index)),
                None => drop(PeekMut::pop(earliest)),
            }
        }
        Ok(None)
    }
}

/// Blocks in which one value occurs: those of the tables, then those of the overlays.
struct Occurrences {
    stored: Option<IndexedBlocks>,
    /// In descending order.
    recent: Vec<u64>,
    at: Option<u64>,
}

impl Occurrences {
    fn new(store: &Store, value: IndexedValue, first: u64, last: u64) -> Result<Self> {
        let (stored, mut recent) = store.log_blocks(&value, first, last)?;
        recent.reverse();
        let mut occurrences = Self { stored, recent, at: None };
        occurrences.at = occurrences.next()?;
        Ok(occurrences)
    }

    fn next(&mut self) -> Result<Option<u64>> {
        if let Some(stored) = &mut self.stored {
            match stored.next()? {
                Some(block) => return Ok(Some(block)),
                None => self.stored = None,
            }
        }
        Ok(self.recent.pop())
    }

    /// The first block from `block` on; what lies before it is over.
    fn skip_to(&mut self, block: u64) -> Result<Option<u64>> {
        let mut passed = 0;
        while self.at.is_some_and(|at| at < block) {
            if let Some(stored) = &mut self.stored
                && passed == ENTRIES_PASSED_MAX
            {
                stored.skip_to(block)?;
            }
            passed += 1;
            self.at = self.next()?;
        }
        Ok(self.at)
    }
}
