//! Setups of development size from files: they prove and verify as the one that knows τ, and damage is named.

use super::*;
use crate::curve::{G1_BYTES, from_flagged, to_flagged};
use crate::encode::EncodedBlob;
use crate::known;
use crate::merkle::Keccak;
use crate::setup::Setup;
use crate::slice::slice_bytes;
use crate::verify::{Refusal, verify};
use ark_bn254::{Fr, G1Affine};
use ark_ec::AffineRepr;
use std::path::PathBuf;

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zerog-amt-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&path).unwrap_or_default();
        Self(path)
    }

    fn made(name: &str, tau: u64) -> Self {
        let folder = Self::new(name);
        make(&folder.0, DEVELOPMENT, Fr::from(tau)).unwrap_or_else(|error| panic!("{error}"));
        folder
    }

    fn load(&self) -> Setup {
        load(&self.0, Trust::Folder, Purpose::Prove).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refusal(&self) -> String {
        load(&self.0, Trust::Folder, Purpose::Prove).map_or_else(|error| error.to_string(), |_| panic!("the damage was not seen"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

fn slices(setup: &Setup, data: &[u8]) -> (EncodedBlob, Vec<Vec<u8>>) {
    let blob = EncodedBlob::new(setup, &Keccak::PLAIN, data).unwrap_or_else(|error| panic!("{error}"));
    let slices = (0..DEVELOPMENT.encoded_rows()).map(|index| blob.slice(index)).collect();
    (blob, slices)
}

fn check(setup: &Setup, blob: &EncodedBlob, slices: &[Vec<u8>]) -> Result<Vec<usize>, Refusal> {
    let views: Vec<_> = slices.iter().map(Vec::as_slice).collect();
    verify(setup, &Keccak::PLAIN, &views, &blob.data_root(), blob.commitment())
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|index| (7 * index + 3) as u8).collect()
}

fn known_setup(tau: u64) -> Setup {
    known::setup(DEVELOPMENT, Fr::from(tau)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_made_setup_gives_the_bytes_of_the_known_tau_and_each_verifies_the_other() {
    let (folder, known) = (Folder::made("same", 123_456_789), known_setup(123_456_789));
    let made = folder.load();
    assert_eq!(made.fingerprint, known.fingerprint);
    assert!(!made.knows_tau);
    for length in [0, 1000, DEVELOPMENT.bytes_max()] {
        let (blob, own) = slices(&made, &data(length));
        let (other, others) = slices(&known, &data(length));
        assert_eq!(own, others);
        if length > 0 {
            let expected: Vec<_> = (0..DEVELOPMENT.encoded_rows()).collect();
            assert_eq!(check(&known, &blob, &own), Ok(expected.clone()));
            assert_eq!(check(&made, &other, &others), Ok(expected));
            assert_eq!(check(&made, &other, &others[5..9]), Ok(vec![5, 6, 7, 8]));
        }
    }
}

#[test]
fn slices_of_another_setup_are_refused_by_both_sides() {
    let (folder, known) = (Folder::made("other", 1_000_003), known_setup(123_456_789));
    let made = folder.load();
    assert_ne!(made.fingerprint, known.fingerprint);
    let (blob, own) = slices(&made, &data(1000));
    assert!(matches!(check(&known, &blob, &own[..4]), Err(Refusal::Slice(..))));
    let (blob, own) = slices(&known, &data(1000));
    assert!(matches!(check(&made, &blob, &own[..4]), Err(Refusal::Slice(..))));
}

#[test]
fn a_changed_bit_anywhere_is_refused_and_its_slice_named() {
    let folder = Folder::made("mutants", 123_456_789);
    let setup = folder.load();
    let (blob, good) = slices(&setup, &data(3000));
    let bits = 8 * slice_bytes(DEVELOPMENT);
    let count = if std::env::var_os("ZEROG_TEST_LONG").is_some() { 10_000 } else { 150 };
    // A step that shares no factor with the number of bits reaches each of them in turn.
    let mut bit = 8 * 3;
    for mutant in 0..count {
        bit = (bit + 7_919) % bits;
        let position = mutant % 3;
        let mut some = good[60..63].to_vec();
        some[position][bit / 8] ^= 1 << (bit % 8);
        let refusal = check(&setup, &blob, &some);
        assert!(matches!(refusal, Err(Refusal::Slice(found, _)) if found == position), "bit {bit} of slice {position}: {refusal:?}");
    }
}

/// Bytes of slices that are points: the commitment, the nodes of the proof, and the high point.
fn point_places() -> Vec<usize> {
    let nodes = 96 + DEVELOPMENT.row_bytes() + 8;
    std::iter::once(16).chain((0..=2 * DEVELOPMENT.depth() as usize).map(|point| nodes + G1_BYTES * point)).collect()
}

#[test]
fn other_points_of_the_curve_are_refused_and_their_slice_named() {
    let folder = Folder::made("points", 123_456_789);
    let setup = folder.load();
    let (blob, good) = slices(&setup, &data(3000));
    let places = point_places();
    let point_at = |slice: &[u8], place: usize| slice[place..place + G1_BYTES].to_vec();
    let rounds = if std::env::var_os("ZEROG_TEST_LONG").is_some() { DEVELOPMENT.encoded_rows() - 3 } else { 2 };
    for first in (0..DEVELOPMENT.encoded_rows() - 3).step_by((DEVELOPMENT.encoded_rows() - 3) / rounds) {
        for (number, place) in places.iter().enumerate() {
            let position = number % 3;
            let own = point_at(&good[first + position], *place);
            let next = point_at(&good[first + position], places[(number + 1) % places.len()]);
            let negative = from_flagged(&<[u8; G1_BYTES]>::try_from(own.as_slice()).unwrap_or([0; G1_BYTES]))
                .map(|point| to_flagged(&-point).to_vec());
            let of_other = point_at(&good[(first + 100) % good.len()], *place);
            for other in [next, negative.unwrap_or_default(), of_other, to_flagged(&G1Affine::zero()).to_vec()] {
                // Neighbours share nodes, and all slices the commitment and the high point.
                if other == own {
                    continue;
                }
                let mut some = good[first..first + 3].to_vec();
                some[position][*place..place + G1_BYTES].copy_from_slice(&other);
                let refusal = check(&setup, &blob, &some);
                assert!(matches!(refusal, Err(Refusal::Slice(found, _)) if found == position), "{place} of slice {position}: {refusal:?}");
            }
        }
    }
}

#[test]
fn a_folder_with_verify_files_alone_verifies() {
    let folder = Folder::made("verify", 123_456_789);
    let (blob, own) = slices(&folder.load(), &data(1000));
    for name in [powers_name(DEVELOPMENT), prove_name(DEVELOPMENT, 0)] {
        std::fs::remove_file(folder.0.join(name)).unwrap_or_else(|error| panic!("{error}"));
    }
    let verifier = load(&folder.0, Trust::Folder, Purpose::Verify).unwrap_or_else(|error| panic!("{error}"));
    assert!(verifier.prover.is_none());
    assert_eq!(check(&verifier, &blob, &own[7..8]), Ok(vec![7]));
    assert!(folder.refusal().contains("power-tau"));
}

#[test]
fn without_the_prove_file_the_points_are_the_same() {
    let folder = Folder::made("dense", 123_456_789);
    let (_, expected) = slices(&folder.load(), &data(1000));
    std::fs::remove_file(folder.0.join(prove_name(DEVELOPMENT, 0))).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(slices(&folder.load(), &data(1000)).1, expected);
}

#[test]
fn the_prove_file_stands_in_for_a_missing_verify_file() {
    let folder = Folder::made("prove", 123_456_789);
    let (blob, own) = slices(&folder.load(), &data(1000));
    std::fs::remove_file(folder.0.join(verify_name(DEVELOPMENT, 0))).unwrap_or_else(|error| panic!("{error}"));
    let verifier = load(&folder.0, Trust::Folder, Purpose::Verify).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(check(&verifier, &blob, &own), Ok((0..DEVELOPMENT.encoded_rows()).collect()));
}

#[test]
fn damage_is_named_with_its_file_and_place() {
    let folder = Folder::made("damage", 123_456_789);
    for (name, offset) in
        [(verify_name(DEVELOPMENT, 1), 8 + 64 * 5), (powers_name(DEVELOPMENT), 8 + 32 * 7), (prove_name(DEVELOPMENT, 0), 262 + 64 * 3)]
    {
        let path = folder.0.join(&name);
        let good = std::fs::read(&path).unwrap_or_else(|error| panic!("{error}"));
        for (bad, texts) in [
            (
                {
                    let mut bad = good.clone();
                    bad[offset..offset + 31].fill(0xff);
                    bad[offset + 31] = 0x3f;
                    bad
                },
                vec![format!("byte {offset}"), "no point".into()],
            ),
            (good[..good.len() - 1].to_vec(), vec!["more bytes belong here".into()]),
            ([good.as_slice(), &[0]].concat(), vec!["should end here".into()]),
        ] {
            std::fs::write(&path, bad).unwrap_or_else(|error| panic!("{error}"));
            let refusal = folder.refusal();
            assert!(refusal.contains(&name) && texts.iter().all(|text| refusal.contains(text)), "{refusal}");
        }
        std::fs::write(&path, good).unwrap_or_else(|error| panic!("{error}"));
    }
    let path = folder.0.join(verify_name(DEVELOPMENT, 2));
    let other = Folder::made("damage-other", 1_000_003);
    std::fs::copy(other.0.join(verify_name(DEVELOPMENT, 2)), &path).unwrap_or_else(|error| panic!("{error}"));
    assert!(folder.refusal().contains("sha256"));
    std::fs::remove_file(path).unwrap_or_else(|error| panic!("{error}"));
    assert!(folder.refusal().contains("coset2"));
}

#[test]
fn files_of_two_setups_are_refused_even_with_right_digests() {
    let folder = Folder::made("mixed", 123_456_789);
    let other = Folder::made("mixed-other", 1_000_003);
    for name in [verify_name(DEVELOPMENT, 1), powers_name(DEVELOPMENT), prove_name(DEVELOPMENT, 0)] {
        let mixed = Folder::new("mixed-both");
        std::fs::create_dir_all(&mixed.0).unwrap_or_else(|error| panic!("{error}"));
        let mut sums = String::new();
        let text = |folder: &Folder| std::fs::read_to_string(folder.0.join(MANIFEST)).unwrap_or_else(|error| panic!("{error}"));
        for (own, others) in text(&folder).lines().zip(text(&other).lines()) {
            let (from, line) = if own.ends_with(&name) { (&other, others) } else { (&folder, own) };
            let file = line.split_at(66).1;
            std::fs::copy(from.0.join(file), mixed.0.join(file)).unwrap_or_else(|error| panic!("{error}"));
            sums += &format!("{line}\n");
        }
        std::fs::write(mixed.0.join(MANIFEST), sums).unwrap_or_else(|error| panic!("{error}"));
        assert!(mixed.refusal().contains("setup") || mixed.refusal().contains('τ'), "{}", mixed.refusal());
    }
}

#[test]
fn a_made_folder_is_not_an_official_one_nor_made_twice() {
    let folder = Folder::made("twice", 123_456_789);
    let refusal = load(&folder.0, Trust::Official, Purpose::Prove).map_or_else(|error| error.to_string(), |_| String::new());
    assert!(refusal.contains("no digest is known"), "{refusal}");
    assert!(make(&folder.0, DEVELOPMENT, Fr::from(5_u64)).is_err_and(|error| error.0.contains("already")));
    assert!(make(&Folder::new("zero").0, DEVELOPMENT, Fr::from(0_u64)).is_err());
}
