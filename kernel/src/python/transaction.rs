//! Transactions for Python: build and sign them, and read what a signed one says.

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{B256, Bytes};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::convert::{AddressBytes, HashBytes, Word, bytes_of};
use crate::transaction::{SignedTransaction, TransactionError, TransactionFields, UnsignedTransaction, write_transaction_json};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Transaction>()?;
    module.add_class::<DecodedTransaction>()?;
    module.add_function(wrap_pyfunction!(decode_transaction, module)?)?;
    module.add_function(wrap_pyfunction!(transaction_json, module)?)
}

/// (address, storage keys).
pub type AccessListArgument = Vec<(AddressBytes, Vec<HashBytes>)>;

/// (chain id, address, nonce, y parity, r, s).
pub type AuthorizationArgument = (Word, AddressBytes, u64, u8, Word, Word);

pub fn access_list(items: AccessListArgument) -> AccessList {
    let item = |(address, keys): (AddressBytes, Vec<HashBytes>)| AccessListItem {
        address: address.into(),
        storage_keys: keys.into_iter().map(B256::from).collect(),
    };
    AccessList(items.into_iter().map(item).collect())
}

pub fn authorization_list(items: Vec<AuthorizationArgument>) -> Vec<SignedAuthorization> {
    let authorization = |(chain_id, address, nonce, y_parity, r, s): AuthorizationArgument| {
        let inner = Authorization { chain_id: chain_id.0, address: address.into(), nonce };
        SignedAuthorization::new_unchecked(inner, y_parity, r.0, s.0)
    };
    items.into_iter().map(authorization).collect()
}

/// A transaction before it is signed (types 0, 1, 2 and 4).
#[pyclass(frozen, module = "zerog._kernel")]
struct Transaction(UnsignedTransaction);

#[pymethods]
impl Transaction {
    #[new]
    #[pyo3(signature = (
        *, kind, chain_id, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas=None, to=None, value=Word::default(), data=&b""[..],
        access_list=vec![], authorization_list=vec![]
    ), text_signature = "(*, kind, chain_id, nonce, gas_limit, max_fee_per_gas, max_priority_fee_per_gas=None, to=None, value=0, data=b\"\", \
                         access_list=(), authorization_list=())")]
    #[expect(clippy::too_many_arguments, reason = "the fields of a transaction")]
    fn new(
        kind: u8,
        chain_id: Option<u64>,
        nonce: u64,
        gas_limit: u64,
        max_fee_per_gas: u128,
        max_priority_fee_per_gas: Option<u128>,
        to: Option<AddressBytes>,
        value: Word,
        data: &[u8],
        access_list: AccessListArgument,
        authorization_list: Vec<AuthorizationArgument>,
    ) -> PyResult<Self> {
        let fields = TransactionFields {
            kind,
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: to.map(Into::into),
            value: value.0,
            input: Bytes::copy_from_slice(data),
            access_list: self::access_list(access_list),
            authorization_list: self::authorization_list(authorization_list),
            ..Default::default()
        };
        if kind == 3 {
            return Err(TransactionError::UnsupportedType(kind).into());
        }
        Ok(Self(UnsignedTransaction::new(fields)?))
    }

    fn signing_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(py, self.0.signing_hash())
    }

    /// EIP-2718 bytes, signed.
    fn sign<'py>(&self, py: Python<'py>, private_key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.sign(private_key)?))
    }

    /// EIP-2718 bytes with zeros in place of a signature, and the RPC object of the transaction.
    fn unsigned<'py>(&self, py: Python<'py>, sender: AddressBytes) -> (Bound<'py, PyBytes>, Bound<'py, PyBytes>) {
        let transaction = self.0.unsigned(sender.into());
        let mut json = Vec::new();
        write_transaction_json(&mut json, &transaction, None);
        (PyBytes::new(py, &transaction.raw), PyBytes::new(py, &json))
    }

    /// EIP-2718 bytes that carry `sender` in place of a signature (r = sender, s = 1), for `Pool.add(impersonated=True)` only.
    fn impersonate<'py>(&self, py: Python<'py>, sender: AddressBytes) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.impersonate(sender.into()))
    }
}

/// What a signed transaction says.
#[pyclass(frozen, module = "zerog._kernel")]
struct DecodedTransaction(SignedTransaction);

#[pymethods]
impl DecodedTransaction {
    #[getter]
    fn hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(py, self.0.hash)
    }

    #[getter]
    fn sender<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes_of(py, self.0.sender)
    }

    #[getter]
    fn kind(&self) -> u8 {
        self.0.kind()
    }

    #[getter]
    fn chain_id(&self) -> Option<u64> {
        self.0.chain_id()
    }

    #[getter]
    fn nonce(&self) -> u64 {
        self.0.nonce()
    }

    #[getter]
    fn gas_limit(&self) -> u64 {
        self.0.gas_limit()
    }

    #[getter]
    fn max_fee_per_gas(&self) -> u128 {
        self.0.max_fee_per_gas()
    }

    #[getter]
    fn max_priority_fee_per_gas(&self) -> Option<u128> {
        self.0.max_priority_fee_per_gas()
    }

    #[getter]
    fn to<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.to().map(|address| bytes_of(py, address))
    }

    #[getter]
    fn value(&self) -> Word {
        Word(self.0.value())
    }

    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.input())
    }
}

/// Decode and recover the sender. Raises `DecodeError`, `SignatureError`.
#[pyfunction]
fn decode_transaction(raw: &[u8]) -> PyResult<DecodedTransaction> {
    Ok(DecodedTransaction(SignedTransaction::decode(raw)?))
}

/// The RPC object of a pending transaction. Raises `DecodeError`, `SignatureError`.
#[pyfunction]
fn transaction_json<'py>(py: Python<'py>, raw: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let mut json = Vec::new();
    write_transaction_json(&mut json, &SignedTransaction::decode(raw)?, None);
    Ok(PyBytes::new(py, &json))
}
