//! Eight additions on the curve side by side: the base field in five limbs of 52 bits, for processors with AVX-512 IFMA.
//!
//! A coordinate v is kept as v · 2^260 below the modulus, in four words of 64 bits; in lanes it is split into five limbs. A product of factors
//! below 8q is below 2q, so sums and differences stay unreduced until a result is written.

use crate::batch::{Kernel, NEGATIVE, Packed, Pair};
use ark_bn254::{Fq, FqConfig};
use ark_ff::{BigInt, Field, MontConfig, MontFp, Zero};
use std::arch::x86_64::*;

/// 1/16: from v · 2^260 to v · 2^256.
pub const SIXTEENTH: Fq = MontFp!("12312136615409592312513603231707217237391675025980025810262583815737939742328");
const WIDTH: usize = 8;
const LIMBS: usize = 5;
const LIMB_BITS: u32 = 52;
const LIMB_MASK: u64 = (1 << LIMB_BITS) - 1;
const MODULUS: [u64; LIMBS] = split_words(FqConfig::MODULUS.0);
const NEGATIVE_INVERSE: u64 = FqConfig::INV & LIMB_MASK;
/// How many groups ahead operands are fetched from memory.
const AHEAD: usize = 3;

type V = __m512i;

#[derive(Clone, Copy)]
struct Element([V; LIMBS]);

/// For each group of eight pairs: what is to be inverted, and the product of all before it.
#[derive(Default)]
pub struct Scratch(Vec<(Element, Element)>);

/// Whether this processor has the instructions.
pub fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512ifma")
}

/// # Safety
/// The processor must have the instructions, all indexes must lie inside, and what a pair writes must be no operand of another pair.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub unsafe fn add_batch(
    source: *const Packed,
    target: *mut Packed,
    pairs: &[Pair],
    scratch: &mut Scratch,
    special: &mut Vec<(u32, Packed)>,
) {
    special.clear();
    scratch.0.clear();
    let groups = pairs.len().div_ceil(WIDTH);
    let mut product = one();
    for group in 0..groups {
        let members = members(pairs, group);
        if (group + AHEAD) * WIDTH < pairs.len() {
            for pair in &pairs[(group + AHEAD) * WIDTH..((group + AHEAD + 1) * WIDTH).min(pairs.len())] {
                // SAFETY: the indexes lie inside.
                unsafe {
                    _mm_prefetch::<_MM_HINT_T0>(source.add((pair.left & !NEGATIVE) as usize).cast());
                    _mm_prefetch::<_MM_HINT_T0>(source.add((pair.right & !NEGATIVE) as usize).cast());
                }
            }
        }
        // SAFETY: the indexes lie inside.
        let (left, right) = unsafe { (words(source, &members.map(|pair| pair.left)), words(source, &members.map(|pair| pair.right))) };
        let odd = is_zero(&left) | is_zero(&right) | is_equal(&left[..4], &right[..4]);
        let mut difference = subtract::<1>(&split(&right[..4]), &split(&left[..4]));
        if odd != 0 {
            for (_, pair) in members.iter().enumerate().filter(|(lane, _)| odd >> lane & 1 == 1 && group * WIDTH + lane < pairs.len()) {
                // SAFETY: the indexes lie inside.
                let (left, right) = unsafe { (crate::batch::operand(source, pair.left), crate::batch::operand(source, pair.right)) };
                special.push((pair.dest, Kernel::Lanes.sum(&left, &right)));
            }
            difference = choose(odd, &difference, &one());
        }
        scratch.0.push((difference, product));
        product = multiply(&product, &difference);
    }
    let mut inverse = inverse(&product);
    for group in (0..groups).rev() {
        let members = members(pairs, group);
        let (difference, before) = &scratch.0[group];
        // SAFETY: the indexes lie inside.
        let (left, right) = unsafe { (words(source, &members.map(|pair| pair.left)), words(source, &members.map(|pair| pair.right))) };
        let (x1, x2) = (split(&left[..4]), split(&right[..4]));
        let y1 = signed(&split(&left[4..]), &members.map(|pair| pair.left));
        let y2 = signed(&split(&right[4..]), &members.map(|pair| pair.right));
        let slope = multiply(&multiply(&inverse, before), &subtract::<1>(&y2, &y1));
        inverse = multiply(&inverse, difference);
        let x = reduced(&subtract::<2>(&multiply(&slope, &slope), &add(&x1, &x2)));
        let y = reduced(&subtract::<1>(&multiply(&slope, &subtract::<1>(&x1, &x)), &y1));
        // SAFETY: the same.
        unsafe { store(target, &members.map(|pair| pair.dest), &x, &y) };
    }
    for (dest, point) in special.iter() {
        // SAFETY: the same.
        unsafe { *target.add(*dest as usize) = *point };
    }
}

