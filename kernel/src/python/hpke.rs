//! Messages sealed to a public key, for Python.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::convert::{Exactly, HashBytes};
use super::errors::{DecodeError, SealBrokenError};
use crate::hpke::{self, HpkeError, Receiver, Sender};

/// More than any secret that is exported.
const EXPORTED_BYTES_MAX: usize = 8161;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(x25519_key_pair, module)?)?;
    module.add_function(wrap_pyfunction!(x25519_public_key, module)?)?;
    module.add_class::<HpkeSender>()?;
    module.add_class::<HpkeReceiver>()
}

impl From<HpkeError> for PyErr {
    fn from(error: HpkeError) -> Self {
        match error {
            HpkeError::Broken { sequence } => SealBrokenError::new_err((sequence,)),
            HpkeError::WeakKey => DecodeError::new_err(error.to_string()),
            other => PyValueError::new_err(other.to_string()),
        }
    }
}

/// Private and public key of X25519 from 32 random bytes (RFC 9180, 7.1.3).
#[pyfunction]
fn x25519_key_pair(py: Python<'_>, seed: HashBytes) -> (Bound<'_, PyBytes>, Bound<'_, PyBytes>) {
    let (private_key, public_key) = hpke::key_pair(&seed.0);
    (PyBytes::new(py, &private_key), PyBytes::new(py, &public_key))
}

/// The public key of X25519 of a private one (32 bytes each). Raises `DecodeError`.
#[pyfunction]
fn x25519_public_key<'py>(py: Python<'py>, private_key: HashBytes) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &hpke::public_key_of(&private_key.0)?))
}

/// The side of HPKE that seals.
#[pyclass(module = "zerog._kernel")]
struct HpkeSender(Sender);

#[pymethods]
impl HpkeSender {
    #[new]
    fn new(public_key: Exactly<32>, info: &[u8], seed: Exactly<32>) -> PyResult<Self> {
        Ok(Self(Sender::new(&public_key.0, info, &seed.0)?))
    }

    #[getter]
    fn encapsulated<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.encapsulated())
    }

    fn seal<'py>(&mut self, py: Python<'py>, plain: &[u8], beside: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.seal(plain, beside)?))
    }

    fn export<'py>(&self, py: Python<'py>, about: &[u8], length: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut output = vec![0; length.min(EXPORTED_BYTES_MAX)];
        self.0.export(about, &mut output)?;
        Ok(PyBytes::new(py, &output))
    }
}

/// The side of HPKE that opens.
#[pyclass(module = "zerog._kernel")]
struct HpkeReceiver(Receiver);

#[pymethods]
impl HpkeReceiver {
    #[new]
    fn new(private_key: Exactly<32>, encapsulated: Exactly<32>, info: &[u8]) -> PyResult<Self> {
        Ok(Self(Receiver::new(&private_key.0, &encapsulated.0, info)?))
    }

    fn open<'py>(&mut self, py: Python<'py>, sealed: &[u8], beside: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.open(sealed, beside)?))
    }

    fn export<'py>(&self, py: Python<'py>, about: &[u8], length: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut output = vec![0; length.min(EXPORTED_BYTES_MAX)];
        self.0.export(about, &mut output)?;
        Ok(PyBytes::new(py, &output))
    }
}
