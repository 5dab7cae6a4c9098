//! The Merkle tree of encoded rows, whose root is at once the root of the encoded file in 0G Storage.
//!
//! A leaf is the Keccak-256 of 256 bytes, a parent that of its two children. Each coset has a tree of its own; the data root is
//! `keccak(keccak(ρ0 ‖ ρ1) ‖ ρ2)`.

use crate::shape::{COSETS, LEAF_BYTES};
use alloy_primitives::keccak256;
use rayon::prelude::*;

/// A node of the tree.
pub type Digest = [u8; 32];
/// Bytes of a node.
pub const DIGEST_BYTES: usize = 32;

/// How many hashes are made: many messages of one length at once, one digest a message. Whoever has wide registers uses them here.
#[derive(Clone, Copy)]
pub struct Keccak {
    /// Of messages of 256 bytes that lie one after another.
    pub leaves: fn(&[u8], &mut [Digest]),
    /// Of neighbours.
    pub pairs: fn(&[Digest], &mut [Digest]),
}

impl Keccak {
    /// One message after another.
    pub const PLAIN: Self = Self {
        leaves: |messages, digests| {
            for (message, digest) in messages.chunks_exact(LEAF_BYTES).zip(digests) {
                *digest = keccak256(message).0;
            }
        },
        pairs: |nodes, digests| {
            for (pair, digest) in nodes.as_chunks::<2>().0.iter().zip(digests) {
                *digest = parent(&pair[0], &pair[1]);
            }
        },
    };

    /// The root over the leaves of a row.
    pub fn row_root(&self, row: &[u8]) -> Digest {
        let mut nodes = vec![[0; DIGEST_BYTES]; row.len() / LEAF_BYTES];
        (self.leaves)(row, &mut nodes);
        let mut parents = vec![[0; DIGEST_BYTES]; nodes.len() / 2];
        while nodes.len() > 1 {
            parents.truncate(nodes.len() / 2);
            (self.pairs)(&nodes, &mut parents);
            std::mem::swap(&mut nodes, &mut parents);
        }
        nodes[0]
    }

    /// The roots of rows, on all threads.
    pub fn roots_of(&self, rows: &[&[u8]]) -> Vec<Digest> {
        rows.par_iter().map(|row| self.row_root(row)).collect()
    }

    /// The siblings, inside a row, on the way up from its piece `index` of `piece_bytes`.
    pub fn siblings_in_row(&self, row: &[u8], piece_bytes: usize, index: usize) -> Vec<Digest> {
        let pieces: Vec<Digest> = row.chunks_exact(piece_bytes).map(|piece| self.row_root(piece)).collect();
        CosetTree::new(self, &pieces).path(index).copied().collect()
    }
}

pub fn parent(left: &Digest, right: &Digest) -> Digest {
    let mut pair = [0; 2 * DIGEST_BYTES];
    pair[..DIGEST_BYTES].copy_from_slice(left);
    pair[DIGEST_BYTES..].copy_from_slice(right);
    keccak256(pair).0
}

/// `keccak(keccak(ρ0 ‖ ρ1) ‖ ρ2)`.
pub fn data_root(coset_roots: &[Digest; COSETS]) -> Digest {
    let [first, second, third] = coset_roots;
    parent(&parent(first, second), third)
}

/// The tree over the row roots of one coset, or over any other nodes.
pub struct CosetTree {
    /// Node 1 is the root, the children of node `n` are `2n` and `2n + 1`.
    nodes: Vec<Digest>,
}

impl CosetTree {
    /// The number of `row_roots` is a power of two.
    pub fn new(keccak: &Keccak, row_roots: &[Digest]) -> Self {
        let mut nodes = vec![[0; DIGEST_BYTES]; row_roots.len()];
        nodes.extend_from_slice(row_roots);
        let mut level = row_roots.len();
        while level > 1 {
            let (above, below) = nodes.split_at_mut(level);
            (keccak.pairs)(&below[..level], &mut above[level / 2..]);
            level /= 2;
        }
        Self { nodes }
    }

    pub fn root(&self) -> Digest {
        self.nodes[1]
    }

    pub fn row_root(&self, row: usize) -> Digest {
        self.nodes[self.nodes.len() / 2 + row]
    }

    /// The siblings on the way from a row's root up to the coset's.
    pub fn path(&self, row: usize) -> impl Iterator<Item = &Digest> {
        let leaf = self.nodes.len() / 2 + row;
        std::iter::successors(Some(leaf), |node| Some(node / 2)).take_while(|node| *node > 1).map(|node| &self.nodes[node ^ 1])
    }
}

/// The coset root to which a row's root leads by its siblings; `row` counts inside the coset.
pub fn climb<'a>(row_root: Digest, row: usize, path: impl Iterator<Item = &'a [u8; DIGEST_BYTES]>) -> Digest {
    path.enumerate().fold(
        row_root,
        |node, (height, sibling)| {
            if row >> height & 1 == 0 { parent(&node, sibling) } else { parent(sibling, &node) }
        },
    )
}
