//! Signatures of DA's signers over BN254: in G1, under keys that stand in both groups.
//!
//! Sources: 0glabs/0g-geth, common/bn254util and core/vm/precompiles/dasigners; 0glabs/0g-da-contract, contracts/libraries/BN254.sol.

use crate::curve::{self, G1_BYTES, PointError};
use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup, pairing::Pairing};
use ark_ff::{BigInteger, Field, One, PrimeField, Zero};
use thiserror::Error;

/// Bytes of a point of G2 in words: x and y, each the real part and then the imaginary one, big-endian.
pub const G2_BYTES: usize = 128;
pub const SECRET_BYTES: usize = 32;
/// Bytes that the challenge of `is_bound` is the hash of.
pub const TRANSCRIPT_BYTES: usize = 3 * G1_BYTES + G2_BYTES;
const WORD_BYTES: usize = 32;
/// `b` of the curve `y² = x³ + b`.
const CURVE_B: u64 = 3;

/// A number that is no secret key: zero, or not below the order of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a secret key is a number from 1 to the order of the group less 1")]
pub struct SecretError;

/// One key in both groups. That both come from the same secret is what `is_bound` finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub g1: G1Affine,
    pub g2: G2Affine,
}

impl PublicKey {
    /// Read both parts; neither may be the point at infinity, under which a signature means nothing.
    pub fn from_words(g1: &[u8; G1_BYTES], g2: &[u8; G2_BYTES]) -> Result<Self, PointError> {
        let key = Self { g1: curve::from_words(g1)?, g2: g2_from_words(g2)? };
        if key.g1.is_zero() || key.g2.is_zero() { Err(PointError::NotOnCurve) } else { Ok(key) }
    }
}

/// A key that signs.
#[derive(Clone)]
pub struct SecretKey(Fr);

impl SecretKey {
    /// From a big-endian number.
    pub fn new(bytes: &[u8; SECRET_BYTES]) -> Result<Self, SecretError> {
        let value = Fr::from_be_bytes_mod_order(bytes);
        let is_canonical = value.into_bigint().to_bytes_be() == bytes;
        if is_canonical && !value.is_zero() { Ok(Self(value)) } else { Err(SecretError) }
    }

    pub fn public_key(&self) -> PublicKey {
        let (g1, g2) = (G1Projective::generator() * self.0, G2Projective::generator() * self.0);
        PublicKey { g1: g1.into_affine(), g2: g2.into_affine() }
    }

    /// Sign a digest.
    pub fn sign(&self, digest: &[u8; WORD_BYTES]) -> G1Affine {
        (hash_to_g1(digest) * self.0).into_affine()
    }
}

/// The first point whose x is the digest or above it, with the root that `(x³ + 3)^((q + 1) / 4)` gives, whichever of the two that is.
pub fn hash_to_g1(digest: &[u8; WORD_BYTES]) -> G1Affine {
    let mut x = Fq::from_be_bytes_mod_order(digest);
    loop {
        // The field's size leaves 3 when divided by 4, so that this is the root that the library computes.
        if let Some(y) = (x.square() * x + Fq::from(CURVE_B)).sqrt() {
            return G1Affine::new_unchecked(x, y);
        }
        x += Fq::one();
    }
}

/// Whether a signature over a digest was made with the secret of `key`.
pub fn is_signed(digest: &[u8; WORD_BYTES], signature: &G1Affine, key: &G2Affine) -> bool {
    !key.is_zero() && is_one([hash_to_g1(digest), -*signature], [*key, G2Affine::generator()])
}

/// What the challenge of `is_bound` is the hash of.
pub fn transcript(hash: &G1Affine, signature: &G1Affine, key: &PublicKey) -> [u8; TRANSCRIPT_BYTES] {
    let mut bytes = [0; TRANSCRIPT_BYTES];
    for (room, point) in bytes.chunks_exact_mut(G1_BYTES).zip([hash, signature, &key.g1]) {
        room.copy_from_slice(&curve::to_words(point));
    }
    bytes[3 * G1_BYTES..].copy_from_slice(&g2_to_words(&key.g2));
    bytes
}

