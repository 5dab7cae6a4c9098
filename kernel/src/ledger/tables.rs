//! The tables on disk (redb): what the block log says up to the last checkpoint, in a form that can be looked up.
use super::{
    account::{Account, Edit},
    error::{LedgerError, Result},
    log::Position,
    overlay::Overlay,
    trie::{NodeSource, StoredNode},
};
use alloy_primitives::{Address, B256, Bytes, U256, map::HashMap};
use alloy_trie::Nibbles;
use parking_lot::Mutex;
use redb::{Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition, backends::InMemoryBackend};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{hash::Hash, path::Path, sync::Arc};

mod log_index;
pub use log_index::{IndexedBlocks, IndexedValue};

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const ACCOUNTS: TableDefinition<[u8; 20], &[u8]> = TableDefinition::new("accounts");
const SLOTS: TableDefinition<[u8; 52], [u8; 32]> = TableDefinition::new("slots");
const CODE: TableDefinition<[u8; 32], &[u8]> = TableDefinition::new("code");
/// Address and block to the account before that block.
const ACCOUNT_HISTORY: TableDefinition<[u8; 28], &[u8]> = TableDefinition::new("account_history");
const SLOT_HISTORY: TableDefinition<[u8; 60], [u8; 32]> = TableDefinition::new("slot_history");
/// Owner (nothing, or the hash of an address) and path to the RLP of a trie node.
const NODES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("nodes");
const BLOCKS: TableDefinition<u64, &[u8]> = TableDefinition::new("blocks");
const HASHES: TableDefinition<[u8; 32], u64> = TableDefinition::new("hashes");
const TRANSACTIONS: TableDefinition<[u8; 32], (u64, u32)> = TableDefinition::new("transactions");
/// Address, block and index of the transactions in which the address took part.
const ADDRESS_TRANSACTIONS: TableDefinition<[u8; 32], ()> = TableDefinition::new("address_transactions");
const LOG_ADDRESSES: TableDefinition<[u8; 28], ()> = TableDefinition::new("log_addresses");
const LOG_TOPICS: TableDefinition<[u8; 40], ()> = TableDefinition::new("log_topics");

const CACHE_BYTES: usize = 64 << 20;
const CHECKPOINT: &str = "checkpoint";
/// Accounts and slots each that are remembered as they were read: every block reads some of its system contracts.
const READS_KEPT: usize = 16_384;

/// Up to where the tables hold what the log says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub position: Position,
    pub head: u64,
    pub edits: Vec<Edit>,
    /// Blocks before this one have no state any more.
    pub oldest_state: u64,
}

/// Where a block lies, and what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockPlace {
    pub hash: B256,
    pub position: Position,
    /// Whether developer edits stood between its parent and it.
    pub has_edits: bool,
}

/// Keys that an unwind takes out of the tables.
#[derive(Debug, Default)]
pub struct Deletions {
    pub account_history: Vec<(Address, u64)>,
    pub slot_history: Vec<(Address, U256, u64)>,
    pub blocks: Vec<u64>,
    pub hashes: Vec<B256>,
    pub transactions: Vec<B256>,
    pub address_transactions: Vec<(Address, u64, u32)>,
    pub log_addresses: Vec<(Address, u64)>,
    pub log_topics: Vec<(B256, u64)>,
}

impl Deletions {
    pub fn append(&mut self, mut other: Self) {
        self.account_history.append(&mut other.account_history);
        self.slot_history.append(&mut other.slot_history);
        self.blocks.append(&mut other.blocks);
        self.hashes.append(&mut other.hashes);
        self.transactions.append(&mut other.transactions);
        self.address_transactions.append(&mut other.address_transactions);
        self.log_addresses.append(&mut other.log_addresses);
        self.log_topics.append(&mut other.log_topics);
    }
}

/// Nodes of the account trie, then of storage tries by the hash of their address.
pub type UnstoredNodes = Vec<(Option<B256>, Vec<StoredNode>)>;

fn join<const A: usize, const B: usize, const N: usize>(first: &[u8; A], second: &[u8; B]) -> [u8; N] {
    let mut key = [0; N];
    key[..A].copy_from_slice(first);
    key[A..].copy_from_slice(second);
    key
}

fn slot_key(address: &Address, slot: &U256) -> [u8; 52] {
    join(&address.0.0, &slot.to_be_bytes::<32>())
}

