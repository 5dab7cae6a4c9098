//! Fourier transforms of points: the values are points of G1, the roots of unity scalars.
//!
//! Many transforms of different sizes go level by level together, so that each level is one batch of multiplications. A multiplication
//! splits its scalar into two halves by the curve's endomorphism and goes through both in windows of four bits. Source of the split:
//! R. Gallant, R. Lambert, S. Vanstone, "Faster point multiplication on elliptic curves with efficient endomorphisms", 2001.

use crate::batch::{Kernel, NEGATIVE, Packed, Pair, Scratch};
use crate::ntt::{inverse, powers_of, root_of_unity};
use ark_bn254::{Fr, g1};
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ff::PrimeField;
use rayon::prelude::*;

/// Windows of four bits in a half of a scalar, whose digits carry into one more.
const WINDOWS: usize = 33;
/// Greatest size of a digit: they go from -7 to 8.
const MULTIPLES: usize = 8;
/// Points that are multiplied together.
const AT_ONCE: usize = 512;

/// A scalar as its digits.
#[derive(Clone)]
pub struct Multiplier {
    digits: [[i8; WINDOWS]; 2],
}

impl Multiplier {
    pub fn new(scalar: Fr) -> Self {
        let (first, second) = g1::Config::scalar_decomposition(scalar);
        Self { digits: [first, second].map(|(positive, half)| digits_of(positive, half)) }
    }
}

fn digits_of(positive: bool, half: Fr) -> [i8; WINDOWS] {
    let words = half.into_bigint().0;
    let mut carry = 0;
    std::array::from_fn(|window| {
        let plain = (words[window / 16] >> (window % 16 * 4) & 15) as i8 + carry;
        carry = i8::from(plain > MULTIPLES as i8);
        let digit = plain - 16 * carry;
        if positive { digit } else { -digit }
    })
}

/// Multiply the points at the indexes of `work`, each named once.
pub fn multiply_each(kernel: Kernel, points: &mut [Packed], work: &[(u32, &Multiplier)]) {
    let finite: Vec<_> = work.iter().filter(|(index, _)| !points[*index as usize].is_infinity()).collect();
    let source = &*points;
    let products: Vec<_> = finite
        .par_chunks(AT_ONCE)
        .map_init(Scratch::default, |scratch, some| {
            let values = some.iter().map(|(index, _)| source[*index as usize]);
            let multipliers: Vec<_> = some.iter().map(|(_, multiplier)| *multiplier).collect();
            products(kernel, values.collect(), &multipliers, scratch)
        })
        .collect();
    for ((index, _), product) in finite.into_iter().zip(products.iter().flatten()) {
        points[*index as usize] = *product;
    }
}

/// The products of finite points, which come first in the arena: their place becomes that of the sums.
fn products(kernel: Kernel, mut arena: Vec<Packed>, multipliers: &[&Multiplier], scratch: &mut Scratch) -> Vec<Packed> {
    let count = arena.len();
    append_multiples(kernel, &mut arena, scratch);
    arena[..count].fill(Packed::INFINITY);
    let all: Vec<_> = (0..count as u32).collect();
    let mut pairs = Vec::with_capacity(count);
    for window in (0..WINDOWS).rev() {
        if window + 1 < WINDOWS {
            for _ in 0..4 {
                kernel.double_within(&mut arena, &all, scratch);
            }
        }
        for half in 0..2 {
            pairs.clear();
            for (index, multiplier) in multipliers.iter().enumerate() {
                let digit = multiplier.digits[half][window];
                if digit == 0 {
                    continue;
                }
                let multiple = count * (1 + half * MULTIPLES + usize::from(digit.unsigned_abs()) - 1) + index;
                if arena[index].is_infinity() {
                    arena[index] = if digit < 0 { arena[multiple].negative() } else { arena[multiple] };
                } else {
                    let sign = if digit < 0 { NEGATIVE } else { 0 };
                    pairs.push(Pair { left: index as u32, right: multiple as u32 | sign, dest: index as u32 });
                }
            }
            kernel.add_within(&mut arena, &pairs, scratch);
        }
    }
    arena.truncate(count);
    arena
}

/// Behind the points: those times 1 to 8, and the same under the endomorphism.
fn append_multiples(kernel: Kernel, arena: &mut Vec<Packed>, scratch: &mut Scratch) {
    let count = arena.len();
    for multiple in 1..=MULTIPLES {
        let start = arena.len();
        if multiple % 2 == 0 {
            let half = count * (multiple / 2);
            arena.extend_from_within(half..half + count);
            let indexes: Vec<_> = (start as u32..(start + count) as u32).collect();
            kernel.double_within(arena, &indexes, scratch);
            continue;
        }
        arena.extend_from_within(..count);
        if multiple > 1 {
            let below = count * (multiple - 1);
            let pair = |index: usize| Pair { left: (start + index) as u32, right: (below + index) as u32, dest: (start + index) as u32 };
            let pairs: Vec<_> = (0..count).map(pair).collect();
            kernel.add_within(arena, &pairs, scratch);
        }
    }
    let beta = &g1::Config::ENDO_COEFFS[0];
    for index in count..arena.len() {
        arena.push(arena[index].scaled_x(beta));
    }
}

/// One transform of `2^log` points that begins at `start`.
#[derive(Clone, Copy)]
pub struct Segment {
    pub start: usize,
    pub log: u32,
}

