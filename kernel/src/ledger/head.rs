//! The newest block with its tries, and the root of what comes on top of it.
use super::{
    account::{Account, BlockChanges},
    block::{Block, receipts_root, transactions_root},
    error::{LedgerError, Result},
    executor::{Executed, Ran},
    store::Store,
    tables::{OwnedNodes, UnstoredNodes},
    trie::Trie,
    view::EditLayer,
};
use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_primitives::{Address, B256, U256, keccak256, map::AddressMap};
use parking_lot::RwLock;
use rayon::prelude::*;
use std::sync::Arc;

/// Levels of the account trie that stay in memory for good.
const ACCOUNT_LEVELS_KEPT: usize = 4;
/// Changed keys after which the rest is let go of, and storage tries after which all are.
const CHANGED_KEYS_MAX: usize = 200_000;
const STORAGE_TRIES_MAX: usize = 4_096;

pub struct Head {
    pub block: Arc<Block>,
    pub accounts: Trie,
    pub storages: AddressMap<Trie>,
    /// Developer edits on top of the block.
    pub edits: Arc<EditLayer>,
    /// Commits, unwinds and edits so far: what was executed on an older generation is void.
    pub generation: u64,
}

/// Below this many changed accounts a second thread costs more than it saves.
const PARALLEL_ACCOUNTS_MIN: usize = 64;

/// A value of storage as the trie keeps it; zero is absence.
fn slot_leaf(value: U256) -> Option<Vec<u8>> {
    (!value.is_zero()).then(|| alloy_rlp::encode(value))
}

/// Tries as they are after `changes`, whose accounts get their new storage roots.
struct NewTries {
    accounts: Trie,
    storages: AddressMap<Trie>,
}

impl Head {
    fn storage_trie(&self, address: &Address, root: B256) -> Trie {
        self.storages.get(address).cloned().unwrap_or_else(|| Trie::stored(root))
    }
}

/// Which side of the changes to go to.
#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Back,
}

/// One trie to change: its owner, the trie, and the new values.
type StorageWork = (Address, Trie, Vec<(U256, U256)>);

fn change_tries(
    store: &RwLock<Store>,
    parallel: bool,
    accounts: Trie,
    storages: Vec<StorageWork>,
    leaves: impl FnOnce(&AddressMap<B256>) -> Vec<(Address, Option<Account>)>,
) -> Result<NewTries> {
    let change_storage = |(address, mut trie, slots): StorageWork| {
        let nodes = OwnedNodes { tables: store, owner: Some(keccak256(address)) };
        for (slot, value) in slots {
            trie.set(keccak256(slot.to_be_bytes::<32>()), slot_leaf(value), &nodes)?;
        }
        trie.root(false);
        Ok((address, trie))
    };
    let storages: AddressMap<Trie> = if parallel {
        storages.into_par_iter().map(change_storage).collect::<Result<_>>()?
    } else {
        storages.into_iter().map(change_storage).collect::<Result<_>>()?
    };
    let roots: AddressMap<B256> = storages.iter().map(|(address, trie)| (*address, trie.root(false))).collect();
    let leaves = leaves(&roots);
    let encode = |(address, account): &(Address, Option<Account>)| (keccak256(address), account.as_ref().map(Account::leaf));
    let encoded: Vec<(B256, Option<Vec<u8>>)> =
        if parallel { leaves.par_iter().map(encode).collect() } else { leaves.iter().map(encode).collect() };
    let mut trie = accounts;
    trie.set_many(encoded, parallel, &OwnedNodes { tables: store, owner: None })?;
    trie.root(parallel);
    Ok(NewTries { accounts: trie, storages })
}

fn storage_work(head: &Head, changes: &BlockChanges, direction: Direction) -> Vec<StorageWork> {
    let work = changes.slots.iter().map(|(address, slots)| {
        let known = changes.accounts.get(address);
        // The trie that is there now is the one before the change, whichever way one goes.
        let account = known.and_then(|delta| match direction {
            Direction::Forward => delta.before,
            Direction::Back => delta.after,
        });
        let root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let values = slots.iter().map(|(slot, delta)| match direction {
            Direction::Forward => (*slot, delta.after),
            Direction::Back => (*slot, delta.before),
        });
        (*address, head.storage_trie(address, root), values.collect())
    });
    work.collect()
}

