//! Attention of some tokens of one sequence, for one head of keys and values and the heads of queries that share it.

use super::activations::SharedActivations;
use super::kernels::round_block;
use super::lanes::{LANES, Lanes, exponential, total};
use super::matrix::BLOCK;

/// Positions in a page of the cache.
pub(super) const PAGE: usize = 64;
/// Tokens that are looked at together.
pub(super) const TOKENS_MAX: usize = 4;
/// Queries that go through the keys together.
const QUERIES_MAX: usize = 12;

/// In a page, the keys of a head stand in groups of sixteen positions, the first value of all sixteen, then the second, and so on; the values
/// stand position by position. Both are f16.
pub(super) struct Attend<'a> {
    /// The first token's first query; those of the same token follow each other, the next token begins `stride` numbers later.
    pub queries: *const f32,
    pub stride: usize,
    pub tokens: usize,
    /// Queries of a token.
    pub shared_by: usize,
    pub head_size: usize,
    /// The pages of the sequence, each read from `keys_at` and `values_at` on.
    pub pages: &'a [*const u16],
    pub keys_at: usize,
    pub values_at: usize,
    /// Of the first token; each looks at all before itself and at itself.
    pub position: usize,
    pub to: SharedActivations,
    /// The first token and the first block of 32 that are written.
    pub token: usize,
    pub block: usize,
}

impl Attend<'_> {
    /// Numbers of working memory that a task takes.
    pub fn scratch(tokens: usize, shared_by: usize, positions: usize, head_size: usize) -> usize {
        tokens * shared_by * (positions.next_multiple_of(LANES) + head_size + 1)
    }

    fn positions(&self) -> usize {
        self.position + self.tokens
    }

    fn query(&self, index: usize) -> *const f32 {
        let (token, head) = (index / self.shared_by, index % self.shared_by);
        // SAFETY: `index` is below `tokens * shared_by`, by the loops below.
        unsafe { self.queries.add(token * self.stride + head * self.head_size) }
    }
}

/// # Safety
/// The processor has the instructions of `L`; the pages hold all positions that are looked at, the head has a multiple of 32 values, and
/// `scratch` is as long as `Attend::scratch` says.
#[inline(always)]
pub(super) unsafe fn attend<L: Lanes>(task: &Attend<'_>, scratch: &mut [f32]) {
    let queries = task.tokens * task.shared_by;
    let width = task.positions().next_multiple_of(LANES);
    let (weights, rest) = scratch.split_at_mut(queries * width);
    let (sums, outputs) = rest.split_at_mut(queries);
    // SAFETY: the caller's promise covers every call here.
    unsafe {
        let mut done = 0;
        while done < queries {
            done += match queries - done {
                QUERIES_MAX.. => score_all::<L, QUERIES_MAX, 1>(task, done, weights, width),
                6.. => score_all::<L, 6, 1>(task, done, weights, width),
                3.. => score_all::<L, 3, 2>(task, done, weights, width),
                2 => score_all::<L, 2, 2>(task, done, weights, width),
                _ => score_all::<L, 1, 4>(task, done, weights, width),
            };
        }
        for (query, (weights, sum)) in weights.chunks_exact_mut(width).zip(sums.iter_mut()).enumerate() {
            *sum = soften_scores::<L>(weights, task.position + query / task.shared_by + 1);
        }
        let mut done = 0;
        while done < queries {
            done += match queries - done {
                QUERIES_MAX.. => weigh_all::<L, QUERIES_MAX, 1>(task, done, weights, width, outputs),
                6.. => weigh_all::<L, 6, 2>(task, done, weights, width, outputs),
                3.. => weigh_all::<L, 3, 2>(task, done, weights, width, outputs),
                2 => weigh_all::<L, 2, 2>(task, done, weights, width, outputs),
                _ => weigh_all::<L, 1, 2>(task, done, weights, width, outputs),
            };
        }
        finish::<L>(task, sums, outputs);
    }
}

/// Scores of `QUERIES` queries with all positions, `GROUPS` groups of sixteen at once. Returns `QUERIES`.
#[inline(always)]
unsafe fn score_all<L: Lanes, const QUERIES: usize, const GROUPS: usize>(
    task: &Attend<'_>,
    first: usize,
    weights: &mut [f32],
    width: usize,
) -> usize {
    let mut queries = [std::ptr::null(); QUERIES];
    for (index, query) in queries.iter_mut().enumerate() {
        *query = task.query(first + index);
    }
    let groups = width / LANES;
    let mut group = 0;
    // SAFETY: the caller's promise; a page holds its groups one after another.
    unsafe {
        let to = weights.as_mut_ptr().add(first * width);
        while group < groups {
            let (page, inside) = (group * LANES / PAGE, group % (PAGE / LANES));
            let keys = task.pages[page].add(task.keys_at + inside * LANES * task.head_size);
            if GROUPS > 1 && inside.is_multiple_of(GROUPS) && groups - group >= GROUPS {
                score::<L, QUERIES, GROUPS>(&queries, keys, task.head_size, to.add(group * LANES), width);
                group += GROUPS;
            } else {
                score::<L, QUERIES, 1>(&queries, keys, task.head_size, to.add(group * LANES), width);
                group += 1;
            }
        }
    }
    QUERIES
}

