//! Encoding, checking and decoding of DA blobs for Python. Everything that takes long runs without the interpreter's lock.

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zerog_amt::blob::BlobSizeError;
use zerog_amt::curve::G1_BYTES;
use zerog_amt::decode::{self, RecoveryError};
use zerog_amt::encode::{self, EncodeError};
use zerog_amt::known;
use zerog_amt::merkle::{self, CosetTree, DIGEST_BYTES, Digest, Keccak};
use zerog_amt::setup::{Setup, SetupError, scalar_from_bytes};
use zerog_amt::shape::{COSETS, DEVELOPMENT, LEAF_BYTES, PRODUCTION, Shape};
use zerog_amt::slice::{Slice, SliceError, shape_of, slice_bytes};
use zerog_amt::verify::{Refusal, verify};

use super::buffer::{Bytes, filled};
use super::convert::{Exactly, HashBytes};
use super::errors;
use crate::background;
use crate::hash::{BLOCK_BYTES, HashPath};

const LEAF_BLOCKS: usize = LEAF_BYTES / BLOCK_BYTES;
/// Leaves of a piece of a row that can be sampled.
const SUBLINE_LEAVES: usize = 4;

/// As many hashes at once as a register holds.
const KECCAK: Keccak = Keccak {
    leaves: |messages, digests| HashPath::best().hash_each::<LEAF_BLOCKS>(messages, digests),
    pairs: |nodes, digests| HashPath::best().hash_each::<1>(nodes.as_flattened(), digests),
};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<AmtSetup>()?;
    module.add_class::<EncodedBlob>()?;
    module.add_function(wrap_pyfunction!(amt_roots, module)?)?;
    module.add_function(wrap_pyfunction!(amt_recover, module)?)?;
    module.add_function(wrap_pyfunction!(amt_coset_root, module)?)?;
    module.add_function(wrap_pyfunction!(amt_row_path, module)?)?;
    module.add_function(wrap_pyfunction!(amt_slice_parts, module)?)?;
    module.add_function(wrap_pyfunction!(amt_sample, module)?)
}

fn too_large(error: BlobSizeError) -> PyErr {
    errors::BlobSizeError::new_err(error.to_string())
}

pub fn no_setup(error: SetupError) -> PyErr {
    errors::SetupError::new_err(error.to_string())
}

fn not_encoded(error: EncodeError) -> PyErr {
    match error {
        EncodeError::Size(error) => too_large(error),
        EncodeError::Setup(error) => no_setup(error),
    }
}

fn not_recovered(error: RecoveryError) -> PyErr {
    errors::RecoveryError::new_err(error.to_string())
}

fn bad_slice(py: Python<'_>, position: usize, error: SliceError) -> PyErr {
    let raised = errors::SliceError::new_err(error.to_string());
    match raised.value(py).setattr("position", position) {
        Ok(()) => raised,
        Err(error) => error,
    }
}

const fn shape_by(development: bool) -> Shape {
    if development { DEVELOPMENT } else { PRODUCTION }
}

fn three<'py>(py: Python<'py>, roots: &[Digest; COSETS]) -> [Bound<'py, PyBytes>; COSETS] {
    roots.each_ref().map(|root| PyBytes::new(py, root))
}

type Roots<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

fn roots_of<'py>(py: Python<'py>, roots: &[Digest; COSETS]) -> Roots<'py> {
    three(py, roots).into()
}

/// A setup of DA.
#[pyclass(module = "zerog._kernel", frozen)]
pub struct AmtSetup(pub Setup);

#[pymethods]
impl AmtSetup {
    /// A setup whose τ everybody knows. Raises `SetupError`.
    #[staticmethod]
    #[pyo3(signature = (tau, *, development=false))]
    fn insecure(py: Python<'_>, tau: HashBytes, development: bool) -> PyResult<Self> {
        py.detach(|| background::run(|| known::setup(shape_by(development), scalar_from_bytes(&tau.0)))).map(Self).map_err(no_setup)
    }

