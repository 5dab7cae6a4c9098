//! Mining of 0G Storage for Python. The search runs in threads of the kernel; here it is given work and asked for what it found.

use std::{path::PathBuf, sync::Arc, sync::atomic::Ordering};

use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::buffer::{Bytes, filled};
use super::convert::{HashBytes, Word};
use crate::hash::HashPath;
use crate::pora::{self, LOAD_BYTES, LoadError, Probe, RecallRange, SEAL_BYTES, SealError, SearchOptions, Tally, Work};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<MiningWork>()?;
    module.add_class::<SealedLoads>()?;
    module.add_class::<MiningSearch>()?;
    module.add_function(wrap_pyfunction!(hash_paths, module)?)?;
    module.add_function(wrap_pyfunction!(pora_seal, module)?)?;
    module.add_function(wrap_pyfunction!(pora_unseal, module)?)?;
    module.add_function(wrap_pyfunction!(pora_scratchpad, module)?)?;
    module.add_function(wrap_pyfunction!(pora_qualities, module)?)?;
    module.add_function(wrap_pyfunction!(pora_probe, module)?)
}

impl From<SealError> for PyErr {
    fn from(error: SealError) -> Self {
        PyValueError::new_err(error.to_string())
    }
}

impl From<LoadError> for PyErr {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Form { .. } => PyValueError::new_err(error.to_string()),
            LoadError::Disk(error) => error.into(),
        }
    }
}

/// The way to hash that has a name, or the fastest.
fn path_of(name: Option<&str>) -> PyResult<HashPath> {
    let Some(name) = name else { return Ok(HashPath::best()) };
    let named = HashPath::available().into_iter().find(|path| path.name() == name);
    named.ok_or_else(|| PyValueError::new_err(format!("this processor has no way to hash named {name:?}")))
}

/// Names of the ways to hash that this processor has, the fastest first.
#[pyfunction]
fn hash_paths() -> Vec<&'static str> {
    HashPath::available().into_iter().map(HashPath::name).collect()
}

type SealIn = fn(HashPath, &pora::Hash, u64, &[pora::Hash], &mut [u8]) -> Result<(), SealError>;

fn sealing<'py>(
    py: Python<'py>,
    apply: SealIn,
    miner_id: HashBytes,
    start_sector: u64,
    context_digests: Vec<HashBytes>,
    data: Bytes,
    path: Option<&str>,
) -> PyResult<Bound<'py, PyBytes>> {
    let path = path_of(path)?;
    let digests: Vec<pora::Hash> = context_digests.into_iter().map(|digest| digest.0).collect();
    let input = data.as_slice();
    filled(py, input.len(), |output| {
        output.copy_from_slice(input);
        apply(path, &miner_id.0, start_sector, &digests, output)
    })
}

/// Seal what begins at sector `start_sector`, 4096 bytes for each of `context_digests`. Raises `ValueError`.
#[pyfunction]
#[pyo3(signature = (miner_id, start_sector, context_digests, data, *, path=None))]
fn pora_seal<'py>(
    py: Python<'py>,
    miner_id: HashBytes,
    start_sector: u64,
    context_digests: Vec<HashBytes>,
    data: Bytes,
    path: Option<&str>,
) -> PyResult<Bound<'py, PyBytes>> {
    sealing(py, pora::seal, miner_id, start_sector, context_digests, data, path)
}

/// Undo `pora_seal`. Raises `ValueError`.
#[pyfunction]
#[pyo3(signature = (miner_id, start_sector, context_digests, data, *, path=None))]
fn pora_unseal<'py>(
    py: Python<'py>,
    miner_id: HashBytes,
    start_sector: u64,
    context_digests: Vec<HashBytes>,
    data: Bytes,
    path: Option<&str>,
) -> PyResult<Bound<'py, PyBytes>> {
    sealing(py, pora::unseal, miner_id, start_sector, context_digests, data, path)
}

/// What a miner searches for.
#[pyclass(module = "zerog._kernel", frozen)]
struct MiningWork(Work);

