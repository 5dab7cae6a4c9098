//! Number-theoretic transforms of a power of two of elements, over any coset of the roots of unity, several polynomials at once.
//!
//! A polynomial of degree below n is reduced modulo `X^(n/2) ∓ t`, each half again, and so on down to its values. The shift of the coset
//! goes into the one factor `t` that all butterflies of a block share, so it costs next to nothing. Values come out in bit-reversed order:
//! place `p` holds the value at `shift · root^reverse(p)`.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, FftField, Field};

/// The highest power of two for which roots of unity exist.
const LOG_MAX: usize = 28;

/// The root of unity of order `2^log` that generates the domains of 0G DA: the powers of `5^((p-1)/2^28)`.
pub fn root_of_unity(log: u32) -> Fr {
    let mut root = Fr::TWO_ADIC_ROOT_OF_UNITY;
    for _ in log..LOG_MAX as u32 {
        root.square_in_place();
    }
    root
}

/// The lowest `bits` bits of `value` in reverse.
pub const fn reversed(value: usize, bits: u32) -> usize {
    if bits == 0 { 0 } else { value.reverse_bits() >> (usize::BITS - bits) }
}

/// The transforms of one size.
pub struct Transform {
    log: u32,
    /// `root^reverse(q)`, for the blocks of every level.
    roots: Vec<Fr>,
    inverse_roots: Vec<Fr>,
}

/// A coset as a transform takes it: for each level, the largest blocks first, the power of the shift that its factors contain.
pub struct Coset([Fr; LOG_MAX]);

impl Coset {
    /// The coset `shift · ⟨root⟩` of a transform of `2^log` values; for the way back give the inverse of the shift.
    pub fn new(log: u32, shift: Fr) -> Self {
        let mut powers = [Fr::ONE; LOG_MAX];
        let mut power = shift;
        for place in powers[..log as usize].iter_mut().rev() {
            *place = power;
            power.square_in_place();
        }
        Self(powers)
    }
}

impl Transform {
    pub fn new(log: u32) -> Self {
        let root = root_of_unity(log);
        let half = (1 << log) / 2;
        let in_reverse = |root: Fr| {
            let powers: Vec<Fr> = powers_of(root).take(half).collect();
            (0..half).map(|index| powers[reversed(index, log - 1)]).collect()
        };
        Self { log, roots: in_reverse(root), inverse_roots: in_reverse(inverse(root)) }
    }

    pub fn size(&self) -> usize {
        1 << self.log
    }

    /// The place of value `index`, and the other way round.
    pub fn place(&self, index: usize) -> usize {
        reversed(index, self.log)
    }

    pub fn coset(&self, shift: Fr) -> Coset {
        Coset::new(self.log, shift)
    }

    /// Coefficients to values, in bit-reversed order.
    pub fn forward<const LANES: usize>(&self, data: &mut [[Fr; LANES]], coset: &Coset) {
        debug_assert_eq!(data.len(), self.size());
        for (level, power) in coset.0[..self.log as usize].iter().enumerate() {
            let half = self.size() >> (level + 1);
            for (block, root) in data.chunks_exact_mut(2 * half).zip(&self.roots) {
                let factor = *root * power;
                let (low, high) = block.split_at_mut(half);
                for (low, high) in low.as_flattened_mut().iter_mut().zip(high.as_flattened_mut()) {
                    let product = *high * factor;
                    *high = *low - product;
                    *low += product;
                }
            }
        }
    }

    /// Values in bit-reversed order to the coefficients times the size. `coset` has the inverse of the shift.
    pub fn backward<const LANES: usize>(&self, data: &mut [[Fr; LANES]], coset: &Coset) {
        debug_assert_eq!(data.len(), self.size());
        for (level, power) in coset.0[..self.log as usize].iter().enumerate().rev() {
            let half = self.size() >> (level + 1);
            for (block, root) in data.chunks_exact_mut(2 * half).zip(&self.inverse_roots) {
                let factor = *root * power;
                let (low, high) = block.split_at_mut(half);
                for (low, high) in low.as_flattened_mut().iter_mut().zip(high.as_flattened_mut()) {
                    let difference = *low - *high;
                    *low += *high;
                    *high = difference * factor;
                }
            }
        }
    }
}

/// 1, base, base², …
pub fn powers_of(base: Fr) -> impl Iterator<Item = Fr> {
    std::iter::successors(Some(Fr::ONE), move |power| Some(*power * base))
}

/// The inverse of what is known not to be zero.
pub fn inverse(value: Fr) -> Fr {
    debug_assert_ne!(value, Fr::ZERO);
    value.inverse().unwrap_or(Fr::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{MontFp, PrimeField};

    /// Source: 0glabs/0g-da-encoder, whose domain is that of arkworks.
    #[test]
    fn the_roots_of_unity_are_the_official_ones() {
        assert_eq!(root_of_unity(28), MontFp!("19103219067921713944291392827692070036145651957329286315305642004821462161904"));
        assert_eq!(root_of_unity(20), MontFp!("17220337697351015657950521176323262483320249231368149235373741788599650842711"));
        assert_eq!(root_of_unity(28), Fr::from(5).pow(Fr::TRACE));
    }

    #[test]
    fn values_are_those_of_the_polynomial_and_lead_back_to_it() {
        let transform = Transform::new(4);
        let shift = Fr::from(12345);
        let coefficients: Vec<[Fr; 2]> = (0..16_u64).map(|index| [Fr::from(index * index + 3), Fr::from(7 * index)]).collect();
        let mut data = coefficients.clone();
        transform.forward(&mut data, &transform.coset(shift));
        for (index, power) in powers_of(root_of_unity(4)).take(16).enumerate() {
            for lane in 0..2 {
                let value: Fr = coefficients.iter().zip(powers_of(shift * power)).map(|(row, power)| row[lane] * power).sum();
                assert_eq!(data[transform.place(index)][lane], value);
            }
        }
        transform.backward(&mut data, &transform.coset(inverse(shift)));
        let scaled: Vec<[Fr; 2]> = coefficients.iter().map(|row| row.map(|value| value * Fr::from(16))).collect();
        assert_eq!(data, scaled);
    }
}