    #[getter]
    fn fingerprint<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.fingerprint)
    }

    #[getter]
    fn knows_tau(&self) -> bool {
        self.0.knows_tau
    }

    /// Encode a blob. Raises `BlobSizeError`, `SetupError`.
    fn encode(&self, py: Python<'_>, data: Bytes) -> PyResult<EncodedBlob> {
        let data = data.as_slice();
        py.detach(|| background::run(|| encode::EncodedBlob::new(&self.0, &KECCAK, data))).map(EncodedBlob).map_err(not_encoded)
    }

    /// Check slices of one blob. Raises `SliceError`, `PointError`.
    fn verify_slices(
        &self,
        py: Python<'_>,
        slices: Vec<Bytes>,
        data_root: HashBytes,
        commitment: Exactly<G1_BYTES>,
    ) -> PyResult<Vec<usize>> {
        let views: Vec<&[u8]> = slices.iter().map(Bytes::as_slice).collect();
        py.detach(|| background::run(|| verify(&self.0, &KECCAK, &views, &data_root.0, &commitment.0))).map_err(|refusal| match refusal {
            Refusal::Commitment(error) => errors::PointError::new_err(error.to_string()),
            Refusal::Slice(position, error) => bad_slice(py, position, error),
        })
    }
}

/// An encoded blob.
#[pyclass(module = "zerog._kernel", frozen)]
struct EncodedBlob(encode::EncodedBlob);

#[pymethods]
impl EncodedBlob {
    #[getter]
    fn data_root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.data_root())
    }

    #[getter]
    fn coset_roots<'py>(&self, py: Python<'py>) -> Roots<'py> {
        roots_of(py, self.0.coset_roots())
    }

    /// Without flags.
    #[getter]
    fn commitment<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.commitment())
    }

    /// Slices of rows `start..stop`. Raises `IndexError`.
    fn slices<'py>(&self, py: Python<'py>, start: usize, stop: usize) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        self.check(start, stop)?;
        let write = |index: usize| {
            filled(py, slice_bytes(self.0.shape()), |room| {
                self.0.write_slice(index, room);
                Ok::<(), PyErr>(())
            })
        };
        (start..stop).map(write).collect()
    }

    /// Rows `start..stop`, one after another. Raises `IndexError`.
    fn rows<'py>(&self, py: Python<'py>, start: usize, stop: usize) -> PyResult<Bound<'py, PyBytes>> {
        self.check(start, stop)?;
        let rows = self.0.rows(start, stop);
        filled(py, rows.len(), |room| {
            room.copy_from_slice(rows);
            Ok::<(), PyErr>(())
        })
    }
}

impl EncodedBlob {
    fn check(&self, start: usize, stop: usize) -> PyResult<()> {
        let count = self.0.shape().encoded_rows();
        if start <= stop && stop <= count { Ok(()) } else { Err(PyIndexError::new_err(format!("rows go from 0 to {count}"))) }
    }
}

/// Data root and coset roots of a blob. Raises `BlobSizeError`.
#[pyfunction]
#[pyo3(signature = (data, *, development=false))]
fn amt_roots(py: Python<'_>, data: Bytes, development: bool) -> PyResult<(Bound<'_, PyBytes>, Roots<'_>)> {
    let data = data.as_slice();
    let (root, cosets) = py.detach(|| background::run(|| encode::roots(shape_by(development), &KECCAK, data))).map_err(too_large)?;
    Ok((PyBytes::new(py, &root), roots_of(py, &cosets)))
}

