//! Sixteen numbers at a time: what the arithmetic is written over, once for every processor.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
pub(super) use portable::Portable;

pub(super) const LANES: usize = 16;

/// The operations of one processor. Each is exact or is rounded once, as IEEE 754 says, so that all implementations agree in every bit;
/// none joins a product and a sum into one rounding, and none flushes small numbers to zero.
///
/// # Safety
/// Every method may use instructions that not every processor has; whoever calls one knows that this one does. Pointers need no alignment;
/// behind them lies what is read or written.
pub(super) trait Lanes {
    /// Sixteen numbers of f32.
    type Floats: Copy;
    /// Sixteen of i32.
    type Integers: Copy;
    /// Sixteen times four bytes.
    type Bytes: Copy;

    unsafe fn splat(value: f32) -> Self::Floats;
    unsafe fn load(from: *const f32) -> Self::Floats;
    unsafe fn store(to: *mut f32, value: Self::Floats);
    /// Sixteen numbers of f16.
    unsafe fn load_halves(from: *const u16) -> Self::Floats;
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn sub(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn div(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn abs(a: Self::Floats) -> Self::Floats;
    /// `if a > b { a } else { b }`: where one is not a number, `b`.
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `if a < b { a } else { b }`.
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// 2 to the power of a whole number from -126 to 127.
    unsafe fn power_of_two(exponent: Self::Floats) -> Self::Floats;
    /// The largest of all lanes, if each is a number.
    #[inline(always)]
    unsafe fn largest(value: Self::Floats) -> f32 {
        let mut lanes = [0.0; LANES];
        // SAFETY: the caller's promise; there is place for sixteen.
        unsafe { Self::store(lanes.as_mut_ptr(), value) };
        lanes.into_iter().fold(f32::NEG_INFINITY, |largest, lane| if lane > largest { lane } else { largest })
    }
    /// Whether all lanes are zero.
    #[inline(always)]
    unsafe fn are_zero(value: Self::Floats) -> bool {
        let mut lanes = [0.0; LANES];
        // SAFETY: as above.
        unsafe { Self::store(lanes.as_mut_ptr(), value) };
        lanes.into_iter().all(|lane| lane == 0.0)
    }
    /// The first `count` lanes of `a`, the others of `b`.
    unsafe fn first(count: usize, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The nearest whole numbers, halves to even. Each is from -127 to 127.
    unsafe fn store_whole(to: *mut i8, value: Self::Floats);

    unsafe fn bytes(from: *const u8) -> Self::Bytes;
    /// Bits 0 to 3 of each byte.
    unsafe fn low(bytes: Self::Bytes) -> Self::Bytes;
    /// Bits 4 to 7.
    unsafe fn high(bytes: Self::Bytes) -> Self::Bytes;
    unsafe fn zero() -> Self::Integers;
    unsafe fn whole(value: i32) -> Self::Integers;
    /// Add to each lane the products of its four bytes, at most 15 each, with four signed ones, the same for all lanes.
    unsafe fn dot_nibbles(sums: Self::Integers, bytes: Self::Bytes, four: *const i8) -> Self::Integers;
    /// The same for signed bytes that are stored with 128 added. It may leave out to take off the 128 again: `whole_start` did that.
    unsafe fn dot_whole(sums: Self::Integers, bytes: Self::Bytes, four: *const i8) -> Self::Integers;
    /// Where `dot_whole` begins, when the signed bytes of the block have the sum `total`.
    unsafe fn whole_start(total: i32) -> Self::Integers;
    unsafe fn to_floats(value: Self::Integers) -> Self::Floats;
}

/// The sum of all lanes: the upper half is added to the lower, until one is left.
///
/// # Safety
/// The processor has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn total<L: Lanes>(value: L::Floats) -> f32 {
    let mut lanes = [0.0; LANES];
    // SAFETY: the caller's promise; there is place for sixteen.
    unsafe { L::store(lanes.as_mut_ptr(), value) };
    for half in [8, 4, 2, 1] {
        for index in 0..half {
            lanes[index] += lanes[index + half];
        }
    }
    lanes[0]
}

/// e to the power of each lane, which is first brought into -87 to 88: the polynomial of Cephes (`expf`) on what is left of multiples of ln 2.
///
/// # Safety
/// The processor has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn exponential<L: Lanes>(value: L::Floats) -> L::Floats {
    /// 1.5 × 2^23: added and taken off again, it leaves the nearest whole number.
    const ROUNDING: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const POLYNOMIAL: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5];
    // SAFETY: the caller's promise covers every call here.
    unsafe {
        let value = L::min(L::splat(88.0), L::max(L::splat(-87.0), value));
        let rounding = L::splat(ROUNDING);
        let exponent = L::sub(L::add(L::mul(value, L::splat(std::f32::consts::LOG2_E)), rounding), rounding);
        let rest = L::sub(value, L::mul(exponent, L::splat(LN2_HIGH)));
        let rest = L::sub(rest, L::mul(exponent, L::splat(LN2_LOW)));
        let mut sum = L::splat(POLYNOMIAL[0]);
        for coefficient in &POLYNOMIAL[1..] {
            sum = L::add(L::mul(sum, rest), L::splat(*coefficient));
        }
        let sum = L::add(L::add(L::mul(sum, L::mul(rest, rest)), rest), L::splat(1.0));
        L::mul(sum, L::power_of_two(exponent))
    }
}
