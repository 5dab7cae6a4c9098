//! Simulated blocks for Python.

use std::time::Duration;

use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};

use super::{
    call::{PyAccountOverride, PyBlockOverride, PyCallRequest},
    ledger::{AtArgument, PyLedger, at_of},
    rejection::PyRejection,
};
use crate::ledger::{CallSeries, CallStatus, SimulatedBlock, SimulatedCall, Simulation, SimulationRefusal, simulated_json};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PySimulationRefusal>()
}

/// Overrides of a block, of accounts, and calls.
type BlockArgument = (Py<PyBlockOverride>, Vec<Py<PyAccountOverride>>, Vec<Py<PyCallRequest>>);
/// Status, output, gas used, gas before refunds, why it halted, logs.
type CallParts<'py> = (&'static str, Bound<'py, PyBytes>, u64, u64, String, Bound<'py, PyBytes>);
/// The block without its calls, and they.
type BlockParts<'py> = (Bound<'py, PyBytes>, Vec<CallParts<'py>>);

#[pyclass(name = "SimulationRefusal", module = "zerog._kernel", frozen)]
pub struct PySimulationRefusal(SimulationRefusal);

#[pymethods]
impl PySimulationRefusal {
    #[getter]
    fn kind(&self) -> &'static str {
        match self.0 {
            SimulationRefusal::Call { .. } => "call",
            SimulationRefusal::BlockGas { .. } => "block_gas",
            SimulationRefusal::TimedOut => "timed_out",
        }
    }

    #[getter]
    fn rejection(&self) -> Option<PyRejection> {
        match &self.0 {
            SimulationRefusal::Call { rejection, .. } => Some(rejection.clone().into()),
            _ => None,
        }
    }

    #[getter]
    fn sender<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        match &self.0 {
            SimulationRefusal::Call { sender, .. } => PyBytes::new(py, sender.as_slice()),
            _ => PyBytes::new(py, &[0; 20]),
        }
    }

    /// Of the call, or of the block.
    #[getter]
    fn gas_limit(&self) -> u64 {
        match self.0 {
            SimulationRefusal::Call { gas_limit, .. } => gas_limit,
            SimulationRefusal::BlockGas { limit, .. } => limit,
            SimulationRefusal::TimedOut => 0,
        }
    }

    /// By earlier calls of the block.
    #[getter]
    fn gas_used(&self) -> u64 {
        match self.0 {
            SimulationRefusal::BlockGas { used, .. } => used,
            _ => 0,
        }
    }
}

fn status(status: CallStatus) -> &'static str {
    match status {
        CallStatus::Success => "success",
        CallStatus::Revert => "revert",
        CallStatus::Halt => "halt",
    }
}

fn block((block, accounts, calls): BlockArgument) -> SimulatedBlock {
    SimulatedBlock {
        overrides: block.get().0.clone(),
        accounts: accounts.iter().map(|account| account.get().0.clone()).collect(),
        calls: calls.iter().map(|call| call.get().0.clone()).collect(),
    }
}

#[pymethods]
impl PyLedger {
    #[pyo3(signature = (bundles, block, transactions_before = None, *, gas_cap, time_limit_s))]
    fn call_series<'py>(
        &self,
        py: Python<'py>,
        bundles: Vec<BlockArgument>,
        block: u64,
        transactions_before: Option<usize>,
        gas_cap: u64,
        time_limit_s: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let time_limit = Duration::try_from_secs_f64(time_limit_s).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let bundles = bundles.into_iter().map(self::block).collect();
        let wanted = CallSeries { bundles, block, transactions_before, gas_cap, time_limit };
        let series = match self.with(py, |ledger| ledger.call_series(&wanted))? {
            Ok(series) => series,
            Err(refusal) => return Ok(Bound::new(py, PySimulationRefusal(refusal))?.into_any()),
        };
        let parts = series.into_iter().map(|calls| {
            let call = |call: SimulatedCall| (status(call.status), PyBytes::new(py, &call.output), call.halt);
            calls.into_iter().map(call).collect::<Vec<_>>()
        });
        Ok(parts.collect::<Vec<_>>().into_pyobject(py)?.into_any())
    }

    #[pyo3(signature = (blocks, at = None, *, trace_transfers, validation, full_transactions, gas_cap, time_limit_s))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python method")]
    fn simulate<'py>(
        &self,
        py: Python<'py>,
        blocks: Vec<BlockArgument>,
        at: Option<AtArgument>,
        trace_transfers: bool,
        validation: bool,
        full_transactions: bool,
        gas_cap: u64,
        time_limit_s: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let time_limit = Duration::try_from_secs_f64(time_limit_s).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let wanted = Simulation { blocks: blocks.into_iter().map(block).collect(), trace_transfers, validation, gas_cap, time_limit };
        let at = at_of(at);
        let simulated = match self.with(py, |ledger| ledger.simulate(&wanted, &at))? {
            Ok(simulated) => simulated,
            Err(refusal) => return Ok(Bound::new(py, PySimulationRefusal(refusal))?.into_any()),
        };
        let parts = simulated.into_iter().map(|simulated| -> BlockParts<'py> {
            let (block, logs) = py.detach(|| simulated_json(&simulated, full_transactions));
            let calls = simulated.calls.into_iter().zip(logs).map(|(call, logs)| {
                let output = PyBytes::new(py, &call.output);
                (status(call.status), output, call.gas_used, call.gas_used_max, call.halt, PyBytes::new(py, &logs))
            });
            (PyBytes::new(py, &block), calls.collect())
        });
        Ok(parts.collect::<Vec<_>>().into_pyobject(py)?.into_any())
    }
}
