//! The same bits on every path, whatever the threads, the company, the order and the chunks.

mod decoding;

use proptest::prelude::*;

use super::activations::Activations;
use super::attention::{Attend, PAGE};
use super::halves::to_half;
use super::kernels::{Gate, Normalise, Product};
use super::matrix::{BLOCK, GROUP, Matrix};
use super::path::ExactPath;
use crate::inference::{Tensor, TensorKind};

/// Random bytes that anyone can make again.
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Numbers of either sign, of very different sizes where `wild`.
fn numbers(seed: u64, count: usize, wild: bool) -> Vec<f32> {
    let number = |four: &[u8]| {
        let whole = f32::from(i16::from_le_bytes([four[0], four[1]])) / 8192.0;
        if wild { whole * f32::from_bits(u32::from(64 + four[2] / 2) << 23) } else { whole }
    };
    bytes(seed, count * 4).chunks_exact(4).map(number).collect()
}

/// A tensor's bytes whose scales are finite.
fn weights(kind: TensorKind, seed: u64, columns: usize, rows: usize) -> Vec<u8> {
    let values = columns * rows;
    let mut data = bytes(seed, values / kind.block_values() * kind.block_bytes());
    let scale = |index: usize| to_half(((seed as usize + index) % 97) as f32 / 512.0 - 0.05).to_le_bytes();
    match kind {
        TensorKind::F32 => {
            numbers(seed, values, true).iter().zip(data.chunks_exact_mut(4)).for_each(|(n, to)| to.copy_from_slice(&n.to_le_bytes()))
        }
        TensorKind::F16 => {
            let halves = numbers(seed, values, false).into_iter().map(to_half);
            halves.zip(data.chunks_exact_mut(2)).for_each(|(half, to)| to.copy_from_slice(&half.to_le_bytes()));
        }
        _ => {
            for (index, block) in data.chunks_exact_mut(kind.block_bytes()).enumerate() {
                block[..2].copy_from_slice(&scale(index));
                if kind == TensorKind::Q4_1 {
                    block[2..4].copy_from_slice(&scale(index + 31));
                }
            }
        }
    }
    data
}

fn rounded(path: ExactPath, values: &[f32], columns: usize) -> Activations {
    let tokens = values.len() / columns;
    let mut activations = Activations::new(tokens, columns, true);
    let ones = vec![1.0; columns];
    for token in 0..tokens {
        let to = activations.shared();
        let task = Normalise { from: values[token * columns..].as_ptr(), weights: &ones, epsilon: 1e-5, to, token };
        // SAFETY: the path is here, and there is place for each token.
        unsafe { (path.kernels().normalise)(&task) };
    }
    activations
}

fn products(path: ExactPath, matrix: &Matrix, activations: &mut Activations, first: usize, count: usize) -> Vec<u32> {
    let stride = matrix.groups() * GROUP;
    let mut output = vec![0.0_f32; count * stride];
    for group in 0..matrix.groups() {
        let to = output[group * GROUP..].as_mut_ptr();
        let task = Product { matrix, group, activations: activations.shared(), first, count, to, stride };
        // SAFETY: the path is here, and each row of the output has place for all groups.
        unsafe { (path.kernels().product)(&task) };
    }
    output.into_iter().map(f32::to_bits).collect()
}

