//! The lanes as arrays: for every processor, and the measure for the others.

use super::super::halves::from_half;
use super::{LANES, Lanes};

pub(crate) struct Portable;

type Floats = [f32; LANES];
type Integers = [i32; LANES];
type Bytes = [[u8; 4]; LANES];

#[inline(always)]
fn each(a: Floats, b: Floats, of: impl Fn(f32, f32) -> f32) -> Floats {
    std::array::from_fn(|lane| of(a[lane], b[lane]))
}

impl Lanes for Portable {
    type Floats = Floats;
    type Integers = Integers;
    type Bytes = Bytes;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Floats {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Floats {
        // SAFETY: the trait's promise; so below.
        unsafe { from.cast::<Floats>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Floats) {
        unsafe { to.cast::<Floats>().write_unaligned(value) }
    }

    #[inline(always)]
    unsafe fn load_halves(from: *const u16) -> Floats {
        unsafe { from.cast::<[u16; LANES]>().read_unaligned() }.map(from_half)
    }

    #[inline(always)]
    unsafe fn add(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn abs(a: Floats) -> Floats {
        a.map(f32::abs)
    }

    #[inline(always)]
    unsafe fn max(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn min(a: Floats, b: Floats) -> Floats {
        each(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    unsafe fn power_of_two(exponent: Floats) -> Floats {
        exponent.map(|exponent| f32::from_bits(((exponent as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    unsafe fn first(count: usize, a: Floats, b: Floats) -> Floats {
        std::array::from_fn(|lane| if lane < count { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    unsafe fn store_whole(to: *mut i8, value: Floats) {
        /// See `exponential`.
        const ROUNDING: f32 = 12_582_912.0;
        let whole = value.map(|value| ((value + ROUNDING) - ROUNDING) as i8);
        unsafe { to.cast::<[i8; LANES]>().write_unaligned(whole) }
    }

    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> Bytes {
        unsafe { from.cast::<Bytes>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn low(bytes: Bytes) -> Bytes {
        bytes.map(|four| four.map(|byte| byte & 15))
    }

    #[inline(always)]
    unsafe fn high(bytes: Bytes) -> Bytes {
        bytes.map(|four| four.map(|byte| byte >> 4))
    }

    #[inline(always)]
    unsafe fn zero() -> Integers {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn whole(value: i32) -> Integers {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn dot_nibbles(sums: Integers, bytes: Bytes, four: *const i8) -> Integers {
        let four = unsafe { four.cast::<[i8; 4]>().read_unaligned() }.map(i32::from);
        std::array::from_fn(|lane| {
            let products = bytes[lane].map(i32::from);
            sums[lane] + products[0] * four[0] + products[1] * four[1] + products[2] * four[2] + products[3] * four[3]
        })
    }

    #[inline(always)]
    unsafe fn dot_whole(sums: Integers, bytes: Bytes, four: *const i8) -> Integers {
        unsafe { Self::dot_nibbles(sums, bytes, four) }
    }

    #[inline(always)]
    unsafe fn whole_start(total: i32) -> Integers {
        [-128 * total; LANES]
    }

    #[inline(always)]
    unsafe fn to_floats(value: Integers) -> Floats {
        value.map(|value| value as f32)
    }
}
