//! Points of G1 as bytes: the three forms that meet on the wire of 0G DA.
//!
//! *Flagless*: x and y, 32 little-endian bytes each. *Flagged*: the same with arkworks' flags in the highest two bits of the last byte.
//! *Words*: x and y, 32 big-endian bytes each, as contracts have them.

use ark_bn254::{Fq, G1Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInteger, PrimeField};
use thiserror::Error;

pub const G1_BYTES: usize = 64;
const COORDINATE_BYTES: usize = 32;
const NEGATIVE_FLAG: u8 = 0x80;
const INFINITY_FLAG: u8 = 0x40;

/// Why bytes are no point of G1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PointError {
    #[error("a coordinate is not below the field's modulus")]
    NotCanonical,
    #[error("the point is not on the curve")]
    NotOnCurve,
    #[error("the point is on the curve, and not in the group")]
    NotInGroup,
    #[error("the flags of the point contradict each other")]
    Flags,
}

/// The point as arkworks writes it uncompressed.
pub fn to_flagged(point: &G1Affine) -> [u8; G1_BYTES] {
    let mut bytes = to_flagless(point);
    if point.is_zero() {
        bytes[G1_BYTES - 1] |= INFINITY_FLAG;
    } else if point.y > -point.y {
        bytes[G1_BYTES - 1] |= NEGATIVE_FLAG;
    }
    bytes
}

/// Read what `to_flagged` writes. Every point of the curve is in the group. As in arkworks the sign is not held against y.
pub fn from_flagged(bytes: &[u8; G1_BYTES]) -> Result<G1Affine, PointError> {
    let mut plain = *bytes;
    let flags = plain[G1_BYTES - 1] & (NEGATIVE_FLAG | INFINITY_FLAG);
    plain[G1_BYTES - 1] &= !(NEGATIVE_FLAG | INFINITY_FLAG);
    match flags {
        INFINITY_FLAG if plain == [0; G1_BYTES] => Ok(G1Affine::zero()),
        0 | NEGATIVE_FLAG => from_flagless(&plain),
        _ => Err(PointError::Flags),
    }
}

/// The coordinates alone; the point at infinity is all zeros.
pub fn to_flagless(point: &G1Affine) -> [u8; G1_BYTES] {
    let mut bytes = [0; G1_BYTES];
    if let Some((x, y)) = point.xy() {
        bytes[..COORDINATE_BYTES].copy_from_slice(&x.into_bigint().to_bytes_le());
        bytes[COORDINATE_BYTES..].copy_from_slice(&y.into_bigint().to_bytes_le());
    }
    bytes
}

/// Read what `to_flagless` writes. All zeros are no point, as for the official nodes.
pub fn from_flagless(bytes: &[u8; G1_BYTES]) -> Result<G1Affine, PointError> {
    let (x, y) = bytes.split_at(COORDINATE_BYTES);
    let point = G1Affine::new_unchecked(coordinate(x)?, coordinate(y)?);
    if point.is_on_curve() && !point.is_zero() { Ok(point) } else { Err(PointError::NotOnCurve) }
}

/// The coordinates as words of a contract; the point at infinity is all zeros.
pub fn to_words(point: &G1Affine) -> [u8; G1_BYTES] {
    swapped(to_flagless(point))
}

/// Read what `to_words` writes; all zeros are the point at infinity, as for the precompiled contracts of EIP-196.
pub fn from_words(bytes: &[u8; G1_BYTES]) -> Result<G1Affine, PointError> {
    if *bytes == [0; G1_BYTES] { Ok(G1Affine::zero()) } else { from_flagless(&swapped(*bytes)) }
}

fn swapped(mut bytes: [u8; G1_BYTES]) -> [u8; G1_BYTES] {
    bytes[..COORDINATE_BYTES].reverse();
    bytes[COORDINATE_BYTES..].reverse();
    bytes
}

fn coordinate(bytes: &[u8]) -> Result<Fq, PointError> {
    let value = Fq::from_le_bytes_mod_order(bytes);
    let canonical = value == Fq::ZERO && bytes.iter().all(|byte| *byte == 0) || value.into_bigint().to_bytes_le() == bytes;
    if canonical { Ok(value) } else { Err(PointError::NotCanonical) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_negative_generator_is_written_as_arkworks_writes_it() {
        let mut expected = [0; G1_BYTES];
        expected[0] = 1;
        let y = "45fd7cd8168c203c8dca7168916a81975d588181b64550b829a031e1724e64b0";
        for (index, byte) in expected[COORDINATE_BYTES..].iter_mut().enumerate() {
            *byte = u8::from_str_radix(&y[2 * index..2 * index + 2], 16).unwrap_or_default();
        }
        let point = -G1Affine::generator();
        assert_eq!(to_flagged(&point), expected);
        assert_eq!(from_flagged(&expected), Ok(point));
        assert!(from_flagless(&expected).is_err());
    }

    #[test]
    fn every_form_reads_what_it_writes() {
        let point = G1Affine::generator();
        assert_eq!(from_flagless(&to_flagless(&point)), Ok(point));
        assert_eq!(from_words(&to_words(&point)), Ok(point));
        assert_eq!(from_flagged(&to_flagged(&G1Affine::zero())), Ok(G1Affine::zero()));
        assert_eq!(from_words(&[0; G1_BYTES]), Ok(G1Affine::zero()));
        assert_eq!(from_flagless(&[0; G1_BYTES]), Err(PointError::NotOnCurve));
        assert_eq!(from_flagged(&[0xff; G1_BYTES]), Err(PointError::Flags));
    }
}
