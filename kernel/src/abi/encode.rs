//! Values to ABI data.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, B256, Function, I256, U256, hex};

use super::{AbiError, Value, name_of, parse_types};

/// Encode as a function's arguments. An address is 20 bytes or `0x…` text; bytes of a fixed size must have it.
pub fn encode<T: AsRef<str>>(types: &[T], values: &[Value]) -> Result<Vec<u8>, AbiError> {
    if types.len() != values.len() {
        return Err(AbiError::Count { types: types.len(), count: values.len() });
    }
    let types = parse_types(types)?;
    Ok(DynSolValue::Tuple(sequence(types.iter(), values)?).abi_encode_params())
}

fn sequence<'a>(types: impl Iterator<Item = &'a DynSolType>, values: &[Value]) -> Result<Vec<DynSolValue>, AbiError> {
    types.zip(values).map(|(kind, value)| typed(kind, value)).collect()
}

fn typed(kind: &DynSolType, value: &Value) -> Result<DynSolValue, AbiError> {
    let unfit = || AbiError::Value(name_of(kind));
    match (kind, value) {
        (DynSolType::Bool, Value::Bool(value)) => Ok(DynSolValue::Bool(*value)),
        (DynSolType::Uint(bits), value) => {
            unsigned(value).filter(|it| it.bit_len() <= *bits).map(|it| DynSolValue::Uint(it, *bits)).ok_or_else(unfit)
        }
        (DynSolType::Int(bits), value) => {
            signed(value).filter(|it| it.bits() as usize <= *bits).map(|it| DynSolValue::Int(it, *bits)).ok_or_else(unfit)
        }
        (DynSolType::Address, value) => address(value).map(DynSolValue::Address).ok_or_else(unfit),
        (DynSolType::FixedBytes(size), Value::Bytes(bytes)) if bytes.len() == *size => {
            let mut word = B256::ZERO;
            word[..*size].copy_from_slice(bytes);
            Ok(DynSolValue::FixedBytes(word, *size))
        }
        (DynSolType::Function, Value::Bytes(bytes)) => Function::try_from(bytes.as_slice()).map(DynSolValue::Function).map_err(|_| unfit()),
        (DynSolType::Bytes, Value::Bytes(bytes)) => Ok(DynSolValue::Bytes(bytes.clone())),
        (DynSolType::String, Value::Text(text)) => Ok(DynSolValue::String(text.clone())),
        (DynSolType::Array(inner), Value::Array(values) | Value::Tuple(values)) => {
            sequence(std::iter::repeat(&**inner), values).map(DynSolValue::Array)
        }
        (DynSolType::FixedArray(inner, count), Value::Array(values) | Value::Tuple(values)) if values.len() == *count => {
            sequence(std::iter::repeat(&**inner), values).map(DynSolValue::FixedArray)
        }
        (DynSolType::Tuple(kinds), Value::Array(values) | Value::Tuple(values)) if values.len() == kinds.len() => {
            sequence(kinds.iter(), values).map(DynSolValue::Tuple)
        }
        _ => Err(unfit()),
    }
}

fn unsigned(value: &Value) -> Option<U256> {
    match value {
        Value::Unsigned(value) => Some(*value),
        Value::Signed(value) if !value.is_negative() => Some(value.into_raw()),
        _ => None,
    }
}

fn signed(value: &Value) -> Option<I256> {
    match value {
        Value::Unsigned(value) => I256::try_from(*value).ok(),
        Value::Signed(value) => Some(*value),
        _ => None,
    }
}

fn address(value: &Value) -> Option<Address> {
    match value {
        Value::Bytes(bytes) => Address::try_from(bytes.as_slice()).ok(),
        Value::Text(text) => {
            let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 40)?;
            hex::decode(digits).ok().map(|bytes| Address::from_slice(&bytes))
        }
        _ => None,
    }
}