#[pymethods]
impl MiningWork {
    #[new]
    #[pyo3(signature = (*, miner_id, subtask_digest, start_sector, sectors, shard_id, shard_mask, quality_max))]
    fn new(
        miner_id: HashBytes,
        subtask_digest: HashBytes,
        start_sector: u64,
        sectors: u64,
        shard_id: u64,
        shard_mask: u64,
        quality_max: Word,
    ) -> Self {
        let range = RecallRange { start_sector, sectors, shard_id, shard_mask };
        Self(Work { miner_id: miner_id.0, subtask_digest: subtask_digest.0, range, quality_max: quality_max.0 })
    }

    fn range_digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.range.digest())
    }

    /// The load of the flow that a recall seed picks.
    fn load_of(&self, recall_seed: HashBytes) -> Option<u64> {
        self.0.range.load_of(&recall_seed.0)
    }
}

type PyPad<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// Seed of the pad (64 bytes), pad (16 KiB) and recall seed of a nonce.
#[pyfunction]
#[pyo3(signature = (work, nonce, *, path=None))]
fn pora_scratchpad<'py>(py: Python<'py>, work: &MiningWork, nonce: HashBytes, path: Option<&str>) -> PyResult<PyPad<'py>> {
    let path = path_of(path)?;
    let work = work.0;
    let pads = py.detach(|| pora::scratchpads(path, &work, &[nonce.0]));
    let pad = pads.first().ok_or_else(|| PyRuntimeError::new_err("a nonce has a pad"))?;
    Ok((PyBytes::new(py, &pad.pad_seed), PyBytes::new(py, &pad.bytes), PyBytes::new(py, &pad.recall_seed)))
}

/// Place and quality of each seal of a load (262144 bytes) that has its bit in `present`. Raises `ValueError`.
#[pyfunction]
#[pyo3(signature = (work, nonce, load, present, *, path=None))]
fn pora_qualities(
    py: Python<'_>,
    work: &MiningWork,
    nonce: HashBytes,
    load: Bytes,
    present: u64,
    path: Option<&str>,
) -> PyResult<Vec<(usize, Word)>> {
    let path = path_of(path)?;
    let work = work.0;
    load.with(py, |load| {
        if load.len() != LOAD_BYTES {
            return Err(PyValueError::new_err(format!("a load has {LOAD_BYTES} bytes, not {}", load.len())));
        }
        let pads = pora::scratchpads(path, &work, &[nonce.0]);
        let found = pads.iter().flat_map(|pad| pora::qualities(path, pad, load, present));
        Ok(found.map(|(seal, quality)| (seal, Word(quality))).collect())
    })
}

/// Place on the flow, seals present, and context digests of a load.
type PyHead<'py> = (u64, u64, Vec<Bound<'py, PyBytes>>);

/// Sealed loads of one miner in a file. Raises `OSError` when the disk does.
#[pyclass(module = "zerog._kernel", frozen)]
struct SealedLoads(Arc<pora::SealedLoads>);

#[pymethods]
impl SealedLoads {
    #[new]
    fn new(py: Python<'_>, file: PathBuf, miner_id: HashBytes, loads_max: u64) -> PyResult<Self> {
        Ok(Self(Arc::new(py.detach(|| pora::SealedLoads::open(&file, miner_id.0, loads_max))?)))
    }

    fn held(&self, py: Python<'_>) -> Vec<(u64, u64)> {
        py.detach(|| self.0.held())
    }

    fn put(&self, py: Python<'_>, load: u64, present: u64, context_digests: Vec<HashBytes>, sealed: Bytes) -> PyResult<bool> {
        let context_digests = context_digests.into_iter().map(|digest| digest.0).collect();
        let head = pora::SealedLoad { load, present, context_digests };
        Ok(sealed.with(py, |sealed| self.0.put(&head, sealed))?)
    }

    fn remove(&self, py: Python<'_>, load: u64) -> PyResult<bool> {
        Ok(py.detach(|| self.0.remove(load))?)
    }

