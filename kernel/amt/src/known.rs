//! The setup of development, whose τ everybody knows: each point is a multiple of the generator, and each claim a matter of scalars.
//!
//! Never for data of value: who knows τ opens any commitment to anything.

use crate::domain::Domain;
use crate::fixed::generator_multiples;
use crate::ntt::{inverse, powers_of, reversed, root_of_unity};
use crate::points::{Node, Points};
use crate::rows::{Matrix, montgomery_square, unreduced};
use crate::setup::{Prover, Setup, SetupError, Verifier, fingerprint, high_exponent};
use crate::shape::{COSETS, Shape, UNIT_BYTES};
use crate::verify::{Claims, Domain as Challenge};
use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{AdditiveGroup, Field, batch_inversion};
use rayon::prelude::*;
use std::sync::Arc;

/// A known τ and what follows from it.
pub struct KnownTau {
    shape: Shape,
    tau: Fr,
    high: Fr,
    /// `τ_k = τ / h_k`.
    taus: [Fr; COSETS],
    /// Of each coset and level, by node: the scalar of the vanishing point W.
    vanishing: [Vec<Vec<Fr>>; COSETS],
}

/// A setup that proves and verifies with a known τ.
pub fn setup(shape: Shape, tau: Fr) -> Result<Setup, SetupError> {
    let known = Arc::new(KnownTau::new(shape, tau)?);
    let [first, high] = [known.vanishing(0, 1, 0), known.high].map(|scalar| (G2Affine::generator() * scalar).into_affine());
    Ok(Setup { shape, fingerprint: fingerprint(shape, &first, &high), prover: Some(known.clone()), verifier: known, knows_tau: true })
}

impl KnownTau {
    /// Refuses a τ at which a blob's polynomial is itself known, or which is zero.
    pub fn new(shape: Shape, tau: Fr) -> Result<Self, SetupError> {
        let domain = Domain::of(shape);
        if tau == Fr::ZERO || tau.pow([4 * shape.elements() as u64]) == Fr::ONE {
            return Err(SetupError("this τ is zero or one of the points of the code; choose another".into()));
        }
        let taus = domain.shifts.map(|shift| tau * inverse(shift));
        let vanishing = taus.map(|tau| (1..=shape.depth()).map(|level| vanishing_of_level(shape, tau, level)).collect());
        Ok(Self { shape, tau, high: tau.pow([high_exponent(shape)]), taus, vanishing })
    }

    /// The scalar of `W(level, node)`: `(Y^N - 1) / (Y^s - c)` at `τ_k`.
    pub fn vanishing(&self, coset: usize, level: u32, node: usize) -> Fr {
        self.vanishing[coset][level as usize - 1][node]
    }

    /// Commitment and quotient of each node of a level, from `f_m(τ)` of its blocks: the quotient is `c / 2^d` times the remainder of the
    /// polynomial modulo `Y^s - c`, the commitment `V(τ_k)` times that.
    fn level(&self, coset: usize, level: u32, blocks: &[Fr]) -> Vec<[Fr; 2]> {
        let count = 1 << level;
        let block_columns = self.shape.elements() >> level;
        let shift = Domain::of(self.shape).shifts[coset].pow([block_columns as u64]);
        let root = root_of_unity(level);
        let transform = crate::ntt::Transform::new(level);
        let mut remainders: Vec<[Fr; 1]> = blocks.iter().map(|value| [*value]).collect();
        transform.forward(&mut remainders, &transform.coset(shift));
        let scale = inverse(Fr::from(count as u64));
        let roots: Vec<Fr> = powers_of(root).take(count).collect();
        let node = |(index, remainder): (usize, &[Fr; 1])| {
            // Node n of the tree belongs to the root with exponent reverse(n), and so does place n of the transform.
            let quotient = remainder[0] * roots[reversed(index, level)] * scale;
            [quotient * self.vanishing(coset, level, index), quotient]
        };
        remainders.iter().enumerate().map(node).collect()
    }

