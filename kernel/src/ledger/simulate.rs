//! Blocks that are simulated on top of a state: `eth_simulateV1`. Nothing of them is kept.
//!
//! The numbers and times of the blocks are given; their order is checked by whoever asks. Each block is executed as a real one would be,
//! its roots come from a copy of the tries, so that hashes and parent hashes are those that the chain would compute.
//! Source: ethereum/execution-apis, src/eth/execute.yaml and tests/eth_simulateV1; ethereum/go-ethereum, internal/ethapi/simulate.go.
mod series;

use super::{
    account::BlockChanges,
    block::{Block, StoredLog, StoredReceipt},
    call::{AccountOverride, BlockOverride, CALL_NONCE_MAX, Call, CallStatus, halt_words, unknown_fields},
    error::{LedgerError, Result},
    evm::{self, EvmFailure, LedgerEvm},
    executor::{BlockState, Ran, block_env, receipt, rejection},
    head::{self, Tries},
    machine::{At, Ledger},
    render,
    rules::Rules,
    system_contracts::{call_after, call_before},
    view::{Above, EditLayer, SimulatedLayer, View},
    watch::{CallWatch, Watching},
};
use crate::{
    pool::Rejection,
    transaction::{SignedTransaction, TransactionFields, UnsignedTransaction},
};
use alloy_consensus::{
    Header,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH},
};
use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::{Address, Bytes};
use revm::{
    Database, DatabaseCommit,
    context::result::{EVMError, ExecutionResult},
    primitives::hardfork::SpecId,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// One block to simulate. Its number and timestamp must be given.
#[derive(Clone, Debug, Default)]
pub struct SimulatedBlock {
    pub overrides: BlockOverride,
    pub accounts: Vec<AccountOverride>,
    pub calls: Vec<Call>,
}

#[derive(Clone, Debug)]
pub struct Simulation {
    pub blocks: Vec<SimulatedBlock>,
    /// Tell of transfers of the native token as if they were logs.
    pub trace_transfers: bool,
    /// Check nonces and fees as for transactions.
    pub validation: bool,
    /// Gas of all calls together.
    pub gas_cap: u64,
    pub time_limit: Duration,
}

/// How one call of a simulated block ended.
#[derive(Clone, Debug)]
pub struct SimulatedCall {
    pub status: CallStatus,
    pub output: Bytes,
    pub gas_used: u64,
    /// Gas before refunds.
    pub gas_used_max: u64,
    pub halt: String,
    pub logs: Vec<StoredLog>,
}

#[derive(Clone, Debug)]
pub struct Simulated {
    pub block: Arc<Block>,
    pub calls: Vec<SimulatedCall>,
}

/// Why a simulation ends without a result.
#[derive(Clone, Debug)]
pub enum SimulationRefusal {
    /// A call could not begin, or overrides contradict each other.
    Call {
        rejection: Rejection,
        sender: Address,
        gas_limit: u64,
    },
    BlockGas {
        used: u64,
        limit: u64,
    },
    TimedOut,
}

pub use series::CallSeries;

pub type SimulationResult = Result<std::result::Result<Vec<Simulated>, SimulationRefusal>>;

/// An error of the ledger, or a refusal; both end the simulation.
enum Stop {
    Failed(LedgerError),
    Refused(Box<SimulationRefusal>),
}

impl Stop {
    fn refused(refusal: SimulationRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error)
    }
}

impl Ledger {
    /// Simulate blocks on top of the state at a moment, edits included.
    pub fn simulate(&self, wanted: &Simulation, at: &At) -> SimulationResult {
        self.settled(|| {
            let mut simulator = Simulator::new(self, wanted, at)?;
            let mut results = Vec::with_capacity(wanted.blocks.len());
            for block in &wanted.blocks {
                match simulator.block(block) {
                    Ok(simulated) => results.push(simulated),
                    Err(Stop::Refused(refusal)) => return Ok(Err(*refusal)),
                    Err(Stop::Failed(error)) => return Err(error),
                }
            }
            Ok(Ok(results))
        })
    }
}

