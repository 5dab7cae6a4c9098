//! Setups of DA as files, for Python: `AmtSetup.load` and `AmtSetup.make`.

use pyo3::prelude::*;
use std::path::PathBuf;
use zerog_amt::parameters::{Purpose, Trust, load, make};
use zerog_amt::setup::scalar_from_bytes;
use zerog_amt::shape::{DEVELOPMENT, PRODUCTION};

use super::amt::{AmtSetup, no_setup};
use super::convert::HashBytes;
use crate::background;

#[pymethods]
impl AmtSetup {
    /// Load the setup in a folder. Raises `SetupError`.
    #[staticmethod]
    #[pyo3(signature = (folder, *, official=false, prove=true))]
    fn load(py: Python<'_>, folder: PathBuf, official: bool, prove: bool) -> PyResult<Self> {
        let trust = if official { Trust::Official } else { Trust::Folder };
        let purpose = if prove { Purpose::Prove } else { Purpose::Verify };
        py.detach(|| background::run(|| load(&folder, trust, purpose))).map(Self).map_err(no_setup)
    }

    /// Write the files of a setup for a τ that the caller forgets. Raises `SetupError`.
    #[staticmethod]
    #[pyo3(signature = (folder, tau, *, development=false))]
    fn make(py: Python<'_>, folder: PathBuf, tau: HashBytes, development: bool) -> PyResult<()> {
        let shape = if development { DEVELOPMENT } else { PRODUCTION };
        py.detach(|| background::run(|| make(&folder, shape, scalar_from_bytes(&tau.0)))).map_err(no_setup)
    }
}
