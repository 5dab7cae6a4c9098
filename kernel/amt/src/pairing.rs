//! Verification without τ: what slices claim, as two equations between sums with factors that nobody can choose.
//!
//! Rows are one large multiplication with the Lagrange bases. Nodes and high points are one product of pairings, `e(ΣρC + ΣσH, G₂)` against
//! `e(ρQ, W)` of each distinct node and `e(Σσ commitment, [τ^D]₂)`.

use crate::batch::{Kernel, Packed};
use crate::ecfft::{Multiplier, multiply_each};
use crate::msm::{Plan, SCALAR_BITS, Task, multiply, multiply_one};
use crate::ntt::reversed;
use crate::rows::element;
use crate::setup::Verifier;
use crate::shape::{COSETS, Shape, UNIT_BYTES};
use crate::verify::{Claims, Domain as Challenge, RowClaim};
use ark_bn254::{Bn254, Fq12, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::pairing::{MillerLoopOutput, Pairing};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{AdditiveGroup, Field, Zero};
use rayon::prelude::*;
use std::sync::Arc;

/// Pairs of one Miller loop; the lines of a point of G2 take 17 KiB while they are in use.
const PAIRS_AT_ONCE: usize = 64;
/// From so many rows of a coset on, they go through one multiplication with the whole basis.
const MANY_ROWS: usize = 64;

/// A setup as a signer uses it.
pub struct PairingVerifier {
    pub shape: Shape,
    pub kernel: Kernel,
    /// `[L_i(τ_k)]` in bit-reversed order.
    pub lagrange: [Arc<Vec<Packed>>; COSETS],
    /// `W` of each coset and level, by node.
    pub vanishing: [Vec<Vec<G2Affine>>; COSETS],
    /// `[τ^D]₂`.
    pub high: G2Affine,
}

impl PairingVerifier {
    /// The commitments to the values of rows, each with its factor, in one point.
    fn commit(&self, rows: &[RowClaim<'_>], factors: &[Fr]) -> G1Projective {
        let of_coset = |coset: usize| {
            let own: Vec<_> = rows.iter().zip(factors).filter(|(row, _)| row.index / self.shape.rows() == coset).collect();
            if own.len() < MANY_ROWS { self.commit_each(coset, &own) } else { self.commit_all(coset, &own) }
        };
        (0..COSETS).map(of_coset).fold(G1Projective::ZERO, |sum, point| sum + self.kernel.unpack(&point))
    }

    fn commit_each(&self, coset: usize, rows: &[(&RowClaim<'_>, &Fr)]) -> Packed {
        let columns = self.shape.columns();
        let scalars: Vec<_> = rows.iter().map(|(row, factor)| self.scaled(row, **factor)).collect();
        let points = rows.iter().map(|(row, _)| &self.lagrange[coset][self.leaf(row) * columns..][..columns]);
        let tasks: Vec<_> = points.zip(&scalars).map(|(points, scalars)| Task { points, scalars }).collect();
        let sums = multiply(self.kernel, Plan::plain(columns, SCALAR_BITS), &tasks);
        sums.iter().fold(Packed::INFINITY, |sum, point| self.kernel.sum(&sum, point))
    }

    fn commit_all(&self, coset: usize, rows: &[(&RowClaim<'_>, &Fr)]) -> Packed {
        let mut scalars = vec![Fr::ZERO; self.shape.elements()];
        for (row, factor) in rows {
            // A row that two slices hold counts twice.
            let room = &mut scalars[self.leaf(row) * self.shape.columns()..][..self.shape.columns()];
            for (scalar, value) in room.iter_mut().zip(self.scaled(row, **factor)) {
                *scalar += value;
            }
        }
        multiply_one(self.kernel, &self.lagrange[coset], &scalars)
    }

    /// The values of a row times a factor, in the order of the basis.
    fn scaled(&self, row: &RowClaim<'_>, factor: Fr) -> Vec<Fr> {
        let value = |place: usize| element(&row.values[reversed(place, self.shape.log_columns) * UNIT_BYTES..][..UNIT_BYTES]);
        (0..self.shape.columns()).map(|place| value(place) * factor).collect()
    }

    fn leaf(&self, row: &RowClaim<'_>) -> usize {
        reversed(row.index % self.shape.rows(), self.shape.log_rows)
    }

    /// Each point times its factor.
    fn scale_each(&self, points: &[G1Affine], factors: &[Fr]) -> Vec<G1Affine> {
        let mut packed: Vec<_> = points.iter().map(|point| self.kernel.pack(point)).collect();
        let multipliers: Vec<_> = factors.par_iter().map(|factor| Multiplier::new(*factor)).collect();
        let work: Vec<_> = multipliers.iter().enumerate().map(|(index, multiplier)| (index as u32, multiplier)).collect();
        multiply_each(self.kernel, &mut packed, &work);
        packed.iter().map(|point| self.kernel.unpack(point)).collect()
    }
}

impl Verifier for PairingVerifier {
    fn rows_hold(&self, claims: &Claims<'_>) -> bool {
        let factors = claims.challenges(Challenge::Rows, claims.rows.len());
        let mut of_nodes = vec![Fr::ZERO; claims.nodes.len()];
        for (row, factor) in claims.rows.iter().zip(&factors) {
            for node in &row.siblings {
                of_nodes[*node] += factor;
            }
        }
        of_nodes.push(-factors.iter().sum::<Fr>());
        let mut points: Vec<_> = claims.nodes.iter().map(|claim| claim.node.commitment).collect();
        points.push(claims.commitment);
        (G1Projective::msm_unchecked(&points, &of_nodes) + self.commit(&claims.rows, &factors)).is_zero()
    }

    fn nodes_hold(&self, claims: &Claims<'_>) -> bool {
        let factors = claims.challenges(Challenge::Nodes, claims.nodes.len() + claims.highs.len());
        let (of_nodes, of_highs) = factors.split_at(claims.nodes.len());
        let left: Vec<_> = claims.nodes.iter().map(|claim| claim.node.commitment).chain(claims.highs.iter().copied()).collect();
        let commitments = G1Projective::msm_unchecked(&left, &factors).into_affine();
        let high = (claims.commitment * of_highs.iter().sum::<Fr>()).into_affine();
        let quotients: Vec<_> = claims.nodes.iter().map(|claim| claim.node.quotient).collect();
        let scaled = self.scale_each(&quotients, of_nodes);
        let vanishing = claims.nodes.iter().map(|claim| self.vanishing[claim.coset][claim.level as usize - 1][claim.index]);
        let mut pairs: Vec<_> = scaled.iter().map(|point| -*point).zip(vanishing).collect();
        pairs.extend([(commitments, G2Affine::generator()), (-high, self.high)]);
        multiply_to_one(&pairs)
    }
}

/// Whether the product of the pairings is one.
pub fn multiply_to_one(pairs: &[(G1Affine, G2Affine)]) -> bool {
    let loops = pairs.par_chunks(PAIRS_AT_ONCE).map(|pairs| {
        let (left, right): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
        Bn254::multi_miller_loop(left, right).0
    });
    let product: Fq12 = loops.product();
    Bn254::final_exponentiation(MillerLoopOutput(product)).is_some_and(|output| output.0 == Fq12::ONE)
}
