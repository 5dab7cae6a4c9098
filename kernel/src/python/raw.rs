//! The encodings that consensus hashes, and look-ups of single transactions, for Python.

use alloy_primitives::Address;
use pyo3::{prelude::*, types::PyBytes};

use super::{
    convert::AddressBytes,
    ledger::{BlockArgument, PyExecuted, PyLedger},
};
use crate::ledger;

#[pymethods]
impl PyExecuted {
    fn header_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &ledger::header_json(&self.inner.block))
    }
}

#[pymethods]
impl PyLedger {
    fn raw_header<'py>(&self, py: Python<'py>, block: BlockArgument) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.bytes(py, |ledger| Ok(ledger.block(block.into())?.map(|block| alloy_rlp::encode(&block.header))))
    }

    fn raw_block<'py>(&self, py: Python<'py>, block: BlockArgument) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.bytes(py, |ledger| Ok(ledger.block(block.into())?.map(|block| ledger::raw_block(&block))))
    }

    fn raw_receipts<'py>(&self, py: Python<'py>, block: BlockArgument) -> PyResult<Option<Vec<Bound<'py, PyBytes>>>> {
        let receipts = self.with(py, |ledger| Ok(ledger.block(block.into())?.map(|block| ledger::raw_receipts(&block))))?;
        Ok(receipts.map(|receipts| receipts.iter().map(|receipt| PyBytes::new(py, receipt)).collect()))
    }

    fn raw_transaction_at<'py>(&self, py: Python<'py>, block: BlockArgument, index: usize) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.bytes(py, |ledger| {
            let block = ledger.block(block.into())?;
            Ok(block.and_then(|block| block.transactions.get(index).map(|transaction| transaction.raw.to_vec())))
        })
    }

    fn transaction_by_sender_and_nonce_json<'py>(
        &self,
        py: Python<'py>,
        sender: AddressBytes,
        nonce: u64,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let sender = Address::from(sender);
        self.bytes(py, |ledger| {
            let found = ledger.transaction_by_sender_and_nonce(&sender, nonce)?;
            Ok(found.map(|(block, index)| ledger::transaction_json(&block, index)))
        })
    }

    #[getter]
    fn configuration<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.open_ledger()?.configuration))
    }
}