/// Transforms of up to `2^log` points.
pub struct Transforms {
    kernel: Kernel,
    log: u32,
    /// Powers of the root of order `2^log`.
    roots: Vec<Multiplier>,
    inverse_roots: Vec<Multiplier>,
}

impl Transforms {
    pub fn new(kernel: Kernel, log: u32) -> Self {
        let half = (1 << log) / 2;
        let powers = |root: Fr| powers_of(root).take(half).map(Multiplier::new).collect();
        let root = root_of_unity(log);
        Self { kernel, log, roots: powers(root), inverse_roots: powers(inverse(root)) }
    }

    /// Coefficients in order to values in bit-reversed order, of each segment.
    pub fn forward(&self, points: &mut Vec<Packed>, segments: &[Segment]) {
        for level in (0..self.log).rev() {
            let butterflies = self.butterflies(segments, level);
            self.add(points, &butterflies);
            let work: Vec<_> = butterflies.iter().filter(|butterfly| butterfly.power > 0).collect();
            let work: Vec<_> = work.iter().map(|butterfly| (butterfly.high, &self.roots[butterfly.power])).collect();
            multiply_each(self.kernel, points, &work);
        }
    }

    /// Values in bit-reversed order to coefficients in order, times the size, of each segment.
    pub fn backward(&self, points: &mut Vec<Packed>, segments: &[Segment]) {
        for level in 0..self.log {
            let butterflies = self.butterflies(segments, level);
            let work: Vec<_> = butterflies.iter().filter(|butterfly| butterfly.power > 0).collect();
            let work: Vec<_> = work.iter().map(|butterfly| (butterfly.high, &self.inverse_roots[butterfly.power])).collect();
            multiply_each(self.kernel, points, &work);
            self.add(points, &butterflies);
        }
    }

    /// Sums to the lower places, differences to the higher ones.
    fn add(&self, points: &mut Vec<Packed>, butterflies: &[Butterfly]) {
        let pairs: Vec<_> = butterflies
            .iter()
            .flat_map(|Butterfly { low, high, .. }| {
                [Pair { left: *low, right: *high, dest: *low }, Pair { left: *low, right: *high | NEGATIVE, dest: *high }]
            })
            .collect();
        let mut next = points.clone();
        self.kernel.add(points, &mut next, &pairs, &mut Scratch::default());
        *points = next;
    }

    /// The pairs at a distance of `2^level` in all segments that are large enough.
    fn butterflies(&self, segments: &[Segment], level: u32) -> Vec<Butterfly> {
        let half = 1 << level;
        let of_segment = |segment: &Segment| {
            let blocks = (segment.start..segment.start + (1 << segment.log)).step_by(2 * half);
            blocks.flat_map(move |start| {
                let butterfly = move |place: usize| Butterfly {
                    low: (start + place) as u32,
                    high: (start + half + place) as u32,
                    power: place << (self.log - 1 - level),
                };
                (0..half).map(butterfly)
            })
        };
        segments.iter().filter(|segment| segment.log > level).flat_map(of_segment).collect()
    }
}

struct Butterfly {
    low: u32,
    high: u32,
    power: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::tests::{kernels, some_points};
    use crate::msm::tests::some_scalars;
    use crate::ntt::reversed;
    use ark_bn254::{G1Affine, G1Projective};
    use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
    use ark_ff::{AdditiveGroup, Field};

    #[test]
    fn products_agree_with_arkworks() {
        for kernel in kernels() {
            let mut points = some_points(30);
            points[3] = G1Affine::zero();
            let mut scalars = some_scalars(30, 5);
            scalars[..4].copy_from_slice(&[Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(8)]);
            scalars[4] = g1::Config::LAMBDA;
            let multipliers: Vec<_> = scalars.iter().map(|scalar| Multiplier::new(*scalar)).collect();
            let work: Vec<_> = multipliers.iter().enumerate().map(|(index, multiplier)| (index as u32, multiplier)).collect();
            let mut packed: Vec<_> = points.iter().map(|point| kernel.pack(point)).collect();
            multiply_each(kernel, &mut packed, &work);
            for ((point, scalar), product) in points.iter().zip(&scalars).zip(&packed) {
                assert_eq!(kernel.unpack(product), (*point * scalar).into_affine(), "{kernel:?} {scalar}");
            }
        }
    }

    #[test]
    fn values_are_those_of_the_polynomial_and_lead_back_to_it() {
        let kernel = Kernel::best();
        let mut points = some_points(13);
        points[5] = G1Affine::zero();
        let segments = [Segment { start: 1, log: 3 }, Segment { start: 9, log: 2 }];
        let mut packed: Vec<_> = points.iter().map(|point| kernel.pack(point)).collect();
        let transforms = Transforms::new(kernel, 4);
        transforms.forward(&mut packed, &segments);
        for Segment { start, log } in segments {
            let coefficients = &points[start..start + (1 << log)];
            for (index, power) in powers_of(root_of_unity(log)).take(1 << log).enumerate() {
                let powers: Vec<_> = powers_of(power).take(1 << log).collect();
                let expected = G1Projective::msm_unchecked(coefficients, &powers).into_affine();
                assert_eq!(kernel.unpack(&packed[start + reversed(index, log)]), expected);
            }
        }
        transforms.backward(&mut packed, &segments);
        for Segment { start, log } in segments {
            for index in start..start + (1 << log) {
                assert_eq!(kernel.unpack(&packed[index]), (points[index] * Fr::from(1_u64 << log)).into_affine());
            }
        }
    }
}
