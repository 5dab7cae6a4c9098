//! Eight messages at once in the registers of AVX-512: rotation and three-operand logic are one instruction each.

use std::arch::x86_64::*;

use super::blake2b::{self, compress, initial};
use super::lanes::{Digest, WideDigest};
use super::rounds::{Word, absorb};

pub(super) const LANES: usize = 8;

#[derive(Clone, Copy)]
struct Lanes(__m512i);

/// Truth tables of `vpternlogq`, indexed by the bits of the three operands.
const XOR3: i32 = 0x96;
const CHI: i32 = 0xd2;

// The methods must be inlined into the functions below, which alone are compiled for AVX-512.
impl Word for Lanes {
    const ROUNDS_AT_ONCE: usize = 1;

    #[inline(always)]
    unsafe fn splat(value: u64) -> Self {
        // SAFETY: the trait's promise; so below.
        Self(unsafe { _mm512_set1_epi64(value as i64) })
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn xor3(self, second: Self, third: Self) -> Self {
        Self(unsafe { _mm512_ternarylogic_epi64::<XOR3>(self.0, second.0, third.0) })
    }

    #[inline(always)]
    unsafe fn chi(self, second: Self, third: Self) -> Self {
        Self(unsafe { _mm512_ternarylogic_epi64::<CHI>(self.0, second.0, third.0) })
    }

    #[inline(always)]
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        Self(unsafe { _mm512_rol_epi64::<LEFT>(self.0) })
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_epi64(self.0, other.0) })
    }
}

/// Keccak-256 of eight messages of `BLOCKS` × 64 bytes that lie one after another.
///
/// # Safety
/// The processor has AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn hash_eight<const BLOCKS: usize>(messages: &[u8], digests: &mut [Digest]) {
    assert_eq!((messages.len(), digests.len()), (LANES * BLOCKS * 64, LANES));
    if BLOCKS > 1 {
        prefetch(messages.as_ptr_range().end, messages.len());
    }
    let mut words = [[Lanes(_mm512_setzero_si512()); 8]; BLOCKS];
    for (block, words) in words.iter_mut().enumerate() {
        let mut rows = [_mm512_setzero_si512(); 8];
        for (index, row) in rows.iter_mut().enumerate() {
            // SAFETY: index and block stay below the lengths asserted above; the load needs no alignment.
            *row = unsafe { _mm512_loadu_si512(messages.as_ptr().add((index * BLOCKS + block) * 64).cast()) };
        }
        for (word, lanes) in words.iter_mut().zip(transpose(rows)) {
            *word = Lanes(lanes);
        }
    }
    // SAFETY: AVX-512F, by this function's own promise.
    let digest = unsafe { absorb(words.as_flattened()) };
    store(&digest, digests);
}

/// Keccak-256 of eight messages of 32 bytes.
///
/// # Safety
/// The processor has AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn hash_eight_digests(messages: &[Digest; LANES], digests: &mut [Digest; LANES]) {
    /// The words of a digest in the lower half of a register.
    const LOWER: __mmask8 = 0x0f;
    // SAFETY: a digest is 32 bytes long, and what the mask leaves out is not read; the load needs no alignment.
    let rows = messages.each_ref().map(|message| unsafe { _mm512_maskz_loadu_epi64(LOWER, message.as_ptr().cast()) });
    let [w0, w1, w2, w3, ..] = transpose(rows).map(Lanes);
    // SAFETY: AVX-512F, by this function's own promise.
    let digest = unsafe { absorb(&[w0, w1, w2, w3]) };
    store(&digest, digests);
}

/// BLAKE2b-512 of eight messages of `BLOCKS` × 128 bytes that lie one after another.
///
/// # Safety
/// The processor has AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn blake2b_eight<const BLOCKS: usize>(messages: &[u8], digests: &mut [WideDigest]) {
    assert_eq!((messages.len(), digests.len()), (LANES * BLOCKS * blake2b::BLOCK_BYTES, LANES));
    // SAFETY: AVX-512F, by this function's own promise; so for `compress`.
    let mut state = unsafe { initial::<Lanes>() };
    for block in 0..BLOCKS {
        let mut words = [[Lanes(_mm512_setzero_si512()); 8]; 2];
        for (half, words) in words.iter_mut().enumerate() {
            let mut rows = [_mm512_setzero_si512(); 8];
            for (index, row) in rows.iter_mut().enumerate() {
                let offset = (index * BLOCKS + block) * blake2b::BLOCK_BYTES + half * 64;
                // SAFETY: all three stay below the lengths asserted above; the load needs no alignment.
                *row = unsafe { _mm512_loadu_si512(messages.as_ptr().add(offset).cast()) };
            }
            for (word, lanes) in words.iter_mut().zip(transpose(rows)) {
                *word = Lanes(lanes);
            }
        }
        let bytes = ((block + 1) * blake2b::BLOCK_BYTES) as u64;
        let (message, _) = words.as_flattened().as_chunks::<16>();
        state = unsafe { compress(state, &message[0], bytes, block + 1 == BLOCKS) };
    }
    let rows = transpose(state.map(|lanes| lanes.0));
    for (place, row) in digests.iter_mut().zip(rows) {
        // SAFETY: `place` is 64 bytes long; the store needs no alignment.
        unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), row) };
    }
}