    /// The multiple of the generator to which a row's values are committed: `Σ row[c] L_i(τ_k)` with `L_i(Y) = (ω^i / N)(Y^N - 1)/(Y - ω^i)`.
    fn row_scalar(&self, index: usize, row: &[u8]) -> Fr {
        let domain = Domain::of(self.shape);
        let tau = self.taus[index / self.shape.rows()];
        let tau_of_row = tau * domain.inverse_row_shifts[index % self.shape.rows()];
        // 1 / (Y ω^-i - 1), by column.
        let step = inverse(root_of_unity(self.shape.log_columns));
        let mut weights: Vec<Fr> = powers_of(step).take(self.shape.columns()).map(|root| tau_of_row * root - Fr::ONE).collect();
        batch_inversion(&mut weights);
        let sum: Fr = row.chunks_exact(UNIT_BYTES).zip(&weights).map(|(unit, weight)| unreduced(unit) * weight).sum();
        let scale = (tau.pow([self.shape.elements() as u64]) - Fr::ONE) * inverse(Fr::from(self.shape.elements() as u64));
        sum * montgomery_square() * scale
    }
}

fn vanishing_of_level(shape: Shape, tau: Fr, level: u32) -> Vec<Fr> {
    let count = 1 << level;
    let power = tau.pow([(shape.elements() >> level) as u64]);
    let roots: Vec<Fr> = powers_of(root_of_unity(level)).take(count).collect();
    let mut values: Vec<Fr> = (0..count).map(|node| power - roots[reversed(node, level)]).collect();
    batch_inversion(&mut values);
    let numerator = tau.pow([shape.elements() as u64]) - Fr::ONE;
    values.iter().map(|value| *value * numerator).collect()
}

impl Prover for KnownTau {
    fn points(&self, blob: &Matrix) -> Points {
        let (shape, depth) = (self.shape, self.shape.depth());
        let mut blocks: Vec<Fr> = blob.coefficients().par_chunks_exact(shape.columns()).map(|block| evaluate(block, self.tau)).collect();
        let mut levels = Vec::new();
        for level in (1..=depth).rev() {
            for coset in 0..COSETS {
                levels.push((coset, level, self.level(coset, level, &blocks)));
            }
            let power = self.tau.pow([(shape.elements() >> level) as u64]);
            blocks = blocks.as_chunks::<2>().0.iter().map(|[low, high]| *low + *high * power).collect();
        }
        let mut scalars = vec![blocks[0], blocks[0] * self.high];
        scalars.extend(levels.iter().flat_map(|(_, _, nodes)| nodes.as_flattened()));
        let multiples = generator_multiples(&scalars);
        let mut points = Points::new(shape);
        (points.commitment, points.high) = (multiples[0], multiples[1]);
        let mut nodes =
            multiples[2..].as_chunks::<2>().0.iter().map(|[commitment, quotient]| Node { commitment: *commitment, quotient: *quotient });
        for (coset, level, _) in levels {
            points.level_mut(coset, level).fill_with(|| nodes.next().unwrap_or_default());
        }
        points
    }
}

fn evaluate(coefficients: &[Fr], point: Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |value, coefficient| value * point + coefficient)
}

impl Verifier for KnownTau {
    fn rows_hold(&self, claims: &Claims<'_>) -> bool {
        let challenges = claims.challenges(Challenge::Rows, claims.rows.len());
        let values: Fr = claims.rows.par_iter().zip(&challenges).map(|(row, factor)| self.row_scalar(row.index, row.values) * factor).sum();
        let mut factors = vec![Fr::ZERO; claims.nodes.len()];
        for (row, factor) in claims.rows.iter().zip(&challenges) {
            for node in &row.siblings {
                factors[*node] += factor;
            }
        }
        factors.push(-challenges.iter().sum::<Fr>());
        factors.push(values);
        let mut bases: Vec<G1Affine> = claims.nodes.iter().map(|claim| claim.node.commitment).collect();
        bases.extend([claims.commitment, G1Affine::generator()]);
        adds_up_to_nothing(&bases, &factors)
    }

    fn nodes_hold(&self, claims: &Claims<'_>) -> bool {
        let challenges = claims.challenges(Challenge::Nodes, claims.nodes.len() + claims.highs.len());
        let (of_nodes, of_highs) = challenges.split_at(claims.nodes.len());
        let (mut bases, mut factors) = (Vec::new(), Vec::new());
        for (claim, factor) in claims.nodes.iter().zip(of_nodes) {
            bases.extend([claim.node.commitment, claim.node.quotient]);
            factors.extend([*factor, -self.vanishing(claim.coset, claim.level, claim.index) * factor]);
        }
        bases.extend(&claims.highs);
        factors.extend(of_highs);
        bases.push(claims.commitment);
        factors.push(-self.high * of_highs.iter().sum::<Fr>());
        adds_up_to_nothing(&bases, &factors)
    }
}

fn adds_up_to_nothing(bases: &[G1Affine], factors: &[Fr]) -> bool {
    G1Projective::msm_unchecked(bases, factors) == G1Projective::ZERO
}
