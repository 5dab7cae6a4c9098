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

/// A block to take back, and what it changed.
type Undone = (Arc<Block>, BlockChanges);

impl Ledger {
    /// Go back to block `number` with the first `edit_count` edits made on top of it; returns the transactions taken back, in order.
    pub fn unwind(&self, number: u64, edit_count: usize) -> Result<Vec<Bytes>> {
        let mut writer = self.writing()?;
        self.finish_checkpoint(&mut writer)?;
        let (mut tries, mut head) = (self.tries.lock(), self.head.write());
        let newest = head.block.header.number;
        let mut edits = match number {
            _ if number > newest => return Err(LedgerError::UnknownBlock(number.to_string())),
            _ if number == newest => head.edits.list.clone(),
            _ => self.changes_of(number + 1)?.1,
        };
        if edit_count > edits.len() {
            return Err(LedgerError::Decode(format!("block {number} has {} edits, not {edit_count}", edits.len())));
        }
        edits.truncate(edit_count);
        if number == newest && edits.len() == head.edits.list.len() {
            return Ok(vec![]);
        }
        self.append(&mut writer, RecordKind::Unwind, &[block::encode(&(number, &edits))?], Durability::Now)?;
        let taken_back = self.unwind_to(&mut tries, &mut head, number, edits);
        drop((head, tries));
        self.stop_on_failure(&mut writer, taken_back)
    }

    /// Undo blocks in memory and set the edits. What the tables hold of them is passed over, and deleted with the next checkpoint.
    pub(super) fn unwind_to(&self, tries: &mut Tries, head: &mut Head, number: u64, edits: Vec<Edit>) -> Result<Vec<Bytes>> {
        tries.settle(&self.store)?;
        self.unwinds.fetch_add(1, Ordering::AcqRel);
        head.generation += 1;
        let mut taken_back = Vec::new();
        while head.block.header.number > number {
            let undone = self.last_blocks(&head.block, number)?;
            let oldest = undone.last().map_or(number + 1, |(block, _)| block.header.number);
            let parent = read_block(&self.store, oldest - 1)?;
            let parent = parent.ok_or_else(|| LedgerError::Corrupt(format!("the parent of block {oldest} is missing")))?;
            let mut together = BlockChanges::default();
            undone.iter().rev().for_each(|(_, changes)| together.append(changes.clone()));
            tries.unwind(&self.store, &parent, &together)?;
            head.block = parent;
            let mut store = self.store.write();
            for (block, changes) in undone {
                store.revert(&block, &changes);
                taken_back.extend(block.transactions.iter().rev().map(|transaction| transaction.raw.clone()));
            }
        }
        taken_back.reverse();
        head.edits = Arc::default();
        for edit in edits {
            self.push_edit(head, edit)?;
        }
        Ok(taken_back)
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
            block = read_block(&self.store, before)?.ok_or_else(|| LedgerError::Corrupt(format!("block {before} is missing")))?;
        }
    }
}
