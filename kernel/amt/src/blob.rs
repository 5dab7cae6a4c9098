//! A blob as elements: 31 bytes each, rows filled first, zeros behind the data, and the length at the very end.

use crate::shape::{RAW_UNIT_BYTES, Shape, TRAILER_BYTES, UNIT_BYTES};
use thiserror::Error;

/// A blob that is longer than a matrix holds. The text is the official encoder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("TooLargeBlob {{ actual: {actual}, expected_max: {expected_max} }}")]
pub struct BlobSizeError {
    pub actual: usize,
    pub expected_max: usize,
}

/// Rows that are not an encoded blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PaddingError {
    #[error("element {0} of the matrix is longer than 31 bytes")]
    Element(usize),
    #[error("the blob says that it has {0} bytes, more than fit")]
    Length(usize),
    #[error("byte {0} behind the end of the blob is not zero")]
    Padding(usize),
}

/// Whether `bytes` fit a matrix.
pub fn check_size(shape: Shape, bytes: usize) -> Result<(), BlobSizeError> {
    let expected_max = shape.bytes_max();
    if bytes <= expected_max { Ok(()) } else { Err(BlobSizeError { actual: bytes, expected_max }) }
}

/// How many of the first rows hold bytes of a blob; of the others only the last, with the length, is not zero.
pub fn filled_rows(shape: Shape, bytes: usize) -> usize {
    bytes.div_ceil(RAW_UNIT_BYTES * shape.columns())
}

/// Write row `row` of the matrix of `data`, which fits, into `room`, which is zero.
pub fn write_row(shape: Shape, data: &[u8], row: usize, room: &mut [u8]) {
    let raw_bytes = RAW_UNIT_BYTES * shape.columns();
    let start = (row * raw_bytes).min(data.len());
    let end = (start + raw_bytes).min(data.len());
    for (unit, raw) in room.chunks_exact_mut(UNIT_BYTES).zip(data[start..end].chunks(RAW_UNIT_BYTES)) {
        unit[..raw.len()].copy_from_slice(raw);
    }
    if row + 1 == shape.rows() {
        // The length fits four bytes: the largest blob is far smaller.
        let trailer = (data.len() as u32).to_le_bytes();
        let end = room.len() - (UNIT_BYTES - RAW_UNIT_BYTES);
        room[end - TRAILER_BYTES..end].copy_from_slice(&trailer);
    }
}

/// The blob in the rows of a matrix, in order.
pub fn read<'a>(shape: Shape, rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, PaddingError> {
    let mut data = Vec::with_capacity(RAW_UNIT_BYTES * shape.elements());
    for row in rows {
        for unit in row.chunks_exact(UNIT_BYTES) {
            let (raw, above) = unit.split_at(RAW_UNIT_BYTES);
            if above != [0] {
                return Err(PaddingError::Element(data.len() / RAW_UNIT_BYTES));
            }
            data.extend_from_slice(raw);
        }
    }
    let (padded, trailer) = data.split_at(shape.bytes_max());
    let length = trailer.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let padding = padded.get(length..).ok_or(PaddingError::Length(length))?;
    if let Some(place) = padding.iter().position(|byte| *byte != 0) {
        return Err(PaddingError::Padding(length + place));
    }
    data.truncate(length);
    Ok(data)
}
