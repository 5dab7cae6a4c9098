//! Between pool and ledger: which transactions a block tries, and what a block leaves in the pool.
use super::{
    error::{LedgerError, Result},
    executor::Executed,
    machine::{At, Ledger},
};
use crate::{
    pool::{AccountFacts, Best, ChainRules, ChainView, Pool, Rejection},
    transaction::SignedTransaction,
};
use alloy_primitives::Address;

/// Least gas of any transaction.
const TRANSACTION_GAS_MIN: u64 = 21_000;

impl ChainView for Ledger {
    type Error = LedgerError;

    fn account(&self, address: Address) -> Result<AccountFacts> {
        let (view, _) = self.view(&At::Newest)?;
        let account = view.account(&address)?.unwrap_or_default();
        let has_code = account.has_code() && !view.bytecode(account.code_hash)?.is_eip7702();
        Ok(AccountFacts { nonce: account.nonce, balance: account.balance, has_code })
    }

    fn rules(&self) -> ChainRules {
        let header = &self.newest().header;
        ChainRules::new(self.rules.chain_id, self.rules.fork(header.number + 1, header.timestamp), header.gas_limit)
    }
}

/// Transactions for a block, by their gas limits: what they use is not known before they run.
pub fn pick(mut best: Best, gas_limit: u64, count_max: Option<usize>) -> Vec<SignedTransaction> {
    let (mut picked, mut gas_left) = (Vec::new(), gas_limit);
    while gas_left >= TRANSACTION_GAS_MIN && count_max.is_none_or(|max| picked.len() < max) {
        let Some(entry) = best.next() else { break };
        match gas_left.checked_sub(entry.transaction.gas_limit()) {
            Some(left) => {
                gas_left = left;
                picked.push(entry.transaction.clone());
            }
            None => best.skip_sender(entry.transaction.sender),
        }
    }
    picked
}

/// Whether a transaction that a block dropped may still run in a later one.
pub fn may_run_later(rejection: &Rejection) -> bool {
    use Rejection::{ExceedsBlockGasLimit, FeeCapBelowBaseFee, NonceTooHigh};
    matches!(rejection, ExceedsBlockGasLimit { .. } | FeeCapBelowBaseFee { .. } | NonceTooHigh { .. })
}

/// After a commit: take out what was mined, and what can never run.
pub fn settle_pool(pool: &mut Pool, ledger: &Ledger, executed: &Executed) -> Result<()> {
    for (hash, _) in executed.dropped.iter().filter(|(_, rejection)| !may_run_later(rejection)) {
        pool.remove(hash);
    }
    let transactions = &executed.block.transactions;
    let authorities = transactions.iter().flat_map(|transaction| transaction.authorization_list()).filter_map(authority);
    pool.included(ledger, transactions.iter().map(|transaction| transaction.sender).chain(authorities))
}

/// The account that signed an authorization (EIP-7702).
fn authority(signed: &alloy_eips::eip7702::SignedAuthorization) -> Option<Address> {
    let signature = signed.signature().ok()?;
    crate::crypto::recover(&signed.signature_hash(), &signature).ok()
}