/// # Safety
/// The processor must have the instructions, and all indexes must lie inside, each once.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
pub unsafe fn double_batch(points: *mut Packed, indexes: &[u32], scratch: &mut Scratch) {
    scratch.0.clear();
    let groups = indexes.len().div_ceil(WIDTH);
    let mut product = one();
    for group in 0..groups {
        let members = members(indexes, group);
        // SAFETY: the indexes lie inside.
        let point = unsafe { words(points, &members) };
        let y = split(&point[4..]);
        let twice = choose(is_zero(&point), &normal(&add(&y, &y)), &one());
        scratch.0.push((twice, product));
        product = multiply(&product, &twice);
    }
    let mut inverse = inverse(&product);
    for group in (0..groups).rev() {
        let members = members(indexes, group);
        let (twice, before) = &scratch.0[group];
        // SAFETY: the same.
        let point = unsafe { words(points, &members) };
        let infinite = is_zero(&point);
        let (x1, y1) = (split(&point[..4]), split(&point[4..]));
        let square = multiply(&x1, &x1);
        let slope = multiply(&multiply(&inverse, before), &normal(&add(&square, &add(&square, &square))));
        inverse = multiply(&inverse, twice);
        let x = reduced(&subtract::<2>(&multiply(&slope, &slope), &add(&x1, &x1)));
        let y = reduced(&subtract::<1>(&multiply(&slope, &subtract::<1>(&x1, &x)), &y1));
        // SAFETY: the same.
        unsafe { store(points, &members, &choose(infinite, &x, &x1), &choose(infinite, &y, &y1)) };
    }
}

/// The eight members of a group; the last one again where there are fewer.
fn members<T: Copy>(all: &[T], group: usize) -> [T; WIDTH] {
    std::array::from_fn(|lane| all[(group * WIDTH + lane).min(all.len() - 1)])
}

