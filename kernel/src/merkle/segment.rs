//! The tree over the sectors of one segment.

use std::ops::Range;

use super::shape::{SECTOR_BYTES, SEGMENT_SECTORS, ShapeError, subtree_heights};
use super::zeros::zero_root;
use super::{Hash, parent};
use crate::hash::{BLOCK_BYTES, HashPath};

/// 64-byte blocks of a sector.
const SECTOR_BLOCKS: usize = SECTOR_BYTES / BLOCK_BYTES;
/// Sectors that are folded together: few, so that all of them stay in the nearest cache.
const PIECE_SECTORS: usize = 64;
/// So many levels of a piece fill all lanes with pairs; what is above waits for the other pieces.
const FULL_LEVELS: u32 = 3;
/// A pair of nodes is one block.
const PAIR_BLOCKS: usize = 1;

/// A perfect subtree over 2^`height` sectors, as a file is submitted to the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubtreeNode {
    pub root: Hash,
    pub height: u32,
}

/// Root over `sectors` (1 to 1024) that begin with `data`; what follows is zero.
pub fn segment_root(path: HashPath, data: &[u8], sectors: usize) -> Result<Hash, ShapeError> {
    if !(1..=SEGMENT_SECTORS).contains(&sectors) || data.len() > sectors * SECTOR_BYTES {
        return Err(ShapeError::SegmentBytes { bytes: data.len(), sectors });
    }
    Ok(fold_nodes(&segment_nodes(path, data, sectors)))
}

/// The perfect subtrees of a segment of `sectors`, from the front.
pub(super) fn segment_nodes(path: HashPath, data: &[u8], sectors: usize) -> Vec<SubtreeNode> {
    let mut rest = data;
    let node = |height| {
        let (own, after) = rest.split_at(rest.len().min(SECTOR_BYTES << height));
        rest = after;
        SubtreeNode { root: subtree_root(path, own, height), height }
    };
    subtree_heights(sectors as u64).map(node).collect()
}

/// Root of the tree whose perfect subtrees are `nodes`, from the front.
pub(super) fn fold_nodes(nodes: &[SubtreeNode]) -> Hash {
    let roots = nodes.iter().rev().map(|node| node.root);
    roots.reduce(|right, left| parent(&left, &right)).unwrap_or_default()
}

/// Root of the perfect tree over 2^`height` sectors, at most a segment, that begin with `data`.
fn subtree_root(path: HashPath, data: &[u8], height: u32) -> Hash {
    if data.is_empty() {
        return zero_root(height);
    }
    let mut leaves = [[0; 32]; PIECE_SECTORS];
    let mut nodes = [[0; 32]; SEGMENT_SECTORS >> FULL_LEVELS];
    let lower = height.min(FULL_LEVELS);
    let mut filled = 0;
    for piece in data.chunks(PIECE_SECTORS * SECTOR_BYTES) {
        let sectors = hash_sectors(path, piece, &mut leaves);
        let folded = fold(path, &mut leaves, sectors, 0..lower);
        nodes[filled..filled + folded].copy_from_slice(&leaves[..folded]);
        filled += folded;
    }
    fold(path, &mut nodes, filled, lower..height);
    nodes[0]
}

/// Replace nodes by their parents, from the first of `heights` up; only zeros follow the `filled` ones. Returns how many are left.
fn fold(path: HashPath, nodes: &mut [Hash], mut filled: usize, heights: Range<u32>) -> usize {
    let mut parents = [[0; 32]; PIECE_SECTORS];
    for height in heights {
        // At most one of the nodes that are zero has a sibling that is not.
        if filled % 2 == 1 {
            nodes[filled] = zero_root(height);
            filled += 1;
        }
        filled /= 2;
        hash_pairs(path, &nodes[..2 * filled], &mut parents[..filled]);
        nodes[..filled].copy_from_slice(&parents[..filled]);
    }
    filled
}

/// A leaf for each sector that `data` begins; returns their number.
fn hash_sectors(path: HashPath, data: &[u8], leaves: &mut [Hash]) -> usize {
    let whole = data.len() / SECTOR_BYTES;
    let (sectors, rest) = data.split_at(whole * SECTOR_BYTES);
    path.hash_each::<SECTOR_BLOCKS>(sectors, &mut leaves[..whole]);
    if rest.is_empty() {
        return whole;
    }
    let mut last = [0; SECTOR_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    path.hash_each::<SECTOR_BLOCKS>(&last, &mut leaves[whole..=whole]);
    whole + 1
}

/// The parents of nodes that lie in pairs.
pub(super) fn hash_pairs(path: HashPath, below: &[Hash], above: &mut [Hash]) {
    path.hash_each::<PAIR_BLOCKS>(below.as_flattened(), above);
}
