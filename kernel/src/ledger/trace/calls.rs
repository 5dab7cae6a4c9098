//! Traces of calls that are in no block, and the access lists that they would profit from.
use super::{
    TraceRefusal,
    blocks::{check_size, json_of, limits, place},
    guard::{Guard, Limits, Recorder},
    options::TraceOptions,
    parity::TraceTypes,
    replay::{Replay, ReplayContext},
    tracers::{Place, Recording},
};
use crate::{
    ledger::{
        block::Block,
        call::{CALL_NONCE_MAX, Call, Prepared, halt_words, pretend_block, unknown_fields},
        deadline::Observer,
        error::Result,
        evm::LedgerEvm,
        executor::BlockState,
        machine::{At, Ledger},
        view::View,
    },
    pool::Rejection,
    transaction::SignedTransaction,
};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::U64;
use alloy_rpc_types_trace::parity::TraceResults;
use revm::{
    Database, Inspector,
    context::{
        TxEnv,
        result::{EVMError, ExecutionResult, ResultAndState},
    },
    interpreter::interpreter::EthInterpreter,
};
use revm_inspectors::access_list::AccessListInspector;
use serde::Serialize;

/// Runs after which an access list is taken as it is, should it never settle.
const ACCESS_LIST_RUNS_MAX: usize = 16;

/// What a call runs as, once it is known on which state.
struct Runnable<'a> {
    call: &'a Call,
    prepared: Prepared<'a>,
    transaction: TxEnv,
}

impl<'a> Runnable<'a> {
    fn new(call: &'a Call, block: &Block, view: &'a View, ledger: &'a Ledger) -> Result<Self> {
        let prepared = Prepared::new(call, block, view, &ledger.rules)?;
        if let Some(rejection) = unknown_fields(call, prepared.fork) {
            return Err(TraceRefusal::Call(Box::new(rejection)).into());
        }
        let gas_limit = call.gas_limit.unwrap_or(call.gas_cap).min(call.gas_cap);
        let transaction = prepared.transaction(gas_limit);
        Ok(Self { call, prepared, transaction })
    }

    /// A state of its own.
    fn replay(&self, call: &Call, view: &'a View, ledger: &'a Ledger) -> Result<Replay<'a>> {
        let mut replay = Replay::on(view, &ledger.rules, self.prepared.fork, self.prepared.env.clone());
        replay.state.override_accounts(&call.accounts)?;
        Ok(replay)
    }

    /// Run it, also where a transaction would not be let in.
    fn inspect<I>(&self, replay: &mut Replay<'a>, inspector: I) -> Result<(ResultAndState, I)>
    where
        I: Inspector<ReplayContext<'a>, EthInterpreter> + Observer,
    {
        self.inspect_as(self.transaction.clone(), replay, inspector)
    }

    fn inspect_as<I>(&self, transaction: TxEnv, replay: &mut Replay<'a>, inspector: I) -> Result<(ResultAndState, I)>
    where
        I: Inspector<ReplayContext<'a>, EthInterpreter> + Observer,
    {
        let mut refused = None;
        let configure = |evm: &mut LedgerEvm<BlockState<'a>, I>| {
            match evm.precompiles.clone().overridden(&self.call.accounts) {
                Ok(precompiles) => evm.precompiles = precompiles,
                Err(rejection) => refused = Some(rejection),
            }
            let config = &mut evm.ctx.cfg;
            config.disable_eip3607 = true;
            config.disable_nonce_check = true;
            config.disable_block_gas_limit = true;
            config.disable_base_fee = !self.prepared.priced;
            config.tx_gas_limit_cap = Some(u64::MAX);
        };
        let gas_limit = transaction.gas_limit;
        let ran = replay.inspect_with(transaction, configure, inspector)?;
        if let Some(rejection) = refused {
            return Err(TraceRefusal::Call(Box::new(rejection)).into());
        }
        ran.map_err(|error| {
            let rejection = match error {
                EVMError::Transaction(invalid) => self.prepared.rejection(&invalid, gas_limit),
                error => Rejection::Other { detail: error.to_string() },
            };
            TraceRefusal::Call(Box::new(rejection)).into()
        })
    }
}

