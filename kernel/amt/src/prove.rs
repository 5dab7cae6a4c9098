//! The points of a blob from powers of τ and Lagrange bases, without τ: nine multiplications of all elements where one per node would be 36.
//!
//! - Quotients of all cosets come from the blocks `[f_m(τ)]` of the polynomial: at each level a transform of the blocks, shifted for the coset.
//! - A level's blocks are sums of two of the next level, one of them multiplied by higher powers of τ.
//! - Commitments of cosets 0 and 1 come from the Lagrange bases; those of coset 2 follow from both, as its shift to the number of elements is a
//!   fourth root of unity where theirs are 1 and -1.
//! - A blob that fills few rows has few nodes in coset 0 that are not at infinity: there the blocks come from its quotients backwards.

use crate::batch::{Kernel, Packed, Pair, Scratch};
use crate::domain::Domain;
use crate::ecfft::{Multiplier, Segment, Transforms, multiply_each};
use crate::msm::{Plan, SCALAR_BITS, Task, multiply, multiply_one};
use crate::ntt::{inverse, powers_of, reversed};
use crate::points::{Node, Points};
use crate::rows::Matrix;
use crate::setup::Prover;
use crate::shape::{COSETS, RAW_UNIT_BYTES, Shape};
use crate::srs::{High, Srs};
use crate::windows::Table;
use ark_bn254::{Fr, G1Affine};
use ark_ff::{AdditiveGroup, Field};
use rayon::prelude::*;

/// Bits of an element of the blob itself.
const RAW_BITS: u32 = 8 * RAW_UNIT_BYTES as u32;
/// Blobs up to a quarter of the rows go through coset 0: beyond that the dense way is cheaper.
const SPARSE_PART: usize = 4;
/// Rows whose quotients are in memory together.
const ROWS_AT_ONCE: usize = 64;
/// Leaves whose values are in memory together.
const LEAVES_AT_ONCE: usize = 256;

/// A setup as an encoder uses it.
pub struct SrsProver {
    srs: Srs,
    /// The powers of τ that blocks of each size are multiplied with: of the first block, and of the upper half of blocks of two, four, ….
    tables: Vec<Option<Table>>,
    transforms: Transforms,
    /// `h_k^(s m) / 2^level` of coset k, level, and block m.
    twists: [Vec<Vec<Multiplier>>; COSETS],
    /// How cosets 0 and 1 enter coset 2.
    third: [Vec<Multiplier>; 2],
}

/// The levels of one tree, from the leaves' up: `levels[depth - 1]` are the leaves.
type Levels = Vec<Vec<Packed>>;

impl SrsProver {
    pub fn new(srs: Srs) -> Self {
        let (shape, kernel) = (srs.shape, srs.kernel);
        let ranges = (0..=shape.depth()).map(|size| if size == 0 { 0..shape.columns() } else { upper(shape, size) });
        Self {
            tables: ranges.map(|range| Table::new(kernel, &srs.powers[range])).collect(),
            transforms: Transforms::new(kernel, shape.depth()),
            twists: std::array::from_fn(|coset| (1..=shape.depth()).map(|level| twists(shape, coset, level)).collect()),
            third: third(shape),
            srs,
        }
    }

    fn kernel(&self) -> Kernel {
        self.srs.kernel
    }

    fn depth(&self) -> u32 {
        self.srs.shape.depth()
    }

    /// `[f_m(τ)]` of the blocks of each level.
    fn blocks(&self, coefficients: &[Fr]) -> Levels {
        let shape = self.srs.shape;
        let mut levels = vec![Vec::new(); self.depth() as usize];
        let smallest: Vec<_> = coefficients.chunks(shape.columns()).collect();
        levels[self.depth() as usize - 1] = self.multiply_powers(0, &smallest);
        for level in (1..self.depth()).rev() {
            let half = shape.elements() >> (level + 1);
            let halves: Vec<_> = coefficients.chunks(half).skip(1).step_by(2).collect();
            let mut blocks = self.multiply_powers(self.depth() - level, &halves);
            let below = &levels[level as usize];
            self.add_each(&mut blocks, below.iter().step_by(2));
            levels[level as usize - 1] = blocks;
        }
        levels
    }

