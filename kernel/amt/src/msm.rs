//! Multi-scalar multiplication: sums of scalar times point, many small ones or few large ones, by buckets and batched additions.
//!
//! A scalar is cut into signed digits; every digit sends its point to the bucket of the digit's size. Points of a bucket are summed in a tree,
//! all buckets at once, then buckets are weighted by running sums that go side by side. Source of the method: N. Pippenger, "On the evaluation
//! of powers and related problems", 1976; the batched affine additions are as in gnark-crypto.

use crate::batch::{Kernel, NEGATIVE, Packed, Pair, Scratch};
use ark_bn254::Fr;
use ark_ff::PrimeField;
use rayon::prelude::*;

/// Bits of any scalar.
pub const SCALAR_BITS: u32 = 254;
/// Digits that are sorted together; more of one multiplication are taken window by window.
const UNIT_DIGITS: usize = 1 << 18;
/// Points of buckets that are summed in one tree; they stay within the second-level cache.
const TREE_POINTS: usize = 1 << 13;
/// Running sums that go side by side.
const SIDE_BY_SIDE: usize = 1 << 10;

/// How scalars are cut. A window is `bits` wide; window `column · rounds + round` takes the points of `column`, which are
/// those of column 0 times 2^(bits · rounds · column), so that the columns of a round share their buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub bits: u32,
    pub rounds: usize,
    pub columns: usize,
}

impl Plan {
    /// The cheapest for `points` points as they are and scalars of so many bits.
    pub fn plain(points: usize, scalar_bits: u32) -> Self {
        let cost = |bits: u32| (scalar_bits + 1).div_ceil(bits) as usize * (points + (1 << bits));
        let bits = (3..17).min_by_key(|bits| cost(*bits)).unwrap_or(3);
        Self { bits, rounds: (scalar_bits + 1).div_ceil(bits) as usize, columns: 1 }
    }

    /// Buckets of one round: digits go from -2^(bits-1) to 2^(bits-1) - 1.
    pub fn buckets(self) -> usize {
        1 << (self.bits - 1)
    }

    pub fn windows(self) -> usize {
        self.rounds * self.columns
    }
}

/// One multiplication: `points` in columns of as many as there are scalars.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub points: &'a [Packed],
    pub scalars: &'a [Fr],
}

/// The sums of all tasks, each `Σ scalars[i] · points[i]`.
pub fn multiply(kernel: Kernel, plan: Plan, tasks: &[Task]) -> Vec<Packed> {
    let sums: Vec<Packed> = units(plan, tasks)
        .par_iter()
        .map_init(Worker::default, |worker, unit| worker.run(kernel, plan, tasks, unit))
        .collect::<Vec<_>>()
        .concat();
    join_rounds(kernel, plan, &sums)
}

/// A single multiplication of points as they are.
pub fn multiply_one(kernel: Kernel, points: &[Packed], scalars: &[Fr]) -> Packed {
    let plan = Plan::plain(points.len(), SCALAR_BITS);
    multiply(kernel, plan, &[Task { points, scalars }])[0]
}

/// What one thread does at a time: some rounds of one task, or all rounds of several.
struct Unit {
    tasks: std::ops::Range<usize>,
    rounds: std::ops::Range<usize>,
}

fn units(plan: Plan, tasks: &[Task]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut digits = UNIT_DIGITS;
    for (index, task) in tasks.iter().enumerate() {
        let of_round = task.scalars.len() * plan.columns;
        let own = of_round * plan.rounds;
        if own > UNIT_DIGITS {
            let at_once = (UNIT_DIGITS / of_round).max(1);
            let starts = (0..plan.rounds).step_by(at_once);
            units.extend(starts.map(|start| Unit { tasks: index..index + 1, rounds: start..(start + at_once).min(plan.rounds) }));
            digits = UNIT_DIGITS;
            continue;
        }
        match units.last_mut() {
            Some(unit) if digits + own <= UNIT_DIGITS => unit.tasks.end = index + 1,
            _ => {
                units.push(Unit { tasks: index..index + 1, rounds: 0..plan.rounds });
                digits = 0;
            }
        }
        digits += own;
    }
    units
}