/// Eight points as their words: four of x and four of y.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
unsafe fn words(source: *const Packed, indexes: &[u32; WIDTH]) -> [V; 8] {
    let mut rows = [_mm512_setzero_si512(); WIDTH];
    for (row, index) in rows.iter_mut().zip(indexes) {
        // SAFETY: the caller promises that the indexes lie inside; a point fills a vector and is aligned to it.
        *row = unsafe { _mm512_load_si512(source.add((index & !NEGATIVE) as usize).cast()) };
    }
    transpose(&rows)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
unsafe fn store(target: *mut Packed, indexes: &[u32; WIDTH], x: &Element, y: &Element) {
    let ([x0, x1, x2, x3], [y0, y1, y2, y3]) = (joined(x), joined(y));
    let rows = transpose(&[x0, x1, x2, x3, y0, y1, y2, y3]);
    for (index, row) in indexes.iter().zip(rows) {
        // SAFETY: the caller promises that the indexes lie inside.
        unsafe { _mm512_store_si512(target.add(*index as usize).cast(), row) };
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn transpose(rows: &[V; 8]) -> [V; 8] {
    let (mut low, mut high) = ([_mm512_setzero_si512(); 4], [_mm512_setzero_si512(); 4]);
    for i in 0..4 {
        low[i] = _mm512_unpacklo_epi64(rows[2 * i], rows[2 * i + 1]);
        high[i] = _mm512_unpackhi_epi64(rows[2 * i], rows[2 * i + 1]);
    }
    let [a, b, c, d] = columns(&low);
    let [e, f, g, h] = columns(&high);
    [a, e, b, f, c, g, d, h]
}

/// Words 0, 2, 4 and 6 (or 1, 3, 5 and 7) of eight rows whose neighbours were interleaved.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn columns(pairs: &[V; 4]) -> [V; 4] {
    let first = _mm512_shuffle_i64x2::<0x88>(pairs[0], pairs[1]);
    let second = _mm512_shuffle_i64x2::<0xdd>(pairs[0], pairs[1]);
    let third = _mm512_shuffle_i64x2::<0x88>(pairs[2], pairs[3]);
    let fourth = _mm512_shuffle_i64x2::<0xdd>(pairs[2], pairs[3]);
    [
        _mm512_shuffle_i64x2::<0x88>(first, third),
        _mm512_shuffle_i64x2::<0x88>(second, fourth),
        _mm512_shuffle_i64x2::<0xdd>(first, third),
        _mm512_shuffle_i64x2::<0xdd>(second, fourth),
    ]
}

/// Lanes in which all words are zero.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn is_zero(words: &[V; 8]) -> __mmask8 {
    let mut any = words[0];
    for word in &words[1..] {
        any = _mm512_or_si512(any, *word);
    }
    _mm512_testn_epi64_mask(any, any)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn is_equal(left: &[V], right: &[V]) -> __mmask8 {
    let mut any = _mm512_setzero_si512();
    for (a, b) in left.iter().zip(right) {
        any = _mm512_or_si512(any, _mm512_xor_si512(*a, *b));
    }
    _mm512_testn_epi64_mask(any, any)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn split(w: &[V]) -> Element {
    let mask = constant(LIMB_MASK);
    Element([
        _mm512_and_si512(w[0], mask),
        _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64::<52>(w[0]), _mm512_slli_epi64::<12>(w[1])), mask),
        _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64::<40>(w[1]), _mm512_slli_epi64::<24>(w[2])), mask),
        _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64::<28>(w[2]), _mm512_slli_epi64::<36>(w[3])), mask),
        _mm512_srli_epi64::<16>(w[3]),
    ])
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn joined(element: &Element) -> [V; 4] {
    let e = &element.0;
    [
        _mm512_or_si512(e[0], _mm512_slli_epi64::<52>(e[1])),
        _mm512_or_si512(_mm512_srli_epi64::<12>(e[1]), _mm512_slli_epi64::<40>(e[2])),
        _mm512_or_si512(_mm512_srli_epi64::<24>(e[2]), _mm512_slli_epi64::<28>(e[3])),
        _mm512_or_si512(_mm512_srli_epi64::<36>(e[3]), _mm512_slli_epi64::<16>(e[4])),
    ]
}

/// Montgomery's product: a · b / 2^260 below 2q, limbs normal. Limbs of the factors must be normal.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn multiply(a: &Element, b: &Element) -> Element {
    let zero = _mm512_setzero_si512();
    let mut modulus = [zero; LIMBS];
    for (vector, limb) in modulus.iter_mut().zip(MODULUS) {
        *vector = constant(limb);
    }
    let negative_inverse = constant(NEGATIVE_INVERSE);
    let mut t = [zero; LIMBS];
    for limb in b.0 {
        for (sum, factor) in t.iter_mut().zip(&a.0) {
            *sum = _mm512_madd52lo_epu64(*sum, *factor, limb);
        }
        let m = _mm512_madd52lo_epu64(zero, t[0], negative_inverse);
        for (sum, factor) in t.iter_mut().zip(&modulus) {
            *sum = _mm512_madd52lo_epu64(*sum, m, *factor);
        }
        let carry = _mm512_srli_epi64::<LIMB_BITS>(t[0]);
        t = [_mm512_add_epi64(t[1], carry), t[2], t[3], t[4], zero];
        for (sum, factor) in t.iter_mut().zip(&a.0) {
            *sum = _mm512_madd52hi_epu64(*sum, *factor, limb);
        }
        for (sum, factor) in t.iter_mut().zip(&modulus) {
            *sum = _mm512_madd52hi_epu64(*sum, m, *factor);
        }
    }
    normal(&Element(t))
}

/// Carry what exceeds 52 bits, or is below zero, to the next limb.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn normal(element: &Element) -> Element {
    let mask = constant(LIMB_MASK);
    let mut e = element.0;
    for index in 0..LIMBS - 1 {
        e[index + 1] = _mm512_add_epi64(e[index + 1], _mm512_srai_epi64::<LIMB_BITS>(e[index]));
        e[index] = _mm512_and_si512(e[index], mask);
    }
    Element(e)
}

