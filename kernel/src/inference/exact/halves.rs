//! Numbers of 16 bits (IEEE 754 binary16), exactly.

/// Its value. Every number of 16 bits is one of 32.
#[inline(always)]
pub(super) fn from_half(half: u16) -> f32 {
    /// Brings the exponent of 16 bits, read as one of 32, to its value; also of numbers that are not normal.
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let magnitude = u32::from(half & 0x7fff) << 13;
    let value = f32::from_bits(magnitude) * SCALE;
    let endless = if magnitude >= 0x0f80_0000 { 0x7f80_0000 | magnitude } else { value.to_bits() };
    f32::from_bits(endless | u32::from(half & 0x8000) << 16)
}

/// The nearest number of 16 bits, ties to even; what is too large becomes the largest, not infinity.
#[inline(always)]
pub(super) fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let half = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x477f_f000 {
        0x7bff
    } else if magnitude < 0x3880_0000 {
        // Next to one half, the last place of 32 bits is worth as much as the smallest number of 16.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()
    } else {
        (magnitude + 0x0fff + (magnitude >> 13 & 1) - 0x3800_0000) >> 13
    };
    half as u16 | (bits >> 16 & 0x8000) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_comes_back_as_it_was() {
        for half in 0..=u16::MAX {
            let value = from_half(half);
            let infinite = half & 0x7fff == 0x7c00;
            if value.is_nan() {
                assert!(half & 0x7c00 == 0x7c00 && half & 0x3ff != 0 && to_half(value) & 0x7fff == 0x7e00);
            } else {
                assert_eq!(to_half(value), if infinite { half & 0x8000 | 0x7bff } else { half });
            }
        }
    }

    #[test]
    fn halves_are_what_the_standard_says() {
        assert_eq!([0x0001, 0x03ff, 0x0400, 0x3c00, 0x7bff].map(from_half), [5.960_464_5e-8, 6.097_555e-5, 6.103_515_6e-5, 1.0, 65504.0]);
    }

    #[test]
    fn what_lies_between_two_halves_goes_to_the_nearer_and_to_the_even_one() {
        for half in 0..0x7bff_u16 {
            let (lower, upper) = (f64::from(from_half(half)), f64::from(from_half(half + 1)));
            let middle = ((lower + upper) / 2.0) as f32;
            assert_eq!(to_half(middle), half + (half & 1));
            assert_eq!(to_half(f32::from_bits(middle.to_bits() - 1)), half);
            assert_eq!(to_half(f32::from_bits(middle.to_bits() + 1)), half + 1);
        }
    }
}