/// What simulated blocks stand on: it grows with each of them.
struct Simulator<'a> {
    ledger: &'a Ledger,
    wanted: &'a Simulation,
    tries: Tries,
    layer: SimulatedLayer,
    /// The block below everything that was simulated.
    base: View,
    parent: Header,
    parent_hash: alloy_primitives::B256,
    /// Edits that the first block carries.
    edits: Arc<EditLayer>,
    gas_left: u64,
    deadline: Instant,
    /// Calls share a budget of gas and the gas of their block.
    makes_blocks: bool,
}

impl<'a> Simulator<'a> {
    fn new(ledger: &'a Ledger, wanted: &'a Simulation, at: &At) -> Result<Self> {
        let (view, block) = ledger.view(at)?;
        let mut layer = SimulatedLayer { newest: ledger.newest().header.number, ..Default::default() };
        let rewound = ledger.tries_at(view.block, None)?;
        let mut tries = rewound.tries;
        layer.add(&rewound.since, true);
        let mut edits = Arc::default();
        match &view.above {
            Above::Edits(layer) => edits = layer.clone(),
            Above::Block(executed) => {
                tries.go_forward(&ledger.store, &executed.changes)?;
                layer.add(&executed.changes, false);
                layer.hashes.insert(block.header.number, block.hash);
            }
            Above::Nothing | Above::Simulated(_) => {}
        }
        if tries.root() != block.header.state_root {
            return Err(LedgerError::Stale); // Blocks were taken back meanwhile.
        }
        Ok(Self {
            ledger,
            wanted,
            tries,
            layer,
            base: View { above: Above::Nothing, ..view },
            parent: block.header.clone(),
            parent_hash: block.hash,
            edits,
            gas_left: wanted.gas_cap,
            deadline: Instant::now() + wanted.time_limit,
            makes_blocks: true,
        })
    }

    fn block(&mut self, wanted: &SimulatedBlock) -> std::result::Result<Simulated, Stop> {
        let rules = &self.ledger.rules;
        let mut header = self.header(&wanted.overrides)?;
        let fork = rules.fork_of(&header);
        let view = View { above: Above::Simulated(Arc::new(self.layer.clone())), ..self.base.clone() };
        let mut evm = self.evm(&view, &header, wanted, fork)?;
        call_before(&mut evm, &header, fork)?;
        let (mut evm, Body { transactions, receipts, calls }) = self.run_calls(evm, &mut header, wanted)?;
        let requests = call_after(&mut evm, rules, fork, &receipts)?;
        let mut state = evm.ctx.journaled_state.database;
        let withdrawals = wanted.overrides.withdrawals.clone().unwrap_or_default();
        for withdrawal in withdrawals.iter().filter(|withdrawal| withdrawal.amount > 0) {
            state.add_balance(withdrawal.address, withdrawal.amount_wei())?;
        }
        let withdrawals = fork.is_enabled_in(SpecId::SHANGHAI).then_some(withdrawals);
        header.withdrawals_root = withdrawals.as_ref().map(|list| alloy_consensus::proofs::calculate_withdrawals_root(list));
        header.requests_hash = fork.is_enabled_in(SpecId::PRAGUE).then(|| requests.requests_hash());
        let blob_base_fee = rules.blob_base_fee(&header);
        let (changes, dropped, changes_after) = (state.into_changes()?, vec![], vec![]);
        let ran = Ran { header, transactions, receipts, withdrawals, changes, dropped, blob_base_fee, changes_after };
        Ok(Simulated { block: self.seal(ran, fork)?, calls })
    }

