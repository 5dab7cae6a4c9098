//! Contract ABI: encode and decode function arguments. Hostile data costs no more than its own length allows.
//!
//! Source: Solidity documentation, Contract ABI Specification. Decoding is as strict as Solidity's own (ABI coder v2): a word
//! must be a value of its type. Padding behind byte strings and bytes after the last value are not looked at.

mod decode;
mod encode;
pub mod typed_data;

use alloy_dyn_abi::DynSolType;
use alloy_primitives::{I256, U256};

pub use decode::decode;
pub use encode::encode;

/// A value of any ABI type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Bool(bool),
    /// From 0 on.
    Unsigned(U256),
    /// Below 0; for types with a sign decoding gives this form for all.
    Signed(I256),
    Text(String),
    /// Also addresses.
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Tuple(Vec<Value>),
}

/// Why types, values or data do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    #[error("not an ABI type: {0}")]
    Type(String),
    #[error("{count} values for {types} types")]
    Count { types: usize, count: usize },
    #[error("not a value of type {0}")]
    Value(String),
    #[error("the data ends before the value of type {0}")]
    Short(String),
    #[error("the data says that a value of type {0} is larger than all of it")]
    Amplified(String),
    #[error("typed data: {0}")]
    TypedData(String),
}

/// Longest text of one type.
const TYPE_TEXT_MAX: usize = 16 * 1024;

/// Most arrays and tuples inside each other.
pub const TYPE_DEPTH_MAX: usize = 32;

/// Parse a type, such as `(uint256,bytes32[])[2]`.
pub(crate) fn parse_type(text: &str) -> Result<DynSolType, AbiError> {
    let nested = |text: &str| {
        let mut depth = 0usize;
        let mut deepest = 0usize;
        for byte in text.bytes() {
            match byte {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        deepest + text.bytes().filter(|byte| *byte == b'[').count()
    };
    let named = || AbiError::Type(text.chars().take(80).collect());
    if text.len() > TYPE_TEXT_MAX || nested(text) > TYPE_DEPTH_MAX {
        return Err(named());
    }
    DynSolType::parse(text).map_err(|_| named())
}

fn parse_types<T: AsRef<str>>(types: &[T]) -> Result<Vec<DynSolType>, AbiError> {
    types.iter().map(|text| parse_type(text.as_ref())).collect()
}

fn name_of(kind: &DynSolType) -> String {
    kind.sol_type_name().into_owned()
}

#[cfg(test)]
mod tests;
