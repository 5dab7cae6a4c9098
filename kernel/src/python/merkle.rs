//! Trees of files and of the flow for Python. Bytes come in by the buffer protocol and are not copied.

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::buffer::Bytes;
use super::convert::HashBytes;
use super::errors::FlowRefusedError;
use crate::hash::HashPath;
use crate::merkle::{
    self, FileShape, FlowError, Hash, MerkleProof, ProvedSegment, Record, RecordFault, SegmentFault, ShapeError, SubtreeNode,
};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FileTree>()?;
    module.add_class::<SegmentTree>()?;
    module.add_class::<FlowTree>()?;
    module.add_function(wrap_pyfunction!(segment_root, module)?)?;
    module.add_function(wrap_pyfunction!(segment_fault, module)?)?;
    module.add_function(wrap_pyfunction!(first_segment_fault, module)?)?;
    module.add_function(wrap_pyfunction!(record_faults, module)?)?;
    module.add_function(wrap_pyfunction!(zero_root, module)?)
}

impl From<ShapeError> for PyErr {
    fn from(error: ShapeError) -> Self {
        match error {
            ShapeError::NoSegment { .. } => PyIndexError::new_err(error.to_string()),
            other => PyValueError::new_err(other.to_string()),
        }
    }
}

impl From<FlowError> for PyErr {
    fn from(error: FlowError) -> Self {
        FlowRefusedError::new_err(error.to_string())
    }
}

type PyHash<'py> = Bound<'py, PyBytes>;

fn hash_of<'py>(py: Python<'py>, hash: &Hash) -> PyHash<'py> {
    PyBytes::new(py, hash)
}

fn hashes_of<'py>(py: Python<'py>, hashes: &[Hash]) -> Vec<PyHash<'py>> {
    hashes.iter().map(|hash| hash_of(py, hash)).collect()
}

/// Lemma and path.
type PyProof<'py> = (Vec<PyHash<'py>>, Vec<bool>);