    /// An EVM over what was simulated so far, with the overrides of the next block.
    fn evm<'b>(
        &self,
        view: &'b View,
        header: &Header,
        wanted: &SimulatedBlock,
        fork: SpecId,
    ) -> std::result::Result<LedgerEvm<BlockState<'b>>, Stop> {
        let rules = &self.ledger.rules;
        let mut state = BlockState::new(view, fork).with_edits(&self.edits);
        state.override_accounts(&wanted.accounts)?;
        let mut env = block_env(header, rules, fork);
        if let (Some(price), Some(blob)) = (wanted.overrides.blob_base_fee, &mut env.blob_excess_gas_and_price) {
            blob.blob_gasprice = price;
        }
        let mut evm = evm::build(state, rules, fork, env, ());
        evm.precompiles = evm
            .precompiles
            .overridden(&wanted.accounts)
            .map_err(|rejection| Stop::refused(SimulationRefusal::Call { rejection, sender: Address::ZERO, gas_limit: 0 }))?;
        Ok(evm)
    }

    /// Run the calls of a block; the header grows by their gas.
    fn run_calls<'b>(
        &mut self,
        evm: LedgerEvm<BlockState<'b>>,
        header: &mut Header,
        wanted: &SimulatedBlock,
    ) -> std::result::Result<(LedgerEvm<BlockState<'b>>, Body), Stop> {
        let watch = CallWatch::new(self.deadline, self.wanted.trace_transfers);
        let mut evm = evm.with_inspector(watch);
        let mut body = Body::default();
        for call in &wanted.calls {
            self.run(&mut evm, header, &mut body, call)?;
        }
        Ok((evm.with_inspector(()), body))
    }

    /// Compute the roots, and let the next block stand on this one.
    fn seal(&mut self, ran: Ran, fork: SpecId) -> Result<Arc<Block>> {
        let clears_empty = fork.is_enabled_in(SpecId::SPURIOUS_DRAGON);
        let executed = head::seal(&self.ledger.store, &mut self.tries, 0, ran, clears_empty, false)?;
        self.tries.stay_ahead();
        let changes: &BlockChanges = &executed.changes;
        self.layer.add(changes, false);
        self.layer.hashes.insert(executed.block.header.number, executed.block.hash);
        self.parent = executed.block.header.clone();
        self.parent_hash = executed.block.hash;
        self.edits = Arc::default();
        Ok(executed.block)
    }

    /// The header as far as it is known before the block runs.
    fn header(&self, overrides: &BlockOverride) -> Result<Header> {
        let rules = &self.ledger.rules;
        let missing = |what: &str| LedgerError::Decode(format!("a simulated block needs a {what}"));
        let number = overrides.number.ok_or_else(|| missing("number"))?;
        let timestamp = overrides.timestamp.ok_or_else(|| missing("timestamp"))?;
        let parent = &self.parent;
        // As in geth the difficulty, which tells work from stake, is the parent's.
        let fork = rules.fork_of(&Header { number, timestamp, difficulty: parent.difficulty, ..Default::default() });
        let cancun = fork.is_enabled_in(SpecId::CANCUN);
        // Without validation gas is free unless somebody says otherwise: a call that names no price could not run on a base fee.
        let base_fee = overrides.base_fee_per_gas.unwrap_or_else(|| if self.wanted.validation { next_base_fee(parent) } else { 0 });
        Ok(Header {
            parent_hash: self.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: overrides.beneficiary.unwrap_or(parent.beneficiary),
            number,
            gas_limit: overrides.gas_limit.unwrap_or(parent.gas_limit),
            timestamp,
            difficulty: parent.difficulty,
            mix_hash: overrides.prev_randao.unwrap_or_default(),
            transactions_root: EMPTY_ROOT_HASH,
            receipts_root: EMPTY_ROOT_HASH,
            base_fee_per_gas: fork.is_enabled_in(SpecId::LONDON).then_some(base_fee),
            blob_gas_used: cancun.then_some(0),
            excess_blob_gas: cancun.then(|| rules.excess_blob_gas_after(parent, fork, timestamp)),
            parent_beacon_block_root: cancun.then(|| overrides.parent_beacon_block_root.unwrap_or_default()),
            ..Default::default()
        })
    }
}