/// Sums of rounds, those of a task side by side, become sums of tasks: round r counts 2^(bits · r).
fn join_rounds(kernel: Kernel, plan: Plan, sums: &[Packed]) -> Vec<Packed> {
    let join = |sums: &[Packed]| {
        let count = sums.len() / plan.rounds;
        let mut scratch = Scratch::default();
        let mut points: Vec<_> = (0..count).map(|task| sums[(task + 1) * plan.rounds - 1]).collect();
        points.extend_from_slice(sums);
        let indexes: Vec<_> = (0..count as u32).collect();
        for round in (0..plan.rounds - 1).rev() {
            for _ in 0..plan.bits {
                kernel.double_within(&mut points, &indexes, &mut scratch);
            }
            let pairs: Vec<_> = indexes
                .iter()
                .map(|task| Pair { left: *task, right: (count + *task as usize * plan.rounds + round) as u32, dest: *task })
                .collect();
            kernel.add_within(&mut points, &pairs, &mut scratch);
        }
        points.truncate(count);
        points
    };
    let tasks = sums.len() / plan.rounds;
    let at_once = tasks.div_ceil(rayon::current_num_threads()).max(1);
    sums.par_chunks(at_once * plan.rounds).map(join).collect::<Vec<_>>().concat()
}

/// Memory of one thread.
#[derive(Default)]
struct Worker {
    scratch: Scratch,
    pairs: Vec<Pair>,
    keyed: Vec<(u32, u32)>,
    starts: Vec<u32>,
    sorted: Vec<u32>,
    counts: Vec<u32>,
    trees: [Vec<Packed>; 2],
}

impl Worker {
    /// The sum of each round of each task of the unit.
    fn run(&mut self, kernel: Kernel, plan: Plan, tasks: &[Task], unit: &Unit) -> Vec<Packed> {
        let of_task = unit.rounds.len() * plan.buckets();
        let mut buckets = vec![Packed::INFINITY; unit.tasks.len() * of_task];
        for (task, buckets) in tasks[unit.tasks.clone()].iter().zip(buckets.chunks_mut(of_task)) {
            self.sort(plan, task, unit.rounds.clone());
            self.fill(kernel, task.points, buckets);
        }
        weigh(kernel, buckets, plan.buckets(), &mut self.scratch)
    }

    /// Order the digits by their bucket: key k has `sorted[starts[k]..starts[k + 1]]`.
    fn sort(&mut self, plan: Plan, task: &Task, rounds: std::ops::Range<usize>) {
        let keys = rounds.len() * plan.buckets();
        self.keyed.clear();
        self.starts.clear();
        self.starts.resize(keys + 2, 0);
        let offset = Digits::offset(plan);
        for (index, scalar) in task.scalars.iter().enumerate() {
            if ark_ff::Zero::is_zero(scalar) {
                continue;
            }
            let digits = Digits::new(&offset, &scalar.into_bigint().0);
            for column in 0..plan.columns {
                for (place, round) in rounds.clone().enumerate() {
                    let digit = digits.at(plan.bits, column * plan.rounds + round);
                    if digit != 0 {
                        let key = place as u32 * plan.buckets() as u32 + digit.unsigned_abs() - 1;
                        let sign = if digit < 0 { NEGATIVE } else { 0 };
                        self.keyed.push((key, (column * task.scalars.len() + index) as u32 | sign));
                        self.starts[key as usize + 2] += 1;
                    }
                }
            }
        }
        for key in 2..self.starts.len() {
            self.starts[key] += self.starts[key - 1];
        }
        self.sorted.resize(self.keyed.len(), 0);
        for (key, entry) in &self.keyed {
            // One place ahead: after the last entry of a key its start has become the start of the next.
            let place = &mut self.starts[*key as usize + 1];
            self.sorted[*place as usize] = *entry;
            *place += 1;
        }
        self.starts.pop();
    }

    /// Sum the points of each bucket.
    fn fill(&mut self, kernel: Kernel, points: &[Packed], buckets: &mut [Packed]) {
        let mut first = 0;
        while first < buckets.len() {
            let limit = self.starts[first] + TREE_POINTS as u32;
            let end = (first + 1 + self.starts[first + 2..].partition_point(|start| *start <= limit)).min(buckets.len());
            self.fill_some(kernel, points, first, &mut buckets[first..end]);
            first = end;
        }
    }

    fn fill_some(&mut self, kernel: Kernel, points: &[Packed], first: usize, buckets: &mut [Packed]) {
        self.first_sums(kernel, points, first, buckets.len());
        while self.counts.iter().any(|count| *count > 1) {
            self.next_sums(kernel);
        }
        let mut position = 0;
        for (bucket, count) in buckets.iter_mut().zip(&self.counts) {
            if *count == 1 {
                *bucket = self.trees[0][position];
                position += 1;
            }
        }
    }