/// Give the accounts in `changes` their new storage roots, and drop those that EIP-161 does not let exist.
fn settle_accounts(changes: &mut BlockChanges, roots: &AddressMap<B256>, clears_empty: bool) {
    for (address, delta) in &mut changes.accounts {
        let Some(account) = &mut delta.after else { continue };
        if let Some(root) = roots.get(address) {
            account.storage_root = *root;
        }
        if clears_empty && *account == Account::default() {
            delta.after = None;
        }
    }
    changes.accounts.retain(|_, delta| delta.before != delta.after);
}

/// Compute the state root of a block that ran on top of `head`, and seal its header. `Stale` if the chain has moved on meanwhile.
pub fn seal(store: &RwLock<Store>, head: &RwLock<Head>, generation: u64, ran: Ran, clears_empty: bool, parallel: bool) -> Result<Executed> {
    let Ran { mut header, transactions, receipts, withdrawals, mut changes, dropped } = ran;
    let (accounts, work) = {
        let head = head.read();
        if head.generation != generation {
            return Err(LedgerError::Stale);
        }
        (head.accounts.clone(), storage_work(&head, &changes, Direction::Forward))
    };
    let state_tries = || {
        change_tries(store, parallel, accounts, work, |roots| {
            settle_accounts(&mut changes, roots, clears_empty);
            changes.accounts.iter().map(|(address, delta)| (*address, delta.after)).collect()
        })
    };
    let body_roots = || (transactions_root(&transactions), receipts_root(&transactions, &receipts));
    let (tries, (transactions_root, (receipts_root, logs_bloom))) =
        if parallel { rayon::join(state_tries, body_roots) } else { (state_tries(), body_roots()) };
    let tries = tries?;
    header.state_root = tries.accounts.root(false);
    header.transactions_root = transactions_root;
    (header.receipts_root, header.logs_bloom) = (receipts_root, logs_bloom);
    let block = Block { hash: header.hash_slow(), header, transactions, receipts, withdrawals };
    Ok(Executed { block: Arc::new(block), changes, accounts: tries.accounts, storages: tries.storages, dropped, generation })
}

/// Move the tries of `head` over the changes of a block: forward in a replay of the log, back in an unwind.
fn move_over(store: &RwLock<Store>, head: &mut Head, changes: &BlockChanges, direction: Direction) -> Result<()> {
    let work = storage_work(head, changes, direction);
    let leaves = |_: &AddressMap<B256>| {
        let leaf = changes.accounts.iter().map(|(address, delta)| match direction {
            Direction::Forward => (*address, delta.after),
            Direction::Back => (*address, delta.before),
        });
        leaf.collect()
    };
    let tries = change_tries(store, changes.accounts.len() >= PARALLEL_ACCOUNTS_MIN, head.accounts.clone(), work, leaves)?;
    head.accounts = tries.accounts;
    head.storages.extend(tries.storages);
    Ok(())
}

pub fn replay(store: &RwLock<Store>, head: &mut Head, block: Arc<Block>, changes: &BlockChanges) -> Result<()> {
    move_over(store, head, changes, Direction::Forward)?;
    check_root(head, &block)?;
    head.block = block;
    Ok(())
}

pub fn unwind(store: &RwLock<Store>, head: &mut Head, parent: Arc<Block>, changes: &BlockChanges) -> Result<()> {
    move_over(store, head, changes, Direction::Back)?;
    check_root(head, &parent)?;
    head.block = parent;
    Ok(())
}

fn check_root(head: &Head, block: &Block) -> Result<()> {
    let root = head.accounts.root(false);
    if root == block.header.state_root {
        return Ok(());
    }
    let (number, header) = (block.header.number, block.header.state_root);
    Err(LedgerError::Corrupt(format!("the state at block {number} has the root {root}, its header says {header}")))
}

/// Nodes that the tables lack.
pub fn take_unstored(head: &Head) -> UnstoredNodes {
    let storages = head.storages.iter().map(|(address, trie)| (Some(keccak256(address)), trie.take_unstored()));
    std::iter::once((None, head.accounts.take_unstored())).chain(storages).collect()
}

/// Let go of what the tables hold by now, when it has grown large.
pub fn forget_stored(head: &mut Head) {
    if head.accounts.changed() > CHANGED_KEYS_MAX {
        head.accounts.forget_below(ACCOUNT_LEVELS_KEPT);
    }
    let changed: usize = head.storages.values().map(Trie::changed).sum();
    if changed > CHANGED_KEYS_MAX || head.storages.len() > STORAGE_TRIES_MAX {
        head.storages.clear();
    }
}
