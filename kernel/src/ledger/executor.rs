//! Executing a block: transactions, system calls and roots on top of a state, with nothing written.
use super::{
    account::{Account, BlockChanges, Delta},
    block::{Block, StoredLog, StoredReceipt},
    call::AccountOverride,
    error::{LedgerError, Result},
    evm::{self, LedgerEvm},
    rules::Rules,
    system_contracts::{self, call_after, call_before},
    view::{EditLayer, View},
};
use crate::{pool::Rejection, transaction::SignedTransaction};
use alloy_consensus::{
    Header,
    constants::{EMPTY_OMMER_ROOT_HASH, KECCAK_EMPTY},
};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{
    Address, B64, B256, Bytes, U256, keccak256,
    map::{AddressMap, B256Map, HashMap},
};
use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    context::{
        BlockEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    context_interface::block::BlobExcessGasAndPrice,
    primitives::{eip3860::MAX_INITCODE_SIZE, hardfork::SpecId},
    state::{AccountInfo, EvmState},
};
use std::{collections::BTreeMap, sync::Arc};

/// What the producer decides about a block. Source: the execution payload attributes of the Engine API.
#[derive(Clone, Debug, Default)]
pub struct BlockPlan {
    /// Seconds since 1970.
    pub timestamp: u64,
    pub gas_limit: u64,
    pub base_fee_per_gas: u64,
    pub beneficiary: Address,
    pub prev_randao: B256,
    pub extra_data: Bytes,
    pub parent_beacon_block_root: B256,
    pub excess_blob_gas: u64,
    pub withdrawals: Vec<Withdrawal>,
    /// Of a block of proof of work, which others made.
    pub difficulty: U256,
    pub nonce: B64,
}

/// A block that was executed on top of its parent but is not part of the chain.
#[derive(Debug)]
pub struct Executed {
    pub block: Arc<Block>,
    pub changes: Arc<BlockChanges>,
    pub dropped: Vec<(B256, Rejection)>,
    /// Wei for a unit of blob gas; none before Cancun.
    pub blob_base_fee: Option<u128>,
    /// State of the ledger that this was executed on: commits, unwinds and edits so far.
    pub generation: u64,
}

/// The environment of the EVM for a block with this header.
pub fn block_env(header: &Header, rules: &Rules, fork: SpecId) -> BlockEnv {
    let fraction = rules.blob_params(fork, header.timestamp).update_fraction as u64;
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: fork.is_enabled_in(SpecId::MERGE).then_some(header.mix_hash),
        blob_excess_gas_and_price: header.excess_blob_gas.map(|excess| BlobExcessGasAndPrice::new(excess, fraction)),
        ..Default::default()
    }
}

// ---- state of a block under way --------------------------------------------------------------------------------------

#[derive(Clone, Default)]
pub(super) struct Changed {
    /// `None`: the account is gone.
    pub info: Option<AccountInfo>,
    /// The storage it had before the block is void.
    pub wiped: bool,
    pub slots: HashMap<U256, U256>,
}

/// Reads through to a view, and collects what transactions change.
///
/// The journal is finalised and committed into this after **every** transaction: a later load resets a slot's original value, so one
/// finalisation a block would lose writes.
pub struct BlockState<'a> {
    view: &'a View,
    loaded: AddressMap<Option<Account>>,
    loaded_slots: HashMap<(Address, U256), U256>,
    pub(super) changed: AddressMap<Changed>,
    pub(super) code: B256Map<Bytes>,
    bytecode: B256Map<Bytecode>,
    /// EIP-161: an empty account that is touched goes away.
    clears_empty: bool,
}

impl<'a> BlockState<'a> {
    pub fn new(view: &'a View, fork: SpecId) -> Self {
        Self {
            view,
            loaded: Default::default(),
            loaded_slots: Default::default(),
            changed: Default::default(),
            code: Default::default(),
            bytecode: Default::default(),
            clears_empty: fork.is_enabled_in(SpecId::SPURIOUS_DRAGON),
        }
    }

