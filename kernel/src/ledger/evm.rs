//! The EVM as the ledger runs it: revm with 0G's gas floor and precompiled contract. Nothing else imports revm's handler.
use super::{
    collision::{begin_frame, finished},
    participants::{Participants, recipient},
    precompiles::LedgerPrecompiles,
    rules::Rules,
};
use alloy_primitives::{Address, Bytes};
use revm::{
    Context, Database, Inspector, Journal,
    context::{
        BlockEnv, Cfg, CfgEnv, ContextSetters, ContextTr, Evm, FrameStack, JournalTr, Transaction, TxEnv,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    handler::{
        EthFrame, EvmTr, EvmTrError, FrameResult, FrameTr, Handler, ItemOrResult, SystemCallTx, instructions::EthInstructions,
        post_execution,
    },
    inspector::{InspectorEvmTr, InspectorHandler, JournalExt},
    interpreter::{interpreter::EthInterpreter, interpreter_action::FrameInit},
    primitives::hardfork::SpecId,
    state::EvmState,
};
use std::marker::PhantomData;

pub type EvmContext<DB> = Context<BlockEnv, TxEnv, CfgEnv, DB, Journal<DB>, ()>;
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
            Context: ContextTr<Journal: JournalTr<State = EvmState> + JournalExt>,
            Frame = EthFrame<EthInterpreter>,
            Inspector: Inspector<<E as EvmTr>::Context, EthInterpreter>,
        >,
    R: EvmTrError<E>,
{
    type IT = EthInterpreter;

    fn inspect_run_exec_loop(&mut self, evm: &mut E, first_frame_input: FrameInit) -> Result<FrameResult, R> {
        if let Some(result) = begin_frame::<_, R>(evm, first_frame_input, |evm, input| Ok(finished(evm.inspect_frame_init(input)?)))? {
            return Ok(result);
        }
        loop {
            let result = match evm.inspect_frame_run()? {
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
        precompiles: LedgerPrecompiles::new(fork, rules.zero_gravity.wrapped_base),
        frame_stack: FrameStack::new_prealloc(8),
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

/// The same under the inspector.
pub fn inspect<DB, I>(evm: &mut LedgerEvm<DB, I>, transaction: TxEnv, rules: &Rules) -> Result<ExecutionResult, EvmFailure<DB>>
where
    DB: Database,
    I: Inspector<EvmContext<DB>, EthInterpreter>,
{
    evm.ctx.tx = transaction;
    handler(rules).inspect_run(evm)
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
