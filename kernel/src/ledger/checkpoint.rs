//! Checkpoints: folding what the block log holds beyond the last one into the tables, so that opening stays short and memory small.
use super::{
    error::Result,
    machine::{Ledger, Writer},
    tables::{Checkpoint, Deletions},
};
use std::time::Instant;

/// Entries in the overlay after which a checkpoint is due, whatever the number of blocks.
const OVERLAY_ENTRIES_MAX: usize = 400_000;

impl Ledger {
    pub(super) fn checkpoint_is_due(&self, writer: &Writer) -> bool {
        let store = self.store.read();
        let blocks = store.head.saturating_sub(store.checkpoint);
        blocks >= self.options.checkpoint_blocks
            || store.overlay.entries() >= OVERLAY_ENTRIES_MAX
            || (blocks > 0 && writer.last_checkpoint.elapsed() >= self.options.checkpoint_interval)
    }

    /// Fold what the log holds beyond the last checkpoint into the tables.
    pub fn checkpoint(&self) -> Result<()> {
        let mut writer = self.writing()?;
        self.write_checkpoint(&mut writer, Deletions::default())
    }

    /// Write a last checkpoint; nothing can be written afterwards.
    pub fn close(&self) -> Result<()> {
        let mut writer = self.writing()?;
        self.write_checkpoint(&mut writer, Deletions::default())?;
        writer.stopped = Some("it was closed".into());
        Ok(())
    }

    pub(super) fn write_checkpoint(&self, writer: &mut Writer, deletions: Deletions) -> Result<()> {
        let written = self.try_checkpoint(deletions);
        self.stop_on_failure(writer, written)?;
        writer.last_checkpoint = Instant::now();
        writer.checkpoints += 1;
        Ok(())
    }

    fn try_checkpoint(&self, mut deletions: Deletions) -> Result<()> {
        // The tables must never know more than the log.
        self.log.sync()?;
        let oldest_state = self.prune_history(&mut deletions)?;
        let mut tries = self.tries.lock();
        tries.settle(&self.store)?;
        let (nodes, edits) = (tries.take_unstored(), self.head.read().edits.list.clone());
        {
            // Readers go on; only the short switch below keeps them out.
            let store = self.store.read();
            let checkpoint = Checkpoint { position: self.log.end(), head: store.head, edits, oldest_state };
            store.tables.write(&store.overlay, &deletions, &nodes, &checkpoint)?;
        }
        self.store.write().checkpointed(oldest_state)?;
        tries.forget_stored();
        Ok(())
    }

    /// Keys of history that is older than what is kept; returns the oldest block whose state is left.
    fn prune_history(&self, deletions: &mut Deletions) -> Result<u64> {
        let (from, newest) = {
            let store = self.store.read();
            (store.oldest_state, store.head)
        };
        let Some(history) = self.options.history_blocks else { return Ok(from) };
        let oldest = newest.saturating_sub(history).max(from);
        // The entry of block n tells the state before n, so the oldest state needs the entries after it.
        for number in from + 1..=oldest {
            let (changes, _) = self.changes_of(number)?;
            deletions.account_history.extend(changes.accounts.keys().map(|address| (*address, number)));
            let slots = changes.slots.iter().flat_map(|(address, slots)| slots.keys().map(|slot| (*address, *slot, number)));
            deletions.slot_history.extend(slots);
        }
        Ok(oldest)
    }
}
