//! Signatures over BN254 for Python: points are bytes in the words of contracts.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zerog_amt::bls::{self, G2_BYTES, SecretKey};
use zerog_amt::curve::{self, G1_BYTES, PointError};

use super::convert::{Exactly, HashBytes};
use super::errors;

type G1 = Exactly<G1_BYTES>;
type G2 = Exactly<G2_BYTES>;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(bls_public_key, module)?)?;
    module.add_function(wrap_pyfunction!(bls_sign, module)?)?;
    module.add_function(wrap_pyfunction!(bls_verify, module)?)?;
    module.add_function(wrap_pyfunction!(bls_aggregate_g1, module)?)?;
    module.add_function(wrap_pyfunction!(bls_aggregate_g2, module)?)?;
    module.add_function(wrap_pyfunction!(bls_hash_to_g1, module)?)?;
    module.add_function(wrap_pyfunction!(g1_from_flagged, module)?)?;
    module.add_function(wrap_pyfunction!(g1_to_flagged, module)?)?;
    module.add_function(wrap_pyfunction!(g1_from_flagless, module)?)?;
    module.add_function(wrap_pyfunction!(g1_to_flagless, module)?)
}

fn refused(error: PointError) -> PyErr {
    errors::PointError::new_err(error.to_string())
}

fn secret_key(secret: HashBytes) -> PyResult<SecretKey> {
    SecretKey::new(&secret.0).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The keys in G1 (64 bytes) and G2 (128) of a secret. Raises `ValueError`.
#[pyfunction]
fn bls_public_key<'py>(py: Python<'py>, secret: HashBytes) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let secret = secret_key(secret)?;
    let key = py.detach(|| secret.public_key());
    Ok((PyBytes::new(py, &curve::to_words(&key.g1)), PyBytes::new(py, &bls::g2_to_words(&key.g2))))
}

/// Sign a digest; a point of G1. Raises `ValueError`.
#[pyfunction]
fn bls_sign<'py>(py: Python<'py>, secret: HashBytes, digest: HashBytes) -> PyResult<Bound<'py, PyBytes>> {
    let secret = secret_key(secret)?;
    let signature = py.detach(|| secret.sign(&digest.0));
    Ok(PyBytes::new(py, &curve::to_words(&signature)))
}

/// Whether a signature (a point of G1) over a digest was made with the secret of a key in G2. Raises `PointError`.
#[pyfunction]
fn bls_verify(py: Python<'_>, digest: HashBytes, signature: G1, public_key_g2: G2) -> PyResult<bool> {
    py.detach(|| {
        let (signature, key) = (curve::from_words(&signature.0)?, bls::g2_from_words(&public_key_g2.0)?);
        Ok(bls::is_signed(&digest.0, &signature, &key))
    })
    .map_err(refused)
}

/// The sum of points of G1. Raises `PointError`.
#[pyfunction]
fn bls_aggregate_g1<'py>(py: Python<'py>, points: Vec<G1>) -> PyResult<Bound<'py, PyBytes>> {
    let sum = py.detach(|| {
        let points = points.iter().map(|point| curve::from_words(&point.0)).collect::<Result<Vec<_>, _>>()?;
        Ok(bls::sum_g1(&points))
    });
    Ok(PyBytes::new(py, &curve::to_words(&sum.map_err(refused)?)))
}

/// The sum of points of G2. Raises `PointError`.
#[pyfunction]
fn bls_aggregate_g2<'py>(py: Python<'py>, points: Vec<G2>) -> PyResult<Bound<'py, PyBytes>> {
    let sum = py.detach(|| {
        let points = points.iter().map(|point| bls::g2_from_words(&point.0)).collect::<Result<Vec<_>, _>>()?;
        Ok(bls::sum_g2(&points))
    });
    Ok(PyBytes::new(py, &bls::g2_to_words(&sum.map_err(refused)?)))
}

/// The point of G1 that stands for a digest when it is signed.
#[pyfunction]
fn bls_hash_to_g1<'py>(py: Python<'py>, digest: HashBytes) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &curve::to_words(&bls::hash_to_g1(&digest.0)))
}

/// A point of G1 in words from arkworks' uncompressed form. Raises `PointError`.
#[pyfunction]
fn g1_from_flagged<'py>(py: Python<'py>, data: G1) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &curve::to_words(&curve::from_flagged(&data.0).map_err(refused)?)))
}

/// Arkworks' uncompressed form of a point of G1 in words. Raises `PointError`.
#[pyfunction]
fn g1_to_flagged<'py>(py: Python<'py>, words: G1) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &curve::to_flagged(&curve::from_words(&words.0).map_err(refused)?)))
}

/// A point of G1 in words from its little-endian coordinates; the one at infinity has none. Raises `PointError`.
#[pyfunction]
fn g1_from_flagless<'py>(py: Python<'py>, data: G1) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &curve::to_words(&curve::from_flagless(&data.0).map_err(refused)?)))
}

/// The little-endian coordinates of a point of G1 in words. Raises `PointError`.
#[pyfunction]
fn g1_to_flagless<'py>(py: Python<'py>, words: G1) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &curve::to_flagless(&curve::from_words(&words.0).map_err(refused)?)))
}