fn next_base_fee(parent: &Header) -> u64 {
    parent.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or_default()
}

/// The part of a simulated block that grows with each call.
#[derive(Default)]
struct Body {
    transactions: Vec<SignedTransaction>,
    receipts: Vec<StoredReceipt>,
    calls: Vec<SimulatedCall>,
}

type WatchedEvm<'a> = LedgerEvm<BlockState<'a>, CallWatch>;

impl Simulator<'_> {
    fn run(&mut self, evm: &mut WatchedEvm<'_>, header: &mut Header, body: &mut Body, call: &Call) -> std::result::Result<(), Stop> {
        let gas_limit = self.gas_limit(header, call)?;
        let refused = |rejection| Stop::refused(SimulationRefusal::Call { rejection, sender: call.sender, gas_limit });
        let rules = &self.ledger.rules;
        let fork = rules.fork_of(header);
        if let Some(rejection) = unknown_fields(call, fork) {
            return Err(refused(rejection));
        }
        let chain_nonce = evm.ctx.journaled_state.database.basic(call.sender)?.unwrap_or_default().nonce;
        let nonce = call.nonce.unwrap_or(chain_nonce);
        let transaction = transaction(call, fork, nonce, gas_limit, rules.chain_id).map_err(refused)?;
        self.configure(evm, &transaction);
        let mut env = transaction.tx_env();
        if !self.wanted.validation {
            env.nonce = env.nonce.min(CALL_NONCE_MAX);
        }
        let result = match evm::inspect(evm, env, rules) {
            Ok(result) => result,
            Err(failure) => return Err(failed(failure, &transaction, header, rules)),
        };
        let watched = evm.inspector.take();
        if watched.timed_out {
            return Err(Stop::refused(SimulationRefusal::TimedOut));
        }
        let mut changes = evm.ctx.journaled_state.finalize();
        if let (u64::MAX, Some(_), Some(sender)) = (chain_nonce, call.to, changes.get_mut(&call.sender)) {
            sender.info.nonce = 0; // In geth, too, it overflows where nobody validates.
        }
        evm.ctx.journaled_state.database.commit(changes);
        self.keep(header, body, transaction, result, watched);
        Ok(())
    }

    /// What a call may use: of its block, and of what all calls share.
    fn gas_limit(&self, header: &Header, call: &Call) -> std::result::Result<u64, Stop> {
        if !self.makes_blocks {
            return Ok(call.gas_limit.unwrap_or(self.wanted.gas_cap).min(self.wanted.gas_cap));
        }
        let (used, limit) = (header.gas_used, header.gas_limit);
        let wanted = call.gas_limit.unwrap_or(limit.saturating_sub(used));
        if used.saturating_add(wanted) > limit {
            return Err(Stop::refused(SimulationRefusal::BlockGas { used, limit }));
        }
        Ok(wanted.min(self.gas_left))
    }

    fn configure(&self, evm: &mut WatchedEvm<'_>, transaction: &SignedTransaction) {
        let unpriced = transaction.max_fee_per_gas() == 0 && transaction.tip_cap() == 0;
        evm.ctx.cfg.disable_eip3607 = true;
        evm.ctx.cfg.disable_nonce_check = !self.wanted.validation;
        evm.ctx.cfg.disable_base_fee = !self.wanted.validation && unpriced;
        evm.ctx.cfg.disable_block_gas_limit = true;
        // The cap on calls is the node's own (EIP-7825 binds transactions only).
        evm.ctx.cfg.tx_gas_limit_cap = Some(u64::MAX);
    }

    fn keep(&mut self, header: &mut Header, body: &mut Body, transaction: SignedTransaction, result: ExecutionResult, watched: Watching) {
        let gas = result.gas();
        let gas_used_max = gas.total_gas_spent().max(gas.floor_gas());
        let gas_used = result.tx_gas_used();
        header.gas_used += gas_used;
        header.blob_gas_used = header.blob_gas_used.map(|used| used + transaction.blob_gas_used());
        self.gas_left = self.gas_left.saturating_sub(gas_used);
        let (status, output, halt) = match &result {
            ExecutionResult::Success { output, .. } => (CallStatus::Success, output.data().clone(), String::new()),
            ExecutionResult::Revert { output, .. } => (CallStatus::Revert, output.clone(), String::new()),
            ExecutionResult::Halt { reason, .. } => (CallStatus::Halt, Bytes::new(), halt_words(reason)),
        };
        let receipt = receipt(&transaction, result, header.gas_used, header.base_fee_per_gas.unwrap_or_default());
        let logs = if self.wanted.trace_transfers && receipt.succeeded { watched.logs } else { receipt.logs.clone() };
        body.calls.push(SimulatedCall { status, output, gas_used, gas_used_max, halt, logs });
        body.receipts.push(receipt);
        body.transactions.push(transaction);
    }
}

