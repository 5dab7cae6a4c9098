//! How GGML lays weights out: the kinds of tensors that are computed here, and the bytes that they take.
//! Source: ggml-org/llama.cpp, ggml/include/ggml.h (numbers of the kinds), ggml/src/ggml-common.h (blocks).

use super::cursor::{Cursor, Span};
use crate::inference::{ModelRefused, Refusal};

/// GGML's own limits.
pub const DIMS_MAX: usize = 4;
const NAME_BYTES_MAX: usize = 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum TensorKind {
    F32 = 0,
    F16 = 1,
    /// 32 values: a scale (f16), then 4 bits each; byte `i` holds value `i` low and `i + 16` high.
    Q4_0 = 2,
    /// 32 values: scale and minimum (f16), then 4 bits each in the same order.
    Q4_1 = 3,
    /// 32 values: a scale (f16), then a signed byte each.
    Q8_0 = 8,
}

impl TensorKind {
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Q4_0, Self::Q4_1, Self::Q8_0];

    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q8_0 => "Q8_0",
        }
    }

    /// Values in a block.
    pub const fn block_values(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q8_0 => 32,
        }
    }

    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q8_0 => 2 + 32,
        }
    }
}

/// Names of the kinds that others compute, for the refusal.
const OTHER_KINDS: [(u32, &str); 27] = [
    (6, "Q5_0"),
    (7, "Q5_1"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (30, "BF16"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

/// A tensor as the directory keeps it. `start` counts from the beginning of the file's data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub name: Span,
    pub kind: TensorKind,
    dims: [u64; DIMS_MAX],
    dims_used: usize,
    pub start: u64,
    pub length: u64,
}

impl Placed {
    pub fn dims(&self) -> &[u64] {
        &self.dims[..self.dims_used]
    }

    /// Read a description, and reckon how many bytes the tensor takes.
    pub fn read(cursor: &mut Cursor<'_>, file: &[u8]) -> Result<Self, ModelRefused> {
        let name = cursor.text()?;
        let shown = text_of(name.of(file), NAME_BYTES_MAX)?;
        let malformed = |what: String| ModelRefused::new(Refusal::Malformed, format!("tensor {shown} {what}"));
        let dims_used = cursor.u32()? as usize;
        if !(1..=DIMS_MAX).contains(&dims_used) {
            return Err(malformed(format!("has {dims_used} dimensions, not 1 to {DIMS_MAX}")));
        }
        let mut dims = [1; DIMS_MAX];
        for dim in &mut dims[..dims_used] {
            *dim = cursor.u64()?;
        }
        let number = cursor.u32()?;
        let start = cursor.u64()?;
        let Some(kind) = TensorKind::ALL.into_iter().find(|kind| *kind as u32 == number) else {
            let known = OTHER_KINDS.iter().find(|(other, _)| *other == number).map_or("unknown", |(_, name)| name);
            return Err(ModelRefused::new(Refusal::TensorKind, format!("tensor {shown} has the type {number} ({known})")));
        };
        let length = bytes_of(kind, &dims).ok_or_else(|| malformed(format!("cannot have the dimensions {:?}", &dims[..dims_used])))?;
        Ok(Self { name, kind, dims, dims_used, start, length })
    }
}

/// Bytes of a tensor; `None` if a dimension is zero, a row ends inside a block, or there are too many values to count.
fn bytes_of(kind: TensorKind, dims: &[u64; DIMS_MAX]) -> Option<u64> {
    let values = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim))?;
    let whole = values > 0 && dims[0].is_multiple_of(kind.block_values() as u64);
    whole.then(|| (values / kind.block_values() as u64).checked_mul(kind.block_bytes() as u64)).flatten()
}

/// A name: short, not empty, UTF-8.
pub(super) fn text_of(bytes: &[u8], bytes_max: usize) -> Result<&str, ModelRefused> {
    if !(1..=bytes_max).contains(&bytes.len()) {
        return Err(ModelRefused::new(Refusal::Malformed, format!("a name has {} bytes, not 1 to {bytes_max}", bytes.len())));
    }
    std::str::from_utf8(bytes).map_err(|_| ModelRefused::new(Refusal::Malformed, "a name is not UTF-8"))
}