    /// The lowest level of the trees: neighbours of a bucket are summed into `trees[0]`, an odd one moves up.
    fn first_sums(&mut self, kernel: Kernel, points: &[Packed], first: usize, keys: usize) {
        self.pairs.clear();
        self.counts.clear();
        let total = (self.starts[first + keys] - self.starts[first]) as usize;
        let target = &mut self.trees[0];
        target.resize(total.div_ceil(2) + keys, Packed::INFINITY);
        let mut position = 0;
        for range in self.starts[first..=first + keys].windows(2) {
            let entries = &self.sorted[range[0] as usize..range[1] as usize];
            let (couples, odd) = entries.as_chunks::<2>();
            for [left, right] in couples {
                self.pairs.push(Pair { left: *left, right: *right, dest: position });
                position += 1;
            }
            if let [entry] = odd {
                let point = &points[(entry & !NEGATIVE) as usize];
                target[position as usize] = if entry & NEGATIVE == 0 { *point } else { point.negative() };
                position += 1;
            }
            self.counts.push(entries.len().div_ceil(2) as u32);
        }
        kernel.add(points, target, &self.pairs, &mut self.scratch);
    }

    /// The next level, from `trees[0]` into `trees[1]`, which change places.
    fn next_sums(&mut self, kernel: Kernel) {
        self.pairs.clear();
        let [source, target] = &mut self.trees;
        target.resize(source.len(), Packed::INFINITY);
        let (mut from, mut to) = (0, 0);
        for count in &mut self.counts {
            for _ in 0..*count / 2 {
                self.pairs.push(Pair { left: from, right: from + 1, dest: to });
                from += 2;
                to += 1;
            }
            if *count % 2 == 1 {
                target[to as usize] = source[from as usize];
                from += 1;
                to += 1;
            }
            *count = count.div_ceil(2);
        }
        kernel.add(source, target, &self.pairs, &mut self.scratch);
        self.trees.swap(0, 1);
    }
}

/// A scalar whose digits are read at any window without a carry: 2^(bits-1) is added in each window and taken off the digit.
struct Digits {
    words: [u64; 6],
    half: i32,
}

impl Digits {
    fn offset(plan: Plan) -> Self {
        let mut words = [0_u64; 6];
        for window in 0..plan.windows() {
            let bit = window * plan.bits as usize + plan.bits as usize - 1;
            words[bit / 64] |= 1 << (bit % 64);
        }
        Self { words, half: 1 << (plan.bits - 1) }
    }

    fn new(offset: &Self, scalar: &[u64; 4]) -> Self {
        let mut words = offset.words;
        let mut carry = false;
        for (index, word) in words.iter_mut().enumerate() {
            let (sum, first) = word.overflowing_add(scalar.get(index).copied().unwrap_or(0));
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *word = sum;
            carry = first || second;
        }
        Self { words, half: offset.half }
    }

    fn at(&self, bits: u32, window: usize) -> i32 {
        let bit = window * bits as usize;
        let (word, shift) = (bit / 64, bit % 64);
        let both = u128::from(self.words[word]) | u128::from(self.words[word + 1]) << 64;
        ((both >> shift) as u32 & ((1 << bits) - 1)) as i32 - self.half
    }
}

/// `Σ (k + 1) · bucket[k]` of each set of `size` buckets, a power of two. Sets are cut into segments whose running sums go side by side;
/// what segments weigh against each other is the same problem again, smaller.
pub fn weigh(kernel: Kernel, buckets: Vec<Packed>, size: usize, scratch: &mut Scratch) -> Vec<Packed> {
    if size == 1 {
        return buckets;
    }
    let sets = buckets.len() / size;
    let length = (buckets.len() / SIDE_BY_SIDE).next_power_of_two().clamp(4, size.max(4)).min(size);
    let segments = buckets.len() / length;
    let (sums, weighted) = run_segments(kernel, buckets, length, scratch);
    let per_set = segments / sets;
    let mut totals = fold_sets(kernel, weighted, per_set, scratch);
    if per_set > 1 {
        // Segment s counts s more times its length: the sets without their first segment, whose weight is none.
        let rest = sums.chunks(per_set).flat_map(|set| set[1..].iter().copied().chain([Packed::INFINITY])).collect();
        let mut rest = weigh(kernel, rest, per_set, scratch);
        let indexes: Vec<_> = (0..sets as u32).collect();
        for _ in 0..length.trailing_zeros() {
            kernel.double_within(&mut rest, &indexes, scratch);
        }
        let pairs: Vec<_> = indexes.iter().map(|set| Pair { left: *set, right: (sets as u32) + set, dest: *set }).collect();
        totals.extend(rest);
        kernel.add_within(&mut totals, &pairs, scratch);
        totals.truncate(sets);
    }
    totals
}

