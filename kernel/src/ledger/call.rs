//! Message calls on top of a state, of which nothing is kept: `eth_call` and `eth_estimateGas`.
use super::{
    account::Account,
    block::Block,
    deadline::Deadline,
    error::{LedgerError, Result},
    evm,
    executor::block_env,
    rules::Rules,
    view::View,
};
use crate::pool::Rejection;
use alloy_eips::{eip2930::AccessList, eip4895::Withdrawal, eip7702::SignedAuthorization};
use alloy_primitives::{
    Address, B256, Bytes, TxKind, U256, keccak256,
    map::{AddressMap, HashMap},
};
use revm::{
    Database,
    bytecode::Bytecode,
    context::{
        BlockEnv, TxEnv,
        either::Either,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    primitives::{eip3860::MAX_INITCODE_SIZE, hardfork::SpecId},
    state::AccountInfo,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A message call, as far as its sender gave it. Source: ethereum/go-ethereum, internal/ethapi/transaction_args.go.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub sender: Address,
    pub to: Option<Address>,
    pub gas_limit: Option<u64>,
    pub gas_price: Option<u128>,
    pub max_fee_per_gas: Option<u128>,
    pub max_priority_fee_per_gas: Option<u128>,
    pub value: U256,
    pub input: Bytes,
    pub nonce: Option<u64>,
    pub access_list: Option<AccessList>,
    pub authorization_list: Option<Vec<SignedAuthorization>>,
    /// Of a call of type 3.
    pub blob_hashes: Option<Vec<B256>>,
    pub max_fee_per_blob_gas: Option<u128>,
    pub accounts: Vec<AccountOverride>,
    pub block: BlockOverride,
    /// Gas that no call may exceed.
    pub gas_cap: u64,
    /// Time that a call, or all runs of an estimate together, may take.
    pub time_limit: Duration,
}

/// State that a call pretends.
#[derive(Clone, Debug, Default)]
pub struct AccountOverride {
    pub address: Address,
    pub balance: Option<U256>,
    pub nonce: Option<u64>,
    pub code: Option<Bytes>,
    /// All storage, in place of what is there.
    pub state: Option<Vec<(U256, U256)>>,
    /// Single slots.
    pub state_diff: Vec<(U256, U256)>,
    /// Where this account's precompiled contract is pretended to be.
    pub move_precompile_to: Option<Address>,
}

/// Block fields that a call pretends.
#[derive(Clone, Debug, Default)]
pub struct BlockOverride {
    pub number: Option<u64>,
    pub timestamp: Option<u64>,
    pub gas_limit: Option<u64>,
    pub beneficiary: Option<Address>,
    pub prev_randao: Option<B256>,
    pub base_fee_per_gas: Option<u64>,
    pub blob_base_fee: Option<u128>,
    /// Of a simulated block.
    pub parent_beacon_block_root: Option<B256>,
    pub withdrawals: Option<Vec<Withdrawal>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStatus {
    Success,
    Revert,
    Halt,
}

#[derive(Clone, Debug)]
pub struct CallOutcome {
    pub status: CallStatus,
    pub output: Bytes,
    /// Gas used; of an estimate, the smallest sufficient limit.
    pub gas_used: u64,
    /// Why it halted, in geth's words.
    pub halt: String,
}

/// How a call ended, or why it could not begin.
pub type CallResult = Result<std::result::Result<CallOutcome, Rejection>>;

/// Why an estimate cannot be made, and the gas limit that was tried.
#[derive(Clone, Debug)]
pub struct Tried {
    pub rejection: Rejection,
    pub gas_limit: u64,
}

pub type EstimateResult = Result<std::result::Result<CallOutcome, Tried>>;

/// Reads through to a view under a set of overrides.
struct OverriddenState<'a> {
    view: &'a View,
    accounts: AddressMap<AccountInfo>,
    slots: HashMap<(Address, U256), U256>,
    /// Accounts whose own storage is void.
    emptied: std::collections::BTreeSet<Address>,
    code: BTreeMap<B256, Bytes>,
}

impl<'a> OverriddenState<'a> {
    fn new(view: &'a View, overrides: &[AccountOverride]) -> Result<Self> {
        let mut state =
            Self { view, accounts: Default::default(), slots: Default::default(), emptied: Default::default(), code: Default::default() };
        for account in overrides {
            let mut info = view.account(&account.address)?.unwrap_or_default().info();
            info.balance = account.balance.unwrap_or(info.balance);
            info.nonce = account.nonce.unwrap_or(info.nonce);
            if let Some(code) = &account.code {
                info.code_hash = keccak256(code);
                state.code.insert(info.code_hash, code.clone());
            }
            state.accounts.insert(account.address, info);
            if let Some(slots) = &account.state {
                state.emptied.insert(account.address);
                state.slots.extend(slots.iter().map(|(slot, value)| ((account.address, *slot), *value)));
            }
            state.slots.extend(account.state_diff.iter().map(|(slot, value)| ((account.address, *slot), *value)));
        }
        Ok(state)
    }
}

impl Database for OverriddenState<'_> {
    type Error = LedgerError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>> {
        match self.accounts.get(&address) {
            Some(info) => Ok(Some(info.clone())),
            None => Ok(self.view.account(&address)?.as_ref().map(Account::info)),
        }
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode> {
        match self.code.get(&hash) {
            Some(code) => Ok(Bytecode::new_raw(code.clone())),
            None => self.view.bytecode(hash),
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256> {
        match self.slots.get(&(address, slot)) {
            Some(value) => Ok(*value),
            None if self.emptied.contains(&address) => Ok(U256::ZERO),
            None => self.view.slot(&address, &slot),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256> {
        self.view.block_hash(number)
    }
}

/// A call's nonce is compared with nothing. The highest one, which no transaction may have (EIP-2681), would be refused all the same.
pub const CALL_NONCE_MAX: u64 = u64::MAX - 1;

/// Why a call cannot run by the rules of a fork that does not know some of its fields.
pub fn unknown_fields(call: &Call, fork: SpecId) -> Option<Rejection> {
    let has_fees = call.max_fee_per_gas.is_some() || call.max_priority_fee_per_gas.is_some();
    if has_fees && !fork.is_enabled_in(SpecId::LONDON) {
        return Some(Rejection::FeesBeforeLondon);
    }
    let has_blob_fee = call.max_fee_per_blob_gas.is_some();
    (has_blob_fee && !fork.is_enabled_in(SpecId::CANCUN)).then_some(Rejection::UnsupportedType { kind: 3 })
}

/// A call with everything it needs to run, any number of times.
pub(super) struct Prepared<'a> {
    call: &'a Call,
    view: &'a View,
    rules: &'a Rules,
    pub fork: SpecId,
    pub env: BlockEnv,
    /// Price of gas as given; none means that gas is free and BASEFEE is 0.
    pub priced: bool,
    chain_nonce: u64,
    deadline: Instant,
}

/// Put the given fields in place of the block's.
pub fn pretend_block(env: &mut BlockEnv, given: &BlockOverride) {
    env.number = given.number.map_or(env.number, U256::from);
    env.timestamp = given.timestamp.map_or(env.timestamp, U256::from);
    env.gas_limit = given.gas_limit.unwrap_or(env.gas_limit);
    env.beneficiary = given.beneficiary.unwrap_or(env.beneficiary);
    env.prevrandao = given.prev_randao.or(env.prevrandao);
    env.basefee = given.base_fee_per_gas.unwrap_or(env.basefee);
    if let (Some(price), Some(blob)) = (given.blob_base_fee, &mut env.blob_excess_gas_and_price) {
        blob.blob_gasprice = price;
    }
}

impl<'a> Prepared<'a> {
    pub fn new(call: &'a Call, block: &Block, view: &'a View, rules: &'a Rules) -> Result<Self> {
        let mut env = block_env(&block.header, rules, rules.fork_of(&block.header));
        let given = &call.block;
        pretend_block(&mut env, given);
        let priced = [call.gas_price, call.max_fee_per_gas, call.max_priority_fee_per_gas].into_iter().flatten().any(|price| price > 0);
        if call.max_fee_per_blob_gas.unwrap_or_default() == 0
            && let Some(blob) = &mut env.blob_excess_gas_and_price
        {
            blob.blob_gasprice = given.blob_base_fee.unwrap_or_default(); // As gas without a price, blobs are free.
        }
        if !priced {
            env.basefee = given.base_fee_per_gas.unwrap_or_default();
        }
        let fork = match (given.number, given.timestamp) {
            (None, None) => rules.fork_of(&block.header),
            _ => rules.fork(env.number.saturating_to(), env.timestamp.saturating_to()),
        };
        let overridden = call.accounts.iter().find(|account| account.address == call.sender).and_then(|account| account.nonce);
        let chain_nonce = match overridden {
            Some(nonce) => nonce,
            None => view.account(&call.sender)?.unwrap_or_default().nonce,
        };
        Ok(Self { call, view, rules, fork, env, priced, chain_nonce, deadline: Instant::now() + call.time_limit })
    }

    pub fn transaction(&self, gas_limit: u64) -> TxEnv {
        let call = self.call;
        let max_fee = call.gas_price.or(call.max_fee_per_gas).unwrap_or(match call.max_priority_fee_per_gas {
            Some(tip) => tip.saturating_add(u128::from(self.env.basefee)),
            None => 0,
        });
        let tx_type = match call {
            Call { authorization_list: Some(_), .. } => 4,
            Call { blob_hashes: Some(_), .. } => 3,
            Call { max_fee_per_gas: Some(_), .. } | Call { max_priority_fee_per_gas: Some(_), .. } => 2,
            Call { access_list: Some(_), .. } => 1,
            _ => 0,
        };
        TxEnv {
            tx_type,
            caller: call.sender,
            gas_limit,
            gas_price: max_fee,
            gas_priority_fee: (tx_type >= 2).then(|| call.max_priority_fee_per_gas.unwrap_or_default()),
            kind: call.to.map_or(TxKind::Create, TxKind::Call),
            value: call.value,
            data: call.input.clone(),
            nonce: call.nonce.unwrap_or(self.chain_nonce).min(CALL_NONCE_MAX),
            chain_id: Some(self.rules.chain_id),
            access_list: call.access_list.clone().unwrap_or_default(),
            authorization_list: call.authorization_list.clone().unwrap_or_default().into_iter().map(Either::Left).collect(),
            blob_hashes: call.blob_hashes.clone().unwrap_or_default(),
            max_fee_per_blob_gas: call.max_fee_per_blob_gas.unwrap_or_default(),
        }
    }

    /// Run with this gas limit; returns the outcome and the gas that was refunded.
    fn run(&self, gas_limit: u64) -> Result<std::result::Result<(CallOutcome, u64), Rejection>> {
        if let Some(rejection) = unknown_fields(self.call, self.fork) {
            return Ok(Err(rejection));
        }
        let state = OverriddenState::new(self.view, &self.call.accounts)?;
        let mut evm = evm::build(state, self.rules, self.fork, self.env.clone(), Deadline::new(self.deadline));
        match evm.precompiles.clone().overridden(&self.call.accounts) {
            Ok(precompiles) => evm.precompiles = precompiles,
            Err(rejection) => return Ok(Err(rejection)),
        }
        evm.ctx.cfg.disable_eip3607 = true;
        evm.ctx.cfg.disable_nonce_check = true;
        evm.ctx.cfg.disable_block_gas_limit = true;
        evm.ctx.cfg.disable_base_fee = !self.priced;
        // The cap on calls is the node's own (EIP-7825 binds transactions only).
        evm.ctx.cfg.tx_gas_limit_cap = Some(u64::MAX);
        match evm::inspect(&mut evm, self.transaction(gas_limit), self.rules) {
            Ok(_) if evm.inspector.passed => Ok(Ok((self.timed_out(gas_limit), 0))),
            Ok(result) => Ok(Ok(outcome(result))),
            Err(EVMError::Transaction(invalid)) => Ok(Err(self.rejection(&invalid, gas_limit))),
            Err(EVMError::Database(error)) => Err(error),
            Err(error) => Ok(Err(Rejection::Other { detail: error.to_string() })),
        }
    }

    fn timed_out(&self, gas_used: u64) -> CallOutcome {
        let halt = format!("execution aborted (timeout = {}s)", self.call.time_limit.as_secs_f64());
        CallOutcome { status: CallStatus::Halt, output: Bytes::new(), gas_used, halt }
    }

    pub fn rejection(&self, invalid: &InvalidTransaction, gas_limit: u64) -> Rejection {
        let transaction = self.transaction(gas_limit);
        match invalid {
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
                Rejection::InsufficientFunds { balance: **balance, cost: **fee, queued_cost: U256::ZERO }
            }
            InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
                Rejection::IntrinsicGas { gas_limit: *gas_limit, needed: *initial_gas }
            }
            InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
                Rejection::FloorGas { gas_limit: *gas_limit, needed: *gas_floor }
            }
            InvalidTransaction::GasPriceLessThanBasefee => {
                Rejection::FeeCapBelowBaseFee { max_fee: transaction.gas_price, base_fee: self.env.basefee.into() }
            }
            InvalidTransaction::PriorityFeeGreaterThanMaxFee => {
                Rejection::TipAboveFeeCap { tip: transaction.gas_priority_fee.unwrap_or_default(), max_fee: transaction.gas_price }
            }
            InvalidTransaction::OverflowPaymentInTransaction => Rejection::GasOverflow,
            InvalidTransaction::CreateInitCodeSizeLimit => {
                Rejection::InitcodeTooLarge { size: self.call.input.len(), maximum: MAX_INITCODE_SIZE }
            }
            InvalidTransaction::EmptyAuthorizationList => Rejection::EmptyAuthorizationList,
            InvalidTransaction::Eip2930NotSupported
            | InvalidTransaction::Eip1559NotSupported
            | InvalidTransaction::Eip4844NotSupported
            | InvalidTransaction::Eip7702NotSupported => Rejection::UnsupportedType { kind: transaction.tx_type },
            invalid => Rejection::Other { detail: invalid.to_string() },
        }
    }
}

fn outcome(result: ExecutionResult) -> (CallOutcome, u64) {
    let gas_used = result.tx_gas_used();
    let refunded = result.gas().final_refunded();
    let (status, output, halt) = match result {
        ExecutionResult::Success { output, .. } => (CallStatus::Success, output.into_data(), String::new()),
        ExecutionResult::Revert { output, .. } => (CallStatus::Revert, output, String::new()),
        ExecutionResult::Halt { reason, .. } => (CallStatus::Halt, Bytes::new(), halt_words(&reason)),
    };
    (CallOutcome { status, output, gas_used, halt }, refunded)
}

/// Geth's words for a halt. Source: ethereum/go-ethereum, core/vm/errors.go.
pub fn halt_words(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".into(),
        HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode | HaltReason::NotActivated => "invalid opcode".into(),
        HaltReason::InvalidJump => "invalid jump destination".into(),
        HaltReason::StackUnderflow => "stack underflow".into(),
        HaltReason::StackOverflow => "stack limit reached 1024".into(),
        HaltReason::OutOfOffset => "return data out of bounds".into(),
        HaltReason::CreateCollision => "contract address collision".into(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".into(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".into(),
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef".into(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => "write protection".into(),
        HaltReason::OutOfFunds => "insufficient balance for transfer".into(),
        HaltReason::CallTooDeep => "max call depth exceeded".into(),
        HaltReason::PrecompileErrorWithContext(detail) => detail.clone(),
        reason => format!("{reason:?}"),
    }
}

/// Run a call on the state of `view`, in the environment of `block`.
pub fn call(call: &Call, block: &Block, view: &View, rules: &Rules) -> CallResult {
    let prepared = Prepared::new(call, block, view, rules)?;
    let gas_limit = call.gas_limit.unwrap_or(call.gas_cap).min(call.gas_cap);
    Ok(prepared.run(gas_limit)?.map(|(outcome, _)| outcome))
}

/// The smallest gas limit with which the call succeeds; how it ends, if even the largest allowed does not do.
///
/// 0G's gas floor does not count here: it is a share of the limit, so it never asks for a higher one.
pub fn estimate(call: &Call, block: &Block, view: &View, rules: &Rules) -> EstimateResult {
    let without_floor = rules.without_gas_floor();
    let prepared = Prepared::new(call, block, view, &without_floor)?;
    let mut high = call.gas_limit.filter(|limit| *limit >= 21_000).unwrap_or(prepared.env.gas_limit).min(call.gas_cap);
    if prepared.fork.is_enabled_in(SpecId::OSAKA) {
        high = high.min(alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA);
    }
    if let Some(rejection) = unknown_fields(call, prepared.fork) {
        return Ok(Err(Tried { rejection, gas_limit: high }));
    }
    if prepared.priced {
        match affordable_gas(&prepared)? {
            Some(affordable) => high = high.min(affordable),
            None => return Ok(Err(Tried { rejection: Rejection::InsufficientTransfer, gas_limit: high })),
        }
    }
    let (mut best, refunded) = match prepared.run(high)? {
        Ok((outcome, refunded)) if outcome.status == CallStatus::Success => (outcome, refunded),
        Ok((mut outcome, _)) => {
            // The largest allowed limit, for the message `gas required exceeds allowance`.
            outcome.gas_used = high;
            return Ok(Ok(outcome));
        }
        Err(rejection) => return Ok(Err(Tried { rejection, gas_limit: high })),
    };
    let used = best.gas_used;
    // What was used is a lower bound, and with the refund and the 63/64 that calls keep back it is most often enough (EIP-150).
    let mut low = used.saturating_sub(1);
    let optimistic = (used + refunded + 2_300) * 64 / 63;
    if used >= 21_000 && succeeds(&prepared, used)? {
        high = used;
    } else if optimistic < high && succeeds(&prepared, optimistic)? {
        high = optimistic;
    }
    while low + 1 < high {
        if Instant::now() >= prepared.deadline {
            return Ok(Ok(prepared.timed_out(high)));
        }
        let middle = low + (high - low) / 2;
        if succeeds(&prepared, middle)? { high = middle } else { low = middle }
    }
    best.gas_used = high;
    Ok(Ok(best))
}

fn succeeds(prepared: &Prepared<'_>, gas_limit: u64) -> Result<bool> {
    Ok(prepared.run(gas_limit)?.is_ok_and(|(outcome, _)| outcome.status == CallStatus::Success))
}

/// Gas that the sender's balance pays for at the given price; none when what it sends leaves nothing.
fn affordable_gas(prepared: &Prepared<'_>) -> Result<Option<u64>> {
    let call = prepared.call;
    let overridden = call.accounts.iter().find(|account| account.address == call.sender).and_then(|account| account.balance);
    let balance = match overridden {
        Some(balance) => balance,
        None => prepared.view.account(&call.sender)?.unwrap_or_default().balance,
    };
    let price = U256::from(prepared.transaction(0).gas_price);
    Ok(balance.checked_sub(call.value).filter(|left| !left.is_zero()).map(|left| (left / price).saturating_to()))
}
