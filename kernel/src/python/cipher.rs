//! Encryption of files for Python: bytes in, bytes out.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::buffer::{Bytes, filled};
use super::convert::{Exactly, HashBytes};
use super::errors::SealBrokenError;
use crate::cipher::{self, Blocks, CipherError};
use crate::crypto;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(aes256_ctr, module)?)?;
    module.add_function(wrap_pyfunction!(seal_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(open_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(hkdf_sha256, module)?)?;
    module.add_function(wrap_pyfunction!(secp256k1_shared_x, module)?)
}

impl From<CipherError> for PyErr {
    fn from(error: CipherError) -> Self {
        match error {
            CipherError::Broken { block } => SealBrokenError::new_err((block,)),
            other => PyValueError::new_err(other.to_string()),
        }
    }
}

/// Encrypt or decrypt bytes that begin `offset` bytes after the start of a stream of AES-256-CTR.
#[pyfunction]
fn aes256_ctr<'py>(py: Python<'py>, key: HashBytes, nonce: Exactly<16>, offset: u64, data: Bytes) -> PyResult<Bound<'py, PyBytes>> {
    let input = data.as_slice();
    filled(py, input.len(), |output| {
        cipher::apply_counter(&key.0, &nonce.0, offset, input, output);
        Ok::<(), CipherError>(())
    })
}

/// `header`, then `data` in sealed blocks from index `first` on. Raises `ValueError` if blocks are not filled and `ends` is false.
#[pyfunction]
fn seal_blocks<'py>(py: Python<'py>, key: HashBytes, first: u64, header: &[u8], data: Bytes, ends: bool) -> PyResult<Bound<'py, PyBytes>> {
    let (plain, blocks) = (data.as_slice(), Blocks { first, header_bytes: header.len(), ends });
    filled(py, blocks.sealed_bytes(plain.len())?, |sealed| {
        sealed[..header.len()].copy_from_slice(header);
        blocks.seal(&key.0, plain, sealed)
    })
}

/// What blocks from index `first` on hold; `data` begins with a header of `header_bytes`. Raises `SealBrokenError` or `ValueError`.
#[pyfunction]
fn open_blocks<'py>(
    py: Python<'py>,
    key: HashBytes,
    first: u64,
    header_bytes: usize,
    data: Bytes,
    ends: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let (sealed, blocks) = (data.as_slice(), Blocks { first, header_bytes, ends });
    filled(py, blocks.plain_bytes(sealed.len())?, |plain| blocks.open(&key.0, sealed, plain))
}

/// HKDF-SHA256 (RFC 5869). Raises `ValueError` for more than 8160 bytes.
#[pyfunction]
fn hkdf_sha256<'py>(py: Python<'py>, material: &[u8], salt: &[u8], info: &[u8], length: usize) -> PyResult<Bound<'py, PyBytes>> {
    let mut output = vec![0; length.min(cipher::DERIVED_BYTES_MAX + 1)];
    cipher::derive(material, salt, info, &mut output)?;
    Ok(PyBytes::new(py, &output))
}

/// ECDH on secp256k1: the x-coordinate of a private key times a compressed public one. Raises `SignatureError`.
#[pyfunction]
fn secp256k1_shared_x<'py>(py: Python<'py>, private_key: &[u8], public_key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &crypto::shared_x(private_key, public_key)?))
}
