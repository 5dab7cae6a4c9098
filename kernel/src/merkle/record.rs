//! Segments as a store keeps them: the siblings of the proof, and the data right behind them, in a buffer with many others.

use super::Hash;
use super::proof::lead;
use super::segment::segment_root;
use super::shape::{SEGMENT_HEIGHT, SEGMENT_SECTORS};
use crate::hash::HashPath;

const HASH_BYTES: usize = size_of::<Hash>();

/// What a segment has to be, and where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Of the file.
    pub root: Hash,
    /// Of the segment, with its padding.
    pub segment_root: Hash,
    /// Sectors of the file with its padding.
    pub padded_sectors: u64,
    /// Of the segment in the file.
    pub index: u64,
    /// Where the siblings begin.
    pub offset: usize,
    pub siblings: usize,
    pub data_bytes: usize,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// The data does not have the segment's root.
    Data,
    /// The data is right, but the siblings do not lead from its root to the file's.
    Proof,
}

/// What is wrong with a record in `buffer`; one that reaches beyond it has no right data.
pub fn record_fault(path: HashPath, buffer: &[u8], record: &Record) -> Option<RecordFault> {
    let data_offset = record.offset.saturating_add(record.siblings.saturating_mul(HASH_BYTES));
    let parts = buffer.get(record.offset..data_offset).zip(buffer.get(data_offset..data_offset.saturating_add(record.data_bytes)));
    let Some((siblings, data)) = parts else { return Some(RecordFault::Data) };
    let before = record.index.saturating_mul(SEGMENT_SECTORS as u64);
    let sectors = record.padded_sectors.saturating_sub(before).min(SEGMENT_SECTORS as u64) as usize;
    if segment_root(path, data, sectors) != Ok(record.segment_root) {
        return Some(RecordFault::Data);
    }
    let (siblings, _) = siblings.as_chunks::<HASH_BYTES>();
    let sides = sides(record.padded_sectors.div_ceil(1 << SEGMENT_HEIGHT), record.index);
    let leads = sides.len() == siblings.len() && lead(record.segment_root, siblings, &sides) == record.root;
    (!leads).then_some(RecordFault::Proof)
}

/// Of each step from leaf `index` of a tree over `leaves` to its root, whether it comes from the left; an odd last node takes none.
fn sides(mut leaves: u64, mut index: u64) -> Vec<bool> {
    let mut sides = Vec::new();
    while leaves > 1 {
        if index ^ 1 < leaves {
            sides.push(index.is_multiple_of(2));
        }
        index /= 2;
        leaves = leaves.div_ceil(2);
    }
    sides
}
