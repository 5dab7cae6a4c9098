//! The loops that take the time, written once over `Lanes` and compiled for each processor.
//!
//! The order of every sum is fixed here: a number of a product is the sum over its blocks in their order, one lane a row; a score is the sum
//! over the values of a head in their order; an output of attention is the sum over the positions in their order.

use super::activations::{Scale, SharedActivations};
use super::lanes::{LANES, Lanes, exponential, total};
use super::matrix::{BLOCK, Form, GROUP, Matrix};

/// Rows of a group times the activations of some tokens.
pub(super) struct Product<'a> {
    pub matrix: &'a Matrix,
    pub group: usize,
    pub activations: SharedActivations,
    pub first: usize,
    pub count: usize,
    /// Where the sixteen numbers of token `first` go; those of the next follow after `stride` numbers.
    pub to: *mut f32,
    pub stride: usize,
}

/// # Safety
/// The processor has the instructions of `L`; the activations and the output are there for all tokens of the task.
#[inline(always)]
pub(super) unsafe fn product<L: Lanes>(task: &Product<'_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match task.matrix.form {
            Form::NibblesWithMinimum => tiles::<L, WithMinimum>(task),
            Form::Nibbles => tiles::<L, Nibbles>(task),
            Form::Whole => tiles::<L, Whole>(task),
            Form::Halves => tiles::<L, Halves>(task),
            Form::Floats => tiles::<L, Floats>(task),
        }
    }
}

/// How a form is multiplied.
trait Kind {
    /// # Safety
    /// As for `product`; `first` and the `TOKENS - 1` tokens after it are part of the task.
    unsafe fn tile<L: Lanes, const TOKENS: usize>(task: &Product<'_>, first: usize) -> [L::Floats; TOKENS];
}

struct WithMinimum;
struct Nibbles;
struct Whole;
struct Halves;
struct Floats;

impl Kind for WithMinimum {
    #[inline(always)]
    unsafe fn tile<L: Lanes, const TOKENS: usize>(task: &Product<'_>, first: usize) -> [L::Floats; TOKENS] {
        // SAFETY: the trait's promise; so below.
        unsafe { blocks::<L, TOKENS, 0, true, false>(task, first) }
    }
}

impl Kind for Nibbles {
    #[inline(always)]
    unsafe fn tile<L: Lanes, const TOKENS: usize>(task: &Product<'_>, first: usize) -> [L::Floats; TOKENS] {
        unsafe { blocks::<L, TOKENS, 8, false, false>(task, first) }
    }
}

impl Kind for Whole {
    #[inline(always)]
    unsafe fn tile<L: Lanes, const TOKENS: usize>(task: &Product<'_>, first: usize) -> [L::Floats; TOKENS] {
        unsafe { blocks::<L, TOKENS, 128, false, true>(task, first) }
    }
}

impl Kind for Halves {
    #[inline(always)]
    unsafe fn tile<L: Lanes, const TOKENS: usize>(task: &Product<'_>, first: usize) -> [L::Floats; TOKENS] {
        unsafe { columns::<L, TOKENS, true>(task, first) }
    }
}

impl Kind for Floats {
    #[inline(always)]
    unsafe fn tile<L: Lanes, const TOKENS: usize>(task: &Product<'_>, first: usize) -> [L::Floats; TOKENS] {
        unsafe { columns::<L, TOKENS, false>(task, first) }
    }
}

/// Weights are read once for four tokens, then for what is left. A token's numbers do not depend on its neighbours.
#[inline(always)]
unsafe fn tiles<L: Lanes, K: Kind>(task: &Product<'_>) {
    let mut done = 0;
    // SAFETY: the caller's promise; no tile reaches beyond the task's tokens.
    unsafe {
        while task.count - done >= 4 {
            store_tile::<L, K, 4>(task, &mut done);
        }
        if task.count - done >= 2 {
            store_tile::<L, K, 2>(task, &mut done);
        }
        if task.count > done {
            store_tile::<L, K, 1>(task, &mut done);
        }
    }
}

#[inline(always)]
unsafe fn store_tile<L: Lanes, K: Kind, const TOKENS: usize>(task: &Product<'_>, done: &mut usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let sums = K::tile::<L, TOKENS>(task, task.first + *done);
        for (index, sum) in sums.into_iter().enumerate() {
            L::store(task.to.add((*done + index) * task.stride), sum);
        }
    }
    *done += TOKENS;
}

