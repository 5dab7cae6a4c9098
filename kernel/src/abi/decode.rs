//! ABI data to values.

use alloy_dyn_abi::DynSolType;
use alloy_primitives::{I256, U256};

use super::{AbiError, Value, name_of, parse_types};

/// Decode a function's arguments.
pub fn decode<T: AsRef<str>>(types: &[T], data: &[u8]) -> Result<Vec<Value>, AbiError> {
    let types = parse_types(types)?;
    // An encoder writes every value once; data that points many times at the same place must not grow without end.
    let budget = data.len() / WORD * VALUES_A_WORD_MAX + types.iter().map(leaves).fold(VALUES_MIN, usize::saturating_add);
    Decoder { data, budget }.sequence(types.iter(), 0)
}

const WORD: usize = 32;

/// Values (and words of byte strings) that each word of the data may give at most.
const VALUES_A_WORD_MAX: usize = 4;

/// Values that even the shortest data may give.
const VALUES_MIN: usize = 1024;

/// Nodes of a type, each item of a fixed array counted once: what it costs without any data.
fn leaves(kind: &DynSolType) -> usize {
    match kind {
        DynSolType::Array(inner) | DynSolType::FixedArray(inner, _) => 1 + leaves(inner),
        DynSolType::Tuple(kinds) => kinds.iter().map(leaves).fold(1, usize::saturating_add),
        _ => 1,
    }
}

/// Words that a value takes in the head of the sequence that it stands in.
fn head_words(kind: &DynSolType) -> usize {
    match kind {
        _ if kind.is_dynamic() => 1,
        DynSolType::FixedArray(inner, count) => head_words(inner).saturating_mul(*count),
        DynSolType::Tuple(kinds) => kinds.iter().map(head_words).fold(0, usize::saturating_add),
        _ => 1,
    }
}

struct Decoder<'a> {
    data: &'a [u8],
    budget: usize,
}

impl Decoder<'_> {
    /// Values one after another, whose heads start at `base`; offsets count from there.
    fn sequence<'t>(&mut self, types: impl Iterator<Item = &'t DynSolType>, base: usize) -> Result<Vec<Value>, AbiError> {
        let mut head = base;
        let mut values = Vec::new();
        for kind in types {
            let at = if kind.is_dynamic() { base.checked_add(self.length(kind, head)?).ok_or_else(|| short(kind))? } else { head };
            values.push(self.value(kind, at)?);
            head = head.saturating_add(head_words(kind).saturating_mul(WORD));
        }
        Ok(values)
    }

    /// Like `sequence`, for values of one type.
    fn array(&mut self, kind: &DynSolType, count: usize, base: usize) -> Result<Vec<Value>, AbiError> {
        let dynamic = kind.is_dynamic();
        let step = head_words(kind).saturating_mul(WORD);
        let mut values = Vec::new();
        for index in 0..count {
            let head = base.saturating_add(index.saturating_mul(step));
            let at = if dynamic { base.checked_add(self.length(kind, head)?).ok_or_else(|| short(kind))? } else { head };
            values.push(self.value(kind, at)?);
        }
        Ok(values)
    }

    fn value(&mut self, kind: &DynSolType, at: usize) -> Result<Value, AbiError> {
        self.charge(kind, 1)?;
        match kind {
            DynSolType::Array(inner) => {
                let count = self.length(kind, at)?;
                Ok(Value::Array(self.array(inner, count, at + WORD)?))
            }
            DynSolType::FixedArray(inner, count) => Ok(Value::Array(self.array(inner, *count, at)?)),
            DynSolType::Tuple(kinds) => Ok(Value::Tuple(self.sequence(kinds.iter(), at)?)),
            DynSolType::Bytes => Ok(Value::Bytes(self.bytes(kind, at)?.to_vec())),
            DynSolType::String => {
                let text = std::str::from_utf8(self.bytes(kind, at)?).map_err(|_| AbiError::Value(name_of(kind)))?;
                Ok(Value::Text(text.into()))
            }
            _ => word_value(kind, self.word(kind, at)?).ok_or_else(|| AbiError::Value(name_of(kind))),
        }
    }

    fn charge(&mut self, kind: &DynSolType, values: usize) -> Result<(), AbiError> {
        self.budget = self.budget.checked_sub(values).ok_or_else(|| AbiError::Amplified(name_of(kind)))?;
        Ok(())
    }

    fn word(&self, kind: &DynSolType, at: usize) -> Result<&[u8; WORD], AbiError> {
        self.data.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(|| short(kind))
    }

    /// A count or an offset; none is larger than the data.
    fn length(&self, kind: &DynSolType, at: usize) -> Result<usize, AbiError> {
        let length = U256::from_be_bytes(*self.word(kind, at)?);
        usize::try_from(length).ok().filter(|length| *length <= self.data.len()).ok_or_else(|| short(kind))
    }

    fn bytes(&mut self, kind: &DynSolType, at: usize) -> Result<&[u8], AbiError> {
        let size = self.length(kind, at)?;
        self.charge(kind, size / WORD)?;
        let start = at + WORD;
        self.data.get(start..).and_then(|rest| rest.get(..size)).ok_or_else(|| short(kind))
    }
}

fn short(kind: &DynSolType) -> AbiError {
    AbiError::Short(name_of(kind))
}

/// The value in a word; `None` if no value of the type looks so.
fn word_value(kind: &DynSolType, word: &[u8; WORD]) -> Option<Value> {
    let left = |size: usize| word[size..].iter().all(|byte| *byte == 0).then(|| Value::Bytes(word[..size].to_vec()));
    match kind {
        DynSolType::Bool => match U256::from_be_bytes(*word).try_into() {
            Ok(0u8) => Some(Value::Bool(false)),
            Ok(1u8) => Some(Value::Bool(true)),
            _ => None,
        },
        DynSolType::Uint(bits) => Some(U256::from_be_bytes(*word)).filter(|it| it.bit_len() <= *bits).map(Value::Unsigned),
        DynSolType::Int(bits) => Some(I256::from_be_bytes(*word)).filter(|it| it.bits() as usize <= *bits).map(Value::Signed),
        DynSolType::Address => word[..12].iter().all(|byte| *byte == 0).then(|| Value::Bytes(word[12..].to_vec())),
        DynSolType::FixedBytes(size) => left(*size),
        DynSolType::Function => left(24),
        _ => None,
    }
}
