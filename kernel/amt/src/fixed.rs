//! Many multiples of the generator of G1: a table of its multiples by every byte in every place, and a sum of 32 of them for each.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, PrimeField};
use rayon::prelude::*;
use std::sync::OnceLock;

const WINDOWS: usize = 32;
/// Multiples of one window; that by zero is left out.
const MULTIPLES: usize = 255;
/// Sums that share one inversion.
const BATCH: usize = 512;

struct Table(Vec<G1Affine>);

impl Table {
    fn of_generator() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            let mut multiples = Vec::with_capacity(WINDOWS * MULTIPLES);
            let mut base = G1Projective::from(G1Affine::generator());
            for _ in 0..WINDOWS {
                let mut multiple = base;
                for _ in 0..MULTIPLES {
                    multiples.push(multiple);
                    multiple += base;
                }
                base = multiple;
            }
            Self(G1Projective::normalize_batch(&multiples))
        })
    }

    fn multiply(&self, scalar: &Fr) -> G1Projective {
        let bytes = scalar.into_bigint().to_bytes_le();
        let mut sum = G1Projective::default();
        for (byte, multiples) in bytes.iter().zip(self.0.chunks_exact(MULTIPLES)) {
            if *byte > 0 {
                sum += multiples[usize::from(*byte) - 1];
            }
        }
        sum
    }
}

/// The generator times each of `scalars`, on all threads.
pub fn generator_multiples(scalars: &[Fr]) -> Vec<G1Affine> {
    let table = Table::of_generator();
    let batches = scalars.par_chunks(BATCH).map(|batch| {
        let sums: Vec<G1Projective> = batch.iter().map(|scalar| table.multiply(scalar)).collect();
        G1Projective::normalize_batch(&sums)
    });
    batches.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{AdditiveGroup, Field};

    #[test]
    fn multiples_are_those_of_plain_multiplication() {
        let mut scalars = vec![Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(255), Fr::from(256)];
        scalars.extend((0..BATCH as u64).map(|index| Fr::from(index + 3).inverse().unwrap()));
        let expected: Vec<G1Affine> = scalars.iter().map(|scalar| (G1Affine::generator() * scalar).into_affine()).collect();
        assert_eq!(generator_multiples(&scalars), expected);
    }
}
