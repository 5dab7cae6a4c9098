//! The transaction pool for Python.

use std::sync::Arc;

use alloy_primitives::B256;
use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::convert::{AddressBytes, HashBytes, bytes_of};
use super::ledger::PyLedger;
use super::rejection::PyRejection;
use crate::pool::{Pool, PoolSettings, PoolSnapshot};
use crate::transaction::{SignedTransaction, write_transaction_json};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyPool>()?;
    module.add_class::<PyPoolSnapshot>()?;
    module.add_class::<PyRejection>()
}

/// Transactions that wait for a block: executable ones, and ones that wait for an earlier nonce.
///
/// The pool is locked before the ledger is looked at, never after.
#[pyclass(frozen, name = "Pool", module = "zerog._kernel")]
pub struct PyPool {
    pub inner: Arc<Mutex<Pool>>,
}

/// What a pool held at one moment; costs nothing until the pool changes.
#[pyclass(frozen, name = "PoolSnapshot", module = "zerog._kernel")]
pub struct PyPoolSnapshot(PoolSnapshot);

impl PyPool {
    /// The pool, without holding the interpreter while another thread has it.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Pool> {
        loop {
            match self.inner.try_lock() {
                Some(pool) => return pool,
                None => py.detach(|| drop(self.inner.lock())),
            }
        }
    }
}

#[pymethods]
impl PyPool {
    #[new]
    #[pyo3(signature = (
        *, capacity=200_000, per_account=100_000, minimum_tip=0, allow_unprotected=false, maximum_bytes=131_072, signers=None
    ))]
    fn new(
        capacity: usize,
        per_account: usize,
        minimum_tip: u128,
        allow_unprotected: bool,
        maximum_bytes: usize,
        signers: Option<Vec<AddressBytes>>,
    ) -> Self {
        let signers = signers.map(|addresses| addresses.into_iter().map(Into::into).collect());
        let settings = PoolSettings { capacity, per_account, minimum_tip, allow_unprotected, maximum_bytes, signers };
        Self { inner: Arc::new(Mutex::new(Pool::new(settings))) }
    }

    #[getter]
    fn get_minimum_tip(&self, py: Python<'_>) -> u128 {
        self.lock(py).settings.minimum_tip
    }

    #[setter]
    fn set_minimum_tip(&self, py: Python<'_>, minimum_tip: u128) {
        self.lock(py).settings.minimum_tip = minimum_tip;
    }

    /// Check and keep transactions, in order; the hash of each, or why it was refused. Senders are recovered on all threads.
    #[pyo3(signature = (ledger, transactions, impersonated=false))]
    fn add<'py>(
        &self,
        py: Python<'py>,
        ledger: &Bound<'py, PyLedger>,
        transactions: Vec<PyBackedBytes>,
        impersonated: bool,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let ledger = ledger.get();
        let added = py.detach(|| -> PyResult<_> {
            let decoded = SignedTransaction::decode_many(&transactions, impersonated);
            let mut pool = self.inner.lock();
            Ok(pool.add(&*ledger.open_ledger()?, decoded)?)
        })?;
        let converted = added.into_iter().map(|outcome| match outcome {
            Ok(hash) => Ok(bytes_of(py, hash).into_any()),
            Err(rejection) => Ok(Bound::new(py, PyRejection::from(rejection))?.into_any()),
        });
        converted.collect()
    }

    /// The nonce after the executable transactions of `address`.
    fn next_nonce(&self, py: Python<'_>, ledger: &Bound<'_, PyLedger>, address: AddressBytes) -> PyResult<u64> {
        let ledger = ledger.get();
        py.detach(|| {
            let pool = self.inner.lock();
            Ok(pool.next_nonce(&*ledger.open_ledger()?, address.into())?)
        })
    }

    fn transaction_json<'py>(&self, py: Python<'py>, transaction_hash: HashBytes) -> Option<Bound<'py, PyBytes>> {
        let mut json = Vec::new();
        write_transaction_json(&mut json, self.lock(py).get(&transaction_hash.into())?, None);
        Some(PyBytes::new(py, &json))
    }

    fn transaction_at_json<'py>(&self, py: Python<'py>, sender: AddressBytes, nonce: u64) -> Option<Bound<'py, PyBytes>> {
        let mut json = Vec::new();
        write_transaction_json(&mut json, self.lock(py).get_at(&sender.into(), nonce)?, None);
        Some(PyBytes::new(py, &json))
    }

    fn raw_transaction<'py>(&self, py: Python<'py>, transaction_hash: HashBytes) -> Option<Bound<'py, PyBytes>> {
        self.lock(py).get(&transaction_hash.into()).map(|transaction| PyBytes::new(py, &transaction.raw))
    }

    fn content_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| crate::pool::content_json(&self.inner.lock())))
    }

    fn content_from_json<'py>(&self, py: Python<'py>, sender: AddressBytes) -> Bound<'py, PyBytes> {
        let sender = sender.into();
        PyBytes::new(py, &py.detach(|| crate::pool::content_from_json(&self.inner.lock(), &sender)))
    }

    fn inspect_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| crate::pool::inspect_json(&self.inner.lock())))
    }

    /// Executable transactions in the order of arrival.
    fn pending_hashes<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let hashes: Vec<B256> = py.detach(|| self.inner.lock().executable().iter().map(|entry| entry.transaction.hash).collect());
        hashes.into_iter().map(|hash| bytes_of(py, hash)).collect()
    }

    /// Sum of the gas limits of the executable transactions.
    #[getter]
    fn pending_gas(&self, py: Python<'_>) -> u128 {
        self.lock(py).pending_gas()
    }

    /// (executable, waiting).
    fn counts(&self, py: Python<'_>) -> (usize, usize) {
        self.lock(py).counts()
    }

    fn is_executable(&self, py: Python<'_>, transaction_hash: HashBytes) -> bool {
        self.lock(py).is_executable(&transaction_hash.into())
    }

    fn drop(&self, py: Python<'_>, transaction_hash: HashBytes) -> bool {
        self.lock(py).remove(&transaction_hash.into())
    }

    fn clear(&self, py: Python<'_>) {
        py.detach(|| self.inner.lock().clear());
    }

    /// Compare all transactions with the newest state again, after an unwind or an edit.
    fn refresh(&self, py: Python<'_>, ledger: &Bound<'_, PyLedger>) -> PyResult<()> {
        let ledger = ledger.get();
        py.detach(|| {
            let mut pool = self.inner.lock();
            Ok(pool.refresh(&*ledger.open_ledger()?)?)
        })
    }

    fn snapshot(&self, py: Python<'_>) -> PyPoolSnapshot {
        PyPoolSnapshot(self.lock(py).snapshot())
    }

    fn restore(&self, py: Python<'_>, snapshot: &PyPoolSnapshot) {
        self.lock(py).restore(&snapshot.0);
    }
}
