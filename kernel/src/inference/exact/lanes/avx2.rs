//! The lanes in pairs of registers of AVX2, with the conversions of F16C.

use std::arch::x86_64::*;

use super::Lanes;

pub(crate) struct Avx2;

#[derive(Clone, Copy)]
pub(crate) struct Pair(__m256, __m256);

#[derive(Clone, Copy)]
pub(crate) struct WholePair(__m256i, __m256i);

/// Two products of at most 128 × 127 fit into 16 bits, which two of 255 × 127 do not: so the sign changes sides.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn signed_dot(bytes: __m256i, four: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let signed = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
        let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(signed), _mm256_sign_epi8(four, signed));
        _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
    }
}

// The methods must be inlined into functions that are compiled for AVX2.
impl Lanes for Avx2 {
    type Floats = Pair;
    type Integers = WholePair;
    type Bytes = WholePair;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Pair {
        // SAFETY: the trait's promise; so below.
        let all = unsafe { _mm256_set1_ps(value) };
        Pair(all, all)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Pair {
        unsafe { Pair(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Pair) {
        unsafe {
            _mm256_storeu_ps(to, value.0);
            _mm256_storeu_ps(to.add(8), value.1);
        }
    }

    #[inline(always)]
    unsafe fn load_halves(from: *const u16) -> Pair {
        unsafe { Pair(_mm256_cvtph_ps(_mm_loadu_si128(from.cast())), _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast()))) }
    }

    #[inline(always)]
    unsafe fn add(a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn sub(a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn mul(a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn div(a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn abs(a: Pair) -> Pair {
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            Pair(_mm256_andnot_ps(sign, a.0), _mm256_andnot_ps(sign, a.1))
        }
    }

    #[inline(always)]
    unsafe fn max(a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn min(a: Pair, b: Pair) -> Pair {
        unsafe { Pair(_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: Pair) -> Pair {
        unsafe {
            let bias = _mm256_set1_epi32(127);
            let low = _mm256_add_epi32(_mm256_cvtps_epi32(exponent.0), bias);
            let high = _mm256_add_epi32(_mm256_cvtps_epi32(exponent.1), bias);
            Pair(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(low)), _mm256_castsi256_ps(_mm256_slli_epi32::<23>(high)))
        }
    }

    #[inline(always)]
    unsafe fn first(count: usize, a: Pair, b: Pair) -> Pair {
        unsafe {
            let count = _mm256_set1_epi32(count as i32);
            let low = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
            let high = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
            Pair(_mm256_blendv_ps(b.0, a.0, _mm256_castsi256_ps(low)), _mm256_blendv_ps(b.1, a.1, _mm256_castsi256_ps(high)))
        }
    }

    #[inline(always)]
    unsafe fn store_whole(to: *mut i8, value: Pair) {
        unsafe {
            // Packing works in each half of a register; the permutation puts the quarters back in order.
            let words = _mm256_packs_epi32(_mm256_cvtps_epi32(value.0), _mm256_cvtps_epi32(value.1));
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
            let bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(to.cast(), bytes);
        }
    }

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> WholePair {
        unsafe { WholePair(_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())) }
    }

    #[inline(always)]
    unsafe fn low(bytes: WholePair) -> WholePair {
        unsafe {
            let mask = _mm256_set1_epi8(15);
            WholePair(_mm256_and_si256(bytes.0, mask), _mm256_and_si256(bytes.1, mask))
        }
    }

    #[inline(always)]
    unsafe fn high(bytes: WholePair) -> WholePair {
        unsafe { Self::low(WholePair(_mm256_srli_epi16::<4>(bytes.0), _mm256_srli_epi16::<4>(bytes.1))) }
    }

    #[inline(always)]
    unsafe fn zero() -> WholePair {
        unsafe { WholePair(_mm256_setzero_si256(), _mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn whole(value: i32) -> WholePair {
        let all = unsafe { _mm256_set1_epi32(value) };
        WholePair(all, all)
    }

    #[inline(always)]
    unsafe fn dot_nibbles(sums: WholePair, bytes: WholePair, four: *const i8) -> WholePair {
        unsafe {
            let four = _mm256_set1_epi32(four.cast::<i32>().read_unaligned());
            let ones = _mm256_set1_epi16(1);
            // Two products of at most 15 × 127 fit into 16 bits.
            let low = _mm256_madd_epi16(_mm256_maddubs_epi16(bytes.0, four), ones);
            let high = _mm256_madd_epi16(_mm256_maddubs_epi16(bytes.1, four), ones);
            WholePair(_mm256_add_epi32(sums.0, low), _mm256_add_epi32(sums.1, high))
        }
    }

    #[inline(always)]
    unsafe fn dot_whole(sums: WholePair, bytes: WholePair, four: *const i8) -> WholePair {
        unsafe {
            let four = _mm256_set1_epi32(four.cast::<i32>().read_unaligned());
            let (low, high) = (signed_dot(bytes.0, four), signed_dot(bytes.1, four));
            WholePair(_mm256_add_epi32(sums.0, low), _mm256_add_epi32(sums.1, high))
        }
    }

    #[inline(always)]
    unsafe fn whole_start(_total: i32) -> WholePair {
        unsafe { Self::zero() }
    }

    #[inline(always)]
    unsafe fn to_floats(value: WholePair) -> Pair {
        unsafe { Pair(_mm256_cvtepi32_ps(value.0), _mm256_cvtepi32_ps(value.1)) }
    }
}
