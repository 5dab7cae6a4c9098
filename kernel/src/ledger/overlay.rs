//! What the log holds beyond the last checkpoint, in memory.
use super::{
    account::{Account, BlockChanges, Delta},
    block::Block,
    tables::{BlockPlace, Deletions, IndexedValue},
};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{AddressMap, B256Map, HashMap},
};
use std::collections::{BTreeMap, BTreeSet};

/// A value before a block, in the order of blocks.
type Versions<T> = Vec<(u64, T)>;

#[derive(Default)]
pub struct Overlay {
    pub accounts: AddressMap<Option<Account>>,
    pub slots: HashMap<(Address, U256), U256>,
    pub code: B256Map<Bytes>,
    pub account_history: AddressMap<Versions<Option<Account>>>,
    pub slot_history: HashMap<(Address, U256), Versions<U256>>,
    pub blocks: BTreeMap<u64, BlockPlace>,
    pub hashes: B256Map<u64>,
    pub transactions: B256Map<(u64, u32)>,
    /// Transactions in which an address took part, in the order of the chain.
    pub address_transactions: AddressMap<Vec<(u64, u32)>>,
    pub log_addresses: BTreeSet<(Address, u64)>,
    pub log_topics: BTreeSet<(B256, u64)>,
    /// How many places `address_transactions` holds.
    participations: usize,
}

/// The first version after `block`: the value that held at the end of `block`.
pub fn before_change<T: Copy>(versions: Option<&Versions<T>>, after: u64) -> Option<T> {
    let versions = versions?;
    let index = versions.partition_point(|(block, _)| *block <= after);
    versions.get(index).map(|(_, before)| *before)
}

/// Drop the versions after `block`; returns the value that held at the end of it, if there were any.
fn cut<T: Copy>(versions: &mut Versions<T>, block: u64) -> Option<T> {
    let kept = versions.partition_point(|(version, _)| *version <= block);
    let before = versions.get(kept).map(|(_, before)| *before);
    versions.truncate(kept);
    before
}

impl Overlay {
    pub fn apply(&mut self, block: &Block, changes: &BlockChanges, place: BlockPlace) {
        let number = block.header.number;
        for (address, delta) in &changes.accounts {
            self.accounts.insert(*address, delta.after);
            self.account_history.entry(*address).or_default().push((number, delta.before));
        }
        for (address, slots) in &changes.slots {
            for (slot, delta) in slots {
                self.slots.insert((*address, *slot), delta.after);
                self.slot_history.entry((*address, *slot)).or_default().push((number, delta.before));
            }
        }
        for (hash, code) in &changes.code {
            self.code.insert(*hash, code.clone());
        }
        self.blocks.insert(number, place);
        self.hashes.insert(place.hash, number);
        for (index, transaction) in (0u32..).zip(&block.transactions) {
            self.transactions.insert(transaction.hash, (number, index));
        }
        for (address, index) in participants(block, changes) {
            let places = self.address_transactions.entry(address).or_default();
            if places.last() != Some(&(number, index)) {
                places.push((number, index));
                self.participations += 1;
            }
        }
        for log in block.receipts.iter().flat_map(|receipt| &receipt.logs) {
            self.log_addresses.insert((log.address, number));
            for topic in &log.topics {
                self.log_topics.insert((*topic, number));
            }
        }
    }

    /// Take the newest block back. What the tables hold of it is left to `deletions`.
    pub fn revert(&mut self, block: &Block, changes: &BlockChanges, deletions: &mut Deletions) {
        let number = block.header.number;
        for (address, delta) in &changes.accounts {
            self.accounts.insert(*address, delta.before);
            if !drop_version(&mut self.account_history, address, number) {
                deletions.account_history.push((*address, number));
            }
        }
        for (address, slots) in &changes.slots {
            for (slot, delta) in slots {
                self.slots.insert((*address, *slot), delta.before);
                if !drop_version(&mut self.slot_history, &(*address, *slot), number) {
                    deletions.slot_history.push((*address, *slot, number));
                }
            }
        }
        let is_stored = self.blocks.remove(&number).is_none();
        if is_stored {
            deletions.blocks.push(number);
        }
        if self.hashes.remove(&block.hash).is_none() {
            deletions.hashes.push(block.hash);
        }
        for transaction in &block.transactions {
            if self.transactions.remove(&transaction.hash).is_none() {
                deletions.transactions.push(transaction.hash);
            }
        }
        for (address, index) in participants(block, changes) {
            if is_stored {
                deletions.address_transactions.push((address, number, index));
            } else if let Some(places) = self.address_transactions.get_mut(&address) {
                let before = places.len();
                places.truncate(before - places.iter().rev().take_while(|(block, _)| *block == number).count());
                self.participations -= before - places.len();
                if places.is_empty() {
                    self.address_transactions.remove(&address);
                }
            }
        }
        for log in block.receipts.iter().flat_map(|receipt| &receipt.logs) {
            if !self.log_addresses.remove(&(log.address, number)) {
                deletions.log_addresses.push((log.address, number));
            }
            for topic in &log.topics {
                if !self.log_topics.remove(&(*topic, number)) {
                    deletions.log_topics.push((*topic, number));
                }
            }
        }
    }

