//! Tables for points that are multiplied again and again: multiples of each point for every window, so that all windows share their buckets.

use crate::batch::{Kernel, NEGATIVE, Packed, Pair, Scratch};
use crate::msm::{Plan, SCALAR_BITS, Task, multiply};
use ark_bn254::{Fr, G1Affine};
use ark_ec::AffineRepr;
use ark_ff::PrimeField;
use rayon::prelude::*;

/// Points of a table, all columns together, at most: 2 MiB, so that a core's second-level cache holds much of it.
const TABLE_POINTS_MAX: usize = 1 << 15;
/// Points whose columns are made together.
const AT_ONCE: usize = 1 << 9;

/// A set of points with as many columns of their multiples as fit.
pub struct Table {
    pub plan: Plan,
    points: Vec<Packed>,
}

impl Table {
    /// None where columns of so many points would be too large to pay.
    pub fn new(kernel: Kernel, points: &[Packed]) -> Option<Self> {
        let plan = plan(points.len())?;
        let shift = plan.bits as usize * plan.rounds;
        let mut all = vec![Packed::INFINITY; points.len() * plan.columns];
        let (first, rest) = all.split_at_mut(points.len());
        first.copy_from_slice(points);
        let mut last = points.to_vec();
        for column in rest.chunks_mut(points.len()) {
            last.par_chunks_mut(AT_ONCE).for_each_init(Scratch::default, |scratch, some| {
                let indexes: Vec<_> = (0..some.len() as u32).collect();
                for _ in 0..shift {
                    kernel.double_within(some, &indexes, scratch);
                }
            });
            column.copy_from_slice(&last);
        }
        Some(Self { plan, points: all })
    }

    /// `Σ scalars[i] · points[i]` for each set of scalars, as many as there are points.
    pub fn multiply(&self, kernel: Kernel, scalars: &[&[Fr]]) -> Vec<Packed> {
        let tasks: Vec<_> = scalars.iter().map(|scalars| Task { points: &self.points, scalars }).collect();
        multiply(kernel, self.plan, &tasks)
    }
}

/// The cheapest plan whose columns fit. A plan without columns beyond the first needs no table.
fn plan(points: usize) -> Option<Plan> {
    let plans = (3..17_u32).map(|bits| {
        let windows = (SCALAR_BITS + 1).div_ceil(bits) as usize;
        let columns = windows.min((TABLE_POINTS_MAX / points.max(1)).max(1));
        let rounds = windows.div_ceil(columns);
        Plan { bits, rounds, columns: windows.div_ceil(rounds) }
    });
    let cost = |plan: &Plan| plan.windows() * points + plan.rounds * 2 * plan.buckets();
    plans.min_by_key(cost).filter(|plan| plan.columns > 1)
}

/// Multiples of the generator for every digit of every window: a product is a sum of one point a window.
pub struct Generator {
    kernel: Kernel,
    multiples: Vec<Packed>,
}

impl Generator {
    const BITS: usize = 12;
    const HALF: usize = 1 << (Self::BITS - 1);
    const WINDOWS: usize = (SCALAR_BITS as usize + 1).div_ceil(Self::BITS);

    /// The table: 3 MiB, in milliseconds.
    pub fn new(kernel: Kernel) -> Self {
        let mut scratch = Scratch::default();
        let mut bases = vec![kernel.pack(&G1Affine::generator())];
        for window in 1..Self::WINDOWS {
            bases.push(bases[window - 1]);
            for _ in 0..Self::BITS {
                kernel.double_within(&mut bases, &[window as u32], &mut scratch);
            }
        }
        // Multiple k + 1 stands at k of its window; each level doubles how many there are.
        let mut multiples = vec![Packed::INFINITY; Self::WINDOWS * Self::HALF];
        for (window, base) in bases.iter().enumerate() {
            multiples[window * Self::HALF] = *base;
        }
        let mut known = 1;
        while known < Self::HALF {
            let pairs: Vec<_> = (0..Self::WINDOWS)
                .flat_map(|window| {
                    let start = window * Self::HALF;
                    (0..known).map(move |k| Pair {
                        left: (start + known - 1) as u32,
                        right: (start + k) as u32,
                        dest: (start + known + k) as u32,
                    })
                })
                .collect();
            kernel.add_within(&mut multiples, &pairs, &mut scratch);
            known *= 2;
        }
        Self { kernel, multiples }
    }

    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The generator times each scalar.
    pub fn multiply(&self, scalars: &[Fr]) -> Vec<Packed> {
        let mut products = vec![Packed::INFINITY; scalars.len()];
        let chunks = products.par_chunks_mut(AT_ONCE).zip(scalars.par_chunks(AT_ONCE));
        chunks.for_each_init(Scratch::default, |scratch, (products, scalars)| self.multiply_some(products, scalars, scratch));
        products
    }