    /// Start from developer edits.
    pub fn with_edits(mut self, edits: &EditLayer) -> Self {
        for (address, account) in &edits.accounts {
            self.changed.entry(*address).or_default().info = Some(account.info());
        }
        for (address, slots) in &edits.slots {
            self.changed.entry(*address).or_default().slots.extend(slots);
        }
        self.code.extend(edits.code.iter().map(|(hash, code)| (*hash, code.clone())));
        self
    }

    /// Pretend state, before anything runs. Source: ethereum/go-ethereum, internal/ethapi/override/override.go.
    pub fn override_accounts(&mut self, accounts: &[AccountOverride]) -> Result<()> {
        for account in accounts {
            let mut info = self.basic(account.address)?.unwrap_or_default();
            info.balance = account.balance.unwrap_or(info.balance);
            info.nonce = account.nonce.unwrap_or(info.nonce);
            if let Some(code) = &account.code {
                info.code_hash = keccak256(code);
                self.code.insert(info.code_hash, code.clone());
            }
            info.code = None;
            let changed = self.changed.entry(account.address).or_default();
            changed.info = Some(info);
            if let Some(slots) = &account.state {
                changed.wiped = true;
                changed.slots = slots.iter().copied().collect();
            }
            changed.slots.extend(account.state_diff.iter().copied());
        }
        Ok(())
    }

    /// The account below the block.
    fn base(&mut self, address: &Address) -> Result<Option<Account>> {
        if let Some(account) = self.loaded.get(address) {
            return Ok(*account);
        }
        let account = self.view.account(address)?;
        self.loaded.insert(*address, account);
        Ok(account)
    }

    fn base_slot(&mut self, address: &Address, slot: &U256) -> Result<U256> {
        if let Some(value) = self.loaded_slots.get(&(*address, *slot)) {
            return Ok(*value);
        }
        let value = self.view.slot(address, slot)?;
        self.loaded_slots.insert((*address, *slot), value);
        Ok(value)
    }

    /// Write a slot of an account that is there, as a transaction would.
    pub fn set_slot(&mut self, address: Address, info: AccountInfo, slot: U256, value: U256) -> Result<()> {
        if self.storage(address, slot)? != value {
            let changed = self.changed.entry(address).or_default();
            changed.info = Some(AccountInfo { code: None, ..info });
            changed.slots.insert(slot, value);
        }
        Ok(())
    }

    pub fn add_balance(&mut self, address: Address, amount: U256) -> Result<()> {
        let mut info = self.basic(address)?.unwrap_or_default();
        info.balance = info.balance.saturating_add(amount);
        info.code = None;
        self.changed.entry(address).or_default().info = Some(info);
        Ok(())
    }

    /// The block's changes, sorted, with the values before it; storage roots are still the old ones.
    pub fn into_changes(mut self) -> Result<BlockChanges> {
        let changed = std::mem::take(&mut self.changed).into_iter().collect();
        let code = self.code.drain().collect();
        self.changes(changed, code)
    }

    /// The same while the block goes on.
    fn changes_so_far(&mut self) -> Result<BlockChanges> {
        let changed = self.changed.iter().map(|(address, changed)| (*address, changed.clone())).collect();
        self.changes(changed, BTreeMap::new())
    }

    fn changes(&mut self, changed: BTreeMap<Address, Changed>, code: BTreeMap<B256, Bytes>) -> Result<BlockChanges> {
        let mut changes = BlockChanges { code, ..Default::default() };
        for (address, changed) in changed {
            let before = self.base(&address)?;
            let mut slots = BTreeMap::new();
            if changed.wiped && before.is_some() {
                for (slot, value) in self.view.slots_of(&address)? {
                    slots.insert(slot, Delta { before: value, after: U256::ZERO });
                }
            }
            for (slot, after) in changed.slots {
                let before = self.base_slot(&address, &slot)?;
                slots.insert(slot, Delta { before, after });
            }
            slots.retain(|_, delta| delta.before != delta.after);
            let storage_root = before.unwrap_or_default().storage_root;
            let after =
                changed.info.map(|info| Account { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash, storage_root });
            if before != after || !slots.is_empty() {
                changes.accounts.insert(address, Delta { before, after });
            }
            if !slots.is_empty() {
                changes.slots.insert(address, slots);
            }
        }
        Ok(changes)
    }
}