fn at_block<const A: usize, const N: usize>(key: &[u8; A], block: u64) -> [u8; N] {
    join(key, &block.to_be_bytes())
}

/// Address, block and index of a transaction, so that keys stand in the order of the chain.
fn place_key(address: &Address, block: u64, index: u32) -> [u8; 32] {
    let mut key = [0; 32];
    key[..20].copy_from_slice(address.as_slice());
    key[20..28].copy_from_slice(&block.to_be_bytes());
    key[28..].copy_from_slice(&index.to_be_bytes());
    key
}

fn node_key(owner: Option<B256>, path: &Nibbles) -> Vec<u8> {
    let mut key = Vec::with_capacity(33 + path.len());
    key.extend_from_slice(owner.as_ref().map_or(&[], |owner| owner.as_slice()));
    key.extend(path.iter());
    // Owners are 32 bytes, account paths at most 64 nibbles: one byte keeps the two apart.
    key.push(if owner.is_some() { 0xff } else { 0xfe });
    key
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|error| LedgerError::Tables(error.to_string()))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|error| LedgerError::Corrupt(format!("a table entry cannot be decoded: {error}")))
}

/// Handles on the tables as of one checkpoint.
pub struct Readers {
    accounts: ReadOnlyTable<[u8; 20], &'static [u8]>,
    slots: ReadOnlyTable<[u8; 52], [u8; 32]>,
    code: ReadOnlyTable<[u8; 32], &'static [u8]>,
    account_history: ReadOnlyTable<[u8; 28], &'static [u8]>,
    slot_history: ReadOnlyTable<[u8; 60], [u8; 32]>,
    nodes: ReadOnlyTable<&'static [u8], &'static [u8]>,
    blocks: ReadOnlyTable<u64, &'static [u8]>,
    hashes: ReadOnlyTable<[u8; 32], u64>,
    transactions: ReadOnlyTable<[u8; 32], (u64, u32)>,
    address_transactions: ReadOnlyTable<[u8; 32], ()>,
    log_addresses: ReadOnlyTable<[u8; 28], ()>,
    log_topics: ReadOnlyTable<[u8; 40], ()>,
}

/// What was read lately of one checkpoint's tables.
struct Reads<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Reads<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Copy, V: Copy> Reads<K, V> {
    fn get_or_read(&self, key: &K, read: impl FnOnce() -> Result<V>) -> Result<V> {
        if let Some(value) = self.0.lock().get(key) {
            return Ok(*value);
        }
        let value = read()?;
        let mut kept = self.0.lock();
        if kept.len() >= READS_KEPT {
            kept.clear();
        }
        kept.insert(*key, value);
        Ok(value)
    }
}

pub struct Tables {
    /// Shared with the checkpoint that is being written.
    database: Arc<Database>,
    readers: Arc<Readers>,
    /// Of `readers`, as they are.
    accounts_read: Reads<Address, Option<Account>>,
    slots_read: Reads<(Address, U256), U256>,
}

