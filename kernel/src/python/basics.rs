//! Hashing, signatures and the allocator for Python.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::convert::bytes_of;
use crate::{crypto, hash, memory, priority};

/// From this size on, hashing takes long enough that other threads should run.
const DETACHED_BYTES_MIN: usize = 32 * 1024;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(keccak256, module)?)?;
    module.add_function(wrap_pyfunction!(keccak256_many, module)?)?;
    module.add_function(wrap_pyfunction!(public_key_of, module)?)?;
    module.add_function(wrap_pyfunction!(address_of, module)?)?;
    module.add_function(wrap_pyfunction!(secp256k1_sign, module)?)?;
    module.add_function(wrap_pyfunction!(personal_sign, module)?)?;
    module.add_function(wrap_pyfunction!(secp256k1_recover, module)?)?;
    module.add_function(wrap_pyfunction!(secp256k1_recover_many, module)?)?;
    module.add_function(wrap_pyfunction!(map_large_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(answer_at_once, module)?)?;
    module.add_function(wrap_pyfunction!(give_back_memory, module)?)
}

/// Keccak-256, as Ethereum uses it (not SHA3-256).
#[pyfunction]
fn keccak256<'py>(py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    let digest = if data.len() < DETACHED_BYTES_MIN { hash::keccak256(data) } else { py.detach(|| hash::keccak256(data)) };
    bytes_of(py, digest)
}

/// Keccak-256 of each item, on all threads.
#[pyfunction]
fn keccak256_many<'py>(py: Python<'py>, items: Vec<PyBackedBytes>) -> Vec<Bound<'py, PyBytes>> {
    let digests = py.detach(|| hash::keccak256_many(&items));
    digests.into_iter().map(|digest| bytes_of(py, digest)).collect()
}

/// Uncompressed secp256k1 public key (64 bytes, without the leading 04). Raises `SignatureError`.
#[pyfunction]
fn public_key_of<'py>(py: Python<'py>, private_key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &crypto::public_key_of(private_key)?))
}

/// Address of a secp256k1 private key (32 bytes). Raises `SignatureError`.
#[pyfunction]
fn address_of<'py>(py: Python<'py>, private_key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(bytes_of(py, crypto::address_of(private_key)?))
}

/// Sign 32 bytes; r, s and the recovery id 0 or 1 (65 bytes), s low (EIP-2), deterministic (RFC 6979). Raises `SignatureError`.
#[pyfunction]
fn secp256k1_sign<'py>(py: Python<'py>, digest: &[u8], private_key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let signature = crypto::sign(&crypto::digest_from_bytes(digest)?, private_key)?;
    Ok(PyBytes::new(py, &crypto::signature_to_bytes(&signature)))
}

/// Sign a message (EIP-191, version 0x45): r, s and v 27 or 28 (65 bytes). Other threads run meanwhile. Raises `SignatureError`.
#[pyfunction]
fn personal_sign<'py>(py: Python<'py>, message: &[u8], private_key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let signature = py.detach(|| crypto::sign_personal(message, private_key))?;
    Ok(PyBytes::new(py, &signature))
}

/// Address that signed; `signature` is r, s and a recovery id 0, 1, 27 or 28 (65 bytes). Raises `SignatureError`.
#[pyfunction]
fn secp256k1_recover<'py>(py: Python<'py>, digest: &[u8], signature: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(bytes_of(py, crypto::recover_bytes(digest, signature)?))
}

/// Address of each (digest, signature) on all threads; `None` where there is none.
#[pyfunction]
fn secp256k1_recover_many<'py>(py: Python<'py>, items: Vec<(PyBackedBytes, PyBackedBytes)>) -> Vec<Option<Bound<'py, PyBytes>>> {
    let senders = py.detach(|| crypto::recover_many(&items));
    senders.into_iter().map(|sender| sender.ok().map(|address| bytes_of(py, address))).collect()
}

/// The calling thread, and those that it starts, are woken before threads that compute. Whether the system knows of it.
#[pyfunction]
fn answer_at_once() -> bool {
    priority::answer_at_once()
}

/// Large blocks go back to the system as soon as they are freed, from now on.
#[pyfunction]
fn map_large_blocks() {
    memory::map_large_blocks();
}

/// Give all free memory back to the system.
#[pyfunction]
fn give_back_memory(py: Python<'_>) {
    py.detach(memory::give_back);
}
