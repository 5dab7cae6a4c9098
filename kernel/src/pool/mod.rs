//! The transaction pool: checks, keeps, orders and replaces the transactions that wait for a block.

mod account;
mod best;
mod checks;
mod content;
mod rejection;
mod state;

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy_primitives::{Address, B256, U256, U512};

use account::Account;
pub use account::Entry;
pub use best::Best;
pub use checks::ChainRules;
pub use content::{content_from_json, content_json, inspect_json};
pub use rejection::{Fact, Rejection};
use state::State;

use crate::transaction::{SignedTransaction, TransactionError};

/// What the pool needs to know of a sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountFacts {
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Whether it has code other than a designator of EIP-7702.
    pub has_code: bool,
}

/// The chain as the pool sees it: its newest state.
pub trait ChainView {
    /// What may go wrong when the state is read.
    type Error;

    /// The facts of an account; a missing one is empty.
    fn account(&self, address: Address) -> Result<AccountFacts, Self::Error>;

    /// The rules of the next block.
    fn rules(&self) -> ChainRules;
}

/// Limits and policy of a pool.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Most transactions that wait at once.
    pub capacity: usize,
    /// Most transactions of one sender.
    pub per_account: usize,
    /// Lowest tip cap (for types 0 and 1 gas price) in wei.
    pub minimum_tip: u128,
    /// Whether legacy transactions without chain id may enter.
    pub allow_unprotected: bool,
    /// Longest encoding of a transaction.
    pub maximum_bytes: usize,
    /// The only accounts that may sign, where not all may.
    pub signers: Option<BTreeSet<Address>>,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { capacity: 200_000, per_account: 100_000, minimum_tip: 0, allow_unprotected: false, maximum_bytes: 131_072, signers: None }
    }
}

/// Most bytes of transactions that wait at once, whatever their number.
const POOL_BYTES_MAX: usize = 512 << 20;

/// Transactions that wait for a block: executable ones, and ones that wait for an earlier nonce.
#[derive(Debug, Default)]
pub struct Pool {
    pub settings: PoolSettings,
    state: Arc<State>,
}

/// What a pool held at one moment.
#[derive(Clone, Debug)]
pub struct PoolSnapshot(Arc<State>);

/// The outcome for each transaction: its hash, or why it was refused.
pub type Added = Vec<Result<B256, Rejection>>;

/// Transactions of one sender, each with whether it is executable.
pub type Entries = Vec<(Arc<Entry>, bool)>;

impl Pool {
    pub fn new(settings: PoolSettings) -> Self {
        Self { settings, state: Arc::default() }
    }

    /// Check and keep transactions, in order.
    pub fn add<V: ChainView>(
        &mut self,
        view: &V,
        transactions: impl IntoIterator<Item = Result<SignedTransaction, TransactionError>>,
    ) -> Result<Added, V::Error> {
        let rules = view.rules();
        let mut known: Option<(Address, AccountFacts)> = None;
        let mut added = Vec::new();
        for transaction in transactions {
            let checked = transaction.map_err(Rejection::from).and_then(|it| self.check(it, &rules));
            let transaction = match checked {
                Ok(transaction) => transaction,
                Err(rejection) => {
                    added.push(Err(rejection));
                    continue;
                }
            };
            let sender = transaction.sender;
            let facts = match known {
                Some((address, facts)) if address == sender => facts,
                _ => view.account(sender)?,
            };
            known = Some((sender, facts));
            added.push(self.keep(transaction, &facts));
        }
        Ok(added)
    }

    fn check(&self, transaction: SignedTransaction, rules: &ChainRules) -> Result<SignedTransaction, Rejection> {
        if self.state.get(&transaction.hash).is_some() {
            return Err(Rejection::AlreadyKnown);
        }
        checks::check_stateless(&transaction, rules, &self.settings)?;
        Ok(transaction)
    }

    fn keep(&mut self, transaction: SignedTransaction, facts: &AccountFacts) -> Result<B256, Rejection> {
        let sender = transaction.sender;
        if self.state.account(&sender).is_some_and(|account| account.nonce() != facts.nonce) {
            Arc::make_mut(&mut self.state).follow(sender, facts.nonce);
        }
        let waiting = self.state.account(&sender);
        let cost = checks::check_stateful(&transaction, facts, waiting)?;
        let old = waiting.and_then(|account| account.get(transaction.nonce())).cloned();
        let victims = match &old {
            Some(old) => {
                checks::check_replacement(&old.transaction, &transaction)?;
                vec![old.transaction.hash]
            }
            None if waiting.map_or(0, Account::count) >= self.settings.per_account => {
                return Err(Rejection::AccountLimit { limit: self.settings.per_account });
            }
            None => self.victims(&transaction)?,
        };
        let hash = transaction.hash;
        let state = Arc::make_mut(&mut self.state);
        if old.is_none() {
            victims.iter().for_each(|victim| _ = state.remove(victim));
        }
        let arrival = state.next_arrival();
        state.insert(Entry { transaction, arrival, cost }, facts.nonce);
        Ok(hash)
    }

    /// Which transactions must go to make room; all of them pay less than the new one.
    fn victims(&self, new: &SignedTransaction) -> Result<Vec<B256>, Rejection> {
        let mut excess_count = (self.state.count() + 1).saturating_sub(self.settings.capacity);
        let mut excess_bytes = (self.state.size_bytes() + new.raw.len()).saturating_sub(POOL_BYTES_MAX);
        let mut victims = Vec::new();
        let mut cheapest = self.state.cheapest();
        while excess_count > 0 || excess_bytes > 0 {
            let full = Rejection::PoolFull { capacity: self.settings.capacity };
            // A sender does not push out its own earlier transaction: the new one could then never run.
            let Some(victim) =
                cheapest.next().filter(|entry| entry.transaction.tip_cap() < new.tip_cap() && entry.transaction.sender != new.sender)
            else {
                return Err(full);
            };
            excess_count = excess_count.saturating_sub(1);
            excess_bytes = excess_bytes.saturating_sub(victim.transaction.raw.len());
            victims.push(victim.transaction.hash);
        }
        Ok(victims)
    }