impl Database for BlockState<'_> {
    type Error = LedgerError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>> {
        match self.changed.get(&address) {
            Some(changed) => Ok(changed.info.clone()),
            None => Ok(self.base(&address)?.map(|account| account.info())),
        }
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode> {
        if let Some(code) = self.bytecode.get(&hash) {
            return Ok(code.clone());
        }
        let code = match self.code.get(&hash) {
            Some(code) => Bytecode::new_raw(code.clone()),
            None => self.view.bytecode(hash)?,
        };
        self.bytecode.insert(hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256> {
        if let Some(changed) = self.changed.get(&address) {
            if let Some(value) = changed.slots.get(&slot) {
                return Ok(*value);
            }
            if changed.wiped {
                return Ok(U256::ZERO);
            }
        }
        self.base_slot(&address, &slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256> {
        self.view.block_hash(number)
    }
}

impl DatabaseCommit for BlockState<'_> {
    fn commit(&mut self, changes: EvmState) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            let changed = self.changed.entry(address).or_default();
            if account.is_selfdestructed() || (self.clears_empty && account.is_empty()) {
                *changed = Changed { info: None, wiped: true, slots: Default::default() };
                continue;
            }
            if account.is_created() {
                changed.wiped = true;
                changed.slots.clear();
            }
            let original_code = account.original_info().code_hash;
            let mut info = account.info;
            if let Some(code) = info.code.take()
                && info.code_hash != KECCAK_EMPTY
                && original_code != info.code_hash
            {
                self.code.entry(info.code_hash).or_insert_with(|| code.original_bytes());
            }
            changed.info = Some(info);
            changed
                .slots
                .extend(account.storage.iter().filter(|(_, slot)| slot.is_changed()).map(|(key, slot)| (*key, slot.present_value)));
        }
    }
}

// ---- execution -------------------------------------------------------------------------------------------------------

/// Everything that a block is executed on.
pub struct Parent<'a> {
    pub block: &'a Block,
    pub view: &'a View,
    pub edits: &'a EditLayer,
    pub rules: &'a Rules,
}

/// A block whose transactions ran, before its roots are known.
pub struct Ran {
    pub header: Header,
    pub transactions: Vec<SignedTransaction>,
    pub receipts: Vec<StoredReceipt>,
    pub withdrawals: Option<Vec<Withdrawal>>,
    pub changes: BlockChanges,
    pub dropped: Vec<(B256, Rejection)>,
    pub blob_base_fee: Option<u128>,
    /// The changes up to each transaction, where receipts name the state after it (before Byzantium).
    pub changes_after: Vec<BlockChanges>,
}

/// Run `candidates` in order; those that cannot run are dropped with the reason.
pub fn run_block(parent: &Parent<'_>, plan: &BlockPlan, candidates: &mut dyn Iterator<Item = SignedTransaction>) -> Result<Ran> {
    let rules = parent.rules;
    let mut header = header_template(parent.block, plan, rules);
    let fork = rules.fork_of(&header);
    let state = BlockState::new(parent.view, fork).with_edits(parent.edits);
    let mut evm = evm::build(state, rules, fork, block_env(&header, rules, fork), ());
    call_before(&mut evm, &header, fork)?;

    let blob_gas_max = rules.blob_params(fork, plan.timestamp).max_blob_gas_per_block();
    let mut body = Body {
        header: &mut header,
        blob_gas_max,
        keeps_changes: !fork.is_enabled_in(SpecId::BYZANTIUM),
        transactions: vec![],
        receipts: vec![],
        dropped: vec![],
        changes_after: vec![],
        participants: BTreeMap::new(),
    };
    for transaction in candidates {
        body.run(&mut evm, transaction, rules, fork)?;
    }
    let Body { transactions, receipts, dropped, changes_after, participants, .. } = body;

    let requests = call_after(&mut evm, rules, fork, &receipts)?;
    let mut state = evm.ctx.journaled_state.database;
    let reward = rules.block_reward(header.number, fork);
    if !reward.is_zero() {
        state.add_balance(header.beneficiary, reward)?;
    }
    for withdrawal in plan.withdrawals.iter().filter(|withdrawal| withdrawal.amount > 0) {
        state.add_balance(withdrawal.address, withdrawal.amount_wei())?;
    }
    let withdrawals = fork.is_enabled_in(SpecId::SHANGHAI).then(|| plan.withdrawals.clone());
    header.withdrawals_root = withdrawals.as_ref().map(|list| alloy_consensus::proofs::calculate_withdrawals_root(list));
    header.requests_hash = fork.is_enabled_in(SpecId::PRAGUE).then(|| requests.requests_hash());
    let changes = BlockChanges { participants, ..state.into_changes()? };
    let blob_base_fee = rules.blob_base_fee(&header);
    Ok(Ran { header, transactions, receipts, withdrawals, changes, dropped, blob_base_fee, changes_after })
}

