//! Blocks in which an address or a topic of a log occurs, read in order from one checkpoint's tables.
use super::{Readers, at_block, block_of};
use crate::ledger::error::{LedgerError, Result};
use alloy_primitives::{Address, B256};
use redb::Range;
use std::sync::Arc;

/// What logs are found by.
#[derive(Clone, Copy, Debug)]
pub enum IndexedValue {
    Address(Address),
    Topic(B256),
}

enum LogEntries {
    Addresses(Range<'static, [u8; 28], ()>),
    Topics(Range<'static, [u8; 40], ()>),
}

/// Blocks at which an index names a value, ascending, of one checkpoint's tables.
pub struct IndexedBlocks {
    readers: Arc<Readers>,
    value: IndexedValue,
    last: u64,
    entries: LogEntries,
}

impl IndexedBlocks {
    pub(super) fn new(readers: Arc<Readers>, value: IndexedValue, first: u64, last: u64) -> Result<Self> {
        Ok(Self { entries: readers.log_entries(&value, first, last)?, readers, value, last })
    }

    pub fn next(&mut self) -> Result<Option<u64>> {
        let block = match &mut self.entries {
            LogEntries::Addresses(entries) => entries.next().map(|entry| entry.map(|(key, _)| block_of(&key.value()))),
            LogEntries::Topics(entries) => entries.next().map(|entry| entry.map(|(key, _)| block_of(&key.value()))),
        };
        block.transpose().map_err(LedgerError::tables)
    }

    /// Go on with the first block from `block` on.
    pub fn skip_to(&mut self, block: u64) -> Result<()> {
        self.entries = self.readers.log_entries(&self.value, block.min(self.last.saturating_add(1)), self.last)?;
        Ok(())
    }
}

impl Readers {
    fn log_entries(&self, value: &IndexedValue, first: u64, last: u64) -> Result<LogEntries> {
        match value {
            IndexedValue::Address(address) => {
                let (first, last): ([u8; 28], [u8; 28]) = (at_block(&address.0.0, first), at_block(&address.0.0, last));
                self.log_addresses.range(first..=last).map(LogEntries::Addresses)
            }
            IndexedValue::Topic(topic) => {
                let (first, last): ([u8; 40], [u8; 40]) = (at_block(&topic.0, first), at_block(&topic.0, last));
                self.log_topics.range(first..=last).map(LogEntries::Topics)
            }
        }
        .map_err(LedgerError::tables)
    }
}
