//! What an encoder and its signers have to share: a setup, as one who proves and one who verifies.

use crate::points::Points;
use crate::rows::{Matrix, write_element};
use crate::shape::{PRODUCTION, Shape};
use crate::verify::Claims;
use alloy_primitives::keccak256;
use ark_bn254::{Fr, G2Affine};
use ark_ec::AffineRepr;
use std::sync::Arc;
use thiserror::Error;

/// Makes the points of a blob.
pub trait Prover: Send + Sync {
    fn points(&self, blob: &Matrix) -> Points;
}

/// Checks what slices claim on the curve. Both questions are asked of many slices at once and of one alone.
pub trait Verifier: Send + Sync {
    /// Whether for each row the siblings of its proof and the commitment to its values add up to the blob's commitment.
    fn rows_hold(&self, claims: &Claims<'_>) -> bool;
    /// Whether each node is `e(C, G₂) = e(Q, W)`, and each high point `e(H, G₂) = e(commitment, [τ^D]₂)`.
    fn nodes_hold(&self, claims: &Claims<'_>) -> bool;
}

/// A setup that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct SetupError(pub String);

/// One setup. A setup that only verifies has no prover.
#[derive(Clone)]
pub struct Setup {
    pub shape: Shape,
    pub prover: Option<Arc<dyn Prover>>,
    pub verifier: Arc<dyn Verifier>,
    /// Equal for all setups with the same τ, however they were loaded.
    pub fingerprint: [u8; 32],
    /// Everybody knows τ: proofs prove nothing to the outside.
    pub knows_tau: bool,
}

/// `D` of the low-degree test. Source: 0glabs/0g-da-encoder; for production that of the public ceremony, else that of a setup of its own.
pub const fn high_exponent(shape: Shape) -> u64 {
    let log = shape.log_elements();
    if shape.log_rows == PRODUCTION.log_rows && shape.log_columns == PRODUCTION.log_columns {
        (1 << 28) - (1 << 20)
    } else {
        (1 << (log + 2)) - (1 << log)
    }
}

/// A name for a setup that both sides can compute: over the vanishing point `W(1, 0) = [τ^(N/2) + 1]₂` of the first coset, which every form
/// of a setup has, `[τ^D]₂`, and the shape.
pub fn fingerprint(shape: Shape, first_vanishing: &G2Affine, high: &G2Affine) -> [u8; 32] {
    let mut bytes = vec![shape.log_rows as u8, shape.log_columns as u8];
    for point in [first_vanishing, high] {
        let (x, y) = point.xy().unwrap_or_default();
        for coordinate in [x.c0, x.c1, y.c0, y.c1] {
            use ark_ff::{BigInteger, PrimeField};
            bytes.extend(coordinate.into_bigint().to_bytes_le());
        }
    }
    keccak256(bytes).0
}

/// An element from any number of big-endian bytes, reduced.
pub fn scalar_from_bytes(bytes: &[u8]) -> Fr {
    use ark_ff::PrimeField;
    Fr::from_be_bytes_mod_order(bytes)
}

/// An element as 32 little-endian bytes.
pub fn scalar_bytes(value: Fr) -> [u8; 32] {
    let mut bytes = [0; 32];
    write_element(value, &mut bytes);
    bytes
}