    /// One product for each set of scalars, with the powers of a size of blocks.
    fn multiply_powers(&self, size: u32, scalars: &[&[Fr]]) -> Vec<Packed> {
        if let Some(table) = &self.tables[size as usize] {
            return table.multiply(self.kernel(), scalars);
        }
        let range = if size == 0 { 0..self.srs.shape.columns() } else { upper(self.srs.shape, size) };
        let points = &self.srs.powers[range];
        let tasks: Vec<_> = scalars.iter().map(|scalars| Task { points, scalars }).collect();
        multiply(self.kernel(), Plan::plain(points.len(), SCALAR_BITS), &tasks)
    }

    fn add_each<'a>(&self, sums: &mut Vec<Packed>, others: impl Iterator<Item = &'a Packed>) {
        let count = sums.len();
        sums.extend(others);
        let pairs: Vec<_> = (0..count as u32).map(|dest| Pair { left: dest, right: count as u32 + dest, dest }).collect();
        self.kernel().add_within(sums, &pairs, &mut Scratch::default());
        sums.truncate(count);
    }

    /// The quotients of some cosets from the blocks of all levels.
    fn quotients(&self, blocks: &Levels, cosets: std::ops::Range<usize>) -> Vec<Levels> {
        let of_tree = (2 << self.depth()) - 2;
        let mut points = vec![Packed::INFINITY; cosets.len() * of_tree];
        let (mut segments, mut work) = (Vec::new(), Vec::new());
        for (place, coset) in cosets.clone().enumerate() {
            for (level, blocks) in (1..).zip(blocks) {
                let start = place * of_tree + (1 << level) - 2;
                segments.push(Segment { start, log: level });
                for (block, (point, twist)) in blocks.iter().zip(&self.twists[coset][level as usize - 1]).enumerate() {
                    // One place on: that multiplies value t by ω^(t s), as quotients want.
                    let index = start + (block + 1) % blocks.len();
                    points[index] = *point;
                    work.push((index as u32, twist));
                }
            }
        }
        multiply_each(self.kernel(), &mut points, &work);
        self.transforms.forward(&mut points, &segments);
        points.chunks(of_tree).map(|tree| self.split(tree)).collect()
    }

    fn split(&self, tree: &[Packed]) -> Levels {
        (1..=self.depth()).map(|level| tree[(1 << level) - 2..(2 << level) - 2].to_vec()).collect()
    }

    /// The blocks of all levels from the quotients of coset 0.
    fn blocks_of_quotients(&self, quotients: &Levels) -> Levels {
        let mut points = quotients.concat();
        let segments: Vec<_> = (1..=self.depth()).map(|level| Segment { start: (1 << level) - 2, log: level }).collect();
        self.transforms.backward(&mut points, &segments);
        let mut levels = self.split(&points);
        for level in &mut levels {
            level.rotate_left(1);
        }
        levels
    }

    /// All levels of commitments from the leaves'.
    fn commitments(&self, leaves: Vec<Packed>) -> Levels {
        let mut levels = vec![leaves];
        for _ in 1..self.depth() {
            let below = &levels[levels.len() - 1];
            levels.push(crate::msm::fold_once(self.kernel(), below, &mut Scratch::default()));
        }
        levels.reverse();
        levels
    }

    /// The leaves of coset 2 from those of cosets 0 and 1.
    fn third_leaves(&self, first: &[Packed], second: &[Packed]) -> Vec<Packed> {
        let (log, count) = (self.depth(), first.len());
        let mut points = [first, second].concat();
        self.transforms.backward(&mut points, &[Segment { start: 0, log }, Segment { start: count, log }]);
        let work: Vec<_> = self.third.iter().flatten().enumerate().map(|(index, factor)| (index as u32, factor)).collect();
        multiply_each(self.kernel(), &mut points, &work);
        let others = points.split_off(count);
        self.add_each(&mut points, others.iter());
        self.transforms.forward(&mut points, &[Segment { start: 0, log }]);
        points
    }

    /// Commitments of the leaves that hold values.
    fn leaves(&self, blob: &Matrix, coset: usize, held: &[usize]) -> Vec<Packed> {
        let mut sums = vec![Packed::INFINITY; self.srs.shape.rows()];
        for leaves in held.chunks(LEAVES_AT_ONCE) {
            let values = values_of(blob, coset, leaves);
            for (leaf, sum) in leaves.iter().zip(self.multiply_leaves(&self.srs.lagrange[coset], leaves, &values, bits_of(coset))) {
                sums[*leaf] = sum;
            }
        }
        sums
    }

    /// One product a leaf with its points of a basis.
    fn multiply_leaves(&self, basis: &[Packed], leaves: &[usize], values: &[Fr], bits: u32) -> Vec<Packed> {
        let columns = self.srs.shape.columns();
        let points = leaves.iter().map(|leaf| &basis[leaf * columns..(leaf + 1) * columns]);
        let tasks: Vec<_> = points.zip(values.chunks(columns)).map(|(points, scalars)| Task { points, scalars }).collect();
        multiply(self.kernel(), Plan::plain(columns, bits), &tasks)
    }

    fn high(&self, blob: &Matrix, held: &[usize]) -> Packed {
        let basis = match &self.srs.high {
            High::Powers(points) => return multiply_one(self.kernel(), points, blob.coefficients()),
            High::Lagrange(basis) => basis,
        };
        let of_leaves = |leaves: &[usize]| {
            let values = values_of(blob, 0, leaves);
            if leaves.len() == LEAVES_AT_ONCE && leaves[leaves.len() - 1] - leaves[0] + 1 == leaves.len() {
                // Neighbours are one large product.
                let points = &basis[leaves[0] * self.srs.shape.columns()..][..values.len()];
                return multiply(self.kernel(), Plan::plain(points.len(), RAW_BITS), &[Task { points, scalars: &values }])[0];
            }
            self.sum(&self.multiply_leaves(basis, leaves, &values, RAW_BITS))
        };
        self.sum(&held.chunks(LEAVES_AT_ONCE).map(of_leaves).collect::<Vec<_>>())
    }

    fn sum(&self, points: &[Packed]) -> Packed {
        points.iter().fold(Packed::INFINITY, |sum, point| self.kernel().sum(&sum, point))
    }

    /// The quotients of coset 0 from those of its leaves that hold values. None where there are too many, or no points for them.
    fn sparse_quotients(&self, blob: &Matrix, held: &[usize]) -> Option<Levels> {
        let (shape, table) = (self.srs.shape, self.srs.quotients.as_ref()?);
        if held.len() * SPARSE_PART > shape.rows() {
            return None;
        }
        let mut levels: Levels = (1..=self.depth()).map(|level| vec![Packed::INFINITY; 1 << level]).collect();
        for leaves in held.chunks(ROWS_AT_ONCE) {
            let values = values_of(blob, 0, leaves);
            for level in 1..=self.depth() {
                let points: Vec<_> = leaves.iter().map(|leaf| table.of_leaf(level, *leaf)).collect::<Option<_>>()?;
                let tasks = points.iter().zip(values.chunks(shape.columns())).map(|(points, scalars)| Task { points, scalars });
                let sums = multiply(self.kernel(), Plan::plain(shape.columns(), RAW_BITS), &tasks.collect::<Vec<_>>());
                for (leaf, sum) in leaves.iter().zip(sums) {
                    let node = &mut levels[level as usize - 1][leaf >> (self.depth() - level)];
                    *node = self.kernel().sum(node, &sum);
                }
            }
        }
        Some(levels)
    }

    /// The quotients of all cosets.
    fn all_quotients(&self, blob: &Matrix, held: &[usize]) -> Vec<Levels> {
        match self.sparse_quotients(blob, held) {
            Some(first) => {
                let blocks = self.blocks_of_quotients(&first);
                std::iter::once(first).chain(self.quotients(&blocks, 1..COSETS)).collect()
            }
            None => self.quotients(&self.blocks(blob.coefficients()), 0..COSETS),
        }
    }

    fn unpacked(&self, points: &[Packed]) -> Vec<G1Affine> {
        points.iter().map(|point| self.kernel().unpack(point)).collect()
    }
}

