//! Bytes that other objects lend: bytes, bytearrays, mapped files, parts of a request's body. They are read where they lie.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// From this size on, work on bytes takes long enough that other threads should run.
const DETACHED_BYTES_MIN: usize = 8 * 1024;

/// Contiguous bytes of another object, alive and in place as long as this is.
pub struct Bytes(PyBuffer<u8>);

impl<'py> FromPyObject<'_, 'py> for Bytes {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let buffer = PyBuffer::get(&object)?;
        if buffer.is_c_contiguous() { Ok(Self(buffer)) } else { Err(PyBufferError::new_err("the bytes must lie one after another")) }
    }
}

impl Bytes {
    pub fn as_slice(&self) -> &[u8] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        // SAFETY: the buffer is contiguous, holds `len_bytes` bytes, and its owner neither frees nor moves them while it is exported. As
        // for `hashlib`, whoever hands over writable memory leaves it alone for the call; nothing here trusts a byte to stay the same.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }

    /// Run `compute` on the bytes, without the interpreter's lock if there are many.
    pub fn with<T: Send>(&self, py: Python<'_>, compute: impl FnOnce(&[u8]) -> T + Send) -> T {
        let bytes = self.as_slice();
        if bytes.len() < DETACHED_BYTES_MIN { compute(bytes) } else { py.detach(|| compute(bytes)) }
    }
}

/// New `bytes` of a length that `fill` writes, without the interpreter's lock if there are many.
pub fn filled<'py, E: Send>(
    py: Python<'py>,
    bytes: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), E> + Send,
) -> PyResult<Bound<'py, PyBytes>>
where
    PyErr: From<E>,
{
    let write = |room: &mut [u8]| if bytes < DETACHED_BYTES_MIN { fill(room) } else { py.detach(|| fill(room)) };
    PyBytes::new_with(py, bytes, |room| Ok(write(room)?))
}
