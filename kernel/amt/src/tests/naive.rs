//! The encoder written straight from its formulas, over arkworks' transforms, multiplication and serialisation.

use crate::domain::coset_shift;
use crate::merkle::Digest;
use crate::setup::high_exponent;
use crate::shape::{COSETS, LEAF_BYTES, RAW_UNIT_BYTES, Shape};
use alloy_primitives::keccak256;
use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::PrimeGroup;
use ark_ec::scalar_mul::{BatchMulPreprocessing, ScalarMul};
use ark_ff::{BigInteger, Field, PrimeField};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_serialize::CanonicalSerialize;

/// A known τ, for one shape.
pub struct NaiveEncoder {
    shape: Shape,
    tau: Fr,
    domain: Radix2EvaluationDomain<Fr>,
    table: BatchMulPreprocessing<G1Projective>,
}

fn reversed(value: usize, bits: u32) -> usize {
    (0..bits).fold(0, |reversed, bit| reversed << 1 | value >> bit & 1)
}

fn pair_hash(left: &Digest, right: &Digest) -> Digest {
    keccak256([*left, *right].as_flattened()).0
}

/// All levels of a tree, the leaves first.
fn levels_over(leaves: Vec<Digest>) -> Vec<Vec<Digest>> {
    let mut levels = vec![leaves];
    while let Some(level) = levels.last().filter(|level| level.len() > 1) {
        levels.push(level.chunks(2).map(|pair| pair_hash(&pair[0], &pair[1])).collect());
    }
    levels
}

impl NaiveEncoder {
    pub fn new(shape: Shape, tau: Fr) -> Self {
        let domain = Radix2EvaluationDomain::new(shape.elements()).unwrap();
        Self { shape, tau, domain, table: BatchMulPreprocessing::new(G1Projective::generator(), shape.elements()) }
    }

    /// All slices, one after another, and the data root.
    pub fn encode(&self, data: &[u8]) -> (Vec<u8>, Digest) {
        let (rows, columns) = (self.shape.rows(), self.shape.columns());
        let values = self.values(data);
        let row = |coset: usize, row: usize| -> Vec<u8> {
            (0..columns).flat_map(|column| values[coset][column * rows + row].into_bigint().to_bytes_le()).collect()
        };
        let row_root = |bytes: &[u8]| levels_over(bytes.chunks(LEAF_BYTES).map(|leaf| keccak256(leaf).0).collect()).pop().unwrap()[0];
        let trees: Vec<_> = (0..COSETS).map(|coset| levels_over((0..rows).map(|index| row_root(&row(coset, index))).collect())).collect();
        let roots: Vec<Digest> = trees.iter().map(|tree| tree.last().unwrap()[0]).collect();
        let points = self.points(&values);
        let (commitment, high) = points[0];
        let mut slices = Vec::new();
        let mut put = |bytes: &[u8]| slices.extend_from_slice(bytes);
        let word = |value: usize| (value as u64).to_le_bytes();
        for index in 0..COSETS * rows {
            let (coset, local) = (index / rows, index % rows);
            put(&[word(index), word(index)].concat());
            put(&written(&commitment));
            put(&[word(local), word(columns)].concat());
            put(&row(coset, local));
            put(&word(self.shape.depth() as usize));
            for level in 1..=self.shape.depth() {
                let node = reversed(local, self.shape.depth()) >> (self.shape.depth() - level) ^ 1;
                let (commitment, quotient) = points[1 + coset * (2 * rows - 2) + (1 << level) - 2 + node];
                put(&[written(&commitment), written(&quotient)].concat());
            }
            put(&written(&high));
            put(roots.as_flattened());
            put(&word(self.shape.depth() as usize));
            for (height, level) in trees[coset][..self.shape.depth() as usize].iter().enumerate() {
                put(&level[local >> height ^ 1]);
            }
            put(&word(index));
            put(&trees[coset][0][local]);
        }
        (slices, pair_hash(&pair_hash(&roots[0], &roots[1]), &roots[2]))
    }

    /// `f(h_k ω^i)` for every coset.
    fn values(&self, data: &[u8]) -> Vec<Vec<Fr>> {
        let (rows, columns) = (self.shape.rows(), self.shape.columns());
        let mut padded = data.to_vec();
        padded.resize(RAW_UNIT_BYTES * rows * columns - 4, 0);
        padded.extend((data.len() as u32).to_le_bytes());
        let elements: Vec<Fr> = padded.chunks(RAW_UNIT_BYTES).map(Fr::from_le_bytes_mod_order).collect();
        let natural: Vec<Fr> = (0..rows * columns).map(|index| elements[index % rows * columns + index / rows]).collect();
        let coefficients = self.domain.ifft(&natural);
        (0..COSETS).map(|coset| self.domain.get_coset(coset_shift(self.shape, coset)).unwrap().fft(&coefficients)).collect()
    }

    /// The commitment with the high point, then commitment and quotient of each node of each coset, level by level.
    fn points(&self, values: &[Vec<Fr>]) -> Vec<(G1Affine, G1Affine)> {
        let size = self.shape.elements();
        let roots: Vec<Fr> = self.domain.elements().collect();
        let mut scalars = Vec::new();
        for (coset, values) in values.iter().enumerate() {
            let tau = self.tau / coset_shift(self.shape, coset);
            // ω^i / N / (Y - ω^i) · v_i, to which L_i and q_i are proportional.
            let mut parts: Vec<Fr> = roots.iter().map(|root| (tau - root) * Fr::from(size as u64)).collect();
            ark_ff::batch_inversion(&mut parts);
            let parts: Vec<Fr> = parts.iter().zip(&roots).zip(values).map(|((part, root), value)| *part * root * value).collect();
            let whole = tau.pow([size as u64]) - Fr::ONE;
            if coset == 0 {
                let commitment = parts.iter().sum::<Fr>() * whole;
                scalars.extend([commitment, commitment * self.tau.pow([high_exponent(self.shape)])]);
            }
            for level in 1..=self.shape.depth() {
                let block = size >> level;
                for node in 0..1 << level {
                    let index = reversed(node, level);
                    let sum: Fr = parts.iter().skip(index).step_by(1 << level).sum();
                    scalars.extend([sum * whole, sum * (tau.pow([block as u64]) - roots[index * block])]);
                }
            }
        }
        G1Projective::batch_mul_with_preprocessing(&self.table, &scalars).chunks(2).map(|pair| (pair[0], pair[1])).collect()
    }
}

fn written(point: &G1Affine) -> Vec<u8> {
    let mut bytes = Vec::new();
    point.serialize_uncompressed(&mut bytes).unwrap();
    bytes
}
