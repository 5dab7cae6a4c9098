//! The front for Python.

use std::{
    net::TcpListener, os::fd::BorrowedFd, os::fd::IntoRawFd, os::fd::OwnedFd, os::fd::RawFd, os::unix::net::UnixStream, time::Duration,
};

use pyo3::{
    exceptions::{PyOSError, PyRuntimeError, PyValueError},
    prelude::*,
    pybacked::PyBackedBytes,
    types::PyBytes,
};

use super::ledger::PyLedger;
use crate::{
    front::{Front, Options},
    quick::CallLimits,
};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyFront>()
}

#[pyclass(name = "Front", module = "zerog._kernel", frozen)]
pub struct PyFront(Front);

type Handed<'py> = (RawFd, Bound<'py, PyBytes>, Bound<'py, PyBytes>, bool);

#[pymethods]
impl PyFront {
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Vec<Handed<'py>>> {
        let taken = self.0.take().map_err(|failure| PyRuntimeError::new_err(format!("the front has ended: {failure}")))?;
        let handed = taken
            .into_iter()
            .map(|each| (each.socket.into_raw_fd(), PyBytes::new(py, &each.unsent), PyBytes::new(py, &each.unread), each.served));
        Ok(handed.collect())
    }

    fn take_counts(&self) -> Vec<(&'static str, u64, f64)> {
        self.0.take_counts().into_iter().map(|count| (count.method, count.calls, count.seconds)).collect()
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }
}

#[pymethods]
impl PyLedger {
    #[pyo3(signature = (*, listener, wake, hosts, idle_s, connections_max, gas_cap, time_limit_s))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python method")]
    fn open_front(
        &self,
        listener: RawFd,
        wake: RawFd,
        hosts: Vec<PyBackedBytes>,
        idle_s: f64,
        connections_max: usize,
        gas_cap: u64,
        time_limit_s: f64,
    ) -> PyResult<PyFront> {
        let options = Options {
            hosts: hosts.iter().map(|host| host.to_vec()).collect(),
            limits: CallLimits { gas_cap, time_limit: duration(time_limit_s)? },
            idle: duration(idle_s)?,
            connections_max,
        };
        let (listener, wake) = (TcpListener::from(duplicate(listener)?), UnixStream::from(duplicate(wake)?));
        Ok(PyFront(Front::open(self.open_ledger()?, listener, wake, options)?))
    }
}

fn duration(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Another descriptor for the same socket.
fn duplicate(descriptor: RawFd) -> PyResult<OwnedFd> {
    if descriptor < 0 {
        return Err(PyOSError::new_err("a closed socket"));
    }
    // SAFETY: borrowed for this call alone; a number that names no open file is answered with an error.
    Ok(unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned()?)
}