impl Tables {
    /// Open or create; `None` keeps the tables in memory.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let database = match path {
            Some(path) => builder.create(path),
            None => builder.create_with_backend(InMemoryBackend::new()),
        }
        .map_err(LedgerError::tables)?;
        let readers = match Self::readers(&database) {
            Ok(readers) => readers,
            Err(redb::Error::TableDoesNotExist(_)) => {
                Self::create_tables(&database).map_err(LedgerError::tables)?;
                Self::readers(&database).map_err(LedgerError::tables)?
            }
            Err(error) => return Err(LedgerError::tables(error)),
        };
        let (accounts_read, slots_read) = Default::default();
        Ok(Self { database: Arc::new(database), readers: Arc::new(readers), accounts_read, slots_read })
    }

    fn create_tables(database: &Database) -> std::result::Result<(), redb::Error> {
        let write = database.begin_write()?;
        write.open_table(META)?;
        write.open_table(ACCOUNTS)?;
        write.open_table(SLOTS)?;
        write.open_table(CODE)?;
        write.open_table(ACCOUNT_HISTORY)?;
        write.open_table(SLOT_HISTORY)?;
        write.open_table(NODES)?;
        write.open_table(BLOCKS)?;
        write.open_table(HASHES)?;
        write.open_table(TRANSACTIONS)?;
        write.open_table(ADDRESS_TRANSACTIONS)?;
        write.open_table(LOG_ADDRESSES)?;
        write.open_table(LOG_TOPICS)?;
        write.commit()?;
        Ok(())
    }

    fn readers(database: &Database) -> std::result::Result<Readers, redb::Error> {
        let read = database.begin_read()?;
        Ok(Readers {
            accounts: read.open_table(ACCOUNTS)?,
            slots: read.open_table(SLOTS)?,
            code: read.open_table(CODE)?,
            account_history: read.open_table(ACCOUNT_HISTORY)?,
            slot_history: read.open_table(SLOT_HISTORY)?,
            nodes: read.open_table(NODES)?,
            blocks: read.open_table(BLOCKS)?,
            hashes: read.open_table(HASHES)?,
            transactions: read.open_table(TRANSACTIONS)?,
            address_transactions: read.open_table(ADDRESS_TRANSACTIONS)?,
            log_addresses: read.open_table(LOG_ADDRESSES)?,
            log_topics: read.open_table(LOG_TOPICS)?,
        })
    }

    pub fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let read = self.database.begin_read().map_err(LedgerError::tables)?;
        let meta = read.open_table(META).map_err(LedgerError::tables)?;
        meta.get(CHECKPOINT).map_err(LedgerError::tables)?.map(|value| decode(value.value())).transpose()
    }

    pub fn account(&self, address: &Address) -> Result<Option<Account>> {
        self.accounts_read.get_or_read(address, || {
            let value = self.readers.accounts.get(address.0.0).map_err(LedgerError::tables)?;
            value.map(|value| decode(value.value())).transpose()
        })
    }

    pub fn slot(&self, address: &Address, slot: &U256) -> Result<U256> {
        self.slots_read.get_or_read(&(*address, *slot), || {
            let value = self.readers.slots.get(slot_key(address, slot)).map_err(LedgerError::tables)?;
            Ok(value.map_or(U256::ZERO, |value| U256::from_be_bytes(value.value())))
        })
    }

    pub fn code(&self, hash: &B256) -> Result<Option<Bytes>> {
        let value = self.readers.code.get(hash.0).map_err(LedgerError::tables)?;
        Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
    }

    /// The account before the first block after `block` that changed it; `None` when no later block did.
    /// The account before its first change in the blocks after `after`, up to `last`.
    pub fn account_before_change(&self, address: &Address, after: u64, last: u64) -> Result<Option<Option<Account>>> {
        let (first, last): ([u8; 28], [u8; 28]) = (at_block(&address.0.0, after + 1), at_block(&address.0.0, last));
        let mut range = self.readers.account_history.range(first..=last).map_err(LedgerError::tables)?;
        let Some(entry) = range.next() else { return Ok(None) };
        let (_, value) = entry.map_err(LedgerError::tables)?;
        decode(value.value()).map(Some)
    }

    pub fn slot_before_change(&self, address: &Address, slot: &U256, after: u64, last: u64) -> Result<Option<U256>> {
        let key = slot_key(address, slot);
        let (first, last): ([u8; 60], [u8; 60]) = (at_block(&key, after + 1), at_block(&key, last));
        let mut range = self.readers.slot_history.range(first..=last).map_err(LedgerError::tables)?;
        let Some(entry) = range.next() else { return Ok(None) };
        let (_, value) = entry.map_err(LedgerError::tables)?;
        Ok(Some(U256::from_be_bytes(value.value())))
    }

    pub fn block(&self, number: u64) -> Result<Option<BlockPlace>> {
        let value = self.readers.blocks.get(number).map_err(LedgerError::tables)?;
        value.map(|value| decode(value.value())).transpose()
    }

    pub fn number_of(&self, hash: &B256) -> Result<Option<u64>> {
        Ok(self.readers.hashes.get(hash.0).map_err(LedgerError::tables)?.map(|value| value.value()))
    }

    pub fn transaction(&self, hash: &B256) -> Result<Option<(u64, u32)>> {
        Ok(self.readers.transactions.get(hash.0).map_err(LedgerError::tables)?.map(|value| value.value()))
    }

    /// Hand the transactions with `address` in blocks `first` to `last` to `take`, for as long as it wants more.
    pub fn address_transactions(
        &self,
        address: &Address,
        first: u64,
        last: u64,
        newest_first: bool,
        mut take: impl FnMut((u64, u32)) -> bool,
    ) -> Result<()> {
        let range = place_key(address, first, 0)..=place_key(address, last, u32::MAX);
        let mut entries = self.readers.address_transactions.range(range).map_err(LedgerError::tables)?;
        while let Some(entry) = if newest_first { entries.next_back() } else { entries.next() } {
            let (key, ()) = entry.map(|(key, _)| (key.value(), ())).map_err(LedgerError::tables)?;
            let index = u32::from_be_bytes([key[28], key[29], key[30], key[31]]);
            if !take((block_of(&key[..28]), index)) {
                break;
            }
        }
        Ok(())
    }

    /// Blocks from `first` to `last` with a log of this address or with this topic.
    pub fn log_blocks(&self, value: IndexedValue, first: u64, last: u64) -> Result<IndexedBlocks> {
        IndexedBlocks::new(self.readers.clone(), value, first, last)
    }

    /// Up to `limit` accounts after `after`, in the order of addresses.
    pub fn accounts_after(&self, after: Option<&Address>, limit: usize) -> Result<Vec<(Address, Account)>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(Unbounded, |address| Excluded(address.0.0));
        let entries = self.readers.accounts.range::<[u8; 20]>((start, Unbounded)).map_err(LedgerError::tables)?;
        entries
            .take(limit)
            .map(|entry| {
                let (key, value) = entry.map_err(LedgerError::tables)?;
                Ok((Address::from(key.value()), decode(value.value())?))
            })
            .collect()
    }

    /// All slots of an account, in order.
    pub fn slots_of(&self, address: &Address) -> Result<Vec<(U256, U256)>> {
        let range = slot_key(address, &U256::ZERO)..=slot_key(address, &U256::MAX);
        let entries = self.readers.slots.range(range).map_err(LedgerError::tables)?;
        entries
            .map(|entry| {
                let (key, value) = entry.map_err(LedgerError::tables)?;
                let key = key.value();
                Ok((U256::from_be_slice(&key[20..]), U256::from_be_bytes(value.value())))
            })
            .collect()
    }

    /// Slots of an account that have a history, each once a change.
    pub fn slots_with_history(&self, address: &Address) -> Result<Vec<U256>> {
        let first: [u8; 60] = at_block(&slot_key(address, &U256::ZERO), 0);
        let last: [u8; 60] = at_block(&slot_key(address, &U256::MAX), u64::MAX);
        let entries = self.readers.slot_history.range(first..=last).map_err(LedgerError::tables)?;
        entries.map(|entry| entry.map(|(key, _)| U256::from_be_slice(&key.value()[20..52])).map_err(LedgerError::tables)).collect()
    }

    pub fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>> {
        self.readers.node(owner, path)
    }

    /// The tables as they are now, for whoever goes on reading nodes while later checkpoints replace them.
    pub fn pinned(&self) -> Arc<Readers> {
        self.readers.clone()
    }

    /// Bytes that the tables take on disk, as redb counts them.
    pub fn stored_bytes(&self) -> Result<u64> {
        let write = self.database.begin_write().map_err(LedgerError::tables)?;
        let statistics = write.stats().map_err(LedgerError::tables)?;
        let bytes = statistics.stored_bytes() + statistics.metadata_bytes() + statistics.fragmented_bytes();
        write.abort().map_err(LedgerError::tables)?;
        Ok(bytes)
    }

    /// See from now on what was last written.
    pub fn refresh(&mut self) -> Result<()> {
        self.readers = Arc::new(Self::readers(&self.database).map_err(LedgerError::tables)?);
        // They keep their room: much of the same is read again.
        self.accounts_read.0.get_mut().clear();
        self.slots_read.0.get_mut().clear();
        Ok(())
    }

    /// Writes into these tables, without holding them.
    pub fn writer(&self) -> TablesWriter {
        TablesWriter(self.database.clone())
    }
}

