//! The ledger for Python.

use std::{path::PathBuf, sync::Arc, time::Duration};

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bytes, U256};
use parking_lot::RwLock;
use pyo3::{exceptions::PyValueError, prelude::*, pybacked::PyBackedBytes, types::PyBytes};

use super::{
    call::{PyCallOutcome, PyCallRequest},
    convert::{AddressBytes, HashBytes, Word, bytes_of},
    errors::{
        BlockRefusedError, DecodeError, GenesisMismatchError, LedgerBusyError, LedgerCorruptError, LedgerFailedError, LedgerOldFormatError,
        StateNotKeptError, TraceRefusedError, UnknownBlockError,
    },
    pool::PyPool,
    rejection::PyRejection,
};
use crate::ledger::{self, At, Block, BlockId, BlockPlan, Edit, Executed, Ledger, LedgerError, LogQuery, Options, TraceRefusal};
use crate::quick::{self, CallLimits};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyBlockSummary>()?;
    module.add_class::<PyBlockEnv>()?;
    module.add_class::<PyExecuted>()?;
    module.add_class::<PyLedger>()
}

impl From<LedgerError> for PyErr {
    fn from(error: LedgerError) -> Self {
        let message = error.to_string();
        match error {
            LedgerError::Write { .. } | LedgerError::Read { .. } | LedgerError::Tables(_) | LedgerError::Stopped(_) => {
                LedgerFailedError::new_err(message)
            }
            LedgerError::Busy(_) => LedgerBusyError::new_err(message),
            LedgerError::Corrupt(_) => LedgerCorruptError::new_err(message),
            LedgerError::OldFormat => LedgerOldFormatError::new_err(message),
            LedgerError::GenesisMismatch { kept, given } => GenesisMismatchError::new_err((kept.to_string(), given.to_string())),
            LedgerError::UnknownBlock(_) | LedgerError::Stale => UnknownBlockError::new_err(message),
            LedgerError::StateNotKept { .. } => StateNotKeptError::new_err(message),
            LedgerError::Decode(_) => DecodeError::new_err(message),
            LedgerError::Trace(refusal) => {
                let kind = refusal.kind();
                let rejection = match refusal {
                    TraceRefusal::Call(rejection) => Some(PyRejection::from(*rejection)),
                    _ => None,
                };
                TraceRefusedError::new_err((kind, message, rejection))
            }
            LedgerError::Refused { number, hash, reason } => BlockRefusedError::new_err((number, hash.to_string(), reason)),
        }
    }
}

// ---- arguments and results -------------------------------------------------------------------------------------------

#[derive(FromPyObject)]
pub enum AtArgument {
    Number(u64),
    Executed(Py<PyExecuted>),
}

pub fn at_of(argument: Option<AtArgument>) -> At {
    match argument {
        None => At::Newest,
        Some(AtArgument::Number(number)) => At::Number(number),
        Some(AtArgument::Executed(executed)) => At::Executed(executed.get().inner.clone()),
    }
}

#[derive(FromPyObject)]
pub enum BlockArgument {
    Number(u64),
    Hash(HashBytes),
}

impl From<BlockArgument> for BlockId {
    fn from(argument: BlockArgument) -> Self {
        match argument {
            BlockArgument::Number(number) => Self::Number(number),
            BlockArgument::Hash(hash) => Self::Hash(hash.into()),
        }
    }
}

#[pyclass(name = "BlockSummary", module = "zerog._kernel", frozen)]
pub struct PyBlockSummary(pub(super) Arc<Block>);

#[pymethods]
impl PyBlockSummary {
    #[getter]
    fn number(&self) -> u64 {
        self.0.header.number
    }
    #[getter]
    fn hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(py, self.0.hash)
    }
    #[getter]
    fn parent_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(py, self.0.header.parent_hash)
    }
    #[getter]
    fn timestamp(&self) -> u64 {
        self.0.header.timestamp
    }
    #[getter]
    fn gas_limit(&self) -> u64 {
        self.0.header.gas_limit
    }
    #[getter]
    fn gas_used(&self) -> u64 {
        self.0.header.gas_used
    }
    #[getter]
    fn base_fee_per_gas(&self) -> u64 {
        self.0.header.base_fee_per_gas.unwrap_or_default()
    }
    #[getter]
    fn excess_blob_gas(&self) -> u64 {
        self.0.header.excess_blob_gas.unwrap_or_default()
    }
    #[getter]
    fn blob_gas_used(&self) -> u64 {
        self.0.header.blob_gas_used.unwrap_or_default()
    }
    #[getter]
    fn state_root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(py, self.0.header.state_root)
    }
    #[getter]
    fn beneficiary<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.header.beneficiary.as_slice())
    }
    #[getter]
    fn transaction_count(&self) -> usize {
        self.0.transactions.len()
    }
    #[getter]
    fn logs_bloom<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.header.logs_bloom.as_slice())
    }
}

