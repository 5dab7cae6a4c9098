//! The newest block, the tries of its state, and the root of what comes on top of it.
//!
//! There is one set of tries, and it is changed in place: a block that is executed moves it ahead, and the commit of that block finds it
//! where it should be. Whoever needs it elsewhere (another block at the same height, an unwind, a checkpoint) moves it back first.
use super::{
    account::{Account, BlockChanges, Delta},
    block::{Block, receipts_root, transactions_root},
    error::{LedgerError, Result},
    executor::{Executed, Ran},
    store::Store,
    tables::{OwnedNodes, Readers, UnstoredNodes},
    trie::{Proof, Trie},
    view::EditLayer,
};
use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_primitives::{Address, B256, U256, keccak256, map::AddressMap};
use parking_lot::RwLock;
use rayon::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

/// Levels of the account trie that stay in memory for good.
const ACCOUNT_LEVELS_KEPT: usize = 4;
/// Changed keys after which the rest is let go of, and storage tries after which all are.
const CHANGED_KEYS_MAX: usize = 200_000;
const STORAGE_TRIES_MAX: usize = 4_096;

pub struct Head {
    pub block: Arc<Block>,
    /// Developer edits on top of the block.
    pub edits: Arc<EditLayer>,
    /// Commits, unwinds and edits so far: what was executed on an older generation is void.
    pub generation: u64,
}

/// The tries of the newest block, or of one that was executed on top of it.
#[derive(Default)]
pub struct Tries {
    accounts: Trie,
    storages: AddressMap<Trie>,
    /// What the tries hold beyond the newest block.
    ahead: Option<Arc<BlockChanges>>,
    /// A change failed half-way, so nobody knows what they hold.
    is_broken: bool,
    /// Of a copy: the tables at its moment, because later checkpoints replace nodes at the paths where it would look.
    pinned: Option<Arc<Readers>>,
}

/// Below this many changed accounts a second thread costs more than it saves.
const PARALLEL_ACCOUNTS_MIN: usize = 64;

/// A value of storage as the trie keeps it; zero is absence.
fn slot_leaf(value: U256) -> Option<Vec<u8>> {
    (!value.is_zero()).then(|| alloy_rlp::encode(value))
}

/// Which side of the changes to go to.
#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Back,
}

/// One storage trie to change: its owner, the trie, and the new values.
type StorageWork = (Address, Trie, Vec<(U256, U256)>);

impl Tries {
    /// The tries of a state that the tables hold.
    pub fn stored(root: B256) -> Self {
        Self { accounts: Trie::stored(root), ..Self::default() }
    }

    pub fn root(&self) -> B256 {
        self.accounts.root(false)
    }

    /// Change the storage tries that `changes` touches; returns their new roots.
    fn move_storages(
        &mut self,
        store: &RwLock<Store>,
        parallel: bool,
        changes: &BlockChanges,
        direction: Direction,
    ) -> Result<AddressMap<B256>> {
        let work: Vec<StorageWork> =
            changes.slots.iter().map(|(address, slots)| self.storage_work(address, slots, changes, direction)).collect();
        let pinned = self.pinned.as_deref();
        let change = |(address, mut trie, slots): StorageWork| {
            let nodes = OwnedNodes { tables: store, owner: Some(keccak256(address)), pinned };
            for (slot, value) in slots {
                trie.set(keccak256(slot.to_be_bytes::<32>()), slot_leaf(value), &nodes)?;
            }
            trie.root(false);
            Ok((address, trie))
        };
        let changed: Vec<(Address, Trie)> = if parallel {
            work.into_par_iter().map(change).collect::<Result<_>>()?
        } else {
            work.into_iter().map(change).collect::<Result<_>>()?
        };
        let roots = changed.iter().map(|(address, trie)| (*address, trie.root(false))).collect();
        self.storages.extend(changed);
        Ok(roots)
    }

    fn storage_work(
        &mut self,
        address: &Address,
        slots: &BTreeMap<U256, Delta<U256>>,
        changes: &BlockChanges,
        direction: Direction,
    ) -> StorageWork {
        // The trie that is there now is the one before the change, whichever way one goes.
        let account = changes.accounts.get(address).and_then(|delta| match direction {
            Direction::Forward => delta.before,
            Direction::Back => delta.after,
        });
        let root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let trie = self.storages.remove(address).unwrap_or_else(|| Trie::stored(root));
        let values = slots.iter().map(|(slot, delta)| match direction {
            Direction::Forward => (*slot, delta.after),
            Direction::Back => (*slot, delta.before),
        });
        (*address, trie, values.collect())
    }