/// Of each segment the sum, and the sum weighted with 1 to `length`.
fn run_segments(kernel: Kernel, mut arena: Vec<Packed>, length: usize, scratch: &mut Scratch) -> (Vec<Packed>, Vec<Packed>) {
    let segments = arena.len() / length;
    let running = arena.len();
    let weighted = running + segments;
    for _ in 0..2 {
        arena.extend((0..segments).map(|segment| arena[segment * length + length - 1]).collect::<Vec<_>>());
    }
    for place in (0..length - 1).rev() {
        let at = |segment: usize| (running + segment) as u32;
        let pairs: Vec<_> =
            (0..segments).map(|segment| Pair { left: at(segment), right: (segment * length + place) as u32, dest: at(segment) }).collect();
        kernel.add_within(&mut arena, &pairs, scratch);
        let at_weighted = |segment: usize| (weighted + segment) as u32;
        let pairs: Vec<_> =
            (0..segments).map(|segment| Pair { left: at_weighted(segment), right: at(segment), dest: at_weighted(segment) }).collect();
        kernel.add_within(&mut arena, &pairs, scratch);
    }
    let ends = arena.split_off(weighted);
    (arena.split_off(running), ends)
}

/// The plain sum of each set of `size` points, a power of two.
pub fn fold_sets(kernel: Kernel, mut points: Vec<Packed>, size: usize, scratch: &mut Scratch) -> Vec<Packed> {
    for _ in 0..size.trailing_zeros() {
        points = fold_once(kernel, &points, scratch);
    }
    points
}

/// Sums of neighbours.
pub fn fold_once(kernel: Kernel, points: &[Packed], scratch: &mut Scratch) -> Vec<Packed> {
    let pairs: Vec<_> = (0..points.len() as u32 / 2).map(|dest| Pair { left: 2 * dest, right: 2 * dest + 1, dest }).collect();
    let mut sums = vec![Packed::INFINITY; points.len() / 2];
    kernel.add(points, &mut sums, &pairs, scratch);
    sums
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::batch::tests::{kernels, some_points};
    use ark_bn254::{G1Affine, G1Projective};
    use ark_ec::VariableBaseMSM;
    use ark_ff::{Field, Zero};

    /// Scalars with no visible order, the same each time.
    pub fn some_scalars(count: usize, seed: u64) -> Vec<Fr> {
        let factor = Fr::from(0x9e37_79b9_7f4a_7c15_u64).pow([7]);
        std::iter::successors(Some(Fr::from(seed) + factor), |value| Some(value.square() + factor)).take(count).collect()
    }

    /// Scalars as they come: any, small, none, and the greatest.
    fn mixed(count: usize, seed: u64) -> Vec<Fr> {
        let mut scalars = some_scalars(count, seed);
        for (index, scalar) in scalars.iter_mut().enumerate() {
            match index % 7 {
                0 => *scalar = Fr::zero(),
                1 => *scalar = Fr::from(index as u64),
                2 => *scalar = -Fr::from(index as u64),
                _ => {}
            }
        }
        scalars
    }

    fn expected(points: &[G1Affine], scalars: &[Fr]) -> G1Projective {
        G1Projective::msm_unchecked(points, scalars)
    }

    #[test]
    fn products_of_any_size_agree_with_arkworks() {
        for kernel in kernels() {
            for count in [1, 2, 5, 33, 1000] {
                let (points, scalars) = (some_points(count), mixed(count, count as u64));
                let packed: Vec<_> = points.iter().map(|point| kernel.pack(point)).collect();
                assert_eq!(kernel.unpack(&multiply_one(kernel, &packed, &scalars)), expected(&points, &scalars), "{kernel:?} {count}");
            }
        }
    }

    #[test]
    fn a_product_that_is_cut_into_rounds_agrees_with_arkworks() {
        let count = 20_000;
        let (kernel, points) = (Kernel::best(), some_points(count));
        let packed: Vec<_> = points.iter().map(|point| kernel.pack(point)).collect();
        for scalars in [mixed(count, 3), vec![-Fr::from(1_u64); count], vec![Fr::zero(); count]] {
            assert_eq!(kernel.unpack(&multiply_one(kernel, &packed, &scalars)), expected(&points, &scalars));
        }
    }

    #[test]
    fn many_products_agree_with_arkworks_also_of_equal_points() {
        for kernel in kernels() {
            let mut points = some_points(64);
            points[9] = points[8];
            points[10] = -points[8];
            let packed: Vec<_> = points.iter().map(|point| kernel.pack(point)).collect();
            let scalars: Vec<_> = (0..50).map(|task| if task == 7 { vec![Fr::from(3_u64); 64] } else { mixed(64, task) }).collect();
            let tasks: Vec<_> = scalars.iter().map(|scalars| Task { points: &packed, scalars }).collect();
            for (sum, scalars) in multiply(kernel, Plan::plain(64, SCALAR_BITS), &tasks).iter().zip(&scalars) {
                assert_eq!(kernel.unpack(sum), expected(&points, scalars), "{kernel:?}");
            }
        }
    }
}