impl Prover for SrsProver {
    fn points(&self, blob: &Matrix) -> Points {
        let shape = self.srs.shape;
        // Of the rows behind the data only the last, with the length, is not zero.
        let holds =
            |leaf: &usize| reversed(*leaf, shape.log_rows) < blob.filled_rows() || reversed(*leaf, shape.log_rows) + 1 == shape.rows();
        let every: Vec<_> = (0..shape.rows()).collect();
        let held: Vec<_> = every.iter().copied().filter(holds).collect();
        let quotients = self.all_quotients(blob, &held);
        let high = self.high(blob, &held);
        let first = self.leaves(blob, 0, &held);
        let second = self.leaves(blob, 1, &every);
        let third = self.third_leaves(&first, &second);
        let commitments = [first, second, third].map(|leaves| self.commitments(leaves));
        let mut points = Points::new(shape);
        let [left, right] = [0, 1].map(|node| commitments[0][0][node]);
        points.commitment = self.kernel().unpack(&self.kernel().sum(&left, &right));
        points.high = self.kernel().unpack(&high);
        for (coset, (commitments, quotients)) in commitments.iter().zip(&quotients).enumerate() {
            for (level, (commitments, quotients)) in (1..).zip(commitments.iter().zip(quotients)) {
                let pairs = self.unpacked(commitments).into_iter().zip(self.unpacked(quotients));
                let nodes = points.level_mut(coset, level).iter_mut();
                nodes.zip(pairs).for_each(|(node, (commitment, quotient))| *node = Node { commitment, quotient });
            }
        }
        points
    }
}

