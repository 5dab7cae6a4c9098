//! Taking blocks back: the chain, its state and its tries return to an earlier block.
use super::{
    account::{BlockChanges, Edit},
    block::{self, Block},
    error::{LedgerError, Result},
    head::{Head, Tries},
    log::{Durability, RecordKind},
    machine::Ledger,
    store::read_block,
};
use alloy_primitives::Bytes;
use std::sync::{Arc, atomic::Ordering};

/// Blocks that are taken back with one change of the tries, and entries of state after which no more join: bounds the memory it takes.
const BLOCKS_AT_ONCE: usize = 512;
const ENTRIES_AT_ONCE: usize = 1_000_000;

/// From so many blocks on it is quicker to look through everything since the last checkpoint than at each block.
const BLOCKS_REWOUND_MIN: u64 = 8;

/// Of a block's record, as much as takes as long to read and undo as an entry since the last checkpoint takes to look at.
const RECORD_BYTES_AN_ENTRY: u64 = 64;

/// A block to take back, and what it changed.
type Undone = (Arc<Block>, BlockChanges);

impl Ledger {
    /// Go back to block `number` with the first `edit_count` edits made on top of it.
    pub fn unwind(&self, number: u64, edit_count: usize) -> Result<()> {
        let mut writer = self.writing()?;
        if number < self.store.read().covered() {
            self.finish_checkpoint(&mut writer)?;
        }
        let (mut tries, mut head) = (self.tries.lock(), self.head.write());
        let newest = head.block.header.number;
        let mut edits = match number {
            _ if number > newest => return Err(LedgerError::UnknownBlock(number.to_string())),
            _ if number == newest => head.edits.list.clone(),
            _ if edit_count == 0 => vec![],
            _ => self.changes_of(number + 1)?.1,
        };
        if edit_count > edits.len() {
            return Err(LedgerError::Decode(format!("block {number} has {} edits, not {edit_count}", edits.len())));
        }
        edits.truncate(edit_count);
        if number == newest && edits.len() == head.edits.list.len() {
            return Ok(());
        }
        self.append(&mut writer, RecordKind::Unwind, &[block::encode(&(number, &edits))?], Durability::Now)?;
        let unwound = self.unwind_to(&mut tries, &mut head, number, edits);
        drop((head, tries));
        self.stop_on_failure(&mut writer, unwound)
    }

    /// The transactions of all blocks after `number`, in order: what an unwind to it takes back.
    pub fn transactions_after(&self, number: u64) -> Result<Vec<Bytes>> {
        let mut transactions = Vec::new();
        for later in number + 1..=self.newest().header.number {
            let block = read_block(&self.store, later)?.ok_or_else(|| LedgerError::UnknownBlock(later.to_string()))?;
            transactions.extend(block.transactions.iter().map(|transaction| transaction.raw.clone()));
        }
        Ok(transactions)
    }

    /// Undo blocks in memory and set the edits. What the tables hold of them is passed over, and deleted with the next checkpoint.
    pub(super) fn unwind_to(&self, tries: &mut Tries, head: &mut Head, number: u64, edits: Vec<Edit>) -> Result<()> {
        tries.settle(&self.store)?;
        self.unwinds.fetch_add(1, Ordering::AcqRel);
        head.generation += 1;
        let rewound = if self.is_quicker_together(head, number)? { self.store.write().rewind(number) } else { None };
        if let Some(changes) = rewound {
            head.block = self.kept(number)?;
            tries.unwind(&self.store, &head.block, &changes)?;
        }
        while head.block.header.number > number {
            let undone = self.last_blocks(&head.block, number)?;
            let oldest = undone.last().map_or(number + 1, |(block, _)| block.header.number);
            let parent = self.kept(oldest - 1)?;
            let mut together = BlockChanges::default();
            undone.iter().rev().for_each(|(_, changes)| together.append(changes.clone()));
            tries.unwind(&self.store, &parent, &together)?;
            head.block = parent;
            let mut store = self.store.write();
            undone.iter().for_each(|(block, changes)| store.revert(block, changes));
        }
        head.edits = Arc::default();
        for edit in edits {
            self.push_edit(head, edit)?;
        }
        Ok(())
    }

    /// Whether looking through everything since the last checkpoint is less work than reading what the blocks after `number` did.
    fn is_quicker_together(&self, head: &Head, number: u64) -> Result<bool> {
        if head.block.header.number >= number + BLOCKS_REWOUND_MIN {
            return Ok(true);
        }
        let store = self.store.read();
        let Some(first) = store.place(number + 1)? else { return Ok(false) };
        let (begin, end) = (first.position, self.log.end());
        Ok(begin.segment != end.segment || (end.offset - begin.offset) / RECORD_BYTES_AN_ENTRY >= store.overlay.entries() as u64)
    }

    /// A block that must be there.
    fn kept(&self, number: u64) -> Result<Arc<Block>> {
        read_block(&self.store, number)?.ok_or_else(|| LedgerError::Corrupt(format!("block {number} is missing")))
    }

    /// The newest block and those before it, down to `number` at most, as many as are undone at once; newest first.
    fn last_blocks(&self, newest: &Arc<Block>, number: u64) -> Result<Vec<Undone>> {
        let (mut undone, mut entries) = (Vec::new(), 0);
        let mut block = newest.clone();
        loop {
            let (changes, _) = self.changes_of(block.header.number)?;
            entries += changes.accounts.len() + changes.slots.values().map(std::collections::BTreeMap::len).sum::<usize>();
            let before = block.header.number - 1;
            undone.push((block, changes));
            if before == number || undone.len() >= BLOCKS_AT_ONCE || entries >= ENTRIES_AT_ONCE {
                return Ok(undone);
            }
            block = self.kept(before)?;
        }
    }
}
