//! The rules that a transaction must keep to enter the pool, in the order in which geth checks them.
//!
//! Source: ethereum/go-ethereum, core/txpool/validation.go; the EIPs are named at each rule.

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256, U512};
use revm::context_interface::cfg::GasParams;
use revm::primitives::hardfork::SpecId;
use revm::primitives::{eip3860, eip7825};

use super::account::Account;
use super::rejection::Rejection;
use super::{AccountFacts, PoolSettings};
use crate::transaction::SignedTransaction;

/// What the chain asks of the transactions in its next block.
#[derive(Clone, Debug)]
pub struct ChainRules {
    pub chain_id: u64,
    pub spec: SpecId,
    pub block_gas_limit: u64,
    gas: GasParams,
}

impl ChainRules {
    pub fn new(chain_id: u64, spec: SpecId, block_gas_limit: u64) -> Self {
        Self { chain_id, spec, block_gas_limit, gas: GasParams::new_spec(spec) }
    }
}

/// What can be said without looking at the state.
pub fn check_stateless(transaction: &SignedTransaction, rules: &ChainRules, settings: &PoolSettings) -> Result<(), Rejection> {
    check_form(transaction, rules, settings)?;
    check_limits(transaction, rules)?;
    check_gas(transaction, rules)?;
    if let Some(signers) = &settings.signers {
        check_signers(transaction, signers)?;
    }
    let tip = transaction.tip_cap();
    if tip < settings.minimum_tip {
        return Err(Rejection::Underpriced { tip_needed: settings.minimum_tip, tip });
    }
    if transaction.kind() == 4 && transaction.authorization_list().is_empty() {
        return Err(Rejection::EmptyAuthorizationList);
    }
    Ok(())
}

/// Who may sign where only some may: the sender, and whoever delegates its account (EIP-7702). A foreign signature on a copy of a
/// public network could be sent to that network, too. An impersonated sender signs nothing.
fn check_signers(transaction: &SignedTransaction, signers: &BTreeSet<Address>) -> Result<(), Rejection> {
    let sender = (!transaction.is_impersonated()).then_some(transaction.sender);
    let authorities = transaction.authorization_list().iter().filter_map(|signed| {
        let signature = signed.signature().ok()?;
        crate::crypto::recover(&signed.signature_hash(), &signature).ok()
    });
    match sender.into_iter().chain(authorities).find(|signer| !signers.contains(signer)) {
        Some(signer) => Err(Rejection::SignerNotListed { signer }),
        None => Ok(()),
    }
}

fn check_form(transaction: &SignedTransaction, rules: &ChainRules, settings: &PoolSettings) -> Result<(), Rejection> {
    let kind = transaction.kind();
    let since = match kind {
        0 => SpecId::FRONTIER,
        1 => SpecId::BERLIN,
        2 => SpecId::LONDON,
        4 => SpecId::PRAGUE,
        _ => return Err(Rejection::UnsupportedType { kind }),
    };
    if !rules.spec.is_enabled_in(since) {
        return Err(Rejection::UnsupportedType { kind });
    }
    match transaction.chain_id() {
        None if !settings.allow_unprotected && !transaction.is_impersonated() => return Err(Rejection::Unprotected),
        Some(have) if have != rules.chain_id => return Err(Rejection::WrongChainId { have, want: rules.chain_id }),
        _ => {}
    }
    let (size, maximum) = (transaction.raw.len(), settings.maximum_bytes);
    if size > maximum {
        return Err(Rejection::Oversized { size, maximum });
    }
    Ok(())
}