/// Whether the signature over `hash` was made with the secret of the key in G2, and the key in G1 has the same secret: with the challenge γ,
/// a number that nobody chooses, `e(signature + γ·key₁, −G₂) · e(hash + γ·G₁, key₂) = 1`.
pub fn is_bound(hash: &G1Affine, signature: &G1Affine, key: &PublicKey, challenge: &[u8; WORD_BYTES]) -> bool {
    let gamma = Fr::from_be_bytes_mod_order(challenge);
    let left = (key.g1 * gamma + signature).into_affine();
    let right = (G1Projective::generator() * gamma + hash).into_affine();
    is_one([left, right], [-G2Affine::generator(), key.g2])
}

/// The sum of points.
pub fn sum_g1<'a>(points: impl IntoIterator<Item = &'a G1Affine>) -> G1Affine {
    points.into_iter().fold(G1Projective::zero(), |sum, point| sum + point).into_affine()
}

pub fn sum_g2<'a>(points: impl IntoIterator<Item = &'a G2Affine>) -> G2Affine {
    points.into_iter().fold(G2Projective::zero(), |sum, point| sum + point).into_affine()
}

/// The coordinates as words of a contract; the point at infinity is all zeros.
pub fn g2_to_words(point: &G2Affine) -> [u8; G2_BYTES] {
    let mut bytes = [0; G2_BYTES];
    if let Some((x, y)) = point.xy() {
        for (room, part) in bytes.chunks_exact_mut(WORD_BYTES).zip([x.c0, x.c1, y.c0, y.c1]) {
            room.copy_from_slice(&part.into_bigint().to_bytes_be());
        }
    }
    bytes
}

/// Read what `g2_to_words` writes: a point of the curve and of the group, or all zeros for the one at infinity.
pub fn g2_from_words(bytes: &[u8; G2_BYTES]) -> Result<G2Affine, PointError> {
    if *bytes == [0; G2_BYTES] {
        return Ok(G2Affine::zero());
    }
    let part = |index: usize| coordinate(&bytes[WORD_BYTES * index..WORD_BYTES * (index + 1)]);
    let point = G2Affine::new_unchecked(Fq2::new(part(0)?, part(1)?), Fq2::new(part(2)?, part(3)?));
    if !point.is_on_curve() {
        return Err(PointError::NotOnCurve);
    }
    if point.is_in_correct_subgroup_assuming_on_curve() { Ok(point) } else { Err(PointError::NotInGroup) }
}

fn coordinate(bytes: &[u8]) -> Result<Fq, PointError> {
    let value = Fq::from_be_bytes_mod_order(bytes);
    if value.into_bigint().to_bytes_be() == bytes { Ok(value) } else { Err(PointError::NotCanonical) }
}