/// Limb by limb, not normal.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn add(a: &Element, b: &Element) -> Element {
    let mut sum = *a;
    for (limb, other) in sum.0.iter_mut().zip(b.0) {
        *limb = _mm512_add_epi64(*limb, other);
    }
    sum
}

/// a + `MULTIPLE` · q - b, limbs normal; b must not exceed that multiple.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn subtract<const MULTIPLE: u64>(a: &Element, b: &Element) -> Element {
    let mut difference = *a;
    for ((limb, other), modulus) in difference.0.iter_mut().zip(b.0).zip(MODULUS) {
        *limb = _mm512_sub_epi64(_mm512_add_epi64(*limb, constant(MULTIPLE * modulus)), other);
    }
    normal(&difference)
}

/// The same value below q, from one below 4q.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn reduced(element: &Element) -> Element {
    less::<1>(&less::<2>(element))
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn less<const MULTIPLE: u64>(element: &Element) -> Element {
    let mut difference = *element;
    for (limb, modulus) in difference.0.iter_mut().zip(MODULUS) {
        *limb = _mm512_sub_epi64(*limb, constant(MULTIPLE * modulus));
    }
    let difference = normal(&difference);
    choose(_mm512_movepi64_mask(difference.0[LIMBS - 1]), &difference, element)
}

/// `second` in the lanes of the mask, else `first`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn choose(mask: __mmask8, first: &Element, second: &Element) -> Element {
    let mut chosen = *first;
    for (limb, other) in chosen.0.iter_mut().zip(second.0) {
        *limb = _mm512_mask_blend_epi64(mask, *limb, other);
    }
    chosen
}

/// y, or q - y in the lanes whose index has the sign.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn signed(y: &Element, indexes: &[u32; WIDTH]) -> Element {
    let mut mask = 0;
    for (lane, index) in indexes.iter().enumerate() {
        mask |= ((index >> 31) as u8) << lane;
    }
    let zero = Element([_mm512_setzero_si512(); LIMBS]);
    if mask == 0 { *y } else { choose(mask, y, &subtract::<1>(&zero, y)) }
}

/// Some value that is not zero.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn one() -> Element {
    let zero = _mm512_setzero_si512();
    Element([constant(1), zero, zero, zero, zero])
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn constant(value: u64) -> V {
    _mm512_set1_epi64(value as i64)
}

/// The inverse of every lane by one inversion.
#[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
fn inverse(element: &Element) -> Element {
    let mut lanes = [Packed::default(); WIDTH];
    let places = std::array::from_fn(|lane| lane as u32);
    let value = reduced(element);
    // SAFETY: the eight places lie inside.
    unsafe { store(lanes.as_mut_ptr(), &places, &value, &value) };
    let mut values = lanes.map(|lane| Fq::new_unchecked(BigInt(lane.x)));
    let mut products = [Fq::ONE; WIDTH];
    for lane in 1..WIDTH {
        products[lane] = products[lane - 1] * values[lane - 1];
    }
    let total = products[WIDTH - 1] * values[WIDTH - 1];
    debug_assert!(!total.is_zero());
    // Words hold v · 2^260, which arkworks reads as 16 v; its inverse times 256 is what it reads as 16 / v.
    let mut rest = total.inverse().unwrap_or_default() * Fq::from(256_u64);
    for lane in (0..WIDTH).rev() {
        let own = values[lane];
        values[lane] = rest * products[lane];
        rest *= own;
    }
    let lanes = values.map(|value| Packed { x: value.0.0, y: value.0.0 });
    // SAFETY: the same.
    let words = unsafe { words(lanes.as_ptr(), &places) };
    split(&words[..4])
}

const fn split_words(w: [u64; 4]) -> [u64; LIMBS] {
    [
        w[0] & LIMB_MASK,
        (w[0] >> 52 | w[1] << 12) & LIMB_MASK,
        (w[1] >> 40 | w[2] << 24) & LIMB_MASK,
        (w[2] >> 28 | w[3] << 36) & LIMB_MASK,
        w[3] >> 16,
    ]
}
