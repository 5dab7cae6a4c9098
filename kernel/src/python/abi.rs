//! The contract ABI and EIP-712 for Python.

use alloy_primitives::{I256, U256};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBool, PyBytes, PyInt, PyList, PySequence, PyString, PyTuple};

use super::convert::{Word, bytes_of, integer_from_bytes};
use super::errors::DecodeError;
use crate::abi::{self, AbiError, TYPE_DEPTH_MAX, Value};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(abi_encode, module)?)?;
    module.add_function(wrap_pyfunction!(abi_decode, module)?)?;
    module.add_function(wrap_pyfunction!(typed_data_hash, module)?)
}

impl From<AbiError> for PyErr {
    fn from(error: AbiError) -> Self {
        DecodeError::new_err(error.to_string())
    }
}

/// Encode as a function's arguments. Addresses as 20 bytes or `0x…` text; tuples as sequences. Raises `DecodeError`.
#[pyfunction]
fn abi_encode<'py>(py: Python<'py>, types: Vec<PyBackedStr>, values: &Bound<'py, PySequence>) -> PyResult<Bound<'py, PyBytes>> {
    let values = sequence(values, 0)?;
    let data = py.detach(|| abi::encode(&types, &values))?;
    Ok(PyBytes::new(py, &data))
}

/// Decode a function's arguments; addresses and byte strings as bytes, arrays as lists, tuples as tuples. Raises `DecodeError`.
#[pyfunction]
fn abi_decode<'py>(py: Python<'py>, types: Vec<PyBackedStr>, data: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    let values = py.detach(|| abi::decode(&types, data))?;
    PyTuple::new(py, values.iter().map(|value| to_python(py, value)).collect::<PyResult<Vec<_>>>()?)
}

/// EIP-712 digest of an `eth_signTypedData_v4` document. Raises `DecodeError`.
#[pyfunction]
fn typed_data_hash<'py>(py: Python<'py>, typed_data_json: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(bytes_of(py, py.detach(|| abi::typed_data::digest(typed_data_json))?))
}

fn sequence(values: &Bound<'_, PySequence>, depth: usize) -> PyResult<Vec<Value>> {
    if depth > TYPE_DEPTH_MAX {
        return Err(DecodeError::new_err("values are nested too deeply"));
    }
    values.try_iter()?.map(|value| from_python(&value?, depth)).collect()
}

fn from_python(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(Value::Bool(truth.is_true()));
    }
    if let Ok(integer) = value.cast::<PyInt>() {
        return number(integer);
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Value::Bytes(bytes.as_bytes().to_vec()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Value::Text(text.to_cow()?.into_owned()));
    }
    match value.cast::<PySequence>() {
        Ok(values) => Ok(Value::Array(sequence(values, depth + 1)?)),
        Err(_) => Err(PyTypeError::new_err(format!("no ABI value: {}", value.get_type().name()?))),
    }
}

fn number(value: &Bound<'_, PyInt>) -> PyResult<Value> {
    if let Ok(Word(unsigned)) = value.extract::<Word>() {
        return Ok(Value::Unsigned(unsigned));
    }
    let arguments = pyo3::types::PyDict::new(value.py());
    arguments.set_item("signed", true)?;
    let bytes = value.call_method("to_bytes", (32, "big"), Some(&arguments));
    let bytes = bytes.map_err(|_| DecodeError::new_err("a number does not fit 256 bits"))?;
    Ok(Value::Signed(I256::from_raw(U256::from_be_slice(bytes.cast::<PyBytes>()?.as_bytes()))))
}

fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    let many = |values: &[Value]| values.iter().map(|value| to_python(py, value)).collect::<PyResult<Vec<_>>>();
    Ok(match value {
        Value::Bool(truth) => PyBool::new(py, *truth).to_owned().into_any(),
        Value::Unsigned(number) => Word(*number).into_pyobject(py)?.into_any(),
        Value::Signed(number) => integer_from_bytes(py, &number.to_be_bytes::<32>(), true)?.into_any(),
        Value::Text(text) => PyString::new(py, text).into_any(),
        Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Value::Array(values) => PyList::new(py, many(values)?)?.into_any(),
        Value::Tuple(values) => PyTuple::new(py, many(values)?)?.into_any(),
    })
}