    fn move_accounts(&mut self, store: &RwLock<Store>, parallel: bool, changes: &BlockChanges, direction: Direction) -> Result<()> {
        let encode = |(address, delta): (&Address, &Delta<Option<Account>>)| {
            let account = match direction {
                Direction::Forward => delta.after,
                Direction::Back => delta.before,
            };
            (keccak256(address), account.as_ref().map(Account::leaf))
        };
        let leaves: Vec<(B256, Option<Vec<u8>>)> =
            if parallel { changes.accounts.par_iter().map(encode).collect() } else { changes.accounts.iter().map(encode).collect() };
        let nodes = OwnedNodes { tables: store, owner: None, pinned: self.pinned.as_deref() };
        self.accounts.set_many(leaves, parallel, &nodes)?;
        self.accounts.root(parallel);
        Ok(())
    }

    /// Run a change; one that fails half-way leaves nothing to build on.
    fn changing<T>(&mut self, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.is_broken {
            return Err(LedgerError::Stopped("an earlier change of the state's tries failed".into()));
        }
        self.is_broken = true;
        let result = change(self)?;
        self.is_broken = false;
        Ok(result)
    }

    fn move_over(&mut self, store: &RwLock<Store>, changes: &BlockChanges, direction: Direction) -> Result<()> {
        let parallel = changes.accounts.len() >= PARALLEL_ACCOUNTS_MIN;
        self.changing(|tries| {
            tries.move_storages(store, parallel, changes, direction)?;
            tries.move_accounts(store, parallel, changes, direction)
        })
    }

    /// Go back to the newest block, if a block that was only executed moved the tries ahead.
    pub fn settle(&mut self, store: &RwLock<Store>) -> Result<()> {
        match self.ahead.take() {
            Some(changes) => self.move_over(store, &changes, Direction::Back),
            None => Ok(()),
        }
    }

    /// The executed block with these changes becomes the newest.
    pub fn follow(&mut self, store: &RwLock<Store>, changes: &Arc<BlockChanges>) -> Result<()> {
        if self.ahead.as_ref().is_some_and(|ahead| Arc::ptr_eq(ahead, changes)) {
            self.ahead = None;
            return Ok(());
        }
        self.settle(store)?;
        self.move_over(store, changes, Direction::Forward)
    }

    /// Over a block of the log, whose header must have the root that comes out.
    pub fn replay(&mut self, store: &RwLock<Store>, block: &Block, changes: &BlockChanges) -> Result<()> {
        self.move_over(store, changes, Direction::Forward)?;
        self.check_root(block)
    }

    /// Back over the newest block, to its parent.
    pub fn unwind(&mut self, store: &RwLock<Store>, parent: &Block, changes: &BlockChanges) -> Result<()> {
        self.move_over(store, changes, Direction::Back)?;
        self.check_root(parent)
    }

    // ---- copies that are moved elsewhere ---------------------------------------------------------------------------

    /// A copy to move away from the newest block; the nodes are shared until either changes them. It is settled first.
    pub fn copy(&self, store: &RwLock<Store>) -> Result<Unsettled> {
        if self.is_broken {
            return Err(LedgerError::Stopped("an earlier change of the state's tries failed".into()));
        }
        let pinned = Some(store.read().tables.pinned());
        let (accounts, storages) = (self.accounts.clone(), self.storages.clone());
        let tries = Self { accounts, storages, ahead: None, is_broken: false, pinned };
        Ok(Unsettled { tries, ahead: self.ahead.clone() })
    }

    /// The same with the storage of these accounts alone: enough for proofs of them, and for nothing else.
    pub fn copy_of(&self, store: &RwLock<Store>, addresses: &[Address]) -> Result<Unsettled> {
        let Unsettled { mut tries, ahead } = self.copy(store)?;
        tries.storages.retain(|address, _| addresses.contains(address));
        Ok(Unsettled { tries, ahead: ahead.map(|changes| Arc::new(changes.with_storage_of(addresses))) })
    }

    /// Back over changes, whose later side is where the tries are.
    pub fn go_back(&mut self, store: &RwLock<Store>, changes: &BlockChanges) -> Result<()> {
        self.move_over(store, changes, Direction::Back)
    }

    pub fn go_forward(&mut self, store: &RwLock<Store>, changes: &BlockChanges) -> Result<()> {
        self.move_over(store, changes, Direction::Forward)
    }

    /// What was executed last is where these tries stay.
    pub fn stay_ahead(&mut self) {
        self.ahead = None;
    }

    pub fn account_proof(&self, store: &RwLock<Store>, address: &Address) -> Result<Proof> {
        self.accounts.prove(keccak256(address), &OwnedNodes { tables: store, owner: None, pinned: self.pinned.as_deref() })
    }

