//! Message calls for Python: requests, overrides and outcomes.

use std::time::Duration;

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bytes, U256};
use pyo3::{exceptions::PyValueError, prelude::*, pybacked::PyBackedBytes, types::PyBytes};

use super::{
    convert::{AddressBytes, HashBytes, Word},
    rejection::PyRejection,
    transaction::{AccessListArgument, AuthorizationArgument, access_list, authorization_list},
};
use crate::ledger::{AccountOverride, BlockOverride, Call, CallOutcome, CallStatus};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyCallRequest>()?;
    module.add_class::<PyAccountOverride>()?;
    module.add_class::<PyBlockOverride>()?;
    module.add_class::<PyCallOutcome>()
}

fn slots(pairs: Vec<(HashBytes, HashBytes)>) -> Vec<(U256, U256)> {
    pairs.into_iter().map(|(slot, value)| (U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0))).collect()
}

#[pyclass(name = "CallRequest", module = "zerog._kernel", frozen)]
pub struct PyCallRequest(pub Call);

#[pymethods]
impl PyCallRequest {
    #[new]
    #[pyo3(signature = (
        *, sender = None, to = None, gas_limit = None, gas_price = None, max_fee_per_gas = None, max_priority_fee_per_gas = None,
        value = None, data = None, nonce = None, access_list = None, authorization_list = None,
        blob_hashes = None, max_fee_per_blob_gas = None, state_overrides = vec![], block_overrides = None, gas_cap = 50_000_000, time_limit_s = 5.0
    ), text_signature = "(*, sender=..., to=None, gas_limit=None, gas_price=None, max_fee_per_gas=None, max_priority_fee_per_gas=None, \
        value=0, data=b\"\", nonce=None, access_list=None, authorization_list=None, blob_hashes=None, max_fee_per_blob_gas=None, \
        state_overrides=(), block_overrides=None, \
        gas_cap=50000000, time_limit_s=5.0)")]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python class")]
    fn new(
        sender: Option<AddressBytes>,
        to: Option<AddressBytes>,
        gas_limit: Option<u64>,
        gas_price: Option<u128>,
        max_fee_per_gas: Option<u128>,
        max_priority_fee_per_gas: Option<u128>,
        value: Option<Word>,
        data: Option<PyBackedBytes>,
        nonce: Option<u64>,
        access_list: Option<AccessListArgument>,
        authorization_list: Option<Vec<AuthorizationArgument>>,
        blob_hashes: Option<Vec<HashBytes>>,
        max_fee_per_blob_gas: Option<u128>,
        state_overrides: Vec<Py<PyAccountOverride>>,
        block_overrides: Option<Py<PyBlockOverride>>,
        gas_cap: u64,
        time_limit_s: f64,
    ) -> PyResult<Self> {
        let time_limit = Duration::try_from_secs_f64(time_limit_s).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self(Call {
            sender: sender.map(Address::from).unwrap_or_default(),
            to: to.map(Address::from),
            gas_limit,
            gas_price,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            value: value.unwrap_or_default().0,
            input: data.map(|bytes| Bytes::copy_from_slice(&bytes)).unwrap_or_default(),
            nonce,
            access_list: access_list.map(self::access_list),
            authorization_list: authorization_list.map(self::authorization_list),
            blob_hashes: blob_hashes.map(|hashes| hashes.into_iter().map(B256::from).collect()),
            max_fee_per_blob_gas,
            accounts: state_overrides.iter().map(|account| account.get().0.clone()).collect(),
            block: block_overrides.map(|block| block.get().0.clone()).unwrap_or_default(),
            gas_cap,
            time_limit,
        }))
    }
}

#[pyclass(name = "AccountOverride", module = "zerog._kernel", frozen)]
pub struct PyAccountOverride(pub AccountOverride);

#[pymethods]
impl PyAccountOverride {
    #[new]
    #[pyo3(signature = (address, *, balance = None, nonce = None, code = None, state = None, state_diff = None, move_precompile_to = None))]
    fn new(
        address: AddressBytes,
        balance: Option<Word>,
        nonce: Option<u64>,
        code: Option<PyBackedBytes>,
        state: Option<Vec<(HashBytes, HashBytes)>>,
        state_diff: Option<Vec<(HashBytes, HashBytes)>>,
        move_precompile_to: Option<AddressBytes>,
    ) -> Self {
        Self(AccountOverride {
            address: address.into(),
            balance: balance.map(|balance| balance.0),
            nonce,
            code: code.map(|code| Bytes::copy_from_slice(&code)),
            state: state.map(slots),
            state_diff: state_diff.map(slots).unwrap_or_default(),
            move_precompile_to: move_precompile_to.map(Address::from),
        })
    }
}

#[pyclass(name = "BlockOverride", module = "zerog._kernel", frozen)]
pub struct PyBlockOverride(pub BlockOverride);

#[pymethods]
impl PyBlockOverride {
    #[new]
    #[pyo3(signature = (
        *, number = None, timestamp = None, gas_limit = None, beneficiary = None, prev_randao = None, base_fee_per_gas = None,
        blob_base_fee = None, parent_beacon_block_root = None, withdrawals = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python class")]
    fn new(
        number: Option<u64>,
        timestamp: Option<u64>,
        gas_limit: Option<u64>,
        beneficiary: Option<AddressBytes>,
        prev_randao: Option<HashBytes>,
        base_fee_per_gas: Option<u64>,
        blob_base_fee: Option<u128>,
        parent_beacon_block_root: Option<HashBytes>,
        withdrawals: Option<Vec<(u64, u64, AddressBytes, u64)>>,
    ) -> Self {
        let withdrawal = |(index, validator_index, address, amount): (u64, u64, AddressBytes, u64)| Withdrawal {
            index,
            validator_index,
            address: address.into(),
            amount,
        };
        Self(BlockOverride {
            number,
            timestamp,
            gas_limit,
            beneficiary: beneficiary.map(Address::from),
            prev_randao: prev_randao.map(B256::from),
            base_fee_per_gas,
            blob_base_fee,
            parent_beacon_block_root: parent_beacon_block_root.map(B256::from),
            withdrawals: withdrawals.map(|list| list.into_iter().map(withdrawal).collect()),
        })
    }
}

#[pyclass(name = "CallOutcome", module = "zerog._kernel", frozen)]
pub struct PyCallOutcome(CallOutcome);

impl PyCallOutcome {
    /// The outcome, or why the call could not begin.
    pub fn object<'py>(py: Python<'py>, result: Result<CallOutcome, impl Into<PyRejection>>) -> PyResult<Bound<'py, PyAny>> {
        match result {
            Ok(outcome) => Ok(Bound::new(py, Self(outcome))?.into_any()),
            Err(rejection) => Ok(Bound::<PyRejection>::new(py, rejection.into())?.into_any()),
        }
    }
}

#[pymethods]
impl PyCallOutcome {
    #[getter]
    fn status(&self) -> &'static str {
        match self.0.status {
            CallStatus::Success => "success",
            CallStatus::Revert => "revert",
            CallStatus::Halt => "halt",
        }
    }
    #[getter]
    fn output<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.output)
    }
    #[getter]
    fn gas_used(&self) -> u64 {
        self.0.gas_used
    }
    #[getter]
    fn halt(&self) -> &str {
        &self.0.halt
    }
}