    /// Take back all blocks after `number` at once, none of which the tables know; returns what they did together, from `number` on.
    ///
    /// Every entry is looked at, which for many blocks is quicker than reading what each of them changed.
    pub fn rewind(&mut self, number: u64) -> BlockChanges {
        let (mut accounts, mut slots) = (Vec::new(), Vec::new());
        self.account_history.retain(|address, versions| {
            if let Some(before) = cut(versions, number) {
                let after = self.accounts.insert(*address, before).flatten();
                accounts.push((*address, Delta { before, after }));
            }
            !versions.is_empty()
        });
        self.slot_history.retain(|key, versions| {
            if let Some(before) = cut(versions, number) {
                let after = self.slots.insert(*key, before).unwrap_or_default();
                slots.push((*key, Delta { before, after }));
            }
            !versions.is_empty()
        });
        self.blocks.split_off(&(number + 1));
        self.hashes.retain(|_, block| *block <= number);
        self.transactions.retain(|_, (block, _)| *block <= number);
        self.address_transactions.retain(|_, places| {
            let kept = places.partition_point(|(block, _)| *block <= number);
            self.participations -= places.len() - kept;
            places.truncate(kept);
            !places.is_empty()
        });
        self.log_addresses.retain(|(_, block)| *block <= number);
        self.log_topics.retain(|(_, block)| *block <= number);
        // Much quicker than inserting each by itself.
        let mut undone = BlockChanges { accounts: accounts.into_iter().collect(), ..Default::default() };
        slots.sort_unstable_by_key(|(key, _)| *key);
        for of_one in slots.chunk_by(|(first, _), (second, _)| first.0 == second.0) {
            undone.slots.insert(of_one[0].0.0, of_one.iter().map(|((_, slot), delta)| (*slot, *delta)).collect());
        }
        undone
    }

    /// Blocks from `first` to `last` with a log of this address or with this topic, ascending.
    pub fn log_blocks(&self, value: &IndexedValue, first: u64, last: u64) -> Vec<u64> {
        match value {
            IndexedValue::Address(address) => {
                self.log_addresses.range((*address, first)..=(*address, last)).map(|(_, block)| *block).collect()
            }
            IndexedValue::Topic(topic) => self.log_topics.range((*topic, first)..=(*topic, last)).map(|(_, block)| *block).collect(),
        }
    }

    pub fn entries(&self) -> usize {
        self.accounts.len() + self.slots.len() + self.transactions.len() + self.participations
    }
}

/// Everybody who took part in a transaction of the block, with its index; some of them more than once.
fn participants(block: &Block, changes: &BlockChanges) -> impl Iterator<Item = (Address, u32)> {
    (0u32..).zip(block.transactions.iter().zip(&block.receipts)).flat_map(|(index, (transaction, receipt))| {
        let inner = changes.participants.get(&index).map_or(&[][..], Vec::as_slice);
        let outer = [Some(transaction.sender), transaction.to().or(receipt.contract_address)];
        outer.into_iter().flatten().chain(inner.iter().copied()).map(move |address| (address, index))
    })
}

/// Whether the newest version of `key` was the one of `block`, and so was dropped.
fn drop_version<K: std::hash::Hash + Eq, V, S: std::hash::BuildHasher>(
    history: &mut std::collections::HashMap<K, Versions<V>, S>,
    key: &K,
    block: u64,
) -> bool {
    let Some(versions) = history.get_mut(key) else { return false };
    let found = versions.last().is_some_and(|(last, _)| *last == block);
    if found {
        versions.pop();
    }
    if versions.is_empty() {
        history.remove(key);
    }
    found
}