    fn multiply_some(&self, products: &mut [Packed], scalars: &[Fr], scratch: &mut Scratch) {
        // The table and the sums in one arena would copy the table: a window's points are gathered behind the sums instead.
        let count = scalars.len();
        let mut arena = vec![Packed::INFINITY; 2 * count];
        let mut carries = vec![0_i64; count];
        let words: Vec<_> = scalars.iter().map(|scalar| scalar.into_bigint().0).collect();
        let mut pairs = Vec::with_capacity(count);
        for window in 0..Self::WINDOWS {
            pairs.clear();
            for index in 0..count {
                let plain = digit(&words[index], window * Self::BITS, Self::BITS) + carries[index];
                carries[index] = i64::from(plain > Self::HALF as i64);
                let digit = plain - carries[index] * 2 * Self::HALF as i64;
                if digit == 0 {
                    continue;
                }
                let multiple = self.multiples[window * Self::HALF + digit.unsigned_abs() as usize - 1];
                if arena[index].is_infinity() {
                    arena[index] = if digit < 0 { multiple.negative() } else { multiple };
                } else {
                    arena[count + index] = multiple;
                    let sign = if digit < 0 { NEGATIVE } else { 0 };
                    pairs.push(Pair { left: index as u32, right: (count + index) as u32 | sign, dest: index as u32 });
                }
            }
            self.kernel.add_within(&mut arena, &pairs, scratch);
        }
        products.copy_from_slice(&arena[..count]);
    }
}

fn digit(words: &[u64; 4], bit: usize, bits: usize) -> i64 {
    let (word, shift) = (bit / 64, bit % 64);
    let at = |word: usize| words.get(word).copied().unwrap_or(0);
    let both = u128::from(at(word)) | u128::from(at(word + 1)) << 64;
    ((both >> shift) as u64 & ((1 << bits) - 1)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::tests::{kernels, some_points};
    use crate::msm::tests::some_scalars;
    use ark_bn254::G1Projective;
    use ark_ec::{CurveGroup, VariableBaseMSM};
    use ark_ff::Zero;

    #[test]
    fn products_from_tables_agree_with_arkworks() {
        for (kernel, count) in kernels().into_iter().flat_map(|kernel| [(kernel, 32), (kernel, 700)]) {
            let points = some_points(count);
            let packed: Vec<_> = points.iter().map(|point| kernel.pack(point)).collect();
            let Some(table) = Table::new(kernel, &packed) else { panic!("a table of {count} points pays") };
            let scalars: Vec<_> = (0..9).map(|seed| some_scalars(count, seed)).collect();
            let sums = table.multiply(kernel, &scalars.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for (sum, scalars) in sums.iter().zip(&scalars) {
                assert_eq!(kernel.unpack(sum), G1Projective::msm_unchecked(&points, scalars));
            }
        }
    }

    #[test]
    fn multiples_of_the_generator_agree_with_arkworks() {
        let half = Fr::from(Generator::HALF as u64);
        for kernel in kernels() {
            let mut scalars = some_scalars(40, 1);
            scalars.extend([Fr::zero(), Fr::from(1_u64), -Fr::from(1_u64), half, half + Fr::from(1_u64), half + half, half * half]);
            for (product, scalar) in Generator::new(kernel).multiply(&scalars).iter().zip(&scalars) {
                assert_eq!(kernel.unpack(product), (G1Affine::generator() * scalar).into_affine(), "{kernel:?} {scalar}");
            }
        }
    }
}
