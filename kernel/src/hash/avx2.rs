//! Four messages at once in the registers of AVX2.

use std::arch::x86_64::*;

use super::blake2b::{self, compress, initial};
use super::lanes::{Digest, WideDigest};
use super::rounds::{Word, absorb};

pub(super) const LANES: usize = 4;

#[derive(Clone, Copy)]
struct Lanes(__m256i);

// The methods must be inlined into the functions below, which alone are compiled for AVX2.
impl Word for Lanes {
    const ROUNDS_AT_ONCE: usize = 2;

    #[inline(always)]
    unsafe fn splat(value: u64) -> Self {
        // SAFETY: the trait's promise; so below.
        Self(unsafe { _mm256_set1_epi64x(value as i64) })
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn xor3(self, second: Self, third: Self) -> Self {
        // The last two first: in theta they are the same for five words, and the compiler computes them once.
        Self(unsafe { _mm256_xor_si256(self.0, _mm256_xor_si256(second.0, third.0)) })
    }

    #[inline(always)]
    unsafe fn chi(self, second: Self, third: Self) -> Self {
        Self(unsafe { _mm256_xor_si256(self.0, _mm256_andnot_si256(second.0, third.0)) })
    }

    #[inline(always)]
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        Self(unsafe { _mm256_or_si256(_mm256_slli_epi64::<LEFT>(self.0), _mm256_srli_epi64::<RIGHT>(self.0)) })
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_epi64(self.0, other.0) })
    }
}

/// Keccak-256 of four messages of `BLOCKS` × 64 bytes that lie one after another.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn hash_four<const BLOCKS: usize>(messages: &[u8], digests: &mut [Digest]) {
    assert_eq!((messages.len(), digests.len()), (LANES * BLOCKS * 64, LANES));
    if BLOCKS > 1 {
        prefetch(messages.as_ptr_range().end, messages.len());
    }
    let mut words = [[[Lanes(_mm256_setzero_si256()); 4]; 2]; BLOCKS];
    for (half, words) in words.as_flattened_mut().iter_mut().enumerate() {
        let mut rows = [_mm256_setzero_si256(); 4];
        for (index, row) in rows.iter_mut().enumerate() {
            // SAFETY: index and half stay below the lengths asserted above; the load needs no alignment.
            *row = unsafe { _mm256_loadu_si256(messages.as_ptr().add(index * BLOCKS * 64 + half * 32).cast()) };
        }
        for (word, lanes) in words.iter_mut().zip(transpose(rows)) {
            *word = Lanes(lanes);
        }
    }
    // SAFETY: AVX2, by this function's own promise.
    let digest = unsafe { absorb(words.as_flattened().as_flattened()) };
    let rows = transpose([digest[0].0, digest[1].0, digest[2].0, digest[3].0]);
    for (place, row) in digests.iter_mut().zip(rows) {
        // SAFETY: a digest is 32 bytes long; the store needs no alignment.
        unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), row) };
    }
}

/// Keccak-256 of four messages of 32 bytes.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn hash_four_digests(messages: &[Digest; LANES], digests: &mut [Digest; LANES]) {
    // SAFETY: a digest is 32 bytes long; the load needs no alignment.
    let rows = messages.each_ref().map(|message| unsafe { _mm256_loadu_si256(message.as_ptr().cast()) });
    // SAFETY: AVX2, by this function's own promise.
    let digest = unsafe { absorb(&transpose(rows).map(Lanes)) };
    let rows = transpose([digest[0].0, digest[1].0, digest[2].0, digest[3].0]);
    for (place, row) in digests.iter_mut().zip(rows) {
        // SAFETY: as the load.
        unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), row) };
    }
}

/// BLAKE2b-512 of four messages of `BLOCKS` × 128 bytes that lie one after another.
///
/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn blake2b_four<const BLOCKS: usize>(messages: &[u8], digests: &mut [WideDigest]) {
    assert_eq!((messages.len(), digests.len()), (LANES * BLOCKS * blake2b::BLOCK_BYTES, LANES));
    // SAFETY: AVX2, by this function's own promise; so for `compress`.
    let mut state = unsafe { initial::<Lanes>() };
    for block in 0..BLOCKS {
        let mut words = [[Lanes(_mm256_setzero_si256()); 4]; 4];
        for (quarter, words) in words.iter_mut().enumerate() {
            let mut rows = [_mm256_setzero_si256(); 4];
            for (index, row) in rows.iter_mut().enumerate() {
                let offset = (index * BLOCKS + block) * blake2b::BLOCK_BYTES + quarter * 32;
                // SAFETY: all three stay below the lengths asserted above; the load needs no alignment.
                *row = unsafe { _mm256_loadu_si256(messages.as_ptr().add(offset).cast()) };
            }
            for (word, lanes) in words.iter_mut().zip(transpose(rows)) {
                *word = Lanes(lanes);
            }
        }
        let bytes = ((block + 1) * blake2b::BLOCK_BYTES) as u64;
        let (message, _) = words.as_flattened().as_chunks::<16>();
        state = unsafe { compress(state, &message[0], bytes, block + 1 == BLOCKS) };
    }
    for half in 0..2 {
        let rows = transpose([state[4 * half].0, state[4 * half + 1].0, state[4 * half + 2].0, state[4 * half + 3].0]);
        for (place, row) in digests.iter_mut().zip(rows) {
            let place = &mut place[32 * half..32 * (half + 1)];
            // SAFETY: `place` is 32 bytes long; the store needs no alignment.
            unsafe { _mm256_storeu_si256(place.as_mut_ptr().cast(), row) };
        }
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

/// Word `w` of message `m` from `rows[m]` to lane `m` of the result's `w`, or back.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(rows: [__m256i; 4]) -> [__m256i; 4] {
    const LOW: i32 = 0x20;
    const HIGH: i32 = 0x31;
    let [a, b, c, d] = rows;
    let (ab_even, ab_odd) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let (cd_even, cd_odd) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
    [
        _mm256_permute2x128_si256::<LOW>(ab_even, cd_even),
        _mm256_permute2x128_si256::<LOW>(ab_odd, cd_odd),
        _mm256_permute2x128_si256::<HIGH>(ab_even, cd_even),
        _mm256_permute2x128_si256::<HIGH>(ab_odd, cd_odd),
    ]
}
