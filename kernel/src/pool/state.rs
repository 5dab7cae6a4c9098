//! What a pool holds, with its indexes kept in step: by hash, by sender, by tip and by what can run next.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256};

use super::account::{Account, Entry};
use crate::transaction::SignedTransaction;

/// Where an executable head stands: the highest cap first, then the earliest.
pub type HeadKey = (Reverse<u128>, u64, Address);

/// Executable heads in two sets, each in the order in which a block would take them, as far as that is known without a base fee.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    /// Those whose tip cap is their fee cap, by it: what they offer is the cap less the base fee.
    pub by_fee_cap: BTreeSet<HeadKey>,
    /// All others, by tip cap: they offer it, or less when the base fee leaves no room for it.
    pub by_tip_cap: BTreeSet<HeadKey>,
}

impl Heads {
    fn change(&mut self, old: Option<Arc<Entry>>, new: Option<Arc<Entry>>) {
        if let Some(entry) = old {
            let (set, key) = self.place(&entry.transaction, entry.arrival);
            set.remove(&key);
        }
        if let Some(entry) = new {
            let (set, key) = self.place(&entry.transaction, entry.arrival);
            set.insert(key);
        }
    }

    fn place(&mut self, head: &SignedTransaction, arrival: u64) -> (&mut BTreeSet<HeadKey>, HeadKey) {
        let key = (Reverse(head.tip_cap()), arrival, head.sender);
        let set = if head.tip_cap() == head.max_fee_per_gas() { &mut self.by_fee_cap } else { &mut self.by_tip_cap };
        (set, key)
    }
}

/// Which goes first when there is no room: the lowest tip cap, then the latest.
type PriceKey = (u128, Reverse<u64>, B256);

/// The content of a pool; a clone is a snapshot.
///
/// The hash maps are only looked up, never walked in an order that shows.
#[derive(Clone, Debug, Default)]
pub struct State {
    accounts: HashMap<Address, Account>,
    by_hash: HashMap<B256, Arc<Entry>>,
    by_price: BTreeSet<PriceKey>,
    heads: Heads,
    executable: usize,
    executable_gas: u128,
    size_bytes: usize,
    arrivals: u64,
}

/// What one account has executable.
struct Executable {
    count: usize,
    gas: u128,
}

impl Executable {
    fn of(account: &Account) -> Self {
        Self { count: account.executable_count(), gas: account.executable_sums().gas }
    }
}

fn price_key(entry: &Entry) -> PriceKey {
    (entry.transaction.tip_cap(), Reverse(entry.arrival), entry.transaction.hash)
}

impl State {
    pub fn count(&self) -> usize {
        self.by_hash.len()
    }

    pub fn executable_count(&self) -> usize {
        self.executable
    }

    /// Sum of the gas limits of executable transactions.
    pub fn executable_gas(&self) -> u128 {
        self.executable_gas
    }

    /// Sum of the encodings.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub fn get(&self, hash: &B256) -> Option<&Arc<Entry>> {
        self.by_hash.get(hash)
    }

    pub fn account(&self, sender: &Address) -> Option<&Account> {
        self.accounts.get(sender)
    }

    /// All senders, by address.
    pub fn senders(&self) -> Vec<Address> {
        let mut senders: Vec<Address> = self.accounts.keys().copied().collect();
        senders.sort_unstable();
        senders
    }

    /// The heads of all senders that have one.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// Executable entries in the order of arrival.
    pub fn executable_entries(&self) -> Vec<Arc<Entry>> {
        let mut entries: Vec<Arc<Entry>> = self.accounts.values().flat_map(Account::executable_entries).cloned().collect();
        entries.sort_unstable_by_key(|entry| entry.arrival);
        entries
    }

    /// Entries from the first that has to go when there is no room.
    pub fn cheapest(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.by_price.iter().filter_map(|(_, _, hash)| self.by_hash.get(hash))
    }

    /// The next position in the order of arrival.
    pub fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    /// Put an entry in, in place of one of the same sender and nonce. The account's nonce is `chain_nonce` or known already.
    pub fn insert(&mut self, entry: Entry, chain_nonce: u64) {
        let entry = Arc::new(entry);
        self.by_hash.insert(entry.transaction.hash, entry.clone());
        self.by_price.insert(price_key(&entry));
        self.size_bytes += entry.transaction.raw.len();
        self.change(entry.transaction.sender, chain_nonce, |account| account.insert(entry).into_iter().collect());
    }

    /// Take a transaction out.
    pub fn remove(&mut self, hash: &B256) -> bool {
        let Some(entry) = self.by_hash.get(hash) else {
            return false;
        };
        let (sender, nonce) = (entry.transaction.sender, entry.transaction.nonce());
        self.change(sender, nonce, |account| account.remove(nonce).into_iter().collect());
        true
    }

    /// Follow the nonce of a sender on the chain: what is below it goes. Nothing happens for a sender without transactions.
    pub fn follow(&mut self, sender: Address, nonce: u64) {
        if self.accounts.get(&sender).is_some_and(|account| account.nonce() != nonce) {
            self.change(sender, nonce, |account| account.follow(nonce));
        }
    }

    /// Change one account, unlink what it let go, and keep the indexes in step.
    fn change(&mut self, sender: Address, chain_nonce: u64, change: impl FnOnce(&mut Account) -> Vec<Arc<Entry>>) {
        let account = self.accounts.entry(sender).or_insert_with(|| Account::new(chain_nonce));
        let (old_head, old_executable) = (account.head().cloned(), Executable::of(account));
        let gone = change(account);
        let (new_head, new_executable) = (account.head().cloned(), Executable::of(account));
        if account.is_empty() {
            self.accounts.remove(&sender);
        }
        self.executable = self.executable - old_executable.count + new_executable.count;
        self.executable_gas = self.executable_gas - old_executable.gas + new_executable.gas;
        if old_head.as_ref().map(|entry| entry.arrival) != new_head.as_ref().map(|entry| entry.arrival) {
            self.heads.change(old_head, new_head);
        }
        for entry in gone {
            self.by_hash.remove(&entry.transaction.hash);
            self.by_price.remove(&price_key(&entry));
            self.size_bytes -= entry.transaction.raw.len();
        }
    }
}