#[inline(always)]
unsafe fn score<L: Lanes, const QUERIES: usize, const GROUPS: usize>(
    queries: &[*const f32; QUERIES],
    keys: *const u16,
    head_size: usize,
    to: *mut f32,
    width: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[L::splat(0.0); GROUPS]; QUERIES];
        for index in 0..head_size {
            let mut key = [L::splat(0.0); GROUPS];
            for (group, key) in key.iter_mut().enumerate() {
                *key = L::load_halves(keys.add((group * head_size + index) * LANES));
            }
            for (sums, query) in sums.iter_mut().zip(queries) {
                let query = L::splat(*query.add(index));
                for (sum, key) in sums.iter_mut().zip(key) {
                    *sum = L::add(*sum, L::mul(query, key));
                }
            }
        }
        for (index, sums) in sums.into_iter().enumerate() {
            for (group, sum) in sums.into_iter().enumerate() {
                L::store(to.add(index * width + group * LANES), sum);
            }
        }
    }
}

/// Turn the first `count` scores into powers of e, the rest into zeros. Returns the sum of the powers.
#[inline(always)]
unsafe fn soften_scores<L: Lanes>(scores: &mut [f32], count: usize) -> f32 {
    let (whole, rest) = (count / LANES * LANES, count % LANES);
    // SAFETY: the caller's promise; there are scores for whole groups.
    unsafe {
        let from = scores.as_mut_ptr();
        let nothing = L::splat(f32::NEG_INFINITY);
        let mut highest = nothing;
        for at in (0..whole).step_by(LANES) {
            highest = L::max(highest, L::load(from.add(at)));
        }
        if rest > 0 {
            highest = L::max(highest, L::first(rest, L::load(from.add(whole)), nothing));
        }
        let base = L::splat(L::largest(highest));
        let mut sum = L::splat(0.0);
        for at in (0..whole).step_by(LANES) {
            let power = exponential::<L>(L::sub(L::load(from.add(at)), base));
            sum = L::add(sum, power);
            L::store(from.add(at), power);
        }
        let mut at = whole;
        if rest > 0 {
            let power = exponential::<L>(L::sub(L::load(from.add(at)), base));
            let power = L::first(rest, power, L::splat(0.0));
            sum = L::add(sum, power);
            L::store(from.add(at), power);
            at += LANES;
        }
        for at in (at..scores.len()).step_by(LANES) {
            L::store(from.add(at), L::splat(0.0));
        }
        total::<L>(sum)
    }
}

/// Sums of the values, each with the weight of its position. `CHUNKS` times sixteen values of a head are summed at once. Returns `QUERIES`.
#[inline(always)]
unsafe fn weigh_all<L: Lanes, const QUERIES: usize, const CHUNKS: usize>(
    task: &Attend<'_>,
    first: usize,
    weights: &[f32],
    width: usize,
    outputs: &mut [f32],
) -> usize {
    // SAFETY: the caller's promise; every pointer stays within the queries, the pages and the positions.
    unsafe {
        let weights = weights.as_ptr().add(first * width);
        let to = outputs.as_mut_ptr().add(first * task.head_size);
        for chunk in (0..task.head_size).step_by(CHUNKS * LANES) {
            let mut sums = [[L::splat(0.0); CHUNKS]; QUERIES];
            for (index, page) in task.pages[..task.positions().div_ceil(PAGE)].iter().enumerate() {
                let mut values = page.add(task.values_at + chunk);
                for position in index * PAGE..task.positions().min((index + 1) * PAGE) {
                    let mut value = [L::splat(0.0); CHUNKS];
                    for (index, value) in value.iter_mut().enumerate() {
                        *value = L::load_halves(values.add(index * LANES));
                    }
                    for (query, sums) in sums.iter_mut().enumerate() {
                        let weight = L::splat(*weights.add(query * width + position));
                        for (sum, value) in sums.iter_mut().zip(value) {
                            *sum = L::add(*sum, L::mul(weight, value));
                        }
                    }
                    values = values.add(task.head_size);
                }
            }
            for (query, sums) in sums.into_iter().enumerate() {
                for (index, sum) in sums.into_iter().enumerate() {
                    L::store(to.add(query * task.head_size + chunk + index * LANES), sum);
                }
            }
        }
    }
    QUERIES
}

/// Divide by the sums of the weights, and round.
#[inline(always)]
unsafe fn finish<L: Lanes>(task: &Attend<'_>, sums: &[f32], outputs: &mut [f32]) {
    let blocks = task.head_size / BLOCK;
    for (query, (sum, values)) in sums.iter().zip(outputs.chunks_exact_mut(task.head_size)).enumerate() {
        let (token, head) = (query / task.shared_by, query % task.shared_by);
        // SAFETY: the caller's promise.
        unsafe {
            let factor = L::splat(1.0 / sum);
            for at in (0..task.head_size).step_by(LANES) {
                L::store(values.as_mut_ptr().add(at), L::mul(L::load(values.as_ptr().add(at)), factor));
            }
            for block in 0..blocks {
                let from = values.as_ptr().add(block * BLOCK);
                round_block::<L>(from, &task.to, task.token + token, task.block + head * blocks + block);
            }
        }
    }
}