/// Products of blocks: whole numbers inside a block, then scale and sum. `OFFSET` is what the stored values are too large by.
#[inline(always)]
unsafe fn blocks<L: Lanes, const TOKENS: usize, const OFFSET: i32, const MINIMUM: bool, const WHOLE: bool>(
    task: &Product<'_>,
    first: usize,
) -> [L::Floats; TOKENS] {
    // SAFETY: the caller's promise covers every call here, and every pointer stays within the group and the tokens.
    unsafe {
        let group = task.matrix.group(task.group);
        let form = if WHOLE {
            Form::Whole
        } else if MINIMUM {
            Form::NibblesWithMinimum
        } else {
            Form::Nibbles
        };
        let blocks = task.matrix.blocks;
        let (columns, scales) = (task.activations.columns, task.activations.columns / BLOCK);
        let mut bytes = task.activations.bytes.cast_const().add(first * columns);
        let mut scale = task.activations.scales.cast_const().add(first * scales);
        let mut sums = [L::splat(0.0); TOKENS];
        for block in 0..blocks {
            let (head, body) = form.places(block);
            let (head, body) = (group.add(head), group.add(body));
            let weights = values::<L, WHOLE>(body);
            let step = L::load_halves(head.cast());
            for (token, sum) in sums.iter_mut().enumerate() {
                let Scale { step: token_step, weight, total } = *scale.add(token * scales);
                let mut dot = if WHOLE {
                    L::whole_start(total)
                } else if OFFSET == 0 {
                    L::zero()
                } else {
                    L::whole(-OFFSET * total)
                };
                for (four, weights) in weights.iter().enumerate() {
                    let from = bytes.add(token * columns + four * 4);
                    dot = if WHOLE { L::dot_whole(dot, *weights, from) } else { L::dot_nibbles(dot, *weights, from) };
                }
                let mut term = L::mul(L::mul(step, L::splat(token_step)), L::to_floats(dot));
                if MINIMUM {
                    term = L::add(term, L::mul(L::load_halves(head.add(2 * GROUP).cast()), L::splat(weight)));
                }
                *sum = L::add(*sum, term);
            }
            bytes = bytes.add(BLOCK);
            scale = scale.add(1);
        }
        sums
    }
}

/// The 32 values of a block in sixteen rows, four a vector.
#[inline(always)]
unsafe fn values<L: Lanes, const WHOLE: bool>(body: *const u8) -> [L::Bytes; 8] {
    // SAFETY: the caller's promise.
    unsafe {
        let read = [L::bytes(body), L::bytes(body.add(64)), L::bytes(body.add(128)), L::bytes(body.add(192))];
        if WHOLE {
            let body = body.add(256);
            let more = [L::bytes(body), L::bytes(body.add(64)), L::bytes(body.add(128)), L::bytes(body.add(192))];
            [read[0], read[1], read[2], read[3], more[0], more[1], more[2], more[3]]
        } else {
            let (low, high) = (read, read);
            [
                L::low(low[0]),
                L::low(low[1]),
                L::low(low[2]),
                L::low(low[3]),
                L::high(high[0]),
                L::high(high[1]),
                L::high(high[2]),
                L::high(high[3]),
            ]
        }
    }
}

/// Products of numbers as they are, column by column.
#[inline(always)]
unsafe fn columns<L: Lanes, const TOKENS: usize, const HALVES: bool>(task: &Product<'_>, first: usize) -> [L::Floats; TOKENS] {
    // SAFETY: as for `blocks`; a matrix of numbers is given activations with numbers.
    unsafe {
        let body = task.matrix.group(task.group);
        let columns = task.activations.columns;
        let floats = task.activations.floats.cast_const().add(first * columns);
        let mut sums = [L::splat(0.0); TOKENS];
        for column in 0..columns {
            let weights = if HALVES {
                L::load_halves(body.cast::<u16>().add(column * GROUP))
            } else {
                L::load(body.cast::<f32>().add(column * GROUP))
            };
            for (token, sum) in sums.iter_mut().enumerate() {
                *sum = L::add(*sum, L::mul(weights, L::splat(*floats.add(token * columns + column))));
            }
        }
        sums
    }
}

/// Round 32 numbers to bytes.
///
/// # Safety
/// The processor has the instructions of `L`; `values` and the block are there.
#[inline(always)]
pub(super) unsafe fn round_block<L: Lanes>(values: *const f32, to: &SharedActivations, token: usize, block: usize) {
    /// A block of smaller numbers counts as zero: their steps could not be divided by.
    const LARGEST_MIN: f32 = 1e-30;
    // SAFETY: the caller's promise.
    unsafe {
        let (low, high) = (L::load(values), L::load(values.add(LANES)));
        let magnitude = L::largest(L::max(L::abs(low), L::abs(high)));
        // What is not finite leaves no zero behind.
        let finite = L::are_zero(L::add(L::sub(low, low), L::sub(high, high)));
        let at = token * to.columns + block * BLOCK;
        let bytes = to.bytes.add(at);
        let scale = to.scales.add(at / BLOCK);
        if !to.floats.is_null() {
            L::store(to.floats.add(at), low);
            L::store(to.floats.add(at + LANES), high);
        }
        if finite && magnitude >= LARGEST_MIN {
            let inverse = L::splat(127.0 / magnitude);
            L::store_whole(bytes, L::mul(low, inverse));
            L::store_whole(bytes.add(LANES), L::mul(high, inverse));
            let sum = std::slice::from_raw_parts(bytes, BLOCK).iter().map(|byte| i32::from(*byte)).sum::<i32>();
            let step = magnitude / 127.0;
            *scale = Scale { step, weight: step * sum as f32, total: sum };
        } else {
            std::ptr::write_bytes(bytes, 0, BLOCK);
            let step = if finite { 0.0 } else { f32::NAN };
            *scale = Scale { step, weight: step, total: 0 };
        }
    }
}

