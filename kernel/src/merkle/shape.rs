//! How a file lies on the flow: its sectors, the zeros after them, its segments, and the perfect subtrees that it is submitted as.

use thiserror::Error;

/// Smallest unit with a leaf.
pub const SECTOR_BYTES: usize = 256;
/// What is uploaded, downloaded and assigned to shards at once.
pub const SEGMENT_SECTORS: usize = 1 << SEGMENT_HEIGHT;
/// Height of a segment's root over its sectors.
pub const SEGMENT_HEIGHT: u32 = 10;
pub const SEGMENT_BYTES: usize = SEGMENT_SECTORS * SECTOR_BYTES;

/// Padding is less than this share of the sectors, rounded up to a power of two.
const PADDING_SHARE: u64 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShapeError {
    #[error("an empty file has no Merkle root")]
    Empty,
    #[error("a file of {segments} segments has no segment {index}")]
    NoSegment { index: u64, segments: u64 },
    #[error("{given} segment roots for a file of {segments} segments")]
    SegmentCount { given: usize, segments: u64 },
    #[error("a segment holds 1 to {SEGMENT_SECTORS} sectors, so {bytes} bytes do not make {sectors} of them")]
    SegmentBytes { bytes: usize, sectors: usize },
}

/// A file of `size_bytes`, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileShape {
    size_bytes: u64,
}

impl FileShape {
    pub fn new(size_bytes: u64) -> Result<Self, ShapeError> {
        if size_bytes == 0 { Err(ShapeError::Empty) } else { Ok(Self { size_bytes }) }
    }

    pub fn size_bytes(self) -> u64 {
        self.size_bytes
    }

    /// Sectors that hold bytes of the file.
    pub fn sectors(self) -> u64 {
        self.size_bytes.div_ceil(SECTOR_BYTES as u64)
    }

    /// Sectors on the flow: whole sixteenths of the next power of two.
    pub fn padded_sectors(self) -> u64 {
        let share = (self.sectors().next_power_of_two() / PADDING_SHARE).max(1);
        self.sectors().next_multiple_of(share)
    }

    /// Segments that hold bytes of the file; only these are uploaded.
    pub fn segments(self) -> u64 {
        self.size_bytes.div_ceil(SEGMENT_BYTES as u64)
    }

    /// Leaves of the tree over segments. All after the first `segments` are whole and zero: padding never crosses a granule of a
    /// sixteenth, which divides a segment or consists of whole ones.
    pub fn padded_segments(self) -> u64 {
        self.padded_sectors().div_ceil(SEGMENT_SECTORS as u64)
    }

    /// Sectors of the tree over segment `index`, with its padding.
    pub fn padded_sectors_of(self, index: u64) -> usize {
        let before = index * SEGMENT_SECTORS as u64;
        self.padded_sectors().saturating_sub(before).min(SEGMENT_SECTORS as u64) as usize
    }

    /// Bytes of segment `index` as it is uploaded: whole sectors, without padding sectors.
    pub fn uploaded_bytes_of(self, index: u64) -> usize {
        let before = index * SEGMENT_SECTORS as u64;
        self.sectors().saturating_sub(before).min(SEGMENT_SECTORS as u64) as usize * SECTOR_BYTES
    }
}

/// Heights of the perfect subtrees that `sectors` split into, from the front: one for each bit that is set.
pub(super) fn subtree_heights(sectors: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).rev().filter(move |height| sectors >> height & 1 == 1)
}
