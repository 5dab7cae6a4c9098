//! Traces for Python: arguments in, JSON out.
use alloy_primitives::{Address, B256};
use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyBytes};

use super::{
    call::PyCallRequest,
    convert::{AddressBytes, HashBytes},
    ledger::{AtArgument, BlockArgument, PyLedger, at_of},
};
use crate::ledger::{Ledger, Result, TraceFilter, TraceTypes};

impl PyLedger {
    fn json<'py>(&self, py: Python<'py>, work: impl FnOnce(&Ledger) -> Result<Vec<u8>> + Send) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.with(py, work)?))
    }
}

#[pymethods]
impl PyLedger {
    #[pyo3(signature = (transaction_hash, options), text_signature = "($self, transaction_hash, options)")]
    fn trace_transaction<'py>(
        &self,
        py: Python<'py>,
        transaction_hash: HashBytes,
        options: PyBackedBytes,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let hash = B256::from(transaction_hash);
        self.json(py, |ledger| ledger.trace_transaction(&hash, &options))
    }

    fn trace_block<'py>(&self, py: Python<'py>, block: BlockArgument, options: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
        self.json(py, |ledger| ledger.trace_block(block.into(), &options))
    }

    fn trace_raw_block<'py>(&self, py: Python<'py>, rlp: PyBackedBytes, options: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
        self.json(py, |ledger| ledger.trace_raw_block(&rlp, &options))
    }

    #[pyo3(signature = (request, options, at = None, index = None))]
    fn trace_call<'py>(
        &self,
        py: Python<'py>,
        request: &PyCallRequest,
        options: PyBackedBytes,
        at: Option<AtArgument>,
        index: Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let at = at_of(at);
        self.json(py, |ledger| ledger.trace_call(&request.0, &at, index, &options))
    }

    fn block_calls<'py>(&self, py: Python<'py>, block: BlockArgument) -> PyResult<Bound<'py, PyBytes>> {
        self.json(py, |ledger| ledger.block_calls(block.into()))
    }

    #[pyo3(signature = (transaction_hash, trace_address = None))]
    fn transaction_calls<'py>(
        &self,
        py: Python<'py>,
        transaction_hash: HashBytes,
        trace_address: Option<Vec<usize>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let hash = B256::from(transaction_hash);
        self.json(py, |ledger| ledger.transaction_calls(&hash, trace_address.as_deref()))
    }

    fn replay_transaction<'py>(&self, py: Python<'py>, transaction_hash: HashBytes, types: Vec<String>) -> PyResult<Bound<'py, PyBytes>> {
        let hash = B256::from(transaction_hash);
        self.json(py, |ledger| ledger.replay_transaction(&hash, &TraceTypes::parse(&types)?))
    }

    fn replay_block<'py>(&self, py: Python<'py>, block: BlockArgument, types: Vec<String>) -> PyResult<Bound<'py, PyBytes>> {
        self.json(py, |ledger| ledger.replay_calls(block.into(), &TraceTypes::parse(&types)?))
    }

    #[pyo3(
        signature = (first, last, senders = vec![], recipients = vec![], after = None, count = None),
        text_signature = "($self, first, last, senders=(), recipients=(), after=None, count=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python method")]
    fn filter_calls<'py>(
        &self,
        py: Python<'py>,
        first: u64,
        last: u64,
        senders: Vec<AddressBytes>,
        recipients: Vec<AddressBytes>,
        after: Option<u64>,
        count: Option<u64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let addresses = |list: Vec<AddressBytes>| list.into_iter().map(Address::from).collect();
        let filter = TraceFilter {
            from_block: Some(first),
            to_block: Some(last),
            from_address: addresses(senders),
            to_address: addresses(recipients),
            after,
            count,
            ..TraceFilter::default()
        };
        self.json(py, |ledger| ledger.filter_calls(&filter))
    }

    #[pyo3(signature = (request, types, at = None))]
    fn replay_call<'py>(
        &self,
        py: Python<'py>,
        request: &PyCallRequest,
        types: Vec<String>,
        at: Option<AtArgument>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let at = at_of(at);
        self.json(py, |ledger| ledger.trace_call_types(&request.0, &at, &TraceTypes::parse(&types)?))
    }

    #[pyo3(signature = (requests, at = None))]
    fn replay_calls<'py>(
        &self,
        py: Python<'py>,
        requests: Vec<(Py<PyCallRequest>, Vec<String>)>,
        at: Option<AtArgument>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let at = at_of(at);
        self.json(py, |ledger| {
            let calls = requests.iter().map(|(request, types)| Ok((request.get().0.clone(), TraceTypes::parse(types)?)));
            ledger.trace_calls_types(&calls.collect::<Result<Vec<_>>>()?, &at)
        })
    }

    fn replay_raw_transaction<'py>(&self, py: Python<'py>, raw: PyBackedBytes, types: Vec<String>) -> PyResult<Bound<'py, PyBytes>> {
        self.json(py, |ledger| ledger.trace_raw_transaction(&raw, &TraceTypes::parse(&types)?))
    }

    #[pyo3(signature = (request, at = None))]
    fn access_list_json<'py>(&self, py: Python<'py>, request: &PyCallRequest, at: Option<AtArgument>) -> PyResult<Bound<'py, PyBytes>> {
        let at = at_of(at);
        self.json(py, |ledger| ledger.access_list(&request.0, &at))
    }

    fn storage_range_json<'py>(
        &self,
        py: Python<'py>,
        block: HashBytes,
        index: usize,
        address: AddressBytes,
        start: HashBytes,
        count: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (block, address, start) = (B256::from(block), Address::from(address), B256::from(start));
        self.json(py, |ledger| ledger.storage_range(block, index, &address, start, count))
    }

    // explorers

    #[pyo3(signature = (address, first, last, count, newest_first = false))]
    fn address_transactions(
        &self,
        py: Python<'_>,
        address: AddressBytes,
        first: u64,
        last: u64,
        count: usize,
        newest_first: bool,
    ) -> PyResult<(Vec<(u64, u32)>, bool)> {
        let address = Address::from(address);
        self.with(py, |ledger| ledger.address_transactions(&address, first, last, count, newest_first))
    }

    fn internal_operations<'py>(&self, py: Python<'py>, transaction_hash: HashBytes) -> PyResult<Bound<'py, PyBytes>> {
        let hash = B256::from(transaction_hash);
        self.json(py, |ledger| ledger.internal_operations(&hash))
    }

    fn transaction_error<'py>(&self, py: Python<'py>, transaction_hash: HashBytes) -> PyResult<Bound<'py, PyBytes>> {
        let hash = B256::from(transaction_hash);
        self.json(py, |ledger| ledger.transaction_error(&hash))
    }

    fn call_list<'py>(&self, py: Python<'py>, transaction_hash: HashBytes) -> PyResult<Bound<'py, PyBytes>> {
        let hash = B256::from(transaction_hash);
        self.json(py, |ledger| ledger.call_list(&hash))
    }

    fn contract_creator<'py>(
        &self,
        py: Python<'py>,
        address: AddressBytes,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
        let address = Address::from(address);
        let found = self.with(py, |ledger| ledger.contract_creator(&address))?;
        Ok(found.map(|(hash, creator)| (PyBytes::new(py, hash.as_slice()), PyBytes::new(py, creator.as_slice()))))
    }
}
