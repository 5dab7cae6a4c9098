//! Everything the ledger knows, behind one lock that is held for single look-ups only: newest values, their history, blocks and indexes.
use super::{
    account::{Account, BlockChanges},
    block::{Block, decode_block},
    error::{LedgerError, Result},
    log::{BlockLog, Record},
    overlay::{Overlay, before_change},
    tables::{BlockPlace, Deletions, IndexedBlocks, IndexedValue, Tables},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::bytecode::Bytecode;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// The newest blocks stay decoded in memory, so many of them and of their transactions, but always the last one.
const RECENT_BLOCKS: usize = 256;
const RECENT_TRANSACTIONS: usize = 20_000;
const CACHED_CODES: usize = 1024;

pub struct Store {
    pub tables: Tables,
    /// What came after the last checkpoint that was begun.
    pub overlay: Overlay,
    /// What the checkpoint that is being written folds into the tables, and its newest block.
    frozen: Option<(Arc<Overlay>, u64)>,
    pub log: Arc<BlockLog>,
    pub head: u64,
    /// Newest block of this chain that the tables cover. After an unwind below their checkpoint they also hold later ones, which are passed over.
    covered: u64,
    /// What the tables hold of blocks that were taken back; the next checkpoint deletes it.
    pub deletions: Deletions,
    /// Blocks before this one have no state any more.
    pub oldest_state: u64,
    recent: VecDeque<Arc<Block>>,
    recent_transactions: usize,
    code_cache: alloy_primitives::map::B256Map<Bytecode>,
}

impl Store {
    pub fn new(tables: Tables, log: Arc<BlockLog>, head: u64) -> Self {
        Self {
            tables,
            overlay: Overlay::default(),
            frozen: None,
            log,
            head,
            covered: head,
            deletions: Deletions::default(),
            oldest_state: 0,
            recent: VecDeque::new(),
            recent_transactions: 0,
            code_cache: Default::default(),
        }
    }

    /// Overlays, the newest first.
    fn layers(&self) -> impl DoubleEndedIterator<Item = &Overlay> {
        std::iter::once(&self.overlay).chain(self.frozen.as_ref().map(|(overlay, _)| overlay.as_ref()))
    }

    /// Newest block that the tables cover, or will once the checkpoint under way is written.
    pub fn covered(&self) -> u64 {
        self.frozen.as_ref().map_or(self.covered, |(_, head)| *head)
    }

    // ---- state -----------------------------------------------------------------------------------------------

    /// The account at the end of `block`.
    pub fn account(&self, address: &Address, block: u64) -> Result<Option<Account>> {
        if block < self.head {
            if block < self.covered
                && let Some(before) = self.tables.account_before_change(address, block, self.covered)?
            {
                return Ok(before);
            }
            if let Some(before) = self.layers().rev().find_map(|layer| before_change(layer.account_history.get(address), block)) {
                return Ok(before);
            }
        }
        match self.layers().find_map(|layer| layer.accounts.get(address)) {
            Some(account) => Ok(*account),
            None => self.tables.account(address),
        }
    }

    pub fn slot(&self, address: &Address, slot: &U256, block: u64) -> Result<U256> {
        let key = (*address, *slot);
        if block < self.head {
            if block < self.covered
                && let Some(before) = self.tables.slot_before_change(address, slot, block, self.covered)?
            {
                return Ok(before);
            }
            if let Some(before) = self.layers().rev().find_map(|layer| before_change(layer.slot_history.get(&key), block)) {
                return Ok(before);
            }
        }
        match self.layers().find_map(|layer| layer.slots.get(&key)) {
            Some(value) => Ok(*value),
            None => self.tables.slot(address, slot),
        }
    }

    /// All slots of an account that are not zero at the newest block, in order.
    pub fn slots_of(&self, address: &Address) -> Result<BTreeMap<U256, U256>> {
        let mut slots: BTreeMap<U256, U256> = self.tables.slots_of(address)?.into_iter().collect();
        for ((owner, slot), value) in self.changed_slots() {
            if owner == address {
                slots.insert(*slot, *value);
            }
        }
        slots.retain(|_, value| !value.is_zero());
        Ok(slots)
    }

    /// All slots of an account that hold or held anything since history is kept.
    pub fn slots_ever(&self, address: &Address) -> Result<BTreeSet<U256>> {
        let mut slots: BTreeSet<U256> = self.tables.slots_of(address)?.into_iter().map(|(slot, _)| slot).collect();
        // Those of blocks that were taken back hold nothing now, and do no harm.
        slots.extend(self.tables.slots_with_history(address)?);
        slots.extend(self.changed_slots().filter(|((owner, _), _)| owner == address).map(|((_, slot), _)| *slot));
        Ok(slots)
    }

    /// Every slot that changed since the tables, older changes first.
    pub fn changed_slots(&self) -> impl Iterator<Item = (&(Address, U256), &U256)> {
        self.layers().rev().flat_map(|layer| &layer.slots)
    }

    pub fn code(&self, hash: &B256) -> Result<Bytes> {
        if let Some(code) = self.layers().find_map(|layer| layer.code.get(hash)) {
            return Ok(code.clone());
        }
        self.tables.code(hash)?.ok_or_else(|| LedgerError::Corrupt(format!("the code {hash} is missing")))
    }

    pub fn cached_bytecode(&self, hash: &B256) -> Option<Bytecode> {
        self.code_cache.get(hash).cloned()
    }

    pub fn cache_bytecode(&mut self, hash: B256, code: Bytecode) {
        if self.code_cache.len() >= CACHED_CODES {
            self.code_cache.clear();
        }
        self.code_cache.insert(hash, code);
    }

    /// Up to `limit` accounts after `after` at the newest block, in the order of addresses.
    pub fn accounts_after(&self, after: Option<&Address>, limit: usize) -> Result<Vec<(Address, Account)>> {
        let changed: BTreeMap<Address, Option<Account>> = self
            .layers()
            .rev()
            .flat_map(|layer| &layer.accounts)
            .filter(|(address, _)| after.is_none_or(|after| *address > after))
            .map(|(address, account)| (*address, *account))
            .collect();
        // Every removed account may hide one of the table's.
        let mut accounts: BTreeMap<Address, Account> = self.tables.accounts_after(after, limit + changed.len())?.into_iter().collect();
        for (address, account) in changed {
            match account {
                Some(account) => accounts.insert(address, account),
                None => accounts.remove(&address),
            };
        }
        Ok(accounts.into_iter().take(limit).collect())
    }

    // ---- blocks ----------------------------------------------------------------------------------------------

    pub fn place(&self, number: u64) -> Result<Option<BlockPlace>> {
        if number > self.head {
            return Ok(None);
        }
        match self.layers().find_map(|layer| layer.blocks.get(&number)) {
            Some(place) => Ok(Some(*place)),
            None if number > self.covered => Ok(None),
            None => self.tables.block(number),
        }
    }

    pub fn block_hash(&self, number: u64) -> Result<Option<B256>> {
        Ok(self.place(number)?.map(|place| place.hash))
    }

    pub fn number_of(&self, hash: &B256) -> Result<Option<u64>> {
        let number = match self.layers().find_map(|layer| layer.hashes.get(hash)) {
            Some(number) => Some(*number),
            None => self.tables.number_of(hash)?.filter(|number| *number <= self.covered),
        };
        // Reading is never ahead of the chain, also while an unwind is being written.
        Ok(number.filter(|number| *number <= self.head))
    }

    pub fn transaction_place(&self, hash: &B256) -> Result<Option<(u64, u32)>> {
        let place = match self.layers().find_map(|layer| layer.transactions.get(hash)) {
            Some(place) => Some(*place),
            None => self.tables.transaction(hash)?.filter(|(number, _)| *number <= self.covered),
        };
        Ok(place.filter(|(number, _)| *number <= self.head))
    }

    /// Transactions in blocks `first` to `last` in which `address` took part, and whether there are more: at least `count`, if there are so
    /// many, and of no block only some.
    pub fn address_transactions(
        &self,
        address: &Address,
        first: u64,
        last: u64,
        count: usize,
        newest_first: bool,
    ) -> Result<(Vec<(u64, u32)>, bool)> {
        let last = last.min(self.head);
        let (mut found, mut more) = (Vec::new(), false);
        let mut take = |place: (u64, u32)| {
            more = found.len() >= count && found.last().is_some_and(|(block, _)| *block != place.0);
            if !more {
                found.push(place);
            }
            !more
        };
        // Each layer holds what came after the one below it.
        let mut layers: Vec<&[(u64, u32)]> = self
            .layers()
            .map(|layer| {
                let places = layer.address_transactions.get(address).map_or(&[][..], Vec::as_slice);
                let places = &places[places.partition_point(|(block, _)| *block < first)..];
                &places[..places.partition_point(|(block, _)| *block <= last)]
            })
            .collect();
        let stored_last = last.min(self.covered);
        let has_stored = first <= stored_last;
        if newest_first {
            let goes_on = layers.into_iter().all(|places| places.iter().rev().all(|place| take(*place)));
            if goes_on && has_stored {
                self.tables.address_transactions(address, first, stored_last, true, take)?;
            }
        } else {
            layers.reverse();
            let mut goes_on = true;
            if has_stored {
                self.tables.address_transactions(address, first, stored_last, false, |place| {
                    goes_on = take(place);
                    goes_on
                })?;
            }
            if goes_on {
                layers.into_iter().all(|places| places.iter().all(|place| take(*place)));
            }
        }
        Ok((found, more))
    }

    pub fn recent(&self, number: u64) -> Option<Arc<Block>> {
        let oldest = self.recent.front()?.header.number;
        self.recent.get(usize::try_from(number.checked_sub(oldest)?).ok()?).cloned()
    }

    /// Blocks from `first` to `last` with a log of this address or with this topic: those of the tables, and then those after them.
    pub fn log_blocks(&self, value: &IndexedValue, first: u64, last: u64) -> Result<(Option<IndexedBlocks>, Vec<u64>)> {
        let stored = (first <= self.covered).then(|| self.tables.log_blocks(*value, first, last.min(self.covered))).transpose()?;
        let recent = self.layers().rev().flat_map(|layer| layer.log_blocks(value, first, last)).collect();
        Ok((stored, recent))
    }

    // ---- change ----------------------------------------------------------------------------------------------

    pub fn apply(&mut self, block: Arc<Block>, changes: &BlockChanges, place: BlockPlace) {
        self.overlay.apply(&block, changes, place);
        self.head = block.header.number;
        self.recent_transactions += block.transactions.len();
        self.recent.push_back(block);
        while self.recent.len() > 1 && (self.recent.len() > RECENT_BLOCKS || self.recent_transactions > RECENT_TRANSACTIONS) {
            self.recent_transactions -= self.recent.pop_front().map_or(0, |block| block.transactions.len());
        }
    }

    /// Begin a checkpoint: what the overlay holds changes no more, a new one takes what comes.
    pub fn freeze(&mut self) -> Arc<Overlay> {
        let overlay = Arc::new(std::mem::take(&mut self.overlay));
        self.frozen = Some((overlay.clone(), self.head));
        overlay
    }

    /// The checkpoint that was begun is written: see it in the tables.
    pub fn checkpointed(&mut self, oldest_state: u64) -> Result<()> {
        self.tables.refresh()?;
        self.covered = self.covered();
        self.frozen = None;
        self.oldest_state = oldest_state;
        Ok(())
    }

    /// Take back all blocks after `number` at once; nothing where the tables know some of them, or the checkpoint under way does.
    pub fn rewind(&mut self, number: u64) -> Option<BlockChanges> {
        if number < self.covered() {
            return None;
        }
        while self.recent.back().is_some_and(|block| block.header.number > number) {
            self.recent_transactions -= self.recent.pop_back().map_or(0, |block| block.transactions.len());
        }
        self.head = number;
        Some(self.overlay.rewind(number))
    }

    /// Take the newest block back. No checkpoint may be under way that knows it.
    pub fn revert(&mut self, block: &Block, changes: &BlockChanges) {
        self.overlay.revert(block, changes, &mut self.deletions);
        self.head = block.header.number.saturating_sub(1);
        self.covered = self.covered.min(self.head);
        if self.recent.back().is_some_and(|newest| newest.hash == block.hash) {
            self.recent.pop_back();
            self.recent_transactions -= block.transactions.len();
        }
    }
}

/// A block as it is kept.
pub enum Kept {
    Recent(Arc<Block>),
    Logged(Record, BlockPlace),
}

/// Find a block in memory or in the log; the lock is not held while the log is read.
pub fn read_kept(store: &parking_lot::RwLock<Store>, number: u64) -> Result<Option<Kept>> {
    let (place, log) = {
        let store = store.read();
        if let Some(block) = store.recent(number) {
            return Ok(Some(Kept::Recent(block)));
        }
        let Some(place) = store.place(number)? else { return Ok(None) };
        (place, store.log.clone())
    };
    let record = log.read(place.position)?;
    let (record, _) = record.ok_or_else(|| LedgerError::Corrupt(format!("the log ends before block {number}")))?;
    Ok(Some(Kept::Logged(record, place)))
}

/// Read a whole block.
pub fn read_block(store: &parking_lot::RwLock<Store>, number: u64) -> Result<Option<Arc<Block>>> {
    let (record, place) = match read_kept(store, number)? {
        None => return Ok(None),
        Some(Kept::Recent(block)) => return Ok(Some(block)),
        Some(Kept::Logged(record, place)) => (record, place),
    };
    let block = decode_block(&record)?;
    if block.hash != place.hash {
        return Err(LedgerError::Corrupt(format!("the log holds block {} where block {number} should be", block.header.number)));
    }
    Ok(Some(Arc::new(block)))
}