/// An access list, the gas used with it, and why the call fails, if it does.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessListAnswer {
    access_list: AccessList,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    gas_used: U64,
}

impl Ledger {
    /// The trace of a call on a state; `index` puts it before that transaction of the block.
    pub fn trace_call(&self, call: &Call, at: &At, index: Option<usize>, options: &[u8]) -> Result<Vec<u8>> {
        let options = TraceOptions::parse(options)?;
        self.settled(|| {
            let (view, block) = self.view(at)?;
            let limits = limits(options.timeout);
            match index {
                None => {
                    let runnable = Runnable::new(call, &block, &view, self)?;
                    let mut replay = runnable.replay(call, &view, self)?;
                    trace(&runnable, &mut replay, &options, limits, &block)
                }
                Some(index) if index < block.transactions.len() && !matches!(at, At::Executed(_)) => {
                    let (view, edits) = self.ground(&block)?;
                    let mut runnable = Runnable::new(call, &block, &view, self)?;
                    let mut replay = Replay::begin(&block, &view, &edits, &self.rules)?;
                    replay.skip(&block.transactions[..index])?;
                    replay.state.override_accounts(&call.accounts)?;
                    pretend_block(&mut replay.env, &call.block);
                    if !runnable.prepared.priced {
                        replay.env.basefee = call.block.base_fee_per_gas.unwrap_or_default();
                    }
                    if call.nonce.is_none() {
                        runnable.transaction.nonce = replay.state.basic(call.sender)?.unwrap_or_default().nonce.min(CALL_NONCE_MAX);
                    }
                    trace(&runnable, &mut replay, &options, limits, &block)
                }
                Some(index) => {
                    let count = block.transactions.len();
                    Err(TraceRefusal::Options(format!("transaction index {index} out of range: the block has {count}")).into())
                }
            }
        })
    }

    /// What a call would do, in the chosen types.
    pub fn trace_call_types(&self, call: &Call, at: &At, types: &TraceTypes) -> Result<Vec<u8>> {
        self.settled(|| {
            let (view, block) = self.view(at)?;
            let runnable = Runnable::new(call, &block, &view, self)?;
            let mut replay = runnable.replay(call, &view, self)?;
            json_of(&results(&runnable, &mut replay, types, limits(None))?.0)
        })
    }

    /// The same for calls of which each runs on what the ones before it did.
    pub fn trace_calls_types(&self, calls: &[(Call, TraceTypes)], at: &At) -> Result<Vec<u8>> {
        self.settled(|| {
            let (view, block) = self.view(at)?;
            let limits = limits(None);
            let Some((first, _)) = calls.first() else { return Ok(b"[]".to_vec()) };
            let mut replay = Runnable::new(first, &block, &view, self)?.replay(first, &view, self)?;
            let mut out = vec![b'['];
            for (position, (call, types)) in calls.iter().enumerate() {
                let mut runnable = Runnable::new(call, &block, &view, self)?;
                replay.env = runnable.prepared.env.clone();
                let nonce = replay.state.basic(call.sender)?.unwrap_or_default().nonce;
                runnable.transaction.nonce = call.nonce.unwrap_or(nonce).min(CALL_NONCE_MAX);
                let (answer, ran) = results(&runnable, &mut replay, types, limits)?;
                replay.keep(ran.state);
                if position > 0 {
                    out.push(b',');
                }
                super::tracers::append(&mut out, &answer)?;
                check_size(&out, &limits)?;
            }
            out.push(b']');
            Ok(out)
        })
    }

