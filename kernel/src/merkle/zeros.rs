//! Roots of trees over nothing but zeros, so that padding is looked up and never hashed.

use std::sync::LazyLock;

use super::shape::SECTOR_BYTES;
use super::{Hash, parent};
use crate::hash::keccak256;

/// Positions on the flow have 64 bits, so no perfect subtree is higher.
pub(super) const HEIGHTS: usize = 64;

static ZERO_ROOTS: LazyLock<[Hash; HEIGHTS]> = LazyLock::new(|| {
    let mut roots = [keccak256([0; SECTOR_BYTES]).0; HEIGHTS];
    for height in 1..HEIGHTS {
        roots[height] = parent(&roots[height - 1], &roots[height - 1]);
    }
    roots
});

/// Root of the perfect tree over 2^`height` sectors of zeros; heights are below 64.
pub fn zero_root(height: u32) -> Hash {
    ZERO_ROOTS[height as usize]
}