/// What a checkpoint writes with, while others go on reading.
pub struct TablesWriter(Arc<Database>);

impl TablesWriter {
    /// Fold `overlay` into the tables in one durable transaction; readers see it after `refresh`.
    pub fn write(&self, overlay: &Overlay, deletions: &Deletions, nodes: &UnstoredNodes, checkpoint: &Checkpoint) -> Result<()> {
        let mut write = self.0.begin_write().map_err(LedgerError::tables)?;
        write.set_durability(Durability::Immediate).map_err(|error| LedgerError::Tables(error.to_string()))?;
        // Opening after a crash then costs nothing, whatever the size.
        write.set_quick_repair(true);
        delete_keys(&write, deletions)?;
        write_state(&write, overlay)?;
        write_history(&write, overlay)?;
        write_indexes(&write, overlay)?;
        write_nodes(&write, nodes)?;
        let mut meta = write.open_table(META).map_err(LedgerError::tables)?;
        meta.insert(CHECKPOINT, encode(checkpoint)?.as_slice()).map_err(LedgerError::tables)?;
        drop(meta);
        write.commit().map_err(LedgerError::tables)
    }
}

fn block_of(key: &[u8]) -> u64 {
    let mut block = [0; 8];
    block.copy_from_slice(&key[key.len() - 8..]);
    u64::from_be_bytes(block)
}