/// What the rule says, read off the tensor: whole sums in blocks, one term a block.
fn products_plainly(kind: TensorKind, data: &[u8], columns: usize, activations: &Activations, token: usize) -> Vec<u32> {
    let row_bytes = columns / kind.block_values() * kind.block_bytes();
    let half = |bytes: &[u8]| super::halves::from_half(u16::from_le_bytes([bytes[0], bytes[1]]));
    let floats = &activations.floats[token * columns..][..columns];
    let row = |row: &[u8]| match kind {
        TensorKind::F32 => row.chunks_exact(4).zip(floats).fold(0.0, |sum, (w, x)| sum + f32::from_le_bytes([w[0], w[1], w[2], w[3]]) * x),
        TensorKind::F16 => row.chunks_exact(2).zip(floats).fold(0.0, |sum, (w, x)| sum + half(w) * x),
        _ => row.chunks_exact(kind.block_bytes()).enumerate().fold(0.0_f32, |sum, (block, weights)| {
            let at = token * columns + block * BLOCK;
            let (values, scale) = (&activations.bytes[at..at + BLOCK], activations.scales[at / BLOCK]);
            let quants = &weights[kind.block_bytes() - if kind == TensorKind::Q8_0 { 32 } else { 16 }..];
            let weight = |index: usize| match kind {
                TensorKind::Q8_0 => i32::from(quants[index] as i8),
                _ if index < 16 => i32::from(quants[index] & 15),
                _ => i32::from(quants[index - 16] >> 4),
            };
            let offset = if kind == TensorKind::Q4_0 { 8 } else { 0 };
            let dot: i32 = values.iter().enumerate().map(|(index, value)| (weight(index) - offset) * i32::from(*value)).sum();
            let term = half(weights) * scale.step * dot as f32;
            sum + if kind == TensorKind::Q4_1 { term + half(&weights[2..]) * scale.weight } else { term }
        }),
    };
    data.chunks_exact(row_bytes).map(|weights| row(weights).to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_are_what_the_rule_says_on_every_path_and_beside_any_tokens(
        kind in prop::sample::select(TensorKind::ALL.to_vec()),
        seed in any::<u64>(), blocks in 1_usize..6, rows in 1_usize..40, tokens in 1_usize..20, wild in any::<bool>(),
    ) {
        let columns = blocks * BLOCK;
        let data = weights(kind, seed, columns, rows);
        let dims = [columns as u64, rows as u64];
        let tensor = Tensor { name: "made", kind, dims: &dims, bytes: &data };
        let mut memory = vec![0; Matrix::packed_bytes(&tensor).unwrap()];
        let matrix = Matrix::pack(&tensor, &mut memory).unwrap();
        let values = numbers(seed ^ 1, tokens * columns, wild);
        let mut activations = rounded(ExactPath::Portable, &values, columns);
        let stride = matrix.groups() * GROUP;
        for path in ExactPath::available() {
            prop_assert_eq!(&rounded(path, &values, columns).bytes, &activations.bytes);
            let together = products(path, &matrix, &mut activations, 0, tokens);
            for token in 0..tokens {
                let plainly = products_plainly(kind, &data, columns, &activations, token);
                prop_assert_eq!(&together[token * stride..][..rows], &plainly[..], "{:?} {:?}", path, kind);
                prop_assert_eq!(&products(path, &matrix, &mut activations, token, 1)[..rows], &plainly[..]);
            }
        }
    }

    #[test]
    fn attention_gives_a_token_the_same_alone_and_with_others_on_every_path(
        seed in any::<u64>(), position in 0_usize..150, tokens in 1_usize..=4, shared_by in 1_usize..=9, size in 1_usize..=4,
    ) {
        let size = size * BLOCK;
        let pages: Vec<Vec<u16>> = (0..4).map(|page| numbers(seed ^ page, 2 * size * PAGE, false).into_iter().map(to_half).collect()).collect();
        let queries = numbers(seed ^ 77, tokens * shared_by * size, false);
        let expected = attended(ExactPath::Portable, &pages, &queries, position, 0..tokens, shared_by, size);
        for path in ExactPath::available() {
            prop_assert_eq!(&attended(path, &pages, &queries, position, 0..tokens, shared_by, size), &expected, "{:?}", path);
            for token in 0..tokens {
                let alone = attended(path, &pages, &queries, position, token..token + 1, shared_by, size);
                prop_assert_eq!(&alone[..], &expected[token * shared_by * size..][..shared_by * size], "{:?} alone", path);
            }
        }
    }

    #[test]
    fn gates_and_sums_of_powers_are_the_same_on_every_path(seed in any::<u64>(), wild in any::<bool>(), count in 1_usize..100) {
        let (gates, ups) = (numbers(seed, BLOCK, wild), numbers(seed ^ 5, BLOCK, wild));
        let gated = |path: ExactPath| {
            let mut to = Activations::new(1, BLOCK, true);
            let task = Gate { gate: gates.as_ptr(), up: ups.as_ptr(), to: to.shared(), token: 0, block: 0 };
            // SAFETY: the path is here, and all have 32 numbers.
            unsafe { (path.kernels().gate)(&task) };
            (to.bytes, to.floats.into_iter().map(f32::to_bits).collect::<Vec<_>>(), to.scales[0].step.to_bits())
        };
        let logits = numbers(seed ^ 9, count, false);
        let softened = |path: ExactPath| {
            let mut powers = vec![0.0; count];
            // SAFETY: the path is here, and there is place for all powers.
            let (highest, sum) = unsafe { (path.kernels().soften)(&logits, powers.as_mut_ptr()) };
            (highest.to_bits(), sum.to_bits(), powers.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
        for path in ExactPath::available() {
            prop_assert_eq!(gated(path), gated(ExactPath::Portable));
            prop_assert_eq!(softened(path), softened(ExactPath::Portable));
        }
    }
}

fn attended(
    path: ExactPath,
    pages: &[Vec<u16>],
    queries: &[f32],
    position: usize,
    tokens: std::ops::Range<usize>,
    shared_by: usize,
    size: usize,
) -> Vec<u32> {
    let pages: Vec<*const u16> = pages.iter().map(|page| page.as_ptr()).collect();
    let mut to = Activations::new(tokens.len(), shared_by * size, true);
    let position = position + tokens.start;
    let mut scratch = vec![f32::NAN; Attend::scratch(tokens.len(), shared_by, position + tokens.len(), size)];
    let task = Attend {
        queries: queries[tokens.start * shared_by * size..].as_ptr(),
        stride: shared_by * size,
        tokens: tokens.len(),
        shared_by,
        head_size: size,
        pages: &pages,
        keys_at: 0,
        values_at: size * PAGE,
        position,
        to: to.shared(),
        token: 0,
        block: 0,
    };
    // SAFETY: the path is here; four pages hold all positions, and there is place for the outputs.
    unsafe { (path.kernels().attend)(&task, &mut scratch) };
    to.floats.into_iter().map(f32::to_bits).collect()
}

#[test]
fn numbers_that_are_not_finite_leave_no_number_and_tiny_ones_count_as_zero() {
    for path in ExactPath::available() {
        for (value, step) in
            [(f32::NAN, f32::NAN), (f32::INFINITY, f32::NAN), (-f32::INFINITY, f32::NAN), (1e-36, 0.0), (f32::from_bits(3), 0.0)]
        {
            let mut values = [0.0; BLOCK];
            values[17] = value;
            let mut to = Activations::new(1, BLOCK, false);
            // One times the gate: silu of 88 is 88 in every bit that counts, so the block is made of the ups.
            let gates = [88.0; BLOCK];
            let task = Gate { gate: gates.as_ptr(), up: values.as_ptr(), to: to.shared(), token: 0, block: 0 };
            // SAFETY: the path is here, and all have 32 numbers.
            unsafe { (path.kernels().gate)(&task) };
            assert_eq!((to.scales[0].step.is_nan(), to.scales[0].total), (step.is_nan(), 0), "{path:?} {value}");
            assert!(to.bytes.iter().all(|byte| *byte == 0));
        }
    }
}

#[test]
fn what_is_rounded_goes_to_the_nearest_whole_number_and_ties_to_the_even_one() {
    for path in ExactPath::available() {
        let mut values: Vec<f32> = (0..BLOCK as i32).map(|index| index as f32 - 15.5).collect();
        values[0] = 127.0;
        let mut to = Activations::new(1, BLOCK, false);
        let ones = vec![1.0; BLOCK];
        // A mean square of one leaves the values as they are up to a factor, which the step takes out again.
        let task = Normalise { from: values.as_ptr(), weights: &ones, epsilon: 1e-5, to: to.shared(), token: 0 };
        // SAFETY: the path is here, and there are 32 numbers.
        unsafe { (path.kernels().normalise)(&task) };
        assert_eq!(to.bytes[0], 127);
        assert!(values.iter().zip(&to.bytes).skip(1).all(|(value, byte)| (value - f32::from(*byte)).abs() <= 0.501));
    }
}