fn check_limits(transaction: &SignedTransaction, rules: &ChainRules) -> Result<(), Rejection> {
    let (size, maximum) = (transaction.input().len(), eip3860::MAX_INITCODE_SIZE);
    if rules.spec.is_enabled_in(SpecId::SHANGHAI) && transaction.to().is_none() && size > maximum {
        return Err(Rejection::InitcodeTooLarge { size, maximum });
    }
    let (gas_limit, maximum) = (transaction.gas_limit(), eip7825::TX_GAS_LIMIT_CAP);
    if rules.spec.is_enabled_in(SpecId::OSAKA) && gas_limit > maximum {
        return Err(Rejection::ExceedsTransactionGasLimit { gas_limit, maximum });
    }
    if gas_limit > rules.block_gas_limit {
        return Err(Rejection::ExceedsBlockGasLimit { gas_limit, block_gas_limit: rules.block_gas_limit });
    }
    let (tip, max_fee) = (transaction.tip_cap(), transaction.max_fee_per_gas());
    if tip > max_fee {
        return Err(Rejection::TipAboveFeeCap { tip, max_fee });
    }
    // EIP-2681: the account's nonce after it must still be a number of 64 bits.
    if transaction.nonce() == u64::MAX {
        return Err(Rejection::NonceMaximum);
    }
    Ok(())
}

/// Intrinsic gas with lists (EIP-2930), initcode words (EIP-3860) and authorizations (EIP-7702); floor for data (EIP-7623).
fn check_gas(transaction: &SignedTransaction, rules: &ChainRules) -> Result<(), Rejection> {
    let (accounts, slots) = match transaction.access_list() {
        Some(list) => (list.len() as u64, list.iter().map(|item| item.storage_keys.len() as u64).sum()),
        None => (0, 0),
    };
    let authorizations = transaction.authorization_list().len() as u64;
    let needed = rules.gas.initial_tx_gas(transaction.input(), transaction.to().is_none(), accounts, slots, authorizations, None);
    let gas_limit = transaction.gas_limit();
    if gas_limit < needed.initial_regular_gas {
        return Err(Rejection::IntrinsicGas { gas_limit, needed: needed.initial_regular_gas });
    }
    if rules.spec.is_enabled_in(SpecId::PRAGUE) && gas_limit < needed.floor_gas {
        return Err(Rejection::FloorGas { gas_limit, needed: needed.floor_gas });
    }
    Ok(())
}

/// What depends on the sender: its nonce, code and balance, and what it has waiting. Returns the cost.
pub fn check_stateful(transaction: &SignedTransaction, facts: &AccountFacts, waiting: Option<&Account>) -> Result<U256, Rejection> {
    let tx_nonce = transaction.nonce();
    if tx_nonce < facts.nonce {
        return Err(Rejection::NonceTooLow { next_nonce: facts.nonce, tx_nonce });
    }
    if facts.has_code && !transaction.is_impersonated() {
        return Err(Rejection::SenderHasCode { sender: transaction.sender });
    }
    let cost = transaction.cost().ok_or(Rejection::GasOverflow)?;
    let balance = facts.balance;
    if balance < cost {
        return Err(Rejection::InsufficientFunds { balance, cost, queued_cost: U256::ZERO });
    }
    let Some(waiting) = waiting else {
        return Ok(cost);
    };
    let mut queued = waiting.executable_sums().cost;
    if let Some(old) = waiting.get(tx_nonce).filter(|_| waiting.is_executable(tx_nonce)) {
        queued -= U512::from(old.cost);
    }
    if U512::from(balance) < queued + U512::from(cost) {
        let queued_cost = queued.saturating_to();
        return Err(Rejection::InsufficientFunds { balance, cost, queued_cost });
    }
    Ok(cost)
}

/// A replacement pays at least this much more, in percent, both as tip and as fee cap.
const REPLACEMENT_PERCENT_MIN: u32 = 10;

/// Whether `new` may take the place of `old`, which has the same sender and nonce.
pub fn check_replacement(old: &SignedTransaction, new: &SignedTransaction) -> Result<(), Rejection> {
    let enough = |old: u128, new: u128| U256::from(new) * U256::from(100) >= U256::from(old) * U256::from(100 + REPLACEMENT_PERCENT_MIN);
    let higher = new.tip_cap() > old.tip_cap() && new.max_fee_per_gas() > old.max_fee_per_gas();
    if higher && enough(old.tip_cap(), new.tip_cap()) && enough(old.max_fee_per_gas(), new.max_fee_per_gas()) {
        return Ok(());
    }
    Err(Rejection::ReplacementUnderpriced)
}
