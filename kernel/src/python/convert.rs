//! Arguments and results that PyO3 does not convert by itself: addresses, hashes and numbers of 256 bits.

use alloy_primitives::{Address, B256, FixedBytes, U256};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyInt};
use pyo3::{intern, types::PyType};

/// `bytes` of exactly `SIZE`.
#[derive(Clone, Copy, Debug)]
pub struct Exactly<const SIZE: usize>(pub [u8; SIZE]);

impl<'py, const SIZE: usize> FromPyObject<'_, 'py> for Exactly<SIZE> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let bytes = object.extract::<PyBackedBytes>()?;
        let sized = <[u8; SIZE]>::try_from(&bytes[..]);
        sized.map(Self).map_err(|_| PyValueError::new_err(format!("expected {SIZE} bytes, not {}", bytes.len())))
    }
}

pub type AddressBytes = Exactly<20>;
pub type HashBytes = Exactly<32>;

impl From<AddressBytes> for Address {
    fn from(bytes: AddressBytes) -> Self {
        Address::new(bytes.0)
    }
}

impl From<HashBytes> for B256 {
    fn from(bytes: HashBytes) -> Self {
        B256::new(bytes.0)
    }
}

/// An `int` from 0 to 2^256 − 1; anything else raises `OverflowError` or `TypeError`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Word(pub U256);

impl<'py> FromPyObject<'_, 'py> for Word {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(small) = object.extract::<u64>() {
            return Ok(Self(U256::from(small)));
        }
        let py = object.py();
        let bytes = object.cast::<PyInt>()?.call_method1(intern!(py, "to_bytes"), (32, intern!(py, "big")))?;
        Ok(Self(U256::from_be_slice(bytes.cast::<PyBytes>()?.as_bytes())))
    }
}

impl<'py> IntoPyObject<'py> for Word {
    type Target = PyInt;
    type Output = Bound<'py, PyInt>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        match u64::try_from(self.0) {
            Ok(small) => Ok(small.into_pyobject(py)?),
            Err(_) => integer_from_bytes(py, &self.0.to_be_bytes::<32>(), false),
        }
    }
}

/// An `int` of any size from its big-endian bytes.
pub fn integer_from_bytes<'py>(py: Python<'py>, bytes: &[u8], signed: bool) -> PyResult<Bound<'py, PyInt>> {
    let kind: Bound<'py, PyType> = py.get_type::<PyInt>();
    let arguments = pyo3::types::PyDict::new(py);
    arguments.set_item(intern!(py, "signed"), signed)?;
    let value = kind.call_method(intern!(py, "from_bytes"), (PyBytes::new(py, bytes), intern!(py, "big")), Some(&arguments))?;
    Ok(value.cast_into::<PyInt>()?)
}

/// `bytes` of a hash or an address.
pub fn bytes_of<'py, const SIZE: usize>(py: Python<'py>, bytes: impl Into<FixedBytes<SIZE>>) -> Bound<'py, PyBytes> {
    PyBytes::new(py, bytes.into().as_slice())
}