    /// Where nodes of an account's storage trie come from.
    pub fn storage_nodes<'a>(&'a self, store: &'a RwLock<Store>, address: &Address) -> OwnedNodes<'a> {
        OwnedNodes { tables: store, owner: Some(keccak256(address)), pinned: self.pinned.as_deref() }
    }

    /// The storage trie of an account with this root.
    pub fn storage(&self, address: &Address, root: B256) -> Trie {
        self.storages.get(address).cloned().unwrap_or_else(|| Trie::stored(root))
    }

    fn check_root(&self, block: &Block) -> Result<()> {
        let root = self.root();
        if root == block.header.state_root {
            return Ok(());
        }
        let (number, header) = (block.header.number, block.header.state_root);
        Err(LedgerError::Corrupt(format!("the state at block {number} has the root {root}, its header says {header}")))
    }

    /// The root that these changes would lead to. The tries must be settled, and stay where they are.
    fn root_after(&mut self, store: &RwLock<Store>, mut changes: BlockChanges, clears_empty: bool) -> Result<B256> {
        let root = self.changing(|tries| {
            let roots = tries.move_storages(store, false, &changes, Direction::Forward)?;
            settle_accounts(&mut changes, &roots, clears_empty);
            tries.move_accounts(store, false, &changes, Direction::Forward)?;
            Ok(tries.root())
        })?;
        self.move_over(store, &changes, Direction::Back)?;
        Ok(root)
    }

    /// Nodes that the tables lack. The tries must be settled.
    pub fn take_unstored(&self) -> UnstoredNodes {
        let storages = self.storages.iter().map(|(address, trie)| (Some(keccak256(address)), trie.take_unstored()));
        std::iter::once((None, self.accounts.take_unstored())).chain(storages).collect()
    }

    /// Let go of what the tables hold by now, when it has grown large.
    pub fn forget_stored(&mut self) {
        if self.accounts.changed() > CHANGED_KEYS_MAX {
            self.accounts.forget_below(ACCOUNT_LEVELS_KEPT);
        }
        let changed: usize = self.storages.values().map(Trie::changed).sum();
        if changed > CHANGED_KEYS_MAX || self.storages.len() > STORAGE_TRIES_MAX {
            self.storages.retain(|_, trie| !trie.is_stored());
        }
    }
}

/// A copy of the tries that may still be ahead of the newest block.
pub struct Unsettled {
    tries: Tries,
    ahead: Option<Arc<BlockChanges>>,
}

impl Unsettled {
    /// The tries of the newest block at the time of the copy.
    pub fn settle(self, store: &RwLock<Store>) -> Result<Tries> {
        let Self { mut tries, ahead } = self;
        if let Some(changes) = ahead {
            tries.go_back(store, &changes)?;
        }
        Ok(tries)
    }
}

/// A change of one storage trie, as `move_storages` makes it.
pub fn set_slot(trie: &mut Trie, nodes: &OwnedNodes<'_>, slot: U256, value: U256) -> Result<()> {
    trie.set(keccak256(slot.to_be_bytes::<32>()), slot_leaf(value), nodes)
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

/// Compute the roots of a block that ran on top of the newest one, and seal its header. The tries are ahead afterwards.
pub fn seal(store: &RwLock<Store>, tries: &mut Tries, generation: u64, ran: Ran, clears_empty: bool, parallel: bool) -> Result<Executed> {
    let Ran { mut header, transactions, mut receipts, withdrawals, mut changes, dropped, blob_base_fee, changes_after } = ran;
    tries.settle(store)?;
    for (receipt, changes) in receipts.iter_mut().zip(changes_after) {
        receipt.state_root = Some(tries.root_after(store, changes, clears_empty)?);
    }
    let mut state_root = || {
        tries.changing(|tries| {
            let roots = tries.move_storages(store, parallel, &changes, Direction::Forward)?;
            settle_accounts(&mut changes, &roots, clears_empty);
            tries.move_accounts(store, parallel, &changes, Direction::Forward)?;
            Ok(tries.root())
        })
    };
    let body_roots = || (transactions_root(&transactions), receipts_root(&transactions, &receipts));
    let (state_root, (transactions_root, (receipts_root, logs_bloom))) =
        if parallel { rayon::join(state_root, body_roots) } else { (state_root(), body_roots()) };
    header.state_root = state_root?;
    header.transactions_root = transactions_root;
    (header.receipts_root, header.logs_bloom) = (receipts_root, logs_bloom);
    let changes = Arc::new(changes);
    tries.ahead = Some(changes.clone());
    let block = Block { hash: header.hash_slow(), header, transactions, receipts, withdrawals };
    Ok(Executed { block: Arc::new(block), changes, dropped, blob_base_fee, generation })
}