    /// What a signed transaction would do on the newest state, in the chosen types.
    pub fn trace_raw_transaction(&self, raw: &[u8], types: &TraceTypes) -> Result<Vec<u8>> {
        let transaction = SignedTransaction::decode(raw).map_err(|error| crate::ledger::LedgerError::Decode(error.to_string()))?;
        self.settled(|| {
            let (view, block) = self.view(&At::Newest)?;
            let fork = self.rules.fork_of(&block.header);
            let mut replay = Replay::on(&view, &self.rules, fork, crate::ledger::executor::block_env(&block.header, &self.rules, fork));
            let make = Guard::new(types.recorder(), limits(None));
            let ran = replay.inspect_with(transaction.tx_env(), |_| {}, make)?;
            let (ran, guard) = ran.map_err(|error| {
                let rejection = match error {
                    EVMError::Transaction(invalid) => {
                        let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
                        crate::ledger::executor::rejection(&invalid, &transaction, block.header.gas_limit, base_fee, self.rules.chain_id)
                    }
                    error => Rejection::Other { detail: error.to_string() },
                };
                TraceRefusal::Call(Box::new(rejection))
            })?;
            json_of(&types.results(guard.finish()?, &ran, replay.shared())?)
        })
    }

    /// Which accounts and slots a call should announce.
    /// Source: ethereum/go-ethereum, internal/ethapi/api.go (AccessList): it is run again until the list does not change.
    pub fn access_list(&self, call: &Call, at: &At) -> Result<Vec<u8>> {
        self.settled(|| {
            let (view, block) = self.view(at)?;
            let runnable = Runnable::new(call, &block, &view, self)?;
            let limits = Limits::new(call.time_limit, super::BYTES_MAX);
            let mut list = call.access_list.clone().unwrap_or_default();
            for run in 1.. {
                let mut replay = runnable.replay(call, &view, self)?;
                let mut transaction = runnable.transaction.clone();
                transaction.access_list = list.clone();
                transaction.tx_type = transaction.tx_type.max(1);
                let inspector = Guard::new(Accesses(AccessListInspector::new(list.clone())), limits);
                let (ran, guard) = runnable.inspect_as(transaction, &mut replay, inspector)?;
                let found = guard.finish()?.0.into_access_list();
                if found == list || run == ACCESS_LIST_RUNS_MAX {
                    let gas_used = U64::from(ran.result.tx_gas_used());
                    return json_of(&AccessListAnswer { access_list: found, error: failure(&ran.result), gas_used });
                }
                list = found;
            }
            unreachable!("the last run returns")
        })
    }
}

/// Why an execution failed, in geth's words.
pub(super) fn failure(result: &ExecutionResult) -> Option<String> {
    match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { .. } => Some("execution reverted".into()),
        ExecutionResult::Halt { reason, .. } => Some(halt_words(reason)),
    }
}

/// The inspector for access lists: it holds no more than the EVM itself does.
struct Accesses(AccessListInspector);

impl Recorder for Accesses {
    fn sees_steps(&self) -> bool {
        true
    }

    fn step_bytes(&self) -> usize {
        0
    }

    fn recorded_bytes(&self) -> usize {
        0
    }
}

impl<CTX> Inspector<CTX, EthInterpreter> for Accesses
where
    CTX: revm::context::ContextTr<Journal: revm::inspector::JournalExt>,
{
    fn step(&mut self, interpreter: &mut revm::interpreter::Interpreter<EthInterpreter>, context: &mut CTX) {
        self.0.step(interpreter, context);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut revm::interpreter::CallInputs) -> Option<revm::interpreter::CallOutcome> {
        self.0.call(context, inputs)
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut revm::interpreter::CreateInputs) -> Option<revm::interpreter::CreateOutcome> {
        self.0.create(context, inputs)
    }
}

fn trace<'a>(runnable: &Runnable<'a>, replay: &mut Replay<'a>, options: &TraceOptions, limits: Limits, block: &Block) -> Result<Vec<u8>> {
    let (ran, guard) = runnable.inspect(replay, Guard::new(Recording::new(&options.tracer), limits))?;
    let mut out = Vec::new();
    let place = Place { block_number: place(block, 0).block_number, ..Place::default() };
    guard.finish()?.write(&mut out, replay, &runnable.transaction, &ran, &place)?;
    Ok(out)
}

fn results<'a>(
    runnable: &Runnable<'a>,
    replay: &mut Replay<'a>,
    types: &TraceTypes,
    limits: Limits,
) -> Result<(TraceResults, ResultAndState)> {
    let (ran, guard) = runnable.inspect(replay, Guard::new(types.recorder(), limits))?;
    let answer = types.results(guard.finish()?, &ran, replay.shared())?;
    Ok((answer, ran))
}
