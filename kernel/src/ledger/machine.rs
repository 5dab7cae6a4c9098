//! The ledger: one writer, any number of readers, and what makes it last through crashes.
use super::{
    account::{BlockChanges, Edit},
    block::{self, Block, decode_block, decode_changes, decode_configuration, encode_block},
    error::{LedgerError, Result},
    executor::{BlockPlan, Executed, Parent, run_block},
    genesis::{self, GenesisState},
    head::{self, Head, Tries},
    log::{BlockLog, Durability, Position, Record, RecordKind},
    rules::Rules,
    store::{Store, read_block},
    tables::{BlockPlace, Checkpoint, Tables},
    view::{Above, EditLayer, View},
};
use crate::transaction::{SignedTransaction, TransactionError};
use alloy_primitives::{B256, keccak256};
use parking_lot::{Mutex, MutexGuard, RwLock};
use revm::primitives::hardfork::SpecId;
use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::channel,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Below this many transactions a block stays on one thread.
const PARALLEL_TRANSACTIONS_MIN: usize = 16;
/// Senders that one task recovers: about a millisecond of work.
const RECOVERED_AT_ONCE: usize = 32;

#[derive(Clone, Debug)]
pub struct Options {
    /// Blocks after which a checkpoint is due; of those without a transaction it takes more, see `checkpoint`.
    pub checkpoint_blocks: u64,
    pub checkpoint_interval: Duration,
    /// How many blocks back state can be read; all of them if unset.
    pub history_blocks: Option<u64>,
    /// Threads for recovery and hashing; 0 takes one a core.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { checkpoint_blocks: 1024, checkpoint_interval: Duration::from_secs(30), history_blocks: None, threads: 0 }
    }
}

/// Which state to read.
#[derive(Clone, Debug)]
pub enum At {
    Newest,
    Number(u64),
    Executed(Arc<Executed>),
}

/// What only the writer touches.
pub(super) struct Writer {
    /// Why nothing may be written any more.
    pub(super) stopped: Option<String>,
    /// The checkpoint that is being written.
    pub(super) checkpoint: Option<JoinHandle<Result<()>>>,
    pub(super) last_checkpoint: Instant,
    pub(super) checkpoints: u64,
}

pub struct Ledger {
    pub rules: Rules,
    pub genesis_hash: B256,
    /// The chain's configuration as the genesis gave it, in JSON.
    pub configuration: Vec<u8>,
    pub(super) store: Arc<RwLock<Store>>,
    pub(super) head: RwLock<Head>,
    /// Locked after the writer and before the head, and never by a thread of the pool.
    pub(super) tries: Arc<Mutex<Tries>>,
    pub(super) unwinds: Arc<AtomicU64>,
    pub(super) writer: Mutex<Writer>,
    pub(super) log: Arc<BlockLog>,
    pub(super) threads: rayon::ThreadPool,
    pub(super) options: Options,
    /// Held for as long as the ledger is open.
    _lock: Option<File>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    pub blocks: u64,
    pub checkpoints: u64,
    pub log_bytes: u64,
    pub log_syncs: u64,
    pub table_bytes: u64,
    pub overlay_accounts: u64,
    pub overlay_slots: u64,
}

