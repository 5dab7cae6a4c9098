//! The tracers of `debug_trace*` at work: what each records, and how it is written.
use super::{
    guard::Recorder,
    options::Tracer,
    replay::{Replay, Shared},
    struct_log::StructLogger,
};
use crate::{
    json::Object,
    ledger::error::{LedgerError, Result},
};
use alloy_primitives::{Address, B256, Log, U256};
use alloy_rpc_types_trace::geth::{CallConfig, CallFrame, FlatCallConfig, FourByteFrame, PreStateConfig};
use revm::{
    Inspector,
    context::{ContextTr, TxEnv, result::ResultAndState},
    inspector::JournalExt,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter, interpreter::EthInterpreter},
};
use revm_inspectors::tracing::{FourByteInspector, TracingInspector, TracingInspectorConfig};
use serde::Serialize;

/// Where a traced transaction stands; nothing of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    pub transaction: Option<B256>,
    pub index: Option<u64>,
    pub block_hash: Option<B256>,
    pub block_number: Option<u64>,
}

/// A tracer that records.
pub enum Recording {
    StructLog(Box<StructLogger>),
    Call(Box<TracingInspector>, CallConfig),
    PreState(PreStateConfig),
    FourByte(FourByteInspector),
    Noop,
    FlatCall(Box<TracingInspector>, FlatCallConfig),
    Mux(Vec<(String, Recording)>),
}

impl Recording {
    pub fn new(tracer: &Tracer) -> Self {
        match tracer {
            Tracer::StructLog(options) => Self::StructLog(Box::new(StructLogger::new(*options))),
            Tracer::Call(config) => {
                let inspector = TracingInspector::new(TracingInspectorConfig::from_geth_call_config(config));
                Self::Call(Box::new(inspector), *config)
            }
            Tracer::PreState(config) => Self::PreState(*config),
            Tracer::FourByte => Self::FourByte(FourByteInspector::default()),
            Tracer::Noop => Self::Noop,
            Tracer::FlatCall(config) => {
                let inspector = TracingInspector::new(TracingInspectorConfig::from_flat_call_config(config));
                Self::FlatCall(Box::new(inspector), *config)
            }
            Tracer::Mux(tracers) => Self::Mux(tracers.iter().map(|(name, tracer)| (name.clone(), Self::new(tracer))).collect()),
        }
    }

    /// Append the trace; `replay` is the state before the transaction.
    pub fn write(self, out: &mut Vec<u8>, replay: &mut Replay<'_>, transaction: &TxEnv, ran: &ResultAndState, place: &Place) -> Result<()> {
        match self {
            Self::StructLog(logger) => {
                let output = ran.result.output().map_or(&[][..], |output| output.as_ref());
                logger.finish(out, ran.result.tx_gas_used(), !ran.result.is_success(), output);
                Ok(())
            }
            Self::Call(mut inspector, config) => {
                inspector.set_transaction_gas_limit(transaction.gas_limit);
                inspector.set_transaction_caller(transaction.caller);
                let mut frame = inspector.into_geth_builder().geth_call_traces_with_result_gas(config, *ran.result.gas());
                say_as_geth(&mut frame);
                append(out, &frame)
            }
            Self::PreState(config) => {
                let state: Shared<'_, '_> = replay.shared();
                append(out, &TracingInspector::default().into_geth_builder().geth_prestate_traces(ran, &config, &state)?)
            }
            Self::FourByte(inspector) => append(out, &FourByteFrame::from(inspector)),
            Self::Noop => append(out, &serde_json::Map::new()),
            Self::FlatCall(mut inspector, config) => {
                inspector.set_transaction_gas_limit(transaction.gas_limit);
                inspector.set_transaction_caller(transaction.caller);
                append(out, &super::parity::flat_traces(*inspector, ran, place, config.convert_parity_errors.unwrap_or_default()))
            }
            Self::Mux(recordings) => {
                let mut object = Object::begin(out);
                for (name, recording) in recordings {
                    recording.write(object.member(&name), replay, transaction, ran, place)?;
                }
                object.end();
                Ok(())
            }
        }
    }
}

/// Geth's words where the library has others. Source: ethereum/go-ethereum, core/vm/errors.go.
fn say_as_geth(frame: &mut CallFrame) {
    match frame.error.as_deref() {
        Some(error) if error.starts_with("out of gas") => frame.error = Some("out of gas".into()),
        Some("Out of stack") => frame.error = Some("stack limit reached 1024 (1023)".into()),
        _ => {}
    }
    frame.calls.iter_mut().for_each(say_as_geth);
}

/// Append a value's JSON.
pub fn append(out: &mut Vec<u8>, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(out, value).map_err(|error| LedgerError::Decode(format!("a trace could not be written: {error}")))
}

impl Recorder for Recording {
    fn sees_steps(&self) -> bool {
        match self {
            Self::StructLog(logger) => logger.sees_steps(),
            Self::Mux(recordings) => recordings.iter().any(|(_, recording)| recording.sees_steps()),
            _ => false,
        }
    }

    fn step_bytes(&self) -> usize {
        0
    }

    fn recorded_bytes(&self) -> usize {
        match self {
            Self::StructLog(logger) => logger.recorded_bytes(),
            Self::Mux(recordings) => recordings.iter().map(|(_, recording)| recording.recorded_bytes()).sum(),
            _ => 0,
        }
    }
}

/// Hand a hook on to whichever inspector records.
macro_rules! each {
    ($self:expr, $inspector:ident => $hook:expr) => {
        match $self {
            Self::StructLog($inspector) => $hook,
            Self::Call($inspector, _) | Self::FlatCall($inspector, _) => $hook,
            Self::FourByte($inspector) => $hook,
            Self::PreState(_) | Self::Noop => {}
            Self::Mux(recordings) => {
                for (_, $inspector) in recordings {
                    $hook
                }
            }
        }
    };
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX, EthInterpreter> for Recording {
    fn initialize_interp(&mut self, interpreter: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        each!(self, inspector => inspector.initialize_interp(interpreter, context));
    }

    #[inline]
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        match self {
            Self::StructLog(logger) => logger.step(interpreter, context),
            Self::Mux(recordings) => recordings.iter_mut().for_each(|(_, recording)| recording.step(interpreter, context)),
            _ => {}
        }
    }

    #[inline]
    fn step_end(&mut self, interpreter: &mut Interpreter<EthInterpreter>, context: &mut CTX) {
        match self {
            Self::StructLog(logger) => logger.step_end(interpreter, context),
            Self::Mux(recordings) => recordings.iter_mut().for_each(|(_, recording)| recording.step_end(interpreter, context)),
            _ => {}
        }
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        each!(self, inspector => inspector.log(context, log.clone()));
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        // None of these takes a call over.
        each!(self, inspector => { let _ = inspector.call(context, inputs); });
        None
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        each!(self, inspector => inspector.call_end(context, inputs, outcome));
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        each!(self, inspector => { let _ = inspector.create(context, inputs); });
        None
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        each!(self, inspector => inspector.create_end(context, inputs, outcome));
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        match self {
            Self::Call(inspector, _) | Self::FlatCall(inspector, _) => {
                Inspector::<CTX, EthInterpreter>::selfdestruct(inspector, contract, target, value);
            }
            Self::Mux(recordings) => recordings
                .iter_mut()
                .for_each(|(_, recording)| Inspector::<CTX, EthInterpreter>::selfdestruct(recording, contract, target, value)),
            _ => {}
        }
    }
}