fn failed(failure: EvmFailure<BlockState<'_>>, transaction: &SignedTransaction, header: &Header, rules: &Rules) -> Stop {
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    let rejection = match failure {
        EVMError::Database(error) => return Stop::Failed(error),
        EVMError::Transaction(invalid) => rejection(&invalid, transaction, header.gas_limit, base_fee, rules.chain_id),
        error => Rejection::Other { detail: error.to_string() },
    };
    Stop::refused(SimulationRefusal::Call { rejection, sender: transaction.sender, gas_limit: transaction.gas_limit() })
}

/// A call as the transaction that it stands for, unsigned. Source: ethereum/go-ethereum, internal/ethapi/transaction_args.go.
fn transaction(call: &Call, fork: SpecId, nonce: u64, gas_limit: u64, chain_id: u64) -> std::result::Result<SignedTransaction, Rejection> {
    let kind = match call {
        Call { gas_price: Some(_), .. } => 0,
        Call { authorization_list: Some(_), .. } => 4,
        Call { blob_hashes: Some(_), .. } => 3,
        _ if fork.is_enabled_in(SpecId::LONDON) => 2,
        call => u8::from(call.access_list.is_some()),
    };
    let fields = TransactionFields {
        kind,
        chain_id: Some(chain_id),
        nonce,
        gas_limit,
        max_fee_per_gas: call.gas_price.or(call.max_fee_per_gas).unwrap_or_default(),
        max_priority_fee_per_gas: (kind > 1).then(|| call.max_priority_fee_per_gas.unwrap_or_default()),
        to: call.to,
        value: call.value,
        input: call.input.clone(),
        access_list: if kind == 0 { Default::default() } else { call.access_list.clone().unwrap_or_default() },
        authorization_list: if kind == 4 { call.authorization_list.clone().unwrap_or_default() } else { vec![] },
        blob_hashes: if kind == 3 { call.blob_hashes.clone().unwrap_or_default() } else { vec![] },
        max_fee_per_blob_gas: call.max_fee_per_blob_gas.unwrap_or_default(),
    };
    Ok(UnsignedTransaction::new(fields)?.unsigned(call.sender))
}

/// A simulated block in the JSON of the RPC without its calls, and the logs of each call.
pub fn simulated_json(simulated: &Simulated, full: bool) -> (Vec<u8>, Vec<Vec<u8>>) {
    let block = &simulated.block;
    let mut first_log_index = 0;
    let logs = simulated.calls.iter().enumerate().map(|(index, call)| {
        let mut out = Vec::new();
        render::write_call_logs(&mut out, block, index, first_log_index, &call.logs);
        first_log_index += call.logs.len();
        out
    });
    let logs = logs.collect();
    (render::simulated_json(block, full), logs)
}
