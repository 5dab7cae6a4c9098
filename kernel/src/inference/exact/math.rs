//! Sine, cosine, logarithm and exponential of our own, in f64 and in a fixed order, because each machine's library has others.

/// The nearest whole number for what is less than 2^51, ties to even.
fn nearest(value: f64) -> f64 {
    const ROUNDING: f64 = 6_755_399_441_055_744.0;
    (value + ROUNDING) - ROUNDING
}

/// Natural logarithm of a normal number above zero: 2 artanh((m − 1)/(m + 1)) of the mantissa, and the exponent's share.
pub(super) fn ln(value: f64) -> f64 {
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let bits = value.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for divisor in (0..12).rev() {
        sum = sum * square + 1.0 / f64::from(2 * divisor + 1);
    }
    let exponent = exponent as f64;
    exponent * LN2_HIGH + (exponent * LN2_LOW + 2.0 * ratio * sum)
}

/// e to the power of a number from -700 to 700.
pub(super) fn exp(value: f64) -> f64 {
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let value = value.clamp(-700.0, 700.0);
    let exponent = nearest(value * std::f64::consts::LOG2_E);
    let rest = (value - exponent * LN2_HIGH) - exponent * LN2_LOW;
    let mut sum = 1.0;
    for divisor in (1..=14).rev() {
        sum = 1.0 + rest * sum / f64::from(divisor);
    }
    sum * f64::from_bits(((exponent as i64 + 1023) as u64) << 52)
}

/// Sine and cosine of an angle of at most 2^20.
pub(super) fn sine_cosine(angle: f64) -> (f64, f64) {
    /// π/2 in three parts: the first has 33 bits, so that its products with the number of quarter turns are exact. Source: fdlibm, `e_rem_pio2.c`.
    const QUARTER: [f64; 3] = [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_7e-21];
    let quarters = nearest(angle * std::f64::consts::FRAC_2_PI);
    let rest = ((angle - quarters * QUARTER[0]) - quarters * QUARTER[1]) - quarters * QUARTER[2];
    let square = rest * rest;
    let (mut sine, mut cosine) = (1.0, 1.0);
    for index in (1..=8).rev() {
        let even = f64::from(2 * index);
        sine = 1.0 - square * sine / (even * (even + 1.0));
        cosine = 1.0 - square * cosine / (even * (even - 1.0));
    }
    let sine = rest * sine;
    match quarters as i64 & 3 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_library_to_the_last_places() {
        for step in 0..20_000 {
            let value = f64::from(step) * 0.413_7;
            let (sine, cosine) = sine_cosine(value);
            assert!((sine - value.sin()).abs() < 1e-15 && (cosine - value.cos()).abs() < 1e-15, "{value}");
            let positive = value + 1e-3;
            assert!((ln(positive) - positive.ln()).abs() < 4e-15, "{positive}");
            let power = value / 12.0 - 340.0;
            assert!((exp(power) / power.exp() - 1.0).abs() < 1e-14, "{power}");
        }
    }
}
