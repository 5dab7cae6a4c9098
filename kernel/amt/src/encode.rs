//! An encoded blob: its rows and proofs, from which slices are written one by one.

use crate::blob::BlobSizeError;
use crate::curve::{G1_BYTES, to_flagged, to_flagless};
use crate::merkle::{CosetTree, Digest, Keccak, data_root};
use crate::ntt::reversed;
use crate::points::Points;
use crate::rows::Matrix;
use crate::setup::{Prover, Setup, SetupError};
use crate::shape::{COSETS, Shape};
use crate::slice::{NODE_BYTES, Parts, slice_bytes, write};
use rayon::prelude::*;
use thiserror::Error;

/// Why a blob was not encoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    #[error(transparent)]
    Size(#[from] BlobSizeError),
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// An encoded blob. What was needed only on the way is freed.
pub struct EncodedBlob {
    shape: Shape,
    rows: Vec<u8>,
    trees: [CosetTree; COSETS],
    coset_roots: [Digest; COSETS],
    /// Of each coset, the levels one after another.
    nodes: [Vec<[u8; NODE_BYTES]>; COSETS],
    commitment: [u8; G1_BYTES],
    flagged_commitment: [u8; G1_BYTES],
    high: [u8; G1_BYTES],
}

impl EncodedBlob {
    /// Encode `data` on all threads.
    pub fn new(setup: &Setup, keccak: &Keccak, data: &[u8]) -> Result<Self, EncodeError> {
        let cannot = || SetupError("this setup has no parameters to prove with; load it from a folder with the encoder's files".into());
        let prover = setup.prover.as_deref().ok_or_else(cannot)?;
        let matrix = Matrix::encode(setup.shape, data)?;
        Ok(Self::of_matrix(prover, keccak, matrix))
    }

    fn of_matrix(prover: &dyn Prover, keccak: &Keccak, matrix: Matrix) -> Self {
        let (points, trees) = rayon::join(|| prover.points(&matrix), || matrix.trees(keccak));
        Self {
            shape: matrix.shape(),
            coset_roots: trees.each_ref().map(CosetTree::root),
            trees,
            nodes: std::array::from_fn(|coset| nodes_of(&points, coset)),
            commitment: to_flagless(&points.commitment),
            flagged_commitment: to_flagged(&points.commitment),
            high: to_flagged(&points.high),
            rows: matrix.into_encoded(),
        }
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    pub fn data_root(&self) -> Digest {
        data_root(&self.coset_roots)
    }

    pub fn coset_roots(&self) -> &[Digest; COSETS] {
        &self.coset_roots
    }

    /// Without flags.
    pub fn commitment(&self) -> &[u8; G1_BYTES] {
        &self.commitment
    }

    /// Encoded rows `start..stop`.
    pub fn rows(&self, start: usize, stop: usize) -> &[u8] {
        &self.rows[start * self.shape.row_bytes()..stop * self.shape.row_bytes()]
    }

    /// Write slice `index` into `room`, which has `slice_bytes` bytes.
    pub fn write_slice(&self, index: usize, room: &mut [u8]) {
        let (coset, row) = (index / self.shape.rows(), index % self.shape.rows());
        let leaf = reversed(row, self.shape.depth());
        let sibling = |level: u32| &self.nodes[coset][(1 << level) - 2 + ((leaf >> (self.shape.depth() - level)) ^ 1)];
        let siblings: Vec<&[u8; NODE_BYTES]> = (1..=self.shape.depth()).map(sibling).collect();
        let parts = Parts {
            index,
            commitment: &self.flagged_commitment,
            row: self.rows(index, index + 1),
            siblings: &siblings,
            high: &self.high,
            coset_roots: &self.coset_roots,
            path: self.trees[coset].path(row),
            row_root: &self.trees[coset].row_root(row),
        };
        write(self.shape, parts, room);
    }

    /// A slice as bytes of its own.
    pub fn slice(&self, index: usize) -> Vec<u8> {
        let mut room = vec![0; slice_bytes(self.shape)];
        self.write_slice(index, &mut room);
        room
    }
}

fn nodes_of(points: &Points, coset: usize) -> Vec<[u8; NODE_BYTES]> {
    let levels: Vec<_> = (1..=points.shape().depth()).flat_map(|level| points.level(coset, level)).collect();
    levels
        .par_iter()
        .map(|node| {
            let mut bytes = [0; NODE_BYTES];
            bytes[..G1_BYTES].copy_from_slice(&to_flagged(&node.commitment));
            bytes[G1_BYTES..].copy_from_slice(&to_flagged(&node.quotient));
            bytes
        })
        .collect()
}

/// The roots of an encoded blob, without any point: data root and coset roots.
pub fn roots(shape: Shape, keccak: &Keccak, data: &[u8]) -> Result<(Digest, [Digest; COSETS]), BlobSizeError> {
    let coset_roots = Matrix::encode(shape, data)?.trees(keccak).each_ref().map(CosetTree::root);
    Ok((data_root(&coset_roots), coset_roots))
}
