//! A place in the bytes of a file that never passes their end.

use crate::inference::{ModelRefused, Refusal};

/// Where something stands in the file. Made by a `Cursor` alone, so it lies inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: usize,
    length: usize,
}

impl Span {
    pub fn of(self, file: &[u8]) -> &[u8] {
        &file[self.start..self.start + self.length]
    }
}

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, place: 0 }
    }

    pub fn place(&self) -> usize {
        self.place
    }

    pub fn left(&self) -> usize {
        self.bytes.len() - self.place
    }

    /// Step over `length` bytes.
    pub fn span(&mut self, length: u64) -> Result<Span, ModelRefused> {
        match usize::try_from(length) {
            Ok(length) if length <= self.left() => {
                let span = Span { start: self.place, length };
                self.place += length;
                Ok(span)
            }
            _ => {
                let what = format!("at byte {} the file speaks of {length} bytes and has {}", self.place, self.left());
                Err(ModelRefused::new(Refusal::Truncated, what))
            }
        }
    }

    pub fn take<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], ModelRefused> {
        let span = self.span(LENGTH as u64)?;
        let mut taken = [0; LENGTH];
        taken.copy_from_slice(span.of(self.bytes));
        Ok(taken)
    }

    pub fn u32(&mut self) -> Result<u32, ModelRefused> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub fn u64(&mut self) -> Result<u64, ModelRefused> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    /// A text: its length, then its bytes.
    pub fn text(&mut self) -> Result<Span, ModelRefused> {
        let length = self.u64()?;
        self.span(length)
    }
}