/// The powers of τ above the lower half of a block of `2^size` of the smallest blocks.
fn upper(shape: Shape, size: u32) -> std::ops::Range<usize> {
    let half = shape.columns() << (size - 1);
    half..2 * half
}

/// The values of some leaves of a coset, in the order of the basis: leaf n of the tree is row reverse(n), its columns reversed too.
fn values_of(blob: &Matrix, coset: usize, leaves: &[usize]) -> Vec<Fr> {
    let shape = blob.shape();
    let mut values = vec![Fr::ZERO; leaves.len() * shape.columns()];
    values.par_chunks_exact_mut(shape.columns()).zip(leaves).for_each(|(room, leaf)| {
        for (column, value) in blob.row_values(coset * shape.rows() + reversed(*leaf, shape.log_rows)).enumerate() {
            room[reversed(column, shape.log_columns)] = value;
        }
    });
    values
}

/// Bits of a value: those of coset 0 are the blob's own.
fn bits_of(coset: usize) -> u32 {
    if coset == 0 { RAW_BITS } else { SCALAR_BITS }
}

fn twists(shape: Shape, coset: usize, level: u32) -> Vec<Multiplier> {
    let step = Domain::of(shape).shifts[coset].pow([(shape.elements() >> level) as u64]);
    let scale = inverse(Fr::from(1_u64 << level));
    powers_of(step).take(1 << level).map(|power| Multiplier::new(power * scale)).collect()
}