/// The header as far as it is known before the block runs.
fn header_template(parent: &Block, plan: &BlockPlan, rules: &Rules) -> Header {
    let mut header = Header {
        parent_hash: parent.hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: plan.beneficiary,
        number: parent.header.number + 1,
        gas_limit: plan.gas_limit,
        timestamp: plan.timestamp,
        extra_data: plan.extra_data.clone(),
        mix_hash: plan.prev_randao,
        difficulty: plan.difficulty,
        nonce: plan.nonce,
        ..Default::default()
    };
    let fork = rules.fork_of(&header);
    let cancun = fork.is_enabled_in(SpecId::CANCUN);
    header.base_fee_per_gas = fork.is_enabled_in(SpecId::LONDON).then_some(plan.base_fee_per_gas);
    header.blob_gas_used = cancun.then_some(0);
    header.excess_blob_gas = cancun.then_some(plan.excess_blob_gas);
    header.parent_beacon_block_root = cancun.then_some(plan.parent_beacon_block_root);
    header
}

/// The part of a block that grows with each transaction.
struct Body<'a> {
    header: &'a mut Header,
    blob_gas_max: u64,
    keeps_changes: bool,
    transactions: Vec<SignedTransaction>,
    receipts: Vec<StoredReceipt>,
    dropped: Vec<(B256, Rejection)>,
    changes_after: Vec<BlockChanges>,
    participants: BTreeMap<u32, Vec<Address>>,
}

impl Body<'_> {
    fn run(&mut self, evm: &mut LedgerEvm<BlockState<'_>>, transaction: SignedTransaction, rules: &Rules, fork: SpecId) -> Result<()> {
        let gas_left = self.header.gas_limit - self.header.gas_used;
        let blob_gas = transaction.blob_gas_used();
        let blob_gas_used = self.header.blob_gas_used.unwrap_or_default();
        if transaction.gas_limit() > gas_left || blob_gas_used + blob_gas > self.blob_gas_max {
            let rejection = Rejection::ExceedsBlockGasLimit { gas_limit: transaction.gas_limit(), block_gas_limit: gas_left };
            self.dropped.push((transaction.hash, rejection));
            return Ok(());
        }
        // An impersonated contract may send (EIP-3607 protects against keys that collide with one).
        evm.ctx.cfg.disable_eip3607 = transaction.is_impersonated();
        let base_fee = self.header.base_fee_per_gas.unwrap_or_default();
        let (result, participants) = evm::run_noting(evm, transaction.tx_env(), rules);
        match result {
            Ok(result) if result.is_success() && system_contracts::spoils_deposits(rules, fork, result.logs()) => {
                evm.ctx.journaled_state.finalize();
                self.dropped.push((transaction.hash, Rejection::Other { detail: system_contracts::DEPOSIT_LAYOUT.into() }));
            }
            Ok(result) => {
                if !participants.is_empty() {
                    self.participants.insert(self.transactions.len() as u32, participants);
                }
                let changes = evm.ctx.journaled_state.finalize();
                evm.ctx.journaled_state.database.commit(changes);
                self.header.gas_used += result.tx_gas_used();
                self.header.blob_gas_used = self.header.blob_gas_used.map(|used| used + blob_gas);
                self.receipts.push(receipt(&transaction, result, self.header.gas_used, base_fee));
                self.transactions.push(transaction);
                if self.keeps_changes {
                    self.changes_after.push(evm.ctx.journaled_state.database.changes_so_far()?);
                }
            }
            Err(EVMError::Transaction(invalid)) => {
                let rejection = rejection(&invalid, &transaction, evm.ctx.block.gas_limit, base_fee, rules.chain_id);
                self.dropped.push((transaction.hash, rejection));
            }
            Err(EVMError::Database(error)) => return Err(error),
            Err(error) => return Err(LedgerError::Decode(format!("the EVM failed: {error}"))),
        }
        Ok(())
    }
}

