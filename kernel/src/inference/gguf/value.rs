//! The values of a file's metadata: numbers, flags, texts, and lists of these.

use super::cursor::{Cursor, Span};
use crate::inference::{ModelRefused, Refusal};

/// The types of the format, in its numbering. A list inside a list is not read by anybody and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ValueKind {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Flag = 7,
    Text = 8,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

const LIST: u32 = 9;

impl ValueKind {
    fn of(number: u32) -> Option<Self> {
        use ValueKind::{F32, F64, Flag, I8, I16, I32, I64, Text, U8, U16, U32, U64};
        [U8, I8, U16, I16, U32, I32, F32, Flag, Text, U64, I64, F64].into_iter().find(|kind| *kind as u32 == number)
    }

    /// Bytes of each; `None` for texts, which say it themselves.
    fn width(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Flag => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Text => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Flag => "bool",
            Self::Text => "text",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Unsigned(u64),
    Signed(i64),
    /// Exact also for what was written as f32.
    Float(f64),
    Flag(bool),
    /// UTF-8 if the file keeps to the format.
    Text(&'a [u8]),
    List(List<'a>),
}

impl Value<'_> {
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Unsigned(_) => "an unsigned number",
            Self::Signed(_) => "a signed number",
            Self::Float(_) => "a floating-point number",
            Self::Flag(_) => "a flag",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
        }
    }
}

/// `count` values of one kind, read where they stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct List<'a> {
    kind: ValueKind,
    count: usize,
    bytes: &'a [u8],
}

impl<'a> List<'a> {
    pub fn kind(&self) -> ValueKind {
        self.kind
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// The values; their bytes were checked when the file was opened.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (kind, mut cursor, bytes) = (self.kind, Cursor::new(self.bytes), self.bytes);
        (0..self.count).map_while(move |_| {
            let raw = Raw::read(kind, &mut cursor).ok()?;
            Some(raw.value(bytes))
        })
    }

    /// The texts of a list of texts; `None` if it is another.
    pub fn texts(&self) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
        let texts = self.values().filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None });
        (self.kind == ValueKind::Text).then_some(texts)
    }
}

/// A value as the directory keeps it: small, with places instead of texts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Raw {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Flag(bool),
    Text(Span),
    List(ValueKind, usize, Span),
}

impl Raw {
    /// The type, then the value.
    pub fn typed(cursor: &mut Cursor<'_>) -> Result<Self, ModelRefused> {
        match cursor.u32()? {
            LIST => Self::list(cursor),
            number => Self::read(kind_of(number)?, cursor),
        }
    }

    fn read(kind: ValueKind, cursor: &mut Cursor<'_>) -> Result<Self, ModelRefused> {
        Ok(match kind {
            ValueKind::U8 => Self::Unsigned(u8::from_le_bytes(cursor.take()?).into()),
            ValueKind::U16 => Self::Unsigned(u16::from_le_bytes(cursor.take()?).into()),
            ValueKind::U32 => Self::Unsigned(cursor.u32()?.into()),
            ValueKind::U64 => Self::Unsigned(cursor.u64()?),
            ValueKind::I8 => Self::Signed(i8::from_le_bytes(cursor.take()?).into()),
            ValueKind::I16 => Self::Signed(i16::from_le_bytes(cursor.take()?).into()),
            ValueKind::I32 => Self::Signed(i32::from_le_bytes(cursor.take()?).into()),
            ValueKind::I64 => Self::Signed(i64::from_le_bytes(cursor.take()?)),
            ValueKind::F32 => Self::Float(f32::from_le_bytes(cursor.take()?).into()),
            ValueKind::F64 => Self::Float(f64::from_le_bytes(cursor.take()?)),
            ValueKind::Text => Self::Text(cursor.text()?),
            ValueKind::Flag => match cursor.take()? {
                [byte @ (0 | 1)] => Self::Flag(byte == 1),
                [byte] => return Err(ModelRefused::new(Refusal::Malformed, format!("a flag is 0 or 1, not {byte}"))),
            },
        })
    }

    fn list(cursor: &mut Cursor<'_>) -> Result<Self, ModelRefused> {
        let kind = kind_of(cursor.u32()?)?;
        let count = cursor.u64()?;
        let width = kind.width().unwrap_or(size_of::<u64>()) as u64;
        // Also for texts, each of which has at least its length: a count that cannot be true costs nothing.
        let least = count.saturating_mul(width);
        let mut walked = cursor.clone();
        walked.span(least)?;
        if matches!(kind, ValueKind::Text | ValueKind::Flag) {
            walked = cursor.clone();
            for _ in 0..count {
                Self::read(kind, &mut walked)?;
            }
        }
        let length = (walked.place() - cursor.place()) as u64;
        // It was stepped over, so it fits.
        Ok(Self::List(kind, count as usize, cursor.span(length)?))
    }

    pub fn value(self, file: &[u8]) -> Value<'_> {
        match self {
            Self::Unsigned(value) => Value::Unsigned(value),
            Self::Signed(value) => Value::Signed(value),
            Self::Float(value) => Value::Float(value),
            Self::Flag(value) => Value::Flag(value),
            Self::Text(span) => Value::Text(span.of(file)),
            Self::List(kind, count, span) => Value::List(List { kind, count, bytes: span.of(file) }),
        }
    }
}

fn kind_of(number: u32) -> Result<ValueKind, ModelRefused> {
    let refused = || match number {
        LIST => ModelRefused::new(Refusal::Malformed, "a list of lists, which no model needs"),
        _ => ModelRefused::new(Refusal::Malformed, format!("the metadata have a value of the unknown type {number}")),
    };
    ValueKind::of(number).ok_or_else(refused)
}
