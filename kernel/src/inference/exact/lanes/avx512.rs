//! The lanes in one register of AVX-512, with the byte products of VNNI.

use std::arch::x86_64::*;

use super::Lanes;

pub(crate) struct Avx512;

// The methods must be inlined into functions that are compiled for AVX-512.
impl Lanes for Avx512 {
    type Floats = __m512;
    type Integers = __m512i;
    type Bytes = __m512i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        // SAFETY: the trait's promise; so below.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        unsafe { _mm512_storeu_ps(to, value) }
    }

    #[inline(always)]
    unsafe fn load_halves(from: *const u16) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        unsafe { _mm512_abs_ps(a) }
    }

    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: __m512) -> __m512 {
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(exponent), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }

    #[inline(always)]
    unsafe fn largest(value: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(value) }
    }

    #[inline(always)]
    unsafe fn are_zero(value: __m512) -> bool {
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(value, _mm512_setzero_ps()) == u16::MAX }
    }

    #[inline(always)]
    unsafe fn first(count: usize, a: __m512, b: __m512) -> __m512 {
        let mask = ((1_u32 << count) - 1) as __mmask16;
        unsafe { _mm512_mask_blend_ps(mask, b, a) }
    }

    #[inline(always)]
    unsafe fn store_whole(to: *mut i8, value: __m512) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(value))) }
    }

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn low(bytes: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(bytes, _mm512_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn high(bytes: __m512i) -> __m512i {
        unsafe { Self::low(_mm512_srli_epi16::<4>(bytes)) }
    }

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn whole(value: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn dot_nibbles(sums: __m512i, bytes: __m512i, four: *const i8) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(sums, bytes, _mm512_set1_epi32(four.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn dot_whole(sums: __m512i, bytes: __m512i, four: *const i8) -> __m512i {
        unsafe { Self::dot_nibbles(sums, bytes, four) }
    }

    #[inline(always)]
    unsafe fn whole_start(total: i32) -> __m512i {
        unsafe { Self::whole(-128 * total) }
    }

    #[inline(always)]
    unsafe fn to_floats(value: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(value) }
    }
}