fn sorted<K: Ord + Copy, V>(entries: impl Iterator<Item = (K, V)>) -> Vec<(K, V)> {
    // redb is several times faster when keys come in order.
    let mut entries: Vec<(K, V)> = entries.collect();
    entries.sort_unstable_by_key(|entry| entry.0);
    entries
}

fn write_state(write: &redb::WriteTransaction, overlay: &Overlay) -> Result<()> {
    let mut accounts = write.open_table(ACCOUNTS).map_err(LedgerError::tables)?;
    for (address, account) in sorted(overlay.accounts.iter().map(|(address, account)| (*address, account))) {
        match account {
            Some(account) => accounts.insert(address.0.0, encode(account)?.as_slice()).map(drop),
            None => accounts.remove(address.0.0).map(drop),
        }
        .map_err(LedgerError::tables)?;
    }
    let mut slots = write.open_table(SLOTS).map_err(LedgerError::tables)?;
    for (key, value) in sorted(overlay.slots.iter().map(|((address, slot), value)| (slot_key(address, slot), *value))) {
        match value.is_zero() {
            false => slots.insert(key, value.to_be_bytes::<32>()).map(drop),
            true => slots.remove(key).map(drop),
        }
        .map_err(LedgerError::tables)?;
    }
    let mut code = write.open_table(CODE).map_err(LedgerError::tables)?;
    for (hash, bytes) in sorted(overlay.code.iter().map(|(hash, bytes)| (hash.0, bytes))) {
        code.insert(hash, bytes.as_ref()).map_err(LedgerError::tables)?;
    }
    Ok(())
}

fn write_history(write: &redb::WriteTransaction, overlay: &Overlay) -> Result<()> {
    let mut accounts = write.open_table(ACCOUNT_HISTORY).map_err(LedgerError::tables)?;
    let entries = overlay
        .account_history
        .iter()
        .flat_map(|(address, versions)| versions.iter().map(move |(block, before)| (at_block::<20, 28>(&address.0.0, *block), before)));
    for (key, before) in sorted(entries) {
        accounts.insert(key, encode(before)?.as_slice()).map_err(LedgerError::tables)?;
    }
    let mut slots = write.open_table(SLOT_HISTORY).map_err(LedgerError::tables)?;
    let entries = overlay.slot_history.iter().flat_map(|((address, slot), versions)| {
        let key = slot_key(address, slot);
        versions.iter().map(move |(block, before)| (at_block::<52, 60>(&key, *block), *before))
    });
    for (key, before) in sorted(entries) {
        slots.insert(key, before.to_be_bytes::<32>()).map_err(LedgerError::tables)?;
    }
    Ok(())
}

fn write_indexes(write: &redb::WriteTransaction, overlay: &Overlay) -> Result<()> {
    let mut blocks = write.open_table(BLOCKS).map_err(LedgerError::tables)?;
    for (number, place) in &overlay.blocks {
        blocks.insert(*number, encode(place)?.as_slice()).map_err(LedgerError::tables)?;
    }
    let mut hashes = write.open_table(HASHES).map_err(LedgerError::tables)?;
    for (hash, number) in sorted(overlay.hashes.iter().map(|(hash, number)| (hash.0, *number))) {
        hashes.insert(hash, number).map_err(LedgerError::tables)?;
    }
    let mut transactions = write.open_table(TRANSACTIONS).map_err(LedgerError::tables)?;
    for (hash, place) in sorted(overlay.transactions.iter().map(|(hash, place)| (hash.0, *place))) {
        transactions.insert(hash, place).map_err(LedgerError::tables)?;
    }
    let mut table = write.open_table(ADDRESS_TRANSACTIONS).map_err(LedgerError::tables)?;
    for (address, places) in sorted(overlay.address_transactions.iter().map(|(address, places)| (*address, places))) {
        for (block, index) in places {
            table.insert(place_key(&address, *block, *index), ()).map_err(LedgerError::tables)?;
        }
    }
    let mut addresses = write.open_table(LOG_ADDRESSES).map_err(LedgerError::tables)?;
    for (address, block) in &overlay.log_addresses {
        addresses.insert(at_block::<20, 28>(&address.0.0, *block), ()).map_err(LedgerError::tables)?;
    }
    let mut topics = write.open_table(LOG_TOPICS).map_err(LedgerError::tables)?;
    for (topic, block) in &overlay.log_topics {
        topics.insert(at_block::<32, 40>(&topic.0, *block), ()).map_err(LedgerError::tables)?;
    }
    Ok(())
}

