//! The order in which a block takes executable transactions: by tip, then arrival, and by nonce inside a sender.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use alloy_primitives::{Address, B256};

use super::account::Entry;
use super::state::{HeadKey, State};

/// What the next transaction of a sender offers in this block; the greatest goes first.
type Offer = (u128, Reverse<u64>, Address, u64);

/// Hands out transactions for one block. It holds the pool as it was when it was made, so the pool may change meanwhile;
/// drop it before changing the pool, else that change has to copy.
///
/// A step costs O(log n): heads are looked at in the order of their caps, and only as far as one could still beat the best
/// offer seen.
pub struct Best {
    state: Arc<State>,
    base_fee: u64,
    /// Given out before all others.
    first: VecDeque<Arc<Entry>>,
    /// The last heads that were looked at in either set.
    seen_by_fee_cap: Option<HeadKey>,
    seen_by_tip_cap: Option<HeadKey>,
    offers: BinaryHeap<Offer>,
    /// The last one given out; its successor is looked at in the next step.
    last: Option<Arc<Entry>>,
    /// The sender of `first`: its head is not looked at in turn.
    preferred: Option<Address>,
    skipped: BTreeSet<Address>,
}

impl Best {
    pub(super) fn new(state: Arc<State>, base_fee: u64, first: Option<&B256>) -> Self {
        let first = first.and_then(|hash| chain_to(&state, hash, base_fee)).unwrap_or_default();
        let preferred = first.front().map(|entry| entry.transaction.sender);
        Self {
            state,
            base_fee,
            first,
            seen_by_fee_cap: None,
            seen_by_tip_cap: None,
            offers: BinaryHeap::new(),
            last: None,
            preferred,
            skipped: BTreeSet::new(),
        }
    }

    /// Leave out the later transactions of this sender: the one just given out did not go into the block.
    pub fn skip_sender(&mut self, sender: Address) {
        self.skipped.insert(sender);
    }

    fn offer(&mut self, entry: &Entry) {
        let transaction = &entry.transaction;
        if let Some(tip) = transaction.effective_tip(self.base_fee) {
            self.offers.push((tip, Reverse(entry.arrival), transaction.sender, transaction.nonce()));
        }
    }

    /// The sender of the last one continues, unless it was skipped.
    fn offer_successor(&mut self) {
        let Some(last) = self.last.take() else {
            return;
        };
        let (sender, next) = (last.transaction.sender, last.transaction.nonce() + 1);
        let successor = self.state.account(&sender).filter(|account| account.is_executable(next)).and_then(|account| account.get(next));
        if let Some(entry) = successor.cloned() {
            self.offer(&entry);
        }
    }

    /// Look at heads for as long as one could beat the best offer.
    fn look_at_heads(&mut self) {
        while let Some((bound, arrival, sender)) = self.next_head() {
            if self.offers.peek().is_some_and(|(tip, order, ..)| (*tip, *order) > (bound, arrival)) {
                return;
            }
            let key = (arrival.0, sender);
            let by_fee_cap = following(&self.state.heads().by_fee_cap, self.seen_by_fee_cap);
            match by_fee_cap.filter(|head| (head.1, head.2) == key) {
                Some(head) => self.seen_by_fee_cap = Some(head),
                None => self.seen_by_tip_cap = following(&self.state.heads().by_tip_cap, self.seen_by_tip_cap),
            }
            if self.preferred != Some(sender)
                && let Some(head) = self.state.account(&sender).and_then(|account| account.head()).cloned()
            {
                self.offer(&head);
            }
        }
    }

    /// Of the heads that were not looked at, the one that could offer most; with the most that it could offer.
    fn next_head(&self) -> Option<(u128, Reverse<u64>, Address)> {
        let heads = self.state.heads();
        let base_fee = u128::from(self.base_fee);
        let exact = following(&heads.by_fee_cap, self.seen_by_fee_cap)
            .and_then(|(Reverse(cap), arrival, sender)| Some((cap.checked_sub(base_fee)?, Reverse(arrival), sender)));
        let bounded =
            following(&heads.by_tip_cap, self.seen_by_tip_cap).map(|(Reverse(cap), arrival, sender)| (cap, Reverse(arrival), sender));
        exact.max(bounded)
    }
}

fn following(heads: &BTreeSet<HeadKey>, seen: Option<HeadKey>) -> Option<HeadKey> {
    heads.range((seen.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).next().copied()
}

impl Iterator for Best {
    type Item = Arc<Entry>;

    fn next(&mut self) -> Option<Arc<Entry>> {
        while let Some(entry) = self.first.pop_front() {
            if !self.skipped.contains(&entry.transaction.sender) {
                self.last = Some(entry.clone());
                return Some(entry);
            }
        }
        self.offer_successor();
        loop {
            self.look_at_heads();
            let (_, _, sender, nonce) = self.offers.pop()?;
            if self.skipped.contains(&sender) {
                continue;
            }
            if let Some(entry) = self.state.account(&sender).and_then(|account| account.get(nonce)) {
                self.last = Some(entry.clone());
                return self.last.clone();
            }
        }
    }
}

/// The executable transactions of a sender up to this one, if all of them can pay the base fee.
fn chain_to(state: &State, hash: &B256, base_fee: u64) -> Option<VecDeque<Arc<Entry>>> {
    let wanted = &state.get(hash)?.transaction;
    let account = state.account(&wanted.sender)?;
    if !account.is_executable(wanted.nonce()) {
        return None;
    }
    let chain: VecDeque<_> =
        account.executable_entries().take_while(|entry| entry.transaction.nonce() <= wanted.nonce()).cloned().collect();
    chain.iter().all(|entry| entry.transaction.effective_tip(base_fee).is_some()).then_some(chain)
}
