//! What an encoder without τ multiplies with: powers of τ and Lagrange bases, as points of G1.

use crate::batch::{Kernel, Packed};
use crate::domain::Domain;
use crate::ntt::{inverse, powers_of, reversed, root_of_unity};
use crate::setup::high_exponent;
use crate::shape::{COSETS, Shape};
use ark_bn254::Fr;
use ark_ff::{Field, batch_inversion};
use std::sync::Arc;

/// Points to prove with. Lagrange bases stand in bit-reversed order, so that a row of the code is a block of neighbours.
pub struct Srs {
    pub shape: Shape,
    pub kernel: Kernel,
    /// `[τ^i]` below the number of elements.
    pub powers: Vec<Packed>,
    /// `[L_i(τ_k)]` of cosets 0 and 1.
    pub lagrange: [Arc<Vec<Packed>>; 2],
    pub high: High,
    /// Quotients of coset 0, for blobs that fill few rows.
    pub quotients: Option<Box<dyn Quotients>>,
}

/// What makes `[τ^D f(τ)]`.
pub enum High {
    /// `[τ^(D+i)]`, for the coefficients.
    Powers(Vec<Packed>),
    /// `[τ^D L_i(τ)]`, for the values on coset 0.
    Lagrange(Vec<Packed>),
}

/// `[q_i(τ)]` of the levels of coset 0's tree, in bit-reversed order.
pub trait Quotients: Send + Sync {
    /// The points of one leaf at a level, as many as there are columns. None when they cannot be read.
    fn of_leaf(&self, level: u32, leaf: usize) -> Option<Vec<Packed>>;
}

/// The scalars of a setup, for whoever knows τ.
pub struct Scalars {
    shape: Shape,
    tau: Fr,
}

impl Scalars {
    pub fn new(shape: Shape, tau: Fr) -> Self {
        Self { shape, tau }
    }

    /// `τ^D`.
    pub fn high(&self) -> Fr {
        self.tau.pow([high_exponent(self.shape)])
    }

    /// `first · τ^i`.
    pub fn powers(&self, first: Fr) -> Vec<Fr> {
        powers_of(self.tau).take(self.shape.elements()).map(|power| power * first).collect()
    }

    /// `L_i(τ_k)` in bit-reversed order: `(ω^i / N)(Y^N - 1)/(Y - ω^i)`.
    pub fn lagrange(&self, coset: usize) -> Vec<Fr> {
        let domain = Domain::of(self.shape);
        let tau = self.tau * inverse(domain.shifts[coset]);
        let elements = self.shape.elements();
        let roots: Vec<_> = powers_of(domain.root).take(elements).collect();
        let in_order = |place: usize| roots[reversed(place, self.shape.log_elements())];
        let mut values: Vec<_> = (0..elements).map(|place| tau - in_order(place)).collect();
        batch_inversion(&mut values);
        let scale = (tau.pow([elements as u64]) - Fr::ONE) * inverse(Fr::from(elements as u64));
        for (place, value) in values.iter_mut().enumerate() {
            *value *= scale * in_order(place);
        }
        values
    }

    /// `q_i(τ)` of one level from `L_i(τ)`, both in bit-reversed order: `L_i` times `(Y^s - c)/(Y^N - 1)`.
    pub fn quotients(&self, lagrange: &[Fr], level: u32) -> Vec<Fr> {
        let vanishing = self.vanishing(0, level);
        let inverses: Vec<_> = vanishing.iter().map(|value| inverse(*value)).collect();
        let block = self.shape.elements() >> level;
        lagrange.iter().enumerate().map(|(place, value)| *value * inverses[place / block]).collect()
    }

    /// `W(level, n)` of each node n: `(Y^N - 1)/(Y^s - c)` at `τ_k`.
    pub fn vanishing(&self, coset: usize, level: u32) -> Vec<Fr> {
        let tau = self.tau * inverse(Domain::of(self.shape).shifts[coset]);
        let power = tau.pow([(self.shape.elements() >> level) as u64]);
        let roots: Vec<_> = powers_of(root_of_unity(level)).take(1 << level).collect();
        let mut values: Vec<_> = (0..1 << level).map(|node| power - roots[reversed(node, level)]).collect();
        batch_inversion(&mut values);
        let numerator = tau.pow([self.shape.elements() as u64]) - Fr::ONE;
        values.iter().map(|value| *value * numerator).collect()
    }

    /// τ to powers at which a setup would divide by zero.
    pub fn is_usable(&self) -> bool {
        self.tau != Fr::from(0_u64) && self.tau.pow([(COSETS as u64 + 1) * self.shape.elements() as u64]) != Fr::ONE
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::windows::Generator;

    /// Quotients in memory.
    pub struct Kept(pub Shape, pub Vec<Vec<Packed>>);

    impl Quotients for Kept {
        fn of_leaf(&self, level: u32, leaf: usize) -> Option<Vec<Packed>> {
            let columns = self.0.columns();
            Some(self.1[level as usize - 1][leaf * columns..(leaf + 1) * columns].to_vec())
        }
    }

    /// The points of a known τ.
    pub fn of_tau(kernel: Kernel, shape: Shape, tau: Fr, sparse: bool) -> Srs {
        let (scalars, generator) = (Scalars::new(shape, tau), Generator::new(kernel));
        let lagrange = scalars.lagrange(0);
        let quotients = || Kept(shape, (1..=shape.depth()).map(|level| generator.multiply(&scalars.quotients(&lagrange, level))).collect());
        let high_lagrange: Vec<_> = lagrange.iter().map(|value| *value * scalars.high()).collect();
        Srs {
            shape,
            kernel,
            powers: generator.multiply(&scalars.powers(Fr::ONE)),
            lagrange: [0, 1].map(|coset| Arc::new(generator.multiply(&scalars.lagrange(coset)))),
            high: if sparse {
                High::Lagrange(generator.multiply(&high_lagrange))
            } else {
                High::Powers(generator.multiply(&scalars.powers(scalars.high())))
            },
            quotients: if sparse { Some(Box::new(quotients())) } else { None },
        }
    }
}
