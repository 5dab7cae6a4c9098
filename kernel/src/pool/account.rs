//! The waiting transactions of one sender: which follow on its nonce without a gap, and what those cost together.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{U256, U512};

use crate::transaction::SignedTransaction;

/// A transaction in the pool.
#[derive(Debug)]
pub struct Entry {
    pub transaction: SignedTransaction,
    /// Position in the order of arrival; no two entries share one.
    pub arrival: u64,
    /// The most that it can cost its sender.
    pub cost: U256,
}

/// One sender.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Its nonce on the chain.
    nonce: u64,
    /// By nonce; none below the account's.
    entries: BTreeMap<u64, Arc<Entry>>,
    /// First nonce from `nonce` on that no entry has.
    executable_end: u64,
    /// Sums over the entries from `nonce` to `executable_end`.
    executable: Sums,
    /// Cost of all entries.
    cost: U512,
}

/// What several transactions take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub cost: U512,
    /// Gas limits.
    pub gas: u128,
}

impl Sums {
    fn add(&mut self, entry: &Entry) {
        self.cost += U512::from(entry.cost);
        self.gas += u128::from(entry.transaction.gas_limit());
    }

    fn subtract(&mut self, entry: &Entry) {
        self.cost -= U512::from(entry.cost);
        self.gas -= u128::from(entry.transaction.gas_limit());
    }
}

impl Account {
    pub fn new(nonce: u64) -> Self {
        Self { nonce, executable_end: nonce, ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn count(&self) -> usize {
        self.entries.len()
    }

    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// The nonce after the executable transactions.
    pub fn next_nonce(&self) -> u64 {
        self.executable_end
    }

    pub fn executable_count(&self) -> usize {
        (self.executable_end - self.nonce) as usize
    }

    pub fn executable_sums(&self) -> Sums {
        self.executable
    }

    /// Cost of all that waits: a balance that covers it covers each.
    pub fn cost(&self) -> U512 {
        self.cost
    }

    pub fn is_executable(&self, nonce: u64) -> bool {
        (self.nonce..self.executable_end).contains(&nonce)
    }

    pub fn get(&self, nonce: u64) -> Option<&Arc<Entry>> {
        self.entries.get(&nonce)
    }

    /// The transaction that can run first.
    pub fn head(&self) -> Option<&Arc<Entry>> {
        self.entries.get(&self.nonce)
    }

    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    pub fn executable_entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.range(self.nonce..self.executable_end).map(|(_, entry)| entry)
    }

    /// Put an entry in, in place of one with the same nonce, which is returned. Its nonce is not below the account's.
    pub fn insert(&mut self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let nonce = entry.transaction.nonce();
        self.cost += U512::from(entry.cost);
        let replaced = self.entries.insert(nonce, entry.clone());
        if let Some(old) = &replaced {
            self.cost -= U512::from(old.cost);
        }
        match &replaced {
            Some(old) if self.is_executable(nonce) => {
                self.executable.subtract(old);
                self.executable.add(&entry);
            }
            _ => self.extend(),
        }
        replaced
    }

    /// Take an entry out; the ones after it wait from then on.
    pub fn remove(&mut self, nonce: u64) -> Option<Arc<Entry>> {
        let removed = self.entries.remove(&nonce)?;
        self.cost -= U512::from(removed.cost);
        if self.is_executable(nonce) {
            self.executable.subtract(&removed);
            self.entries.range(nonce..self.executable_end).for_each(|(_, entry)| self.executable.subtract(entry));
            self.executable_end = nonce;
        }
        Some(removed)
    }

    /// Follow the account's nonce on the chain; returns the entries that it passed.
    pub fn follow(&mut self, nonce: u64) -> Vec<Arc<Entry>> {
        if nonce < self.nonce {
            self.nonce = nonce;
            self.executable_end = nonce;
            self.executable = Sums::default();
        }
        let mut passed = Vec::new();
        while let Some(first) = self.entries.first_entry().filter(|first| *first.key() < nonce) {
            let first = first.remove();
            self.cost -= U512::from(first.cost);
            if first.transaction.nonce() < self.executable_end {
                self.executable.subtract(&first);
            }
            passed.push(first);
        }
        self.nonce = nonce;
        self.executable_end = self.executable_end.max(nonce);
        self.extend();
        passed
    }

    fn extend(&mut self) {
        while let Some(entry) = self.entries.get(&self.executable_end) {
            self.executable.add(entry);
            self.executable_end += 1;
        }
    }
}