    fn head<'py>(&self, py: Python<'py>, load: u64) -> PyResult<Option<PyHead<'py>>> {
        let head = py.detach(|| self.0.head(load))?;
        Ok(head.map(|head| {
            let digests = head.context_digests.iter().map(|digest| PyBytes::new(py, digest)).collect();
            (head.load, head.present, digests)
        }))
    }

    fn read<'py>(&self, py: Python<'py>, load: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let mut room = vec![0; LOAD_BYTES];
        let present = py.detach(|| self.0.read(load, &mut room))?;
        Ok(present.map(|_| PyBytes::new(py, &room)))
    }
}

/// Nonce, place of the load on the flow, place of the seal in the load, quality, sealed data (4096 bytes).
type PyHit<'py> = (Bound<'py, PyBytes>, u64, usize, Word, Bound<'py, PyBytes>);

fn hit_of(py: Python<'_>, hit: pora::Hit) -> PyHit<'_> {
    debug_assert_eq!(hit.sealed.len(), SEAL_BYTES);
    (PyBytes::new(py, &hit.nonce), hit.load, hit.seal, Word(hit.quality), PyBytes::new(py, &hit.sealed))
}

/// Nonces tried, of which so many led to a load that is here, seals weighed, hits.
type PyTally = (u64, u64, u64, u64);

fn tally_of(tally: &Tally) -> PyTally {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    (count(&tally.nonces), count(&tally.loads), count(&tally.seals), count(&tally.hits))
}

/// Try `nonces` nonces from `first_nonce` on: the hits, and what was tried.
#[pyfunction]
#[pyo3(signature = (work, loads, first_nonce, nonces, *, path=None))]
fn pora_probe<'py>(
    py: Python<'py>,
    work: &MiningWork,
    loads: &SealedLoads,
    first_nonce: HashBytes,
    nonces: usize,
    path: Option<&str>,
) -> PyResult<(Vec<PyHit<'py>>, PyTally)> {
    let (path, work) = (path_of(path)?, work.0);
    let tally = Tally::default();
    let hits = py.detach(|| {
        let (mut probe, mut left, mut hits) = (Probe::new(path, work, first_nonce.0), nonces, Vec::new());
        while left > 0 {
            let step = left.min(pora::NONCES_AT_ONCE);
            hits.extend(probe.step(step, &loads.0, &tally)?);
            left -= step;
        }
        Ok::<_, LoadError>(hits)
    })?;
    Ok((hits.into_iter().map(|hit| hit_of(py, hit)).collect(), tally_of(&tally)))
}

/// Threads that search while they have work.
#[pyclass(module = "zerog._kernel", frozen)]
struct MiningSearch(Mutex<Option<pora::Search>>);

#[pymethods]
impl MiningSearch {
    #[new]
    #[pyo3(signature = (loads, *, threads, share, path=None))]
    fn new(loads: &SealedLoads, threads: usize, share: f64, path: Option<&str>) -> PyResult<Self> {
        if !(share > 0.0 && share <= 1.0) || threads == 0 {
            return Err(PyValueError::new_err("a search has threads, and a share of their time above 0 and up to 1"));
        }
        let search = pora::Search::start(path_of(path)?, Arc::clone(&loads.0), SearchOptions { threads, share })?;
        Ok(Self(Mutex::new(Some(search))))
    }

    /// Search for `work` from a nonce on whose last 16 bytes are counters, or pause. Hits of other work are thrown away.
    fn set_work(&self, work: Option<&MiningWork>, first_nonce: HashBytes) {
        if let Some(search) = self.0.lock().as_ref() {
            search.set_work(work.map(|work| work.0), first_nonce.0);
        }
    }

    /// The oldest hit that nobody took. Raises `OSError` if the search ended by a failure.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<PyHit<'py>>> {
        let taken = self.0.lock().as_ref().map_or(Ok(None), pora::Search::take);
        Ok(taken.map_err(PyOSError::new_err)?.map(|hit| hit_of(py, hit)))
    }

    fn tally(&self) -> PyTally {
        self.0.lock().as_ref().map_or((0, 0, 0, 0), |search| tally_of(search.tally()))
    }

    /// End the threads, which takes a moment.
    fn stop(&self, py: Python<'_>) {
        let search = self.0.lock().take();
        py.detach(|| drop(search));
    }
}
