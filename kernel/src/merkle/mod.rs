//! The Merkle trees of 0G Storage: one of each file, whose root is the file's name, and the flow, which holds all files in a row.
//!
//! A leaf is the Keccak-256 of a sector (256 bytes, filled up with zeros), a parent that of its two children. A tree whose leaves are no
//! power of two splits at the largest power of two below, so an odd node moves up unchanged.
//! Source: 0gfoundation/0g-storage-client (`core/dataflow.go`, `core/merkle`), 0gfoundation/0g-storage-node (`node/rpc/src/types.rs`,
//! `common/append_merkle`), 0gfoundation/0g-storage-contracts (`Flow.sol`).

mod file;
mod flow;
mod proof;
mod record;
mod segment;
mod shape;
mod zeros;

#[cfg(test)]
mod tests;

pub use file::{FileTree, SegmentTree};
pub use flow::{FlowError, FlowTree};
pub use proof::{MerkleProof, ProvedSegment, SegmentFault, first_fault, verify_segment};
pub use record::{Record, RecordFault, record_fault};
pub use segment::{SubtreeNode, segment_root};
pub use shape::{FileShape, SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_HEIGHT, SEGMENT_SECTORS, ShapeError};
pub use zeros::zero_root;

/// A node of a tree.
pub type Hash = [u8; 32];

/// Two children, one after another.
fn parent(left: &Hash, right: &Hash) -> Hash {
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(left);
    pair[32..].copy_from_slice(right);
    crate::hash::keccak256(pair).0
}