fn proof_of(py: Python<'_>, proof: MerkleProof) -> PyProof<'_> {
    (hashes_of(py, &proof.lemma), proof.path)
}

fn proofs_of(py: Python<'_>, proofs: Vec<MerkleProof>) -> Vec<PyProof<'_>> {
    proofs.into_iter().map(|proof| proof_of(py, proof)).collect()
}

fn plain(hashes: Vec<HashBytes>) -> Vec<Hash> {
    hashes.into_iter().map(|hash| hash.0).collect()
}

/// Root of a perfect tree over 2^`height` sectors of zeros.
#[pyfunction]
fn zero_root(py: Python<'_>, height: u32) -> PyResult<PyHash<'_>> {
    if height >= u64::BITS {
        return Err(PyValueError::new_err("heights are below 64"));
    }
    Ok(hash_of(py, &merkle::zero_root(height)))
}

/// Root over `sectors` (1 to 1024) that begin with `data`; what follows is zero. Raises `ValueError`.
#[pyfunction]
fn segment_root<'py>(py: Python<'py>, data: Bytes, sectors: usize) -> PyResult<PyHash<'py>> {
    Ok(hash_of(py, &data.with(py, |data| merkle::segment_root(HashPath::best(), data, sectors))?))
}

/// What is wrong with segment `index` of a file: a kind and the reference's text; `None` if nothing is.
#[pyfunction]
#[pyo3(signature = (root, size_bytes, index, data, lemma, path))]
fn segment_fault(
    py: Python<'_>,
    root: HashBytes,
    size_bytes: u64,
    index: u64,
    data: Bytes,
    lemma: Vec<HashBytes>,
    path: Vec<bool>,
) -> Option<(&'static str, String)> {
    let proof = MerkleProof { lemma: plain(lemma), path };
    let verdict = data.with(py, |data| merkle::verify_segment(HashPath::best(), &root.0, size_bytes, index, data, &proof));
    verdict.err().map(|fault| (kind_of(fault), fault.to_string()))
}

/// The first of several segments of a file (index, data, lemma, path) in which something is wrong: its place, and what as `segment_fault`
/// says it; `None` if nothing is. They are checked on all threads.
#[pyfunction]
fn first_segment_fault(
    py: Python<'_>,
    root: HashBytes,
    size_bytes: u64,
    segments: Vec<(u64, Bytes, Vec<HashBytes>, Vec<bool>)>,
) -> Option<(usize, &'static str, String)> {
    let (buffers, rest): (Vec<Bytes>, Vec<_>) = segments.into_iter().map(|(index, data, lemma, path)| (data, (index, lemma, path))).unzip();
    let pairs = buffers.iter().zip(rest);
    let views: Vec<_> = pairs
        .map(|(data, (index, lemma, path))| ProvedSegment {
            index,
            data: data.as_slice(),
            proof: MerkleProof { lemma: plain(lemma), path },
        })
        .collect();
    let fault = py.detach(|| merkle::first_fault(HashPath::best(), &root.0, size_bytes, &views));
    fault.map(|(place, fault)| (place, kind_of(fault), fault.to_string()))
}

/// Root of the file, root of the segment, padded sectors of the file, index of the segment, where its siblings begin, their number, bytes
/// of the data behind them.
type PyRecord = (HashBytes, HashBytes, u64, u64, usize, usize, usize);

/// Those of the records in `buffer` in which something is wrong: the place in the list, and whether it is the "data" or the "proof". One
/// thread checks them all, without the interpreter's lock.
#[pyfunction]
fn record_faults(py: Python<'_>, buffer: Bytes, records: Vec<PyRecord>) -> Vec<(usize, &'static str)> {
    buffer.with(py, |buffer| {
        let check = |(place, record): (usize, PyRecord)| {
            let (root, segment_root, padded_sectors, index, offset, siblings, data_bytes) = record;
            let record = Record { root: root.0, segment_root: segment_root.0, padded_sectors, index, offset, siblings, data_bytes };
            let fault = merkle::record_fault(HashPath::best(), buffer, &record)?;
            Some((place, if fault == RecordFault::Data { "data" } else { "proof" }))
        };
        records.into_iter().enumerate().filter_map(check).collect()
    })
}

fn kind_of(fault: SegmentFault) -> &'static str {
    match fault {
        SegmentFault::EmptyFile => "empty_file",
        SegmentFault::IndexOutOfBound => "index_out_of_bound",
        SegmentFault::DataLength => "data_length",
        SegmentFault::ProofForm => "proof_form",
        SegmentFault::PathTooLong => "path_too_long",
        SegmentFault::PathTooShort => "path_too_short",
        SegmentFault::WrongPosition { .. } => "wrong_position",
        SegmentFault::BrokenChain => "broken_chain",
        SegmentFault::RootMismatch => "root_mismatch",
        SegmentFault::DataMismatch => "data_mismatch",
        SegmentFault::PaddingMismatch => "padding_mismatch",
    }
}

/// The tree of a file, from one pass over its bytes on all threads. Raises `ValueError` for an empty file.
#[pyclass(module = "zerog._kernel", frozen)]
struct FileTree(merkle::FileTree);

#[pymethods]
impl FileTree {
    #[new]
    fn new(py: Python<'_>, data: Bytes) -> PyResult<Self> {
        Ok(Self(data.with(py, |data| merkle::FileTree::new(HashPath::best(), data))?))
    }

    #[getter]
    fn size_bytes(&self) -> u64 {
        self.0.segments().shape().size_bytes()
    }

    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> PyHash<'py> {
        hash_of(py, &self.0.root())
    }

    /// Roots of the segments that hold bytes of the file.
    fn segment_roots<'py>(&self, py: Python<'py>) -> Vec<PyHash<'py>> {
        hashes_of(py, self.0.segments().segment_roots())
    }

    /// Root and height of each perfect subtree that the file is submitted as, highest first.
    fn submission_nodes<'py>(&self, py: Python<'py>) -> Vec<(PyHash<'py>, u32)> {
        self.0.submission_nodes().iter().map(|node| (hash_of(py, &node.root), node.height)).collect()
    }

    /// Lemma and path of a segment. Raises `IndexError`.
    fn segment_proof<'py>(&self, py: Python<'py>, index: u64) -> PyResult<PyProof<'py>> {
        Ok(proof_of(py, self.0.segments().proof(index)?))
    }

    /// Lemma and path of each of `count` segments from `first` on. Raises `IndexError`.
    fn segment_proofs<'py>(&self, py: Python<'py>, first: u64, count: u64) -> PyResult<Vec<PyProof<'py>>> {
        Ok(proofs_of(py, self.0.segments().proofs(first, count)?))
    }
}

