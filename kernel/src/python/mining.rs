//! Making many blocks at once, for Python.

use alloy_primitives::Bytes;
use pyo3::{prelude::*, pybacked::PyBackedBytes};

use super::{
    convert::AddressBytes,
    ledger::{PyBlockSummary, PyLedger},
};
use crate::ledger::EmptyBlocks;

#[pymethods]
impl PyLedger {
    #[pyo3(signature = (count, *, timestamp, interval, gas_limit, beneficiary, extra_data))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python method")]
    fn make_empty(
        &self,
        py: Python<'_>,
        count: u64,
        timestamp: u64,
        interval: u64,
        gas_limit: u64,
        beneficiary: AddressBytes,
        extra_data: PyBackedBytes,
    ) -> PyResult<Vec<PyBlockSummary>> {
        let extra_data = Bytes::copy_from_slice(&extra_data);
        let wanted = EmptyBlocks { count, timestamp, interval, gas_limit, beneficiary: beneficiary.into(), extra_data };
        Ok(self.with(py, |ledger| ledger.make_empty(&wanted))?.into_iter().map(PyBlockSummary).collect())
    }
}
