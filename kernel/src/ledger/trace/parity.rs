//! Traces in the form of OpenEthereum: flat lists of calls, state differences, and a trace of the virtual machine.
//! Source: openethereum.github.io, JSONRPC-trace-module.
use super::{guard::Recorder, tracers::Place};
use crate::ledger::error::{LedgerError, Result};
use alloy_primitives::map::HashSet;
use alloy_rpc_types_trace::parity::{LocalizedTransactionTrace, TraceResults, TraceType};
use revm::context::result::ResultAndState;
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};

/// What the record of one step takes in a trace of the virtual machine, without the words that it pushes and writes.
const STEP_BYTES: usize = 640;

/// Which of `trace`, `vmTrace` and `stateDiff` a replay answers.
#[derive(Clone, Debug)]
pub struct TraceTypes(HashSet<TraceType>);

impl TraceTypes {
    /// Raises for a name that is none of the three.
    pub fn parse(names: &[String]) -> Result<Self> {
        let parse = |name: &String| match name.as_str() {
            "trace" => Ok(TraceType::Trace),
            "vmTrace" => Ok(TraceType::VmTrace),
            "stateDiff" => Ok(TraceType::StateDiff),
            _ => Err(LedgerError::Trace(super::TraceRefusal::Options(format!(
                "unknown trace type {name:?}; there are trace, vmTrace and stateDiff"
            )))),
        };
        names.iter().map(parse).collect::<Result<_>>().map(Self)
    }

    pub fn recorder(&self) -> TracingInspector {
        TracingInspector::new(TracingInspectorConfig::from_parity_config(&self.0))
    }

    /// The results of a transaction; `state` is the one before it.
    pub fn results<DB: revm::DatabaseRef<Error = LedgerError>>(
        &self,
        recorder: TracingInspector,
        ran: &ResultAndState,
        state: DB,
    ) -> Result<TraceResults> {
        recorder.into_parity_builder().into_trace_results_with_state(ran, &self.0, state)
    }
}

/// The inspector for lists of calls alone.
pub fn call_recorder() -> TracingInspector {
    TracingInspector::new(TracingInspectorConfig::default_parity())
}

impl Recorder for TracingInspector {
    fn sees_steps(&self) -> bool {
        self.config().record_steps
    }

    fn step_bytes(&self) -> usize {
        if self.config().record_steps { STEP_BYTES } else { 0 }
    }

    fn recorded_bytes(&self) -> usize {
        TracingInspector::recorded_bytes(self)
    }
}

/// The calls of a transaction, each with its place.
pub fn localized(inspector: TracingInspector, place: &Place) -> Vec<LocalizedTransactionTrace> {
    let with_place = |trace| LocalizedTransactionTrace {
        trace,
        block_hash: place.block_hash,
        block_number: place.block_number,
        transaction_hash: place.transaction,
        transaction_position: place.index,
    };
    inspector.into_parity_builder().into_transaction_traces_iter().map(with_place).collect()
}

/// Words of the two families of nodes for the same end of a call. Source: ethereum/go-ethereum, eth/tracers/native/call_flat.go.
const ERRORS: [(&str, &str); 10] = [
    ("Reverted", "execution reverted"),
    ("Out of gas", "out of gas"),
    ("Bad instruction", "invalid opcode"),
    ("Bad jump destination", "invalid jump destination"),
    ("Stack underflow", "stack underflow"),
    ("Out of stack", "stack limit reached 1024"),
    ("Out of bounds", "return data out of bounds"),
    ("Mutable Call In Static Context", "write protection"),
    ("Insufficient balance for transfer", "insufficient balance for transfer"),
    ("Contract address collision", "contract address collision"),
];

/// The trace of geth's `flatCallTracer`, which keeps geth's words for errors unless it is told to convert them.
pub fn flat_traces(mut inspector: TracingInspector, ran: &ResultAndState, place: &Place, converts: bool) -> Vec<LocalizedTransactionTrace> {
    inspector.set_transaction_gas_used(ran.result.tx_gas_used());
    let mut traces = localized(inspector, place);
    if !converts {
        for error in traces.iter_mut().filter_map(|trace| trace.trace.error.as_mut()) {
            if let Some((_, words)) = ERRORS.iter().find(|(converted, _)| converted == error) {
                *error = (*words).to_string();
            }
        }
    }
    traces
}