/// With `D_e` the sums of which the leaves of a coset are the transform, shifted by `h_k^(columns · e)`: `D` of coset 2 is
/// `((1 + 1/ι) D⁰ + (1 - 1/ι) D¹) / 2` with `ι = h_2^N`.
fn third(shape: Shape) -> [Vec<Multiplier>; 2] {
    let domain = Domain::of(shape);
    let [_, second, third] = domain.shifts.map(|shift| shift.pow([shape.columns() as u64]));
    let iota = inverse(domain.shifts[2].pow([shape.elements() as u64]));
    let scale = inverse(Fr::from(2 * shape.rows() as u64));
    let factors = |step: Fr, factor: Fr| powers_of(step).take(shape.rows()).map(|power| Multiplier::new(power * factor * scale)).collect();
    [factors(third, Fr::ONE + iota), factors(third * inverse(second), Fr::ONE - iota)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::tests::kernels;
    use crate::known::KnownTau;
    use crate::shape::{DEVELOPMENT, PRODUCTION};
    use crate::srs::tests::of_tau;

    fn tau() -> Fr {
        Fr::from(123_456_789_u64)
    }

    fn known(shape: Shape) -> KnownTau {
        KnownTau::new(shape, tau()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn matrix(shape: Shape, data: &[u8]) -> Matrix {
        Matrix::encode(shape, data).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Bytes with no visible order, the same each time.
    pub fn noise(length: usize, seed: u64) -> Vec<u8> {
        let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        std::iter::successors(Some(seed), next).skip(1).map(|state| (state >> 56) as u8).take(length).collect()
    }

    /// Blobs with rows that are empty, equal, or hold one element, and of any length.
    fn blobs(shape: Shape, count: usize) -> Vec<Vec<u8>> {
        let row = RAW_UNIT_BYTES * shape.columns();
        let mut blobs = vec![vec![], vec![1], vec![0xff; shape.bytes_max()], vec![0; 5 * row], vec![0xff; 3 * row]];
        let mut single = vec![0; 9 * row];
        single[7 * row + 31] = 1;
        blobs.push(single);
        let lengths = noise(2 * count, 77);
        let lengths = lengths.as_chunks::<2>().0.iter().map(|length| usize::from(u16::from_le_bytes(*length)) % (shape.bytes_max() + 1));
        // Every other one is small enough for the sparse way.
        blobs.extend(lengths.zip(0..).map(|(length, seed)| noise(if seed % 2 == 0 { length } else { length / 8 }, seed)));
        blobs
    }

    fn long() -> bool {
        std::env::var_os("ZEROG_TEST_LONG").is_some()
    }

    #[test]
    fn points_are_those_of_the_prover_that_knows_tau() {
        let known = known(DEVELOPMENT);
        for kernel in kernels() {
            for sparse in [false, true] {
                let prover = SrsProver::new(of_tau(kernel, DEVELOPMENT, tau(), sparse));
                // With quotients small blobs take the sparse way and large ones the dense one.
                let count = if sparse && kernel == Kernel::best() { 100 } else { 4 };
                for data in blobs(DEVELOPMENT, if long() { 10 * count } else { count }) {
                    let blob = matrix(DEVELOPMENT, &data);
                    assert_eq!(prover.points(&blob), known.points(&blob), "{kernel:?} {sparse} {} bytes", data.len());
                }
            }
        }
    }

    #[test]
    fn points_of_production_size_are_those_of_the_prover_that_knows_tau() {
        if !long() {
            return;
        }
        let known = known(PRODUCTION);
        for sparse in [false, true] {
            let prover = SrsProver::new(of_tau(Kernel::best(), PRODUCTION, tau(), sparse));
            for length in [1, 131_072, PRODUCTION.bytes_max()] {
                let blob = matrix(PRODUCTION, &noise(length, 9));
                assert_eq!(prover.points(&blob), known.points(&blob), "{sparse} {length} bytes");
            }
        }
    }
}
