//! Checkpoints: folding what the block log holds beyond the last one into the tables, so that opening stays short and memory small.
//!
//! A checkpoint is written on a thread of its own while blocks go on: what it folds is frozen, and comes before the tables for readers
//! until it is written. There is one at a time; what takes blocks back waits for it.
use super::{
    account::Edit,
    error::{LedgerError, Result},
    head::Tries,
    machine::{Ledger, Writer},
    overlay::Overlay,
    store::Store,
    tables::{Checkpoint, Deletions, TablesWriter, UnstoredNodes},
};
use parking_lot::{Mutex, RwLock};
use std::{sync::Arc, time::Instant};

/// Entries in the overlay after which a checkpoint is due, whatever the number of blocks.
const OVERLAY_ENTRIES_MAX: usize = 800_000;
/// Blocks without a transaction that count as one with it: as much quicker they are run over when the ledger is opened.
const EMPTY_BLOCKS_A_BLOCK: u64 = 16;
/// How much more than is due may gather while the checkpoint before is still being written.
const PATIENCE: u64 = 3;

/// Everything that a checkpoint writes, and whom it tells.
struct Work {
    tables: TablesWriter,
    overlay: Arc<Overlay>,
    deletions: Deletions,
    nodes: UnstoredNodes,
    checkpoint: Checkpoint,
    store: Arc<RwLock<Store>>,
    tries: Arc<Mutex<Tries>>,
}

impl Work {
    fn run(self) -> Result<()> {
        self.tables.write(&self.overlay, &self.deletions, &self.nodes, &self.checkpoint)?;
        // The frozen overlay is large: its last owner lets go of it outside the locks.
        let _overlay = self.overlay;
        self.store.write().checkpointed(self.checkpoint.oldest_state)?;
        self.tries.lock().forget_stored();
        Ok(())
    }
}

impl Ledger {
    /// Begin a checkpoint if enough has gathered since the last one.
    pub(super) fn checkpoint_if_due(&self, writer: &mut Writer) -> Result<()> {
        let (blocks, transactions, entries) = {
            let store = self.store.read();
            (store.head.saturating_sub(store.covered()), store.overlay.transactions.len() as u64, store.overlay.entries() as u64)
        };
        // Blocks with a transaction are as many as there are transactions, or fewer.
        let due = |times: u64| {
            let wanted = times * self.options.checkpoint_blocks;
            blocks.min(transactions) >= wanted
                || blocks >= wanted.saturating_mul(EMPTY_BLOCKS_A_BLOCK)
                || entries >= times * OVERLAY_ENTRIES_MAX as u64
        };
        let is_time = blocks > 0 && writer.last_checkpoint.elapsed() >= self.options.checkpoint_interval;
        let under_way = writer.checkpoint.as_ref().is_some_and(|checkpoint| !checkpoint.is_finished());
        if under_way && !due(PATIENCE) {
            return Ok(());
        }
        self.finish_checkpoint(writer)?;
        if due(1) || is_time { self.begin_checkpoint(writer) } else { Ok(()) }
    }

    /// Fold what the log holds beyond the last checkpoint into the tables.
    pub fn checkpoint(&self) -> Result<()> {
        let mut writer = self.writing()?;
        self.write_checkpoint(&mut writer)
    }

    /// Write a last checkpoint; nothing can be written afterwards.
    pub fn close(&self) -> Result<()> {
        let mut writer = self.writing()?;
        self.write_checkpoint(&mut writer)?;
        writer.stopped = Some("it was closed".into());
        Ok(())
    }

    /// Write a checkpoint here and now.
    fn write_checkpoint(&self, writer: &mut Writer) -> Result<()> {
        self.finish_checkpoint(writer)?;
        let written = self.prepare_checkpoint().and_then(Work::run);
        self.stop_on_failure(writer, written)?;
        writer.last_checkpoint = Instant::now();
        writer.checkpoints += 1;
        Ok(())
    }

    pub(super) fn begin_checkpoint(&self, writer: &mut Writer) -> Result<()> {
        let prepared = self.prepare_checkpoint();
        let work = self.stop_on_failure(writer, prepared)?;
        let thread = std::thread::Builder::new().name("ledger-checkpoint".into()).spawn(move || work.run());
        let thread = thread.map_err(LedgerError::write("starting the thread of a checkpoint"));
        writer.checkpoint = Some(self.stop_on_failure(writer, thread)?);
        writer.last_checkpoint = Instant::now();
        writer.checkpoints += 1;
        Ok(())
    }

    /// Wait for the checkpoint that is being written, if there is one.
    pub(super) fn finish_checkpoint(&self, writer: &mut Writer) -> Result<()> {
        let Some(checkpoint) = writer.checkpoint.take() else { return Ok(()) };
        let written = checkpoint.join().unwrap_or_else(|_| Err(LedgerError::Tables("the thread of a checkpoint ended early".into())));
        self.stop_on_failure(writer, written)
    }

    fn prepare_checkpoint(&self) -> Result<Work> {
        // The tables must never know more than the log.
        self.log.sync()?;
        let mut deletions = Deletions::default();
        let oldest_state = self.prune_history(&mut deletions)?;
        let mut tries = self.tries.lock();
        tries.settle(&self.store)?;
        let nodes = tries.take_unstored();
        let edits: Vec<Edit> = self.head.read().edits.list.clone();
        let mut store = self.store.write();
        let checkpoint = Checkpoint { position: self.log.end(), head: store.head, edits, oldest_state };
        deletions.append(std::mem::take(&mut store.deletions));
        let (tables, overlay) = (store.tables.writer(), store.freeze());
        Ok(Work { tables, overlay, deletions, nodes, checkpoint, store: self.store.clone(), tries: self.tries.clone() })
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
