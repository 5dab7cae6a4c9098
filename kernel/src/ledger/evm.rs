//! The EVM as the ledger runs it: revm with 0G's gas floor and precompiled contracts. Nothing else imports revm's handler.
use super::{
    collision::{begin_frame, finished},
    deadline::{Clock, Observer, watch},
    participants::{Participants, recipient},
    precompiles::LedgerPrecompiles,
    rules::Rules,
};
use alloy_primitives::{Address, Bytes, U256};
use revm::{
    Context, Database, Inspector, Journal, JournalEntry,
    context::{
        BlockEnv, Cfg, CfgEnv, ContextSetters, ContextTr, Evm, FrameStack, JournalTr, Transaction, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    handler::{
        EthFrame, EvmTr, EvmTrError, FrameInitOrResult, FrameResult, FrameTr, Handler, ItemOrResult, SystemCallTx,
        evm::ContextDbError,
        instructions::{EthInstructions, InstructionProvider},
        post_execution,
    },
    inspector::{InspectorEvmTr, InspectorHandler, JournalExt, handler::frame_end, inspect_instructions},
    interpreter::{
        InstructionResult, InterpreterAction, interpreter::EthInterpreter, interpreter_action::FrameInit, interpreter_types::LoopControl,
    },
    primitives::hardfork::SpecId,
    state::EvmState,
};
use std::marker::PhantomData;

pub type EvmContext<DB> = Context<BlockEnv, TxEnv, CfgEnv, DB, Journal<DB>, Clock>;
pub type LedgerEvm<DB, I = ()> =
    Evm<EvmContext<DB>, I, EthInstructions<EthInterpreter, EvmContext<DB>>, LedgerPrecompiles, EthFrame<EthInterpreter>>;
pub type EvmFailure<DB> = EVMError<<DB as Database>::Error, InvalidTransaction>;

struct LedgerHandler<E, R> {
    min_gas_used_percent: u8,
    participants: Participants,
    marker: PhantomData<(E, R)>,
}

impl<E, R> Handler for LedgerHandler<E, R>
where
    E: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState> + JournalExt>,
            Frame: FrameTr<FrameInit = FrameInit, FrameResult = FrameResult>,
        >,
    R: EvmTrError<E>,
{
    type Evm = E;
    type Error = R;
    type HaltReason = HaltReason;

    /// 0G's floor: at least a share of the gas limit is charged. It stands here because the reported gas is built right after this step.
    /// Source: 0gfoundation/revm, crates/handler/src/post_execution.rs.
    fn refund(&self, evm: &mut E, result: &mut FrameResult, eip7702_refund: i64) -> Result<(), R> {
        post_execution::refund(evm.ctx().cfg().gas_params(), result.gas_mut(), eip7702_refund);
        if self.min_gas_used_percent > 0 {
            let limit = u128::from(evm.ctx().tx().gas_limit());
            let floor = (limit * u128::from(self.min_gas_used_percent) / 100) as u64;
            let gas = result.gas_mut();
            if gas.total_gas_spent().saturating_sub(gas.refunded() as u64) < floor {
                gas.set_spent(floor);
                gas.set_refund(0);
            }
        }
        Ok(())
    }

    /// As revm's own, but for what `collision` and `participants` add.
    fn run_exec_loop(&mut self, evm: &mut E, first_frame_input: FrameInit) -> Result<FrameResult, R> {
        let recipient = recipient(&first_frame_input);
        let result = self.run_frames(evm, first_frame_input)?;
        self.participants.finish(evm.ctx(), recipient);
        Ok(result)
    }
}

impl<E, R> LedgerHandler<E, R>
where
    E: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState> + JournalExt>,
            Frame: FrameTr<FrameInit = FrameInit, FrameResult = FrameResult>,
        >,
    R: EvmTrError<E>,
{
    fn run_frames(&mut self, evm: &mut E, first_frame_input: FrameInit) -> Result<FrameResult, R> {
        if let Some(result) = begin_frame::<_, R>(evm, first_frame_input, |evm, input| Ok(finished(evm.frame_init(input)?)))? {
            return Ok(result);
        }
        loop {
            let result = match evm.frame_run()? {
                ItemOrResult::Result(result) => Some(result),
                ItemOrResult::Item(input) => {
                    self.participants.begin(evm, &input);
                    begin_frame::<_, R>(evm, input, |evm, input| Ok(finished(evm.frame_init(input)?)))?
                }
            };
            let Some(result) = result else { continue };
            self.participants.end(&result);
            if let Some(result) = evm.frame_return_result(result)? {
                return Ok(result);
            }
        }
    }
}

impl<E, R> InspectorHandler for LedgerHandler<E, R>
where
    E: InspectorEvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState> + JournalExt, Chain = Clock>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<E as EvmTr>::Context, EthInterpreter> + Observer,
        >,
    R: EvmTrError<E>,
{
    type IT = EthInterpreter;

    fn inspect_run_exec_loop(&mut self, evm: &mut E, first_frame_input: FrameInit) -> Result<FrameResult, R> {
        if let Some(result) = begin_frame::<_, R>(evm, first_frame_input, |evm, input| Ok(finished(evm.inspect_frame_init(input)?)))? {
            return Ok(result);
        }
        let sees_steps = evm.inspector().sees_steps();
        loop {
            halt_if_over(evm);
            let ran = if sees_steps { run_seen(evm)? } else { run_unseen(evm)? };
            let result = match ran {
                ItemOrResult::Result(result) => Some(result),
                ItemOrResult::Item(input) => begin_frame::<_, R>(evm, input, |evm, input| Ok(finished(evm.inspect_frame_init(input)?)))?,
            };
            let Some(result) = result else { continue };
            if let Some(result) = evm.frame_return_result(result)? {
                return Ok(result);
            }
        }
    }
}

/// Where a frame begins or goes on: end it if its time is up, or if the inspector wants so.
fn halt_if_over<E>(evm: &mut E)
where
    E: InspectorEvmTr<
            Context: ContextTr<Journal: JournalExt, Chain = Clock>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<E as EvmTr>::Context, EthInterpreter> + Observer,
        >,
{
    let (context, inspector, frame) = evm.ctx_inspector_frame();
    let is_over = context.chain_mut().turn() || inspector.wants_end();
    if is_over && frame.interpreter.bytecode.action().is_none() {
        frame.interpreter.halt(InstructionResult::OutOfGas);
    }
}

/// Run the frame on top until it calls, creates or ends, and show the inspector each instruction.
/// Source: revm-inspector, src/traits.rs (inspect_frame_run), which does not tell of a contract that is its own heir.
fn run_seen<E>(evm: &mut E) -> Result<FrameInitOrResult<E::Frame>, ContextDbError<E::Context>>
where
    E: InspectorEvmTr<
            Context: ContextTr<Journal: JournalExt, Chain = Clock>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<E as EvmTr>::Context, EthInterpreter>,
        >,
{
    let (context, inspector, frame, instructions) = evm.ctx_inspector_frame_instructions();
    let changes = context.journal_ref().journal().len();
    let (table, gas_table) = (instructions.instruction_table(), instructions.gas_table());
    let action = inspect_instructions(context, &mut frame.interpreter, &mut *inspector, table, gas_table);
    if action.instruction_result() == Some(InstructionResult::SelfDestruct) && inheritance(context, changes).is_none() {
        show_own_heir(context, inspector);
    }
    finish_run(context, inspector, frame, action)
}

/// Run the frame on top until it calls, creates or ends, without showing its instructions to the inspector.
/// Source of what the inspector hears: revm-inspector, src/handler.rs (inspect_instructions) and src/traits.rs (inspect_frame_run).
fn run_unseen<E>(evm: &mut E) -> Result<FrameInitOrResult<E::Frame>, ContextDbError<E::Context>>
where
    E: InspectorEvmTr<
            Context: ContextTr<Journal: JournalExt, Chain = Clock>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<E as EvmTr>::Context, EthInterpreter> + Observer,
        >,
{
    let (context, inspector, frame, instructions) = evm.ctx_inspector_frame_instructions();
    let (logs, changes) = (context.journal_ref().logs().len(), context.journal_ref().journal().len());
    let interpreter = &mut frame.interpreter;
    let action = match interpreter.bytecode.is_end() {
        true => interpreter.take_next_action(),
        false => interpreter.run_plain(instructions.instruction_table(), instructions.gas_table(), context),
    };
    let emitted = context.journal_ref().logs()[logs..].to_vec();
    for log in emitted {
        inspector.log_full(&mut frame.interpreter, context, log);
    }
    if action.instruction_result() == Some(InstructionResult::SelfDestruct) {
        match inheritance(context, changes) {
            Some((contract, heir, balance)) => inspector.selfdestruct(contract, heir, balance),
            None => show_own_heir(context, inspector),
        }
    }
    finish_run(context, inspector, frame, action)
}

/// Act on how a run of a frame ended, and tell the inspector if the frame has ended with it.
fn finish_run<C, I>(
    context: &mut C,
    inspector: &mut I,
    frame: &mut EthFrame<EthInterpreter>,
    action: InterpreterAction,
) -> Result<FrameInitOrResult<EthFrame<EthInterpreter>>, ContextDbError<C>>
where
    C: ContextTr<Journal: JournalExt>,
    I: Inspector<C, EthInterpreter>,
{
    let mut ran = frame.process_next_action::<_, ContextDbError<C>>(context, action)?;
    if let ItemOrResult::Result(result) = &mut ran {
        frame_end(context, inspector, &frame.input, result);
        frame.set_finished(true);
    }
    Ok(ran)
}

/// What a contract that ended itself gave away, and to whom, if it gave anything: a frame moves native tokens by nothing but its end, so
/// that is the last of its changes since `first`.
fn inheritance<C: ContextTr<Journal: JournalExt>>(context: &C, first: usize) -> Option<(Address, Address, U256)> {
    match context.journal_ref().journal()[first..].last()? {
        JournalEntry::AccountDestroyed { address: contract, target: heir, had_balance: balance, .. }
        | JournalEntry::BalanceTransfer { from: contract, to: heir, balance, .. } => Some((*contract, *heir, *balance)),
        _ => None,
    }
}

/// A contract that is its own heir and goes on to exist (EIP-6780) changes nothing; what is shown is all that it has, as geth shows it.
fn show_own_heir<C>(context: &mut C, inspector: &mut impl Inspector<C, EthInterpreter>)
where
    C: ContextTr<Journal: JournalExt, Chain = Clock>,
{
    if let Some((contract, heir)) = context.chain_mut().take_legacy() {
        let kept = context.journal_ref().evm_state().get(&contract).filter(|_| contract == heir).map(|account| account.info.balance);
        inspector.selfdestruct(contract, heir, kept.unwrap_or_default());
    }
}

/// An EVM over `database` for blocks of `fork`; `inspector` sees what `inspect` runs.
pub fn build<DB: Database, I>(database: DB, rules: &Rules, fork: SpecId, block: BlockEnv, inspector: I) -> LedgerEvm<DB, I> {
    let params = rules.blob_params(fork, block.timestamp.saturating_to());
    let mut ctx: EvmContext<DB> = Context::new(database, fork);
    ctx.block = block;
    ctx.cfg.set_spec_and_mainnet_gas_params(fork);
    ctx.cfg.chain_id = rules.chain_id;
    ctx.cfg.max_blobs_per_tx = Some(params.max_blobs_per_tx);
    ctx.cfg.blob_base_fee_update_fraction = Some(params.update_fraction as u64);
    Evm {
        ctx,
        inspector,
        instruction: EthInstructions::new_mainnet_with_spec(fork),
        precompiles: LedgerPrecompiles::new(fork, &rules.zero_gravity),
        // More are made when calls go deeper.
        frame_stack: FrameStack::new_prealloc(1),
    }
}

/// Run one transaction; its changes stay in the journal until they are finalised.
pub fn run<DB: Database, I>(evm: &mut LedgerEvm<DB, I>, transaction: TxEnv, rules: &Rules) -> Result<ExecutionResult, EvmFailure<DB>> {
    evm.ctx.tx = transaction;
    handler(rules).run(evm)
}

/// The same; returns also who took part in it besides sender and recipient.
pub fn run_noting<DB: Database>(
    evm: &mut LedgerEvm<DB>,
    transaction: TxEnv,
    rules: &Rules,
) -> (Result<ExecutionResult, EvmFailure<DB>>, Vec<Address>) {
    evm.ctx.tx = transaction;
    let mut handler = handler(rules);
    let result = handler.run(evm);
    (result, handler.participants.sorted())
}

/// The same under the inspector, for as long as it grants.
pub fn inspect<DB, I>(evm: &mut LedgerEvm<DB, I>, transaction: TxEnv, rules: &Rules) -> Result<ExecutionResult, EvmFailure<DB>>
where
    DB: Database,
    I: Inspector<EvmContext<DB>, EthInterpreter> + Observer,
{
    evm.ctx.tx = transaction;
    evm.ctx.chain = Clock::until(evm.inspector.until());
    watch(&mut evm.instruction);
    let result = handler(rules).inspect_run(evm);
    if std::mem::take(&mut evm.ctx.chain).is_over() {
        evm.inspector.time_is_up();
    }
    result
}

/// Call a system contract: no fee, no nonce, and outside the block's gas.
pub fn system_call<DB: Database>(evm: &mut LedgerEvm<DB>, contract: Address, input: Bytes) -> Result<ExecutionResult, EvmFailure<DB>> {
    evm.ctx.set_tx(TxEnv::new_system_tx(contract, input));
    LedgerHandler::<_, EvmFailure<DB>> { min_gas_used_percent: 0, participants: Participants::default(), marker: PhantomData }
        .run_system_call(evm)
}

fn handler<E, R>(rules: &Rules) -> LedgerHandler<E, R> {
    LedgerHandler {
        min_gas_used_percent: rules.zero_gravity.min_gas_used_percent,
        participants: Participants::default(),
        marker: PhantomData,
    }
}