#[pyclass(name = "BlockEnv", module = "zerog._kernel", frozen)]
pub struct PyBlockEnv(BlockPlan);

#[pymethods]
impl PyBlockEnv {
    #[new]
    #[pyo3(signature = (
        *, timestamp, gas_limit, base_fee_per_gas, beneficiary, prev_randao, extra_data = None,
        parent_beacon_block_root = None, excess_blob_gas = 0, withdrawals = vec![]
    ), text_signature = "(*, timestamp, gas_limit, base_fee_per_gas, beneficiary, prev_randao, extra_data=b\"\", \
        parent_beacon_block_root=..., excess_blob_gas=0, withdrawals=())")]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python class")]
    fn new(
        timestamp: u64,
        gas_limit: u64,
        base_fee_per_gas: u64,
        beneficiary: AddressBytes,
        prev_randao: HashBytes,
        extra_data: Option<PyBackedBytes>,
        parent_beacon_block_root: Option<HashBytes>,
        excess_blob_gas: u64,
        withdrawals: Vec<(u64, u64, AddressBytes, u64)>,
    ) -> Self {
        let withdrawals = withdrawals.into_iter().map(|(index, validator_index, address, amount)| Withdrawal {
            index,
            validator_index,
            address: address.into(),
            amount,
        });
        Self(BlockPlan {
            timestamp,
            gas_limit,
            base_fee_per_gas,
            beneficiary: beneficiary.into(),
            prev_randao: prev_randao.into(),
            extra_data: extra_data.map(|bytes| Bytes::copy_from_slice(&bytes)).unwrap_or_default(),
            parent_beacon_block_root: parent_beacon_block_root.map(B256::from).unwrap_or_default(),
            excess_blob_gas,
            withdrawals: withdrawals.collect(),
            ..Default::default()
        })
    }
}

#[pyclass(name = "Executed", module = "zerog._kernel", frozen)]
pub struct PyExecuted {
    pub(super) inner: Arc<Executed>,
}

#[pymethods]
impl PyExecuted {
    #[getter]
    fn summary(&self) -> PyBlockSummary {
        PyBlockSummary(self.inner.block.clone())
    }
    #[getter]
    fn included<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.inner.block.transactions.iter().map(|transaction| bytes_of(py, transaction.hash)).collect()
    }
    #[getter]
    fn dropped<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, PyRejection)> {
        self.inner.dropped.iter().map(|(hash, rejection)| (bytes_of(py, *hash), PyRejection::from(rejection.clone()))).collect()
    }
    fn block_json<'py>(&self, py: Python<'py>, full: bool) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| ledger::block_json(&self.inner.block, full)))
    }
    fn receipts_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| ledger::receipts_json(&self.inner.block, self.inner.blob_base_fee)))
    }
}

type AccountTuple<'py> = (Bound<'py, PyBytes>, u64, Word, Bound<'py, PyBytes>, Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>);

// ---- the ledger ------------------------------------------------------------------------------------------------------

#[pyclass(name = "Ledger", module = "zerog._kernel", frozen)]
pub struct PyLedger {
    /// Gone once closed, so that the files are free.
    inner: RwLock<Option<Arc<Ledger>>>,
    chain_id: u64,
    genesis_hash: B256,
}

impl PyLedger {
    pub fn open_ledger(&self) -> PyResult<Arc<Ledger>> {
        self.inner.read().clone().ok_or_else(|| LedgerFailedError::new_err("the ledger was closed; open it again"))
    }

    /// Call with the ledger and without the GIL.
    pub(super) fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&Ledger) -> Result<T, LedgerError> + Send) -> PyResult<T> {
        let ledger = self.open_ledger()?;
        Ok(py.detach(|| work(&ledger))?)
    }

    pub(super) fn bytes<'py>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(&Ledger) -> Result<Option<Vec<u8>>, LedgerError> + Send,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self.with(py, work)?.map(|bytes| PyBytes::new(py, &bytes)))
    }

    fn edit(&self, py: Python<'_>, edit: Edit) -> PyResult<()> {
        self.with(py, |ledger| ledger.edit(edit))
    }
}

