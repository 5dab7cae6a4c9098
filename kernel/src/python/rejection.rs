//! Rejections for Python.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::convert::Word;
use crate::ledger::Tried;
use crate::pool::{Fact, Rejection};

/// Why a transaction or call cannot run, with the facts that the message needs.
#[pyclass(frozen, name = "Rejection", module = "zerog._kernel")]
#[derive(Clone)]
pub struct PyRejection {
    rejection: Rejection,
    /// What an estimate tried.
    gas_limit: Option<u64>,
}

impl From<Rejection> for PyRejection {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, gas_limit: None }
    }
}

impl From<Tried> for PyRejection {
    fn from(tried: Tried) -> Self {
        Self { rejection: tried.rejection, gas_limit: Some(tried.gas_limit) }
    }
}

#[pymethods]
impl PyRejection {
    #[getter]
    fn kind(&self) -> &'static str {
        self.rejection.kind()
    }

    #[getter]
    fn gas_limit(&self) -> Option<u64> {
        self.gas_limit
    }

    #[getter]
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let facts = PyDict::new(py);
        for (name, fact) in self.rejection.clone().facts() {
            match fact {
                Fact::Integer(number) => facts.set_item(name, Word(number))?,
                Fact::Text(text) => facts.set_item(name, PyString::new(py, &text))?,
                Fact::Bytes(bytes) => facts.set_item(name, PyBytes::new(py, &bytes))?,
            }
        }
        Ok(facts)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Rejection(kind='{}', facts={})", self.kind(), self.facts(py)?.repr()?))
    }
}