impl Ledger {
    /// Open the ledger in `directory`, or one in memory.
    pub fn open(directory: Option<&Path>, genesis_json: &[u8], options: Options) -> Result<Self> {
        let genesis = genesis::read(genesis_json)?;
        if directory.is_some() && genesis.block.header.number != 0 {
            return Err(LedgerError::Decode(format!("the genesis has number {}; only a chain in memory may", genesis.block.header.number)));
        }
        let lock = directory.map(lock_directory).transpose()?;
        let threads = rayon::ThreadPoolBuilder::new().num_threads(options.threads).thread_name(|index| format!("ledger-{index}"));
        let threads = threads.build().map_err(|error| LedgerError::Tables(error.to_string()))?;
        let tables = open_tables(directory)?;
        let checkpoint = tables.checkpoint()?;
        let from = checkpoint.as_ref().map_or(Position { segment: 0, offset: 0 }, |checkpoint| checkpoint.position);
        let log = match directory {
            Some(directory) => BlockLog::open(directory, from)?,
            None => BlockLog::in_memory(),
        };
        settle_genesis(&log, &genesis)?;
        let log = Arc::new(log);
        let store = Arc::new(RwLock::new(Store::new(tables, log.clone(), checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.head))));
        let (head, tries) = starting_head(&store, &checkpoint, &genesis)?;
        let writer = Writer { stopped: None, checkpoint: None, last_checkpoint: Instant::now(), checkpoints: 0 };
        let ledger = Self {
            genesis_hash: genesis.block.hash,
            configuration: genesis.configuration,
            rules: genesis.rules,
            store,
            head: RwLock::new(head),
            tries: Arc::new(Mutex::new(tries)),
            unwinds: Arc::default(),
            writer: Mutex::new(writer),
            log,
            threads,
            options,
            _lock: lock,
        };
        ledger.threads.install(|| ledger.replay(from))?;
        Ok(ledger)
    }

    /// Bring the state from the last checkpoint to the end of the log.
    fn replay(&self, mut position: Position) -> Result<()> {
        let (mut tries, mut head) = (self.tries.lock(), self.head.write());
        let mut replayed = 0;
        while let Some((record, next)) = self.log.read(position)? {
            match record.kind {
                RecordKind::Block => self.replay_block(&mut tries, &mut head, &record, position)?,
                RecordKind::Unwind => {
                    let (number, edits): (u64, Vec<Edit>) = block::decode(record.section(0)?)?;
                    self.unwind_to(&mut tries, &mut head, number, edits)?;
                }
                RecordKind::Edit => self.push_edit(&mut head, block::decode(record.section(0)?)?)?,
            }
            replayed += 1;
            position = next;
        }
        drop((head, tries));
        if replayed > self.options.checkpoint_blocks {
            // Beside the first answers, which need not wait for it.
            self.begin_checkpoint(&mut self.writer.lock())?;
        }
        Ok(())
    }

    fn replay_block(&self, tries: &mut Tries, head: &mut Head, record: &Record, position: Position) -> Result<()> {
        let block = Arc::new(decode_block(record)?);
        let (changes, edits) = decode_changes(record)?;
        let is_first = position == Position { segment: 0, offset: 0 };
        if !is_first && (block.header.parent_hash, block.header.number) != (head.block.hash, head.block.header.number + 1) {
            return Err(LedgerError::Corrupt(format!("block {} of the log does not follow on its predecessor", block.header.number)));
        }
        tries.replay(&self.store, &block, &changes)?;
        head.block = block.clone();
        let place = BlockPlace { hash: block.hash, position, has_edits: !edits.is_empty() };
        self.store.write().apply(block, &changes, place);
        head.edits = Arc::default();
        Ok(())
    }

    // ---- views -----------------------------------------------------------------------------------------------

    pub fn newest(&self) -> Arc<Block> {
        self.head.read().block.clone()
    }

    pub fn edit_count(&self) -> usize {
        self.head.read().edits.list.len()
    }

    /// The state at a moment, and the block in whose environment calls on it run.
    pub fn view(&self, at: &At) -> Result<(View, Arc<Block>)> {
        let head = self.head.read();
        let newest = head.block.header.number;
        let view = |block: u64, above: Above| View {
            store: self.store.clone(),
            block,
            above,
            unwinds: self.unwinds.clone(),
            unwinds_seen: self.unwinds.load(Ordering::Acquire),
        };
        match at {
            At::Executed(executed) => {
                let block = executed.block.clone();
                Ok((view(block.header.number - 1, Above::Block(executed.clone())), block))
            }
            At::Number(number) if *number > newest => Err(LedgerError::UnknownBlock(number.to_string())),
            At::Number(number) if *number < newest => {
                let oldest = self.options.history_blocks.map_or(0, |history| newest.saturating_sub(history));
                let oldest = oldest.max(self.store.read().oldest_state);
                if *number < oldest {
                    return Err(LedgerError::StateNotKept { block: *number, oldest });
                }
                drop(head);
                let block = read_block(&self.store, *number)?.ok_or_else(|| LedgerError::UnknownBlock(number.to_string()))?;
                Ok((view(*number, Above::Nothing), block))
            }
            At::Number(_) | At::Newest => {
                let above = if head.edits.list.is_empty() { Above::Nothing } else { Above::Edits(head.edits.clone()) };
                Ok((view(newest, above), head.block.clone()))
            }
        }
    }

    /// As `view`, and also at an older height with the edits that stood there while it was the newest: what a developer saw then.
    /// Its header's root knows nothing of them, so what stands on roots takes `view`.
    pub fn view_as_seen(&self, at: &At) -> Result<(View, Arc<Block>)> {
        let (mut view, block) = self.view(at)?;
        let (At::Number(number), Above::Nothing) = (at, &view.above) else { return Ok((view, block)) };
        let next = self.store.read().place(number + 1)?;
        if next.is_some_and(|place| place.has_edits) {
            let mut layer = EditLayer::default();
            for edit in self.changes_of(number + 1)?.1 {
                layer.push(edit, |address| view.account(address))?;
            }
            view.above = Above::Edits(Arc::new(layer));
        }
        Ok((view, block))
    }

    // ---- blocks ----------------------------------------------------------------------------------------------

    /// Execute a block on top of the newest one with those of `candidates` that can run, in this order. Nothing is written.
    pub fn execute(&self, plan: &BlockPlan, candidates: &[SignedTransaction]) -> Result<Executed> {
        // A commit, an unwind or an edit from another thread makes the attempt void, so it starts again on what is newest then.
        const ATTEMPTS: usize = 8;
        let parallel = candidates.len() >= PARALLEL_TRANSACTIONS_MIN;
        for _ in 1..ATTEMPTS {
            match self.try_execute(plan, &mut candidates.iter().cloned(), parallel) {
                Err(LedgerError::Stale) => {}
                result => return result,
            }
        }
        self.try_execute(plan, &mut candidates.iter().cloned(), parallel)
    }

    /// The same for transactions as bytes, impersonated ones too: the senders of later ones are recovered while the first already run.
    pub fn execute_raw<T: AsRef<[u8]> + Sync>(
        &self,
        plan: &BlockPlan,
        raws: &[T],
    ) -> Result<std::result::Result<Executed, TransactionError>> {
        if raws.len() < PARALLEL_TRANSACTIONS_MIN {
            let decoded: std::result::Result<Vec<_>, _> = SignedTransaction::decode_many(raws, true).into_iter().collect();
            return match decoded {
                Ok(candidates) => self.execute(plan, &candidates).map(Ok),
                Err(error) => Ok(Err(error)),
            };
        }
        let (mut decoded, mut failure) = (Vec::with_capacity(raws.len()), None);
        let executed = self.threads.in_place_scope(|scope| {
            let chunks: Vec<_> = raws
                .chunks(RECOVERED_AT_ONCE)
                .map(|chunk| {
                    let (sender, receiver) = channel();
                    scope.spawn(move |_| {
                        let recovered: Vec<_> = chunk.iter().map(|raw| SignedTransaction::decode_trusted(raw.as_ref())).collect();
                        // Nobody waits any more when an earlier transaction could not be decoded.
                        let _ = sender.send(recovered);
                    });
                    receiver
                })
                .collect();
            let mut candidates = chunks.into_iter().flatten().flatten().map_while(|result| match result {
                Ok(transaction) => {
                    decoded.push(transaction.clone());
                    Some(transaction)
                }
                Err(error) => {
                    failure = Some(error);
                    None
                }
            });
            self.try_execute(plan, &mut candidates, true)
        });
        match (failure, executed) {
            (Some(error), _) => Ok(Err(error)),
            (None, Err(LedgerError::Stale)) => self.execute(plan, &decoded).map(Ok),
            (None, executed) => executed.map(Ok),
        }
    }

    fn try_execute(&self, plan: &BlockPlan, candidates: &mut dyn Iterator<Item = SignedTransaction>, parallel: bool) -> Result<Executed> {
        let (block, edits, generation, view) = {
            let head = self.head.read();
            let view = View {
                store: self.store.clone(),
                block: head.block.header.number,
                above: Above::Nothing,
                unwinds: self.unwinds.clone(),
                unwinds_seen: self.unwinds.load(Ordering::Acquire),
            };
            (head.block.clone(), head.edits.clone(), head.generation, view)
        };
        self.check_plan(plan, &block)?;
        let fork = self.rules.fork(block.header.number + 1, plan.timestamp);
        let parent = Parent { block: &block, view: &view, edits: &edits, rules: &self.rules };
        let ran = run_block(&parent, plan, candidates)?;
        let clears_empty = fork.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        let mut tries = self.tries.lock();
        if self.head.read().generation != generation {
            return Err(LedgerError::Stale);
        }
        let tries = &mut *tries;
        let seal = |parallel| head::seal(&self.store, tries, generation, ran, clears_empty, parallel);
        // Waking another thread costs more than a small block.
        if parallel { self.threads.install(|| seal(true)) } else { seal(false) }
    }

    fn check_plan(&self, plan: &BlockPlan, parent: &Block) -> Result<()> {
        let earliest = parent.header.timestamp + u64::from(!self.rules.zero_gravity.equal_timestamps);
        if plan.timestamp < earliest {
            return Err(LedgerError::Decode(format!("timestamp {} is below {earliest}, the earliest for this block", plan.timestamp)));
        }
        if plan.extra_data.len() > 32 {
            return Err(LedgerError::Decode(format!("extra data of {} bytes is above the limit of 32", plan.extra_data.len())));
        }
        Ok(())
    }

    /// Make an executed block the newest, durably; `Stale` when the chain has moved on since.
    pub fn commit(&self, executed: &Executed) -> Result<()> {
        self.commit_lasting(executed, Durability::Now)
    }

    /// The same in a batch: many blocks share one write to the disk, which `sync` waits for. Until then a crash may take them back.
    pub fn commit_in_batch(&self, executed: &Executed) -> Result<()> {
        self.commit_lasting(executed, Durability::Later)
    }

    /// Make the blocks of a batch durable.
    pub fn sync(&self) -> Result<()> {
        let mut writer = self.writing()?;
        let synced = self.log.sync();
        self.stop_on_failure(&mut writer, synced)
    }

    fn commit_lasting(&self, executed: &Executed, durability: Durability) -> Result<()> {
        let mut writer = self.writing()?;
        let mut tries = self.tries.lock();
        let edits = {
            let head = self.head.read();
            if head.generation != executed.generation {
                return Err(LedgerError::Stale);
            }
            head.edits.clone()
        };
        let sections = encode_block(&executed.block, &executed.changes, &edits.list, None)?;
        let position = self.append(&mut writer, RecordKind::Block, &sections, durability)?;
        let followed = tries.follow(&self.store, &executed.changes);
        self.stop_on_failure(&mut writer, followed)?;
        {
            let mut head = self.head.write();
            head.block = executed.block.clone();
            head.edits = Arc::default();
            head.generation += 1;
            let place = BlockPlace { hash: executed.block.hash, position, has_edits: !edits.list.is_empty() };
            self.store.write().apply(executed.block.clone(), &executed.changes, place);
        }
        drop(tries);
        self.checkpoint_if_due(&mut writer)
    }

    pub(super) fn changes_of(&self, number: u64) -> Result<(BlockChanges, Vec<Edit>)> {
        let place = self.store.read().place(number)?.ok_or_else(|| LedgerError::UnknownBlock(number.to_string()))?;
        let (record, _) = self.log.read(place.position)?.ok_or_else(|| LedgerError::Corrupt(format!("block {number} is missing")))?;
        decode_changes(&record)
    }

    // ---- edits -----------------------------------------------------------------------------------------------

    /// Change the state outside any transaction, durably; the next block's root includes it.
    pub fn edit(&self, edit: Edit) -> Result<()> {
        self.edit_lasting(edit, Durability::Now)
    }

    /// The same in a batch, as `commit_in_batch`.
    pub fn edit_in_batch(&self, edit: Edit) -> Result<()> {
        self.edit_lasting(edit, Durability::Later)
    }

    fn edit_lasting(&self, edit: Edit, durability: Durability) -> Result<()> {
        let mut writer = self.writing()?;
        self.append(&mut writer, RecordKind::Edit, &[block::encode(&edit)?], durability)?;
        let mut head = self.head.write();
        let pushed = self.push_edit(&mut head, edit);
        drop(head);
        self.stop_on_failure(&mut writer, pushed)
    }

    pub(super) fn push_edit(&self, head: &mut Head, edit: Edit) -> Result<()> {
        let number = head.block.header.number;
        head.generation += 1;
        Arc::make_mut(&mut head.edits).push(edit, |address| self.store.read().account(address, number))
    }

    // ---- durability ------------------------------------------------------------------------------------------

    pub(super) fn writing(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer.lock();
        match &writer.stopped {
            Some(reason) => Err(LedgerError::Stopped(reason.clone())),
            None => Ok(writer),
        }
    }

    pub(super) fn append(&self, writer: &mut Writer, kind: RecordKind, sections: &[Vec<u8>], durability: Durability) -> Result<Position> {
        let sections: Vec<&[u8]> = sections.iter().map(Vec::as_slice).collect();
        let appended = self.log.append(kind, &sections, durability);
        self.stop_on_failure(writer, appended)
    }

    /// After a failed write nobody knows what is on disk: nothing more is written until the ledger is opened again.
    pub(super) fn stop_on_failure<T>(&self, writer: &mut Writer, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            writer.stopped = Some(error.to_string());
        }
        result
    }

    pub fn statistics(&self) -> Result<Statistics> {
        // The writer comes first, as everywhere: writers take the store while they hold it.
        let checkpoints = self.writer.lock().checkpoints;
        let store = self.store.read();
        Ok(Statistics {
            blocks: store.head,
            checkpoints,
            log_bytes: self.log.bytes_written.load(Ordering::Relaxed),
            log_syncs: self.log.syncs.load(Ordering::Relaxed),
            table_bytes: store.tables.stored_bytes()?,
            overlay_accounts: store.overlay.accounts.len() as u64,
            overlay_slots: store.overlay.slots.len() as u64,
        })
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Nothing may be written any more once the lock on the folder is gone. What failed is written again from the log.
        if let Some(checkpoint) = self.writer.get_mut().checkpoint.take() {
            let _ = checkpoint.join();
        }
    }
}