/// The blob of which enough rows are given, by index. Raises `RecoveryError`.
#[pyfunction]
#[pyo3(signature = (rows, *, development=false))]
fn amt_recover(py: Python<'_>, rows: Vec<(usize, Bytes)>, development: bool) -> PyResult<Bound<'_, PyBytes>> {
    let views: Vec<(usize, &[u8])> = rows.iter().map(|(index, row)| (*index, row.as_slice())).collect();
    let data = py.detach(|| background::run(|| decode::recover(shape_by(development), &views))).map_err(not_recovered)?;
    Ok(PyBytes::new(py, &data))
}

/// The Merkle root of all rows of one coset. Raises `ValueError`.
#[pyfunction]
fn amt_coset_root(py: Python<'_>, rows: Vec<Bytes>) -> PyResult<Bound<'_, PyBytes>> {
    let views: Vec<&[u8]> = rows.iter().map(Bytes::as_slice).collect();
    let is_coset = |shape: &Shape| views.len() == shape.rows() && views.iter().all(|row| row.len() == shape.row_bytes());
    if ![PRODUCTION, DEVELOPMENT].iter().any(is_coset) {
        return Err(PyValueError::new_err("a coset has 1,024 rows of 32,768 bytes, or 64 of 1,024 in development size"));
    }
    Ok(PyBytes::new(py, &py.detach(|| background::run(|| CosetTree::new(&KECCAK, &KECCAK.roots_of(&views)).root()))))
}

/// Whether a row is that of a blob, by its siblings from the bottom.
#[pyfunction]
fn amt_row_path(py: Python<'_>, row: Bytes, row_index: usize, path: Bytes, coset_roots: [HashBytes; COSETS], data_root: HashBytes) -> bool {
    let (row, path) = (row.as_slice(), path.as_slice());
    let roots = coset_roots.map(|root| root.0);
    py.detach(|| {
        let Some(shape) = [PRODUCTION, DEVELOPMENT].into_iter().find(|shape| shape.row_bytes() == row.len()) else { return false };
        let (siblings, rest) = path.as_chunks::<DIGEST_BYTES>();
        let (coset, local) = (row_index / shape.rows(), row_index % shape.rows());
        let fits = coset < COSETS && siblings.len() == shape.depth() as usize && rest.is_empty();
        fits && merkle::data_root(&roots) == data_root.0 && merkle::climb(KECCAK.row_root(row), local, siblings.iter()) == roots[coset]
    })
}

/// Row index, row, siblings from the bottom and coset roots of a slice.
type Parts<'py> = (u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Roots<'py>);

/// What a well-formed slice holds beside its proofs. Raises `SliceError`.
#[pyfunction]
fn amt_slice_parts(py: Python<'_>, slice: Bytes) -> PyResult<Parts<'_>> {
    let parse = || -> Result<Slice<'_>, SliceError> {
        let slice = Slice::parse(shape_of(slice.as_slice().len())?, slice.as_slice())?;
        slice.check_points()?;
        Ok(slice)
    };
    let slice = parse().map_err(|error| bad_slice(py, 0, error))?;
    let (row, path) = (PyBytes::new(py, slice.row), PyBytes::new(py, slice.path.as_flattened()));
    Ok((slice.index, row, path, roots_of(py, slice.coset_roots)))
}

/// A piece of a row and its siblings inside the row, from the bottom. Raises `ValueError`, `IndexError`.
#[pyfunction]
fn amt_sample<'py>(py: Python<'py>, row: Bytes, subline: usize) -> PyResult<(Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>)> {
    let row = row.as_slice();
    if ![PRODUCTION, DEVELOPMENT].iter().any(|shape| shape.row_bytes() == row.len()) {
        return Err(PyValueError::new_err("a row has 32,768 bytes, or 1,024 in development size"));
    }
    let bytes = SUBLINE_LEAVES * LEAF_BYTES;
    let piece = row.chunks_exact(bytes).nth(subline).ok_or_else(|| PyIndexError::new_err("the row has no such piece"))?;
    let siblings = KECCAK.siblings_in_row(row, bytes, subline);
    Ok((PyBytes::new(py, piece), siblings.iter().map(|sibling| PyBytes::new(py, sibling)).collect()))
}