#[pymethods]
impl PyLedger {
    #[staticmethod]
    #[pyo3(signature = (path, genesis_json, *, checkpoint_blocks = 1024, checkpoint_seconds = 30.0, history_blocks = None, threads = 0))]
    fn open(
        py: Python<'_>,
        path: Option<PathBuf>,
        genesis_json: PyBackedBytes,
        checkpoint_blocks: u64,
        checkpoint_seconds: f64,
        history_blocks: Option<u64>,
        threads: usize,
    ) -> PyResult<Self> {
        let checkpoint_interval =
            Duration::try_from_secs_f64(checkpoint_seconds).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let options = Options { checkpoint_blocks, checkpoint_interval, history_blocks, threads };
        let ledger = py.detach(|| Ledger::open(path.as_deref(), &genesis_json, options))?;
        Ok(Self { chain_id: ledger.rules.chain_id, genesis_hash: ledger.genesis_hash, inner: RwLock::new(Some(Arc::new(ledger))) })
    }

    #[getter]
    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    #[getter]
    fn genesis_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(py, self.genesis_hash)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let ledger = self.inner.write().take();
        Ok(py.detach(|| ledger.map_or(Ok(()), |ledger| ledger.close()))?)
    }

    fn checkpoint(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Ledger::checkpoint)
    }

    /// Method and answer of a request body that is a plain read; nothing when it is for the methods of the RPC.
    fn quick_answer<'py>(
        &self,
        py: Python<'py>,
        body: PyBackedBytes,
        gas_cap: u64,
        time_limit_s: f64,
    ) -> PyResult<Option<(&'static str, Bound<'py, PyBytes>)>> {
        let time_limit = Duration::try_from_secs_f64(time_limit_s).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let Some(ledger) = self.inner.read().clone() else { return Ok(None) };
        let found = py.detach(|| quick::answer(&ledger, &body, CallLimits { gas_cap, time_limit }));
        Ok(found.map(|(method, answer)| (method.name(), PyBytes::new(py, &answer))))
    }

    // blocks

    fn head(&self) -> PyResult<PyBlockSummary> {
        Ok(PyBlockSummary(self.open_ledger()?.newest()))
    }

    fn block(&self, py: Python<'_>, block: BlockArgument) -> PyResult<Option<PyBlockSummary>> {
        Ok(self.with(py, |ledger| ledger.block(block.into()))?.map(PyBlockSummary))
    }

    fn block_json<'py>(&self, py: Python<'py>, block: BlockArgument, full: bool) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.bytes(py, |ledger| Ok(ledger.block(block.into())?.map(|block| ledger::block_json(&block, full))))
    }

    fn header_json<'py>(&self, py: Python<'py>, block: BlockArgument) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.bytes(py, |ledger| Ok(ledger.block(block.into())?.map(|block| ledger::header_json(&block))))
    }

    fn transaction_json<'py>(&self, py: Python<'py>, transaction_hash: HashBytes) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let hash = transaction_hash.into();
        self.bytes(py, |ledger| Ok(ledger.transaction(&hash)?.map(|(block, index)| ledger::transaction_json(&block, index))))
    }

    fn transaction_at_json<'py>(&self, py: Python<'py>, block: BlockArgument, index: usize) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.bytes(py, |ledger| {
            let block = ledger.block(block.into())?.filter(|block| index < block.transactions.len());
            Ok(block.map(|block| ledger::transaction_json(&block, index)))
        })
    }

    fn raw_transaction<'py>(&self, py: Python<'py>, transaction_hash: HashBytes) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let hash = transaction_hash.into();
        self.bytes(py, |ledger| Ok(ledger.transaction(&hash)?.map(|(block, index)| block.transactions[index].raw.to_vec())))
    }

    fn transaction_hashes<'py>(&self, py: Python<'py>, block: BlockArgument) -> PyResult<Option<Vec<Bound<'py, PyBytes>>>> {
        let block = self.with(py, |ledger| ledger.block(block.into()))?;
        Ok(block.map(|block| block.transactions.iter().map(|transaction| bytes_of(py, transaction.hash)).collect()))
    }

    fn receipt_json<'py>(&self, py: Python<'py>, transaction_hash: HashBytes) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let hash = transaction_hash.into();
        self.bytes(py, |ledger| ledger.receipt_json(&hash))
    }

    fn receipts_json<'py>(&self, py: Python<'py>, block: BlockArgument) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.bytes(py, |ledger| ledger.receipts_json(block.into()))
    }

    #[pyo3(
        signature = (first, last, addresses = vec![], topics = vec![], removed = false),
        text_signature = "($self, first, last, addresses=(), topics=(), removed=False)"
    )]
    fn logs_json<'py>(
        &self,
        py: Python<'py>,
        first: u64,
        last: u64,
        addresses: Vec<AddressBytes>,
        topics: Vec<Vec<HashBytes>>,
        removed: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let addresses = addresses.into_iter().map(Address::from).collect();
        let topics = topics.into_iter().map(|choices| choices.into_iter().map(B256::from).collect()).collect();
        let query = LogQuery { first, last, addresses, topics };
        Ok(PyBytes::new(py, &self.with(py, |ledger| ledger.logs_json(&query, removed))?))
    }

    fn block_fees(&self, py: Python<'_>, block: u64, percentiles: Vec<f64>) -> PyResult<(u64, u64, u64, Vec<u128>)> {
        let fees = self.with(py, |ledger| ledger.block_fees(block, &percentiles))?;
        Ok((fees.base_fee, fees.gas_used, fees.gas_limit, fees.tips))
    }

    fn blob_fees(&self, py: Python<'_>, block: u64) -> PyResult<(u128, u128, u64)> {
        let fees = self.with(py, |ledger| ledger.blob_fees(block))?;
        Ok((fees.base_fee, fees.base_fee_after, fees.gas_max))
    }

    // state

    #[pyo3(signature = (address, at = None))]
    fn balance(&self, py: Python<'_>, address: AddressBytes, at: Option<AtArgument>) -> PyResult<Word> {
        let (address, at) = (address.into(), at_of(at));
        Ok(Word(self.with(py, |ledger| ledger.account(&address, &at))?.unwrap_or_default().balance))
    }

    #[pyo3(signature = (address, at = None))]
    fn nonce(&self, py: Python<'_>, address: AddressBytes, at: Option<AtArgument>) -> PyResult<u64> {
        let (address, at) = (address.into(), at_of(at));
        Ok(self.with(py, |ledger| ledger.account(&address, &at))?.unwrap_or_default().nonce)
    }

    #[pyo3(signature = (address, at = None))]
    fn code<'py>(&self, py: Python<'py>, address: AddressBytes, at: Option<AtArgument>) -> PyResult<Bound<'py, PyBytes>> {
        let (address, at) = (address.into(), at_of(at));
        Ok(PyBytes::new(py, &self.with(py, |ledger| ledger.code(&address, &at))?))
    }

    #[pyo3(signature = (address, slot, at = None))]
    fn storage<'py>(
        &self,
        py: Python<'py>,
        address: AddressBytes,
        slot: HashBytes,
        at: Option<AtArgument>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (address, at, slot) = (address.into(), at_of(at), U256::from_be_bytes(slot.0));
        let value = self.with(py, |ledger| ledger.slot(&address, &slot, &at))?;
        Ok(PyBytes::new(py, &value.to_be_bytes::<32>()))
    }

    #[pyo3(signature = (request, at = None))]
    fn call<'py>(&self, py: Python<'py>, request: &PyCallRequest, at: Option<AtArgument>) -> PyResult<Bound<'py, PyAny>> {
        let at = at_of(at);
        PyCallOutcome::object(py, self.with(py, |ledger| ledger.call(&request.0, &at))?)
    }

    #[pyo3(signature = (request, at = None))]
    fn estimate<'py>(&self, py: Python<'py>, request: &PyCallRequest, at: Option<AtArgument>) -> PyResult<Bound<'py, PyAny>> {
        let at = at_of(at);
        PyCallOutcome::object(py, self.with(py, |ledger| ledger.estimate(&request.0, &at))?)
    }

    #[pyo3(signature = (after = None, limit = 1000))]
    fn accounts<'py>(&self, py: Python<'py>, after: Option<AddressBytes>, limit: usize) -> PyResult<Vec<AccountTuple<'py>>> {
        let after = after.map(Address::from);
        let page = self.with(py, |ledger| ledger.accounts(after.as_ref(), limit))?;
        let word = |value: U256| PyBytes::new(py, &value.to_be_bytes::<32>());
        Ok(page
            .into_iter()
            .map(|entry| {
                let slots = entry.slots.into_iter().map(|(slot, value)| (word(slot), word(value))).collect();
                let address = PyBytes::new(py, entry.address.as_slice());
                (address, entry.account.nonce, Word(entry.account.balance), PyBytes::new(py, &entry.code), slots)
            })
            .collect())
    }

    // change

    fn execute(&self, py: Python<'_>, env: &PyBlockEnv, transactions: Vec<PyBackedBytes>) -> PyResult<PyExecuted> {
        let executed = self.with(py, |ledger| ledger.execute_raw(&env.0, &transactions))??;
        Ok(PyExecuted { inner: Arc::new(executed) })
    }

    #[pyo3(signature = (env, pool, first = None, limit = None))]
    fn build(
        &self,
        py: Python<'_>,
        env: &PyBlockEnv,
        pool: &PyPool,
        first: Option<HashBytes>,
        limit: Option<usize>,
    ) -> PyResult<PyExecuted> {
        let first = first.map(B256::from);
        let plan = &env.0;
        let candidates = py.detach(|| {
            let best = pool.inner.lock().best(plan.base_fee_per_gas, first.as_ref());
            ledger::pick(best, plan.gas_limit, limit)
        });
        let ledger = self.open_ledger()?;
        let mut executed = py.detach(|| ledger.execute(plan, &candidates))?;
        // What only has to wait stays in the pool without a word.
        executed.dropped.retain(|(_, rejection)| !ledger::may_run_later(rejection));
        Ok(PyExecuted { inner: Arc::new(executed) })
    }

    #[pyo3(signature = (executed, pool = None, in_batch = false))]
    fn commit(&self, py: Python<'_>, executed: &PyExecuted, pool: Option<&PyPool>, in_batch: bool) -> PyResult<PyBlockSummary> {
        self.with(py, |ledger| {
            if in_batch {
                ledger.commit_in_batch(&executed.inner)?
            } else {
                ledger.commit(&executed.inner)?
            };
            match pool {
                Some(pool) => ledger::settle_pool(&mut pool.inner.lock(), ledger, &executed.inner),
                None => Ok(()),
            }
        })?;
        Ok(executed.summary())
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Ledger::sync)
    }

    #[pyo3(signature = (number, edit_count = 0))]
    fn unwind(&self, py: Python<'_>, number: u64, edit_count: usize) -> PyResult<()> {
        self.with(py, |ledger| ledger.unwind(number, edit_count))
    }

    fn transactions_after<'py>(&self, py: Python<'py>, number: u64) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let transactions = self.with(py, |ledger| ledger.transactions_after(number))?;
        Ok(transactions.iter().map(|raw| PyBytes::new(py, raw)).collect())
    }

    #[getter]
    fn edit_count(&self) -> PyResult<usize> {
        Ok(self.open_ledger()?.edit_count())
    }

    fn set_balance(&self, py: Python<'_>, address: AddressBytes, balance: Word) -> PyResult<()> {
        self.edit(py, Edit::Balance(address.into(), balance.0))
    }

    fn set_nonce(&self, py: Python<'_>, address: AddressBytes, nonce: u64) -> PyResult<()> {
        self.edit(py, Edit::Nonce(address.into(), nonce))
    }

    fn set_code(&self, py: Python<'_>, address: AddressBytes, code: PyBackedBytes) -> PyResult<()> {
        self.edit(py, Edit::Code(address.into(), Bytes::copy_from_slice(&code)))
    }

    fn set_storage(&self, py: Python<'_>, address: AddressBytes, slot: HashBytes, value: HashBytes) -> PyResult<()> {
        self.edit(py, Edit::Slot(address.into(), U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0)))
    }

    fn recompute_root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(bytes_of(py, self.with(py, Ledger::recompute_root)?))
    }

    fn statistics(&self, py: Python<'_>) -> PyResult<std::collections::BTreeMap<&'static str, u64>> {
        let counted = self.with(py, Ledger::statistics)?;
        Ok([
            ("blocks", counted.blocks),
            ("checkpoints", counted.checkpoints),
            ("log_bytes", counted.log_bytes),
            ("log_syncs", counted.log_syncs),
            ("table_bytes", counted.table_bytes),
            ("overlay_accounts", counted.overlay_accounts),
            ("overlay_slots", counted.overlay_slots),
        ]
        .into())
    }
}