/// Create the folder, and hold it against every other process until the file is dropped.
fn lock_directory(directory: &Path) -> Result<File> {
    std::fs::create_dir_all(directory).map_err(LedgerError::write("making the ledger's folder"))?;
    let file = File::create(directory.join("lock")).map_err(LedgerError::write("locking the ledger's folder"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Busy(directory.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(LedgerError::write("locking the ledger's folder")(error)),
    }
}

/// The tables are derived from the log: damaged ones are put aside and made anew.
fn open_tables(directory: Option<&Path>) -> Result<Tables> {
    let Some(directory) = directory else { return Tables::open(None) };
    let path: PathBuf = directory.join("tables.redb");
    match Tables::open(Some(&path)) {
        Err(LedgerError::Tables(_)) if path.exists() => {
            std::fs::rename(&path, directory.join("tables.damaged")).map_err(LedgerError::write("putting damaged tables aside"))?;
            Tables::open(Some(&path))
        }
        opened => opened,
    }
}

/// Begin the log with the genesis, or make sure that it began with this one.
fn settle_genesis(log: &BlockLog, genesis: &GenesisState) -> Result<()> {
    let start = Position { segment: 0, offset: 0 };
    let Some((record, _)) = log.read(start)? else {
        let sections = encode_block(&genesis.block, &genesis.changes, &[], Some(&genesis.configuration))?;
        let sections: Vec<&[u8]> = sections.iter().map(Vec::as_slice).collect();
        return log.append(RecordKind::Block, &sections, Durability::Now).map(drop);
    };
    let kept = keccak256([decode_block(&record)?.hash.as_slice(), decode_configuration(&record)?].concat());
    if kept != genesis.identity {
        return Err(LedgerError::GenesisMismatch { kept, given: genesis.identity });
    }
    Ok(())
}

/// The state at the last checkpoint, or nothing yet: then the replay begins with the genesis.
fn starting_head(store: &Arc<RwLock<Store>>, checkpoint: &Option<Checkpoint>, genesis: &GenesisState) -> Result<(Head, Tries)> {
    let Some(checkpoint) = checkpoint else {
        let head = Head { block: Arc::new(genesis.block.clone()), edits: Arc::default(), generation: 0 };
        return Ok((head, Tries::default()));
    };
    store.write().oldest_state = checkpoint.oldest_state;
    let block = read_block(store, checkpoint.head)?;
    let block = block.ok_or_else(|| LedgerError::Corrupt(format!("block {} of the last checkpoint is missing", checkpoint.head)))?;
    let mut edits = EditLayer::default();
    for edit in &checkpoint.edits {
        edits.push(edit.clone(), |address| store.read().account(address, checkpoint.head))?;
    }
    let tries = Tries::stored(block.header.state_root);
    Ok((Head { block, edits: Arc::new(edits), generation: 0 }, tries))
}