/// The tree over the roots of a file's segments, without its bytes. Raises `ValueError` for a wrong number of them.
#[pyclass(module = "zerog._kernel", frozen)]
struct SegmentTree(merkle::SegmentTree);

#[pymethods]
impl SegmentTree {
    #[new]
    fn new(py: Python<'_>, size_bytes: u64, roots: Vec<HashBytes>) -> PyResult<Self> {
        let shape = FileShape::new(size_bytes)?;
        Ok(Self(py.detach(|| merkle::SegmentTree::new(HashPath::best(), shape, plain(roots)))?))
    }

    #[getter]
    fn size_bytes(&self) -> u64 {
        self.0.shape().size_bytes()
    }

    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> PyHash<'py> {
        hash_of(py, &self.0.root())
    }

    /// Lemma and path of a segment. Raises `IndexError`.
    fn segment_proof<'py>(&self, py: Python<'py>, index: u64) -> PyResult<PyProof<'py>> {
        Ok(proof_of(py, self.0.proof(index)?))
    }

    /// Lemma and path of each of `count` segments from `first` on. Raises `IndexError`.
    fn segment_proofs<'py>(&self, py: Python<'py>, first: u64, count: u64) -> PyResult<Vec<PyProof<'py>>> {
        Ok(proofs_of(py, self.0.proofs(first, count)?))
    }
}

/// The tree over the flow.
#[pyclass(module = "zerog._kernel")]
struct FlowTree(merkle::FlowTree);

#[pymethods]
impl FlowTree {
    #[new]
    #[pyo3(signature = (checkpoint=None))]
    fn new(checkpoint: Option<&[u8]>) -> PyResult<Self> {
        Ok(Self(checkpoint.map_or_else(|| Ok(merkle::FlowTree::new()), merkle::FlowTree::from_checkpoint)?))
    }

    /// Sectors so far, with the gaps between submissions.
    #[getter]
    fn sectors(&self) -> u64 {
        self.0.sectors()
    }

    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> PyHash<'py> {
        hash_of(py, &self.0.root())
    }

    /// Put a submission at sector `start`; what is skipped is zero. Raises `FlowRefusedError` and changes nothing if it does not fit.
    fn append(&mut self, start: u64, nodes: Vec<(HashBytes, u32)>) -> PyResult<()> {
        let nodes: Vec<_> = nodes.into_iter().map(|(root, height)| SubtreeNode { root: root.0, height }).collect();
        Ok(self.0.append(start, &nodes)?)
    }

    /// Root when the flow had `sectors`. Raises `FlowRefusedError`.
    fn root_at<'py>(&self, py: Python<'py>, sectors: u64) -> PyResult<PyHash<'py>> {
        Ok(hash_of(py, &self.0.root_at(sectors)?))
    }

    /// How many sectors the flow had when `root` was its root; only the `newest` subtrees submitted are looked at. Keeps the interpreter's
    /// lock: another thread that appended meanwhile would find the tree in use.
    fn sectors_of_root(&self, root: HashBytes, newest: usize) -> Option<u64> {
        self.0.sectors_of_root(&root.0, newest)
    }

    /// Lemma and path of a sector, when the flow had `sectors` (now, if that is left out). `inside`: leaf and siblings up to the node that
    /// was submitted, from the bottom. Raises `FlowRefusedError`.
    #[pyo3(signature = (sector, inside, sectors=None))]
    fn proof<'py>(&self, py: Python<'py>, sector: u64, inside: Vec<HashBytes>, sectors: Option<u64>) -> PyResult<PyProof<'py>> {
        Ok(proof_of(py, self.0.proof(sector, &plain(inside), sectors.unwrap_or_else(|| self.0.sectors()))?))
    }

    /// All that is needed to go on from here.
    fn checkpoint<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.checkpoint())
    }

    /// Back to a checkpoint of this flow's past. Raises `FlowRefusedError`.
    fn unwind(&mut self, checkpoint: &[u8]) -> PyResult<()> {
        Ok(self.0.unwind(checkpoint)?)
    }
}