pub fn receipt(transaction: &SignedTransaction, result: ExecutionResult, cumulative_gas_used: u64, base_fee: u64) -> StoredReceipt {
    let succeeded = result.is_success();
    StoredReceipt {
        succeeded,
        gas_used: result.tx_gas_used(),
        cumulative_gas_used,
        effective_gas_price: transaction.effective_gas_price(base_fee),
        // Also a creation that failed names the address that it would have had.
        contract_address: transaction.to().is_none().then(|| transaction.sender.create(transaction.nonce())),
        logs: if succeeded { result.into_logs().into_iter().map(StoredLog::from).collect() } else { vec![] },
        state_root: None,
    }
}

// ---- rejections ------------------------------------------------------------------------------------------------------

/// Why revm refuses a transaction, in the words of the pool.
pub fn rejection(
    invalid: &InvalidTransaction,
    transaction: &SignedTransaction,
    block_gas_limit: u64,
    base_fee: u64,
    chain_id: u64,
) -> Rejection {
    let max_fee = transaction.max_fee_per_gas();
    match invalid {
        InvalidTransaction::NonceTooLow { tx, state } => Rejection::NonceTooLow { next_nonce: *state, tx_nonce: *tx },
        InvalidTransaction::NonceTooHigh { tx, state } => Rejection::NonceTooHigh { next_nonce: *state, tx_nonce: *tx },
        InvalidTransaction::NonceOverflowInTransaction => Rejection::NonceMaximum,
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            Rejection::InsufficientFunds { balance: **balance, cost: **fee, queued_cost: U256::ZERO }
        }
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            Rejection::IntrinsicGas { gas_limit: *gas_limit, needed: *initial_gas }
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            Rejection::FloorGas { gas_limit: *gas_limit, needed: *gas_floor }
        }
        InvalidTransaction::CallerGasLimitMoreThanBlock => {
            Rejection::ExceedsBlockGasLimit { gas_limit: transaction.gas_limit(), block_gas_limit }
        }
        InvalidTransaction::TxGasLimitGreaterThanCap { gas_limit, cap } => {
            Rejection::ExceedsTransactionGasLimit { gas_limit: *gas_limit, maximum: *cap }
        }
        InvalidTransaction::GasPriceLessThanBasefee => Rejection::FeeCapBelowBaseFee { max_fee, base_fee: base_fee.into() },
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => Rejection::TipAboveFeeCap { tip: transaction.tip_cap(), max_fee },
        InvalidTransaction::CreateInitCodeSizeLimit => {
            Rejection::InitcodeTooLarge { size: transaction.input().len(), maximum: MAX_INITCODE_SIZE }
        }
        InvalidTransaction::RejectCallerWithCode => Rejection::SenderHasCode { sender: transaction.sender },
        InvalidTransaction::InvalidChainId => Rejection::WrongChainId { have: transaction.chain_id().unwrap_or_default(), want: chain_id },
        InvalidTransaction::EmptyAuthorizationList => Rejection::EmptyAuthorizationList,
        InvalidTransaction::OverflowPaymentInTransaction => Rejection::GasOverflow,
        InvalidTransaction::Eip2930NotSupported
        | InvalidTransaction::Eip1559NotSupported
        | InvalidTransaction::Eip4844NotSupported
        | InvalidTransaction::Eip7702NotSupported => Rejection::UnsupportedType { kind: transaction.kind() },
        invalid => Rejection::Other { detail: invalid.to_string() },
    }
}