/// Ask for the bytes that follow, which are needed next: hashing takes longer than memory does, but the processor does not look so far ahead.
#[inline(always)]
fn prefetch(from: *const u8, bytes: usize) {
    for offset in (0..bytes).step_by(64) {
        // SAFETY: every processor with lanes has SSE, and a prefetch reads nothing, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(offset).cast()) };
    }
}

/// Word `w` of message `m` from `rows[m]` to lane `m` of the result's `w`.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    // Pairs of messages, even words and odd words; then quarters of a register sort the words.
    let even = [_mm512_unpacklo_epi64(a, b), _mm512_unpacklo_epi64(c, d), _mm512_unpacklo_epi64(e, f), _mm512_unpacklo_epi64(g, h)];
    let odd = [_mm512_unpackhi_epi64(a, b), _mm512_unpackhi_epi64(c, d), _mm512_unpackhi_epi64(e, f), _mm512_unpackhi_epi64(g, h)];
    let [w0, w2, w4, w6] = sort_quarters(even);
    let [w1, w3, w5, w7] = sort_quarters(odd);
    [w0, w1, w2, w3, w4, w5, w6, w7]
}

/// Quarter `q` of the four inputs, one after another, in the result's `q`.
#[inline]
#[target_feature(enable = "avx512f")]
fn sort_quarters(pairs: [__m512i; 4]) -> [__m512i; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let [a, b, c, d] = pairs;
    let (ab_even, cd_even) = (_mm512_shuffle_i64x2::<EVEN>(a, b), _mm512_shuffle_i64x2::<EVEN>(c, d));
    let (ab_odd, cd_odd) = (_mm512_shuffle_i64x2::<ODD>(a, b), _mm512_shuffle_i64x2::<ODD>(c, d));
    [
        _mm512_shuffle_i64x2::<EVEN>(ab_even, cd_even),
        _mm512_shuffle_i64x2::<EVEN>(ab_odd, cd_odd),
        _mm512_shuffle_i64x2::<ODD>(ab_even, cd_even),
        _mm512_shuffle_i64x2::<ODD>(ab_odd, cd_odd),
    ]
}

/// The first four words of each lane, message after message.
#[inline]
#[target_feature(enable = "avx512f")]
fn store(digest: &[Lanes; 4], digests: &mut [Digest]) {
    let [w0, w1, w2, w3] = [digest[0].0, digest[1].0, digest[2].0, digest[3].0];
    let front = [_mm512_unpacklo_epi64(w0, w1), _mm512_unpackhi_epi64(w0, w1)];
    let back = [_mm512_unpacklo_epi64(w2, w3), _mm512_unpackhi_epi64(w2, w3)];
    for parity in 0..2 {
        store_quarters(front[parity], digests, parity, 0);
        store_quarters(back[parity], digests, parity, 16);
    }
}

/// Quarter `q` of `words` into digest `2 q + parity`, from byte `offset`.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_quarters(words: __m512i, digests: &mut [Digest], parity: usize, offset: usize) {
    let quarters = [
        _mm512_extracti32x4_epi32::<0>(words),
        _mm512_extracti32x4_epi32::<1>(words),
        _mm512_extracti32x4_epi32::<2>(words),
        _mm512_extracti32x4_epi32::<3>(words),
    ];
    for (index, quarter) in quarters.into_iter().enumerate() {
        let half = &mut digests[2 * index + parity][offset..offset + 16];
        // SAFETY: `half` is 16 bytes long; the store needs no alignment.
        unsafe { _mm_storeu_si128(half.as_mut_ptr().cast(), quarter) };
    }
}