fn write_nodes(write: &redb::WriteTransaction, nodes: &UnstoredNodes) -> Result<()> {
    let mut table = write.open_table(NODES).map_err(LedgerError::tables)?;
    let mut entries: Vec<(Vec<u8>, &Vec<u8>)> =
        nodes.iter().flat_map(|(owner, nodes)| nodes.iter().map(move |(path, rlp)| (node_key(*owner, path), rlp))).collect();
    entries.sort_unstable();
    for (key, rlp) in entries {
        table.insert(key.as_slice(), rlp.as_slice()).map_err(LedgerError::tables)?;
    }
    Ok(())
}

fn delete_keys(write: &redb::WriteTransaction, deletions: &Deletions) -> Result<()> {
    let mut accounts = write.open_table(ACCOUNT_HISTORY).map_err(LedgerError::tables)?;
    for (address, block) in &deletions.account_history {
        accounts.remove(at_block::<20, 28>(&address.0.0, *block)).map_err(LedgerError::tables)?;
    }
    let mut slots = write.open_table(SLOT_HISTORY).map_err(LedgerError::tables)?;
    for (address, slot, block) in &deletions.slot_history {
        slots.remove(at_block::<52, 60>(&slot_key(address, slot), *block)).map_err(LedgerError::tables)?;
    }
    let mut blocks = write.open_table(BLOCKS).map_err(LedgerError::tables)?;
    for number in &deletions.blocks {
        blocks.remove(*number).map_err(LedgerError::tables)?;
    }
    let mut hashes = write.open_table(HASHES).map_err(LedgerError::tables)?;
    for hash in &deletions.hashes {
        hashes.remove(hash.0).map_err(LedgerError::tables)?;
    }
    let mut transactions = write.open_table(TRANSACTIONS).map_err(LedgerError::tables)?;
    for hash in &deletions.transactions {
        transactions.remove(hash.0).map_err(LedgerError::tables)?;
    }
    let mut table = write.open_table(ADDRESS_TRANSACTIONS).map_err(LedgerError::tables)?;
    for (address, block, index) in &deletions.address_transactions {
        table.remove(place_key(address, *block, *index)).map_err(LedgerError::tables)?;
    }
    let mut addresses = write.open_table(LOG_ADDRESSES).map_err(LedgerError::tables)?;
    for (address, block) in &deletions.log_addresses {
        addresses.remove(at_block::<20, 28>(&address.0.0, *block)).map_err(LedgerError::tables)?;
    }
    let mut topics = write.open_table(LOG_TOPICS).map_err(LedgerError::tables)?;
    for (topic, block) in &deletions.log_topics {
        topics.remove(at_block::<32, 40>(&topic.0, *block)).map_err(LedgerError::tables)?;
    }
    Ok(())
}

/// The nodes of one trie among the tables.
pub struct OwnedNodes<'a> {
    pub tables: &'a parking_lot::RwLock<super::store::Store>,
    pub owner: Option<B256>,
    /// Tables of an earlier moment to read from instead.
    pub pinned: Option<&'a Readers>,
}

impl NodeSource for OwnedNodes<'_> {
    fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>> {
        match self.pinned {
            Some(readers) => readers.node(self.owner, path),
            None => self.tables.read().tables.node(self.owner, path),
        }
    }
}

impl Readers {
    fn node(&self, owner: Option<B256>, path: &Nibbles) -> Result<Option<Vec<u8>>> {
        let value = self.nodes.get(node_key(owner, path).as_slice()).map_err(LedgerError::tables)?;
        Ok(value.map(|value| value.value().to_vec()))
    }
}