fn is_one(points: [G1Affine; 2], keys: [G2Affine; 2]) -> bool {
    Bn254::multi_pairing(points, keys).is_zero()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::{to_flagged, to_words};

    fn secret(number: u64) -> SecretKey {
        let mut bytes = [0; SECRET_BYTES];
        bytes[24..].copy_from_slice(&number.to_be_bytes());
        SecretKey::new(&bytes).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Digests and challenges: any numbers do.
    fn number(seed: u64) -> [u8; WORD_BYTES] {
        let mut state = seed;
        std::array::from_fn(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
    }

    fn challenge_of(hash: &G1Affine, signature: &G1Affine, key: &PublicKey) -> [u8; WORD_BYTES] {
        // Not the hash that chains use: what matters here is that it depends on all of the transcript.
        let mut digest = number(1);
        for (index, byte) in transcript(hash, signature, key).iter().enumerate() {
            digest[index % WORD_BYTES] = digest[index % WORD_BYTES].wrapping_mul(31).wrapping_add(*byte);
        }
        digest
    }

    #[test]
    fn what_is_signed_is_verified_and_nothing_else() {
        for seed in 1..8 {
            let (mine, other) = (secret(seed), secret(seed + 1));
            let (digest, signature, key) = (number(seed), mine.sign(&number(seed)), mine.public_key());
            assert!(is_signed(&digest, &signature, &key.g2));
            assert!(!is_signed(&number(seed + 1), &signature, &key.g2));
            assert!(!is_signed(&digest, &signature, &other.public_key().g2));
            assert!(!is_signed(&digest, &-signature, &key.g2));
            assert!(!is_signed(&digest, &G1Affine::zero(), &G2Affine::zero()));
        }
    }

    #[test]
    fn signatures_and_keys_add_up() {
        let keys: Vec<SecretKey> = (1..6).map(secret).collect();
        let digest = number(99);
        let signatures: Vec<G1Affine> = keys.iter().map(|key| key.sign(&digest)).collect();
        let publics: Vec<PublicKey> = keys.iter().map(SecretKey::public_key).collect();
        let (signature, g1, g2) =
            (sum_g1(&signatures), sum_g1(publics.iter().map(|key| &key.g1)), sum_g2(publics.iter().map(|key| &key.g2)));
        assert_eq!((PublicKey { g1, g2 }, signature), (secret(15).public_key(), secret(15).sign(&digest)));
        assert!(is_signed(&digest, &signature, &g2));
        assert!(!is_signed(&digest, &sum_g1(&signatures[1..]), &g2));
        assert_eq!(sum_g1(&[]), G1Affine::zero());
    }

    #[test]
    fn the_combined_check_binds_both_parts_of_a_key() {
        let (digest, mine, other) = (number(3), secret(7), secret(8));
        let (hash, signature, key) = (hash_to_g1(&digest), mine.sign(&digest), mine.public_key());
        let holds = |signature: &G1Affine, key: &PublicKey| is_bound(&hash, signature, key, &challenge_of(&hash, signature, key));
        assert!(holds(&signature, &key));
        assert!(!holds(&signature, &PublicKey { g1: other.public_key().g1, ..key }));
        assert!(!holds(&signature, &PublicKey { g2: other.public_key().g2, ..key }));
        assert!(!holds(&other.sign(&digest), &key));
        assert!(!is_bound(&hash_to_g1(&number(4)), &signature, &key, &challenge_of(&hash, &signature, &key)));
    }

    #[test]
    fn points_of_g2_are_checked_when_they_are_read() {
        let key = secret(5).public_key();
        let words = g2_to_words(&key.g2);
        assert_eq!(g2_from_words(&words), Ok(key.g2));
        assert_eq!(g2_from_words(&[0; G2_BYTES]), Ok(G2Affine::zero()));
        assert_eq!(PublicKey::from_words(&to_words(&key.g1), &[0; G2_BYTES]), Err(PointError::NotOnCurve));
        assert_eq!(PublicKey::from_words(&[0; G1_BYTES], &words), Err(PointError::NotOnCurve));
        let mut swapped = words;
        swapped[..WORD_BYTES].copy_from_slice(&words[WORD_BYTES..2 * WORD_BYTES]);
        swapped[WORD_BYTES..2 * WORD_BYTES].copy_from_slice(&words[..WORD_BYTES]);
        assert_eq!(g2_from_words(&swapped), Err(PointError::NotOnCurve));
        let mut large = words;
        large[..WORD_BYTES].copy_from_slice(&[0xff; WORD_BYTES]);
        assert_eq!(g2_from_words(&large), Err(PointError::NotCanonical));
    }

    #[test]
    fn a_point_of_the_curve_outside_the_group_is_refused() {
        let outside = (0..)
            .map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::one()), false))
            .find_map(|point| point.filter(|point| !point.is_in_correct_subgroup_assuming_on_curve()));
        let words = outside.map_or([0; G2_BYTES], |point| g2_to_words(&point));
        assert_eq!(g2_from_words(&words), Err(PointError::NotInGroup));
    }

    #[test]
    fn secrets_out_of_range_are_refused() {
        assert!(SecretKey::new(&[0; SECRET_BYTES]).is_err());
        assert!(SecretKey::new(&[0xff; SECRET_BYTES]).is_err());
        let mut order = [0; SECRET_BYTES];
        order.copy_from_slice(&Fr::MODULUS.to_bytes_be());
        assert!(SecretKey::new(&order).is_err());
        order[SECRET_BYTES - 1] -= 1;
        assert!(SecretKey::new(&order).is_ok());
    }

    #[test]
    fn every_hash_is_on_the_curve_and_the_wire_form_carries_the_sign() {
        for seed in 0..50 {
            let point = hash_to_g1(&number(seed));
            assert!(point.is_on_curve());
            assert_eq!(curve::from_flagged(&to_flagged(&point)), Ok(point));
        }
        assert_eq!(
            hash_to_g1(&[0xff; WORD_BYTES]),
            hash_to_g1(&{
                let mut reduced = [0; WORD_BYTES];
                reduced.copy_from_slice(&Fq::from_be_bytes_mod_order(&[0xff; WORD_BYTES]).into_bigint().to_bytes_be());
                reduced
            })
        );
    }
}