    /// The nonce after the executable transactions of a sender.
    pub fn next_nonce<V: ChainView>(&self, view: &V, sender: Address) -> Result<u64, V::Error> {
        let nonce = view.account(sender)?.nonce;
        Ok(match self.state.account(&sender) {
            Some(account) if account.nonce() == nonce => account.next_nonce(),
            Some(account) => {
                let mut account = account.clone();
                account.follow(nonce);
                account.next_nonce()
            }
            None => nonce,
        })
    }

    pub fn get(&self, hash: &B256) -> Option<&SignedTransaction> {
        self.state.get(hash).map(|entry| &entry.transaction)
    }

    pub fn get_at(&self, sender: &Address, nonce: u64) -> Option<&SignedTransaction> {
        self.state.account(sender)?.get(nonce).map(|entry| &entry.transaction)
    }

    /// Whether all earlier nonces of its sender are here or on the chain.
    pub fn is_executable(&self, hash: &B256) -> bool {
        self.get(hash).is_some_and(|it| self.state.account(&it.sender).is_some_and(|account| account.is_executable(it.nonce())))
    }

    /// Executable transactions in the order of arrival.
    pub fn executable(&self) -> Vec<Arc<Entry>> {
        self.state.executable_entries()
    }

    /// All transactions, or those of one sender, by sender and nonce: each with whether it is executable.
    pub fn content(&self, sender: Option<&Address>) -> Vec<(Address, Entries)> {
        let senders = sender.map_or_else(|| self.state.senders(), |sender| vec![*sender]);
        let of = |sender: Address| {
            let account = self.state.account(&sender)?;
            let entry = |entry: &Arc<Entry>| (entry.clone(), account.is_executable(entry.transaction.nonce()));
            Some((sender, account.entries().map(entry).collect()))
        };
        senders.into_iter().filter_map(of).collect()
    }

    /// (executable, waiting).
    pub fn counts(&self) -> (usize, usize) {
        let executable = self.state.executable_count();
        (executable, self.state.count() - executable)
    }

    /// Sum of the gas limits of the executable transactions.
    pub fn pending_gas(&self) -> u128 {
        self.state.executable_gas()
    }

    /// Executable transactions in the order in which a block with this base fee takes them: by tip, arrival and nonce.
    ///
    /// `first`, with the earlier ones of its sender, goes before all others if it can run.
    pub fn best(&self, base_fee: u64, first: Option<&B256>) -> Best {
        Best::new(self.state.clone(), base_fee, first)
    }

    /// After a block: follow the nonces of these senders, and let go what they can no longer pay.
    pub fn included<V: ChainView>(&mut self, view: &V, senders: impl IntoIterator<Item = Address>) -> Result<(), V::Error> {
        let senders: BTreeSet<Address> = senders.into_iter().collect();
        for sender in senders {
            self.follow(view, sender)?;
        }
        Ok(())
    }

    /// Compare all transactions with the newest state again.
    pub fn refresh<V: ChainView>(&mut self, view: &V) -> Result<(), V::Error> {
        let rules = view.rules();
        for sender in self.state.senders() {
            self.follow(view, sender)?;
            let unfit = self.unfit(sender, |entry| checks::check_stateless(&entry.transaction, &rules, &self.settings).is_err());
            self.remove_all(&unfit);
        }
        Ok(())
    }

    fn follow<V: ChainView>(&mut self, view: &V, sender: Address) -> Result<(), V::Error> {
        if self.state.account(&sender).is_none() {
            return Ok(());
        }
        let facts = view.account(sender)?;
        Arc::make_mut(&mut self.state).follow(sender, facts.nonce);
        let all_paid = self.state.account(&sender).is_none_or(|account| account.cost() <= U512::from(facts.balance));
        if !all_paid || facts.has_code {
            let unfit = self.unfit(sender, |entry| checks::check_stateful(&entry.transaction, &facts, None).is_err());
            self.remove_all(&unfit);
        }
        Ok(())
    }

    /// The transactions of a sender that do not fit any more.
    fn unfit(&self, sender: Address, unfit: impl Fn(&Entry) -> bool) -> Vec<B256> {
        let entries = self.state.account(&sender).into_iter().flat_map(|account| account.entries());
        entries.filter(|entry| unfit(entry)).map(|entry| entry.transaction.hash).collect()
    }

    fn remove_all(&mut self, hashes: &[B256]) {
        for hash in hashes {
            self.remove(hash);
        }
    }

    /// Take a transaction out; says whether it was here.
    pub fn remove(&mut self, hash: &B256) -> bool {
        self.state.get(hash).is_some() && Arc::make_mut(&mut self.state).remove(hash)
    }

    /// Take all out.
    pub fn clear(&mut self) {
        self.state = Arc::default();
    }

    /// O(1); the pool copies itself when it next changes while a snapshot is held.
    pub fn snapshot(&self) -> PoolSnapshot {
        PoolSnapshot(self.state.clone())
    }

    /// Hold again what the snapshot holds.
    pub fn restore(&mut self, snapshot: &PoolSnapshot) {
        self.state = snapshot.0.clone();
    }
}

#[cfg(test)]
mod tests;
