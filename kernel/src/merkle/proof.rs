//! Proofs, and what can be wrong with a segment that somebody hands over with one.

use rayon::prelude::*;
use thiserror::Error;

use super::segment::segment_root;
use super::shape::{FileShape, SEGMENT_HEIGHT};
use super::zeros::zero_root;
use super::{Hash, parent};
use crate::hash::HashPath;

/// A way from a leaf to the root, in the form of the wire: `lemma` is the leaf, the siblings from the bottom, and the root, or the root
/// alone; `path` says of each sibling whether the way comes from the left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerkleProof {
    pub lemma: Vec<Hash>,
    pub path: Vec<bool>,
}

impl MerkleProof {
    /// Whether there are as many hashes as the path needs.
    pub fn is_well_formed(&self) -> bool {
        self.lemma.len() == if self.path.is_empty() { 1 } else { self.path.len() + 2 }
    }

    /// The root that leaf and siblings lead to; `None` if the form is wrong.
    pub fn computed_root(&self) -> Option<Hash> {
        let (leaf, siblings) = self.lemma.split_first().filter(|_| self.is_well_formed())?;
        Some(lead(*leaf, siblings, &self.path))
    }
}

/// Where a leaf and its siblings lead to, from the bottom.
pub(super) fn lead(leaf: Hash, siblings: &[Hash], path: &[bool]) -> Hash {
    let step = |node, (sibling, from_left): (&Hash, &bool)| if *from_left { parent(&node, sibling) } else { parent(sibling, &node) };
    siblings.iter().zip(path).fold(leaf, step)
}

/// Why a segment is not taken, in the order in which it is looked at. Source: 0gfoundation/0g-storage-node, `node/rpc/src/types.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SegmentFault {
    #[error("file is empty")]
    EmptyFile,
    #[error("index out of bound")]
    IndexOutOfBound,
    #[error("invalid data length")]
    DataLength,
    #[error("invalid proof")]
    ProofForm,
    #[error("path too long")]
    PathTooLong,
    #[error("path too short")]
    PathTooShort,
    #[error("wrong position: expect={expected} get={proved}")]
    WrongPosition { expected: u64, proved: u64 },
    #[error("validation failed")]
    BrokenChain,
    #[error("root mismatch")]
    RootMismatch,
    #[error("data hash mismatch")]
    DataMismatch,
    #[error("invalid proof node value in the padding range")]
    PaddingMismatch,
}

/// Check segment `index` of the file of `size_bytes` named `root`: `data` is as uploaded (whole sectors, without padding sectors).
pub fn verify_segment(
    path: HashPath,
    root: &Hash,
    size_bytes: u64,
    index: u64,
    data: &[u8],
    proof: &MerkleProof,
) -> Result<(), SegmentFault> {
    let shape = FileShape::new(size_bytes).map_err(|_| SegmentFault::EmptyFile)?;
    if index >= shape.segments() {
        return Err(SegmentFault::IndexOutOfBound);
    }
    if data.len() != shape.uploaded_bytes_of(index) {
        return Err(SegmentFault::DataLength);
    }
    if !proof.is_well_formed() {
        return Err(SegmentFault::ProofForm);
    }
    check_position(shape, index, &proof.path)?;
    let last = proof.lemma.last();
    if proof.computed_root().as_ref() != last {
        return Err(SegmentFault::BrokenChain);
    }
    if last != Some(root) {
        return Err(SegmentFault::RootMismatch);
    }
    let leaf = segment_root(path, data, shape.padded_sectors_of(index)).map_err(|_| SegmentFault::DataLength)?;
    if proof.lemma.first() != Some(&leaf) {
        return Err(SegmentFault::DataMismatch);
    }
    check_rear_padding(shape, proof)
}

/// A segment as somebody hands it over.
#[derive(Clone, Debug)]
pub struct ProvedSegment<'a> {
    pub index: u64,
    pub data: &'a [u8],
    pub proof: MerkleProof,
}

/// From so many on, segments are checked on all threads.
const PARALLEL_SEGMENTS_MIN: usize = 2;

/// The first of several segments of one file in which something is wrong: its place among them, and what.
pub fn first_fault(path: HashPath, root: &Hash, size_bytes: u64, segments: &[ProvedSegment<'_>]) -> Option<(usize, SegmentFault)> {
    let check = |(place, segment): (usize, &ProvedSegment<'_>)| {
        let verdict = verify_segment(path, root, size_bytes, segment.index, segment.data, &segment.proof);
        verdict.err().map(|fault| (place, fault))
    };
    if segments.len() < PARALLEL_SEGMENTS_MIN {
        return segments.iter().enumerate().find_map(check);
    }
    segments.par_iter().enumerate().find_map_first(check)
}

/// The tree is not perfect, so the number of leaves decides what a step means.
fn check_position(shape: FileShape, index: u64, path: &[bool]) -> Result<(), SegmentFault> {
    let (mut leaves, mut position) = (shape.padded_segments(), 0);
    for from_left in path.iter().rev() {
        if leaves == 1 {
            return Err(SegmentFault::PathTooLong);
        }
        let left = leaves.next_power_of_two() / 2;
        if *from_left {
            leaves = left;
        } else {
            position += left;
            leaves -= left;
        }
    }
    match leaves {
        1 if position == index => Ok(()),
        1 => Err(SegmentFault::WrongPosition { expected: index, proved: position }),
        _ => Err(SegmentFault::PathTooShort),
    }
}

/// A right sibling that covers nothing but padding must be zero: otherwise a root could hide data that no upload ever brings.
fn check_rear_padding(shape: FileShape, proof: &MerkleProof) -> Result<(), SegmentFault> {
    let (mut leaves, mut position) = (shape.padded_segments(), 0);
    let siblings = proof.lemma.iter().skip(1);
    for (from_left, sibling) in proof.path.iter().zip(siblings).rev() {
        let left = leaves.next_power_of_two() / 2;
        if !from_left {
            position += left;
            leaves -= left;
            continue;
        }
        leaves = left;
        if position + left >= shape.segments() && *sibling != zero_root(left.ilog2() + SEGMENT_HEIGHT) {
            return Err(SegmentFault::PaddingMismatch);
        }
    }
    Ok(())
}