/// Scale a token to a mean square of one, times the weights of a norm, and round it.
pub(super) struct Normalise<'a> {
    pub from: *const f32,
    pub weights: &'a [f32],
    pub epsilon: f32,
    pub to: SharedActivations,
    pub token: usize,
}

/// # Safety
/// The processor has the instructions of `L`; `from` has as many numbers as `weights`, a multiple of 32, and `to` has the token.
#[inline(always)]
pub(super) unsafe fn normalise<L: Lanes>(task: &Normalise<'_>) {
    let columns = task.weights.len();
    // SAFETY: the caller's promise.
    unsafe {
        let mut squares = L::splat(0.0);
        for column in (0..columns).step_by(LANES) {
            let value = L::load(task.from.add(column));
            squares = L::add(squares, L::mul(value, value));
        }
        let mean = total::<L>(squares) / columns as f32;
        let factor = L::splat(1.0 / (mean + task.epsilon).sqrt());
        let mut values = [0.0_f32; BLOCK];
        for block in 0..columns / BLOCK {
            for half in [0, LANES] {
                let at = block * BLOCK + half;
                let scaled = L::mul(L::load(task.from.add(at)), factor);
                L::store(values.as_mut_ptr().add(half), L::mul(scaled, L::load(task.weights.as_ptr().add(at))));
            }
            round_block::<L>(values.as_ptr(), &task.to, task.token, block);
        }
    }
}

/// A block of the feed-forward's inner values: gate / (1 + e^-gate) times up, rounded.
pub(super) struct Gate {
    pub gate: *const f32,
    pub up: *const f32,
    pub to: SharedActivations,
    pub token: usize,
    pub block: usize,
}

/// # Safety
/// The processor has the instructions of `L`; both inputs have 32 numbers, and `to` has the block.
#[inline(always)]
pub(super) unsafe fn gate<L: Lanes>(task: &Gate) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut values = [0.0_f32; BLOCK];
        for half in [0, LANES] {
            let gate = L::load(task.gate.add(half));
            let below = L::add(L::splat(1.0), exponential::<L>(L::sub(L::splat(0.0), gate)));
            let value = L::mul(L::div(gate, below), L::load(task.up.add(half)));
            L::store(values.as_mut_ptr().add(half), value);
        }
        round_block::<L>(values.as_ptr(), &task.to, task.token, task.block);
    }
}

/// The largest logit, and the sum of e to the power of what each is below it; the powers themselves go to `to`, unless that is null.
///
/// # Safety
/// The processor has the instructions of `L`; `to` is null or has place for as many numbers as there are logits.
#[inline(always)]
pub(super) unsafe fn soften<L: Lanes>(logits: &[f32], to: *mut f32) -> (f32, f32) {
    let whole = logits.len() / LANES * LANES;
    let rest = logits.len() - whole;
    let mut last = [f32::NEG_INFINITY; LANES];
    last[..rest].copy_from_slice(&logits[whole..]);
    // SAFETY: the caller's promise.
    unsafe {
        let mut highest = L::load(last.as_ptr());
        for at in (0..whole).step_by(LANES) {
            highest = L::max(highest, L::load(logits.as_ptr().add(at)));
        }
        let highest = L::largest(highest);
        let base = L::splat(highest);
        let mut sum = L::splat(0.0);
        for at in (0..whole).step_by(LANES) {
            let power = exponential::<L>(L::sub(L::load(logits.as_ptr().add(at)), base));
            sum = L::add(sum, power);
            if !to.is_null() {
                L::store(to.add(at), power);
            }
        }
        let power = exponential::<L>(L::sub(L::load(last.as_ptr()), base));
        let power = L::first(rest, power, L::splat(0.0));
        L::store(last.as_mut_ptr(), power);
        if !to.is_null() {
            std::ptr::copy_nonoverlapping(last.as_ptr(), to.add(whole), rest);
        }
        (highest, total::<L>(L::add(sum, power)))
    }
}
