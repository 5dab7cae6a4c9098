//! Encoder and verifier together, on blobs of development size.

use crate::curve::to_flagless;
use crate::decode::{RecoveryError, recover};
use crate::encode::{EncodedBlob, roots};
use crate::known;
use crate::merkle::Keccak;
use crate::rows::Matrix;
use crate::setup::Setup;
use crate::shape::{DEVELOPMENT, PRODUCTION};
use crate::slice::SliceError;
use crate::verify::{Refusal, verify};
use ark_bn254::Fr;

/// The inputs of the golden vectors.
fn data_of(length: usize) -> Vec<u8> {
    (0..length).map(|index| (7 * index + 3) as u8).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn small() -> Setup {
    known::setup(DEVELOPMENT, Fr::from(123_456_789)).unwrap()
}

/// Source: 0glabs/0g-da-encoder run with τ = 123456789.
#[test]
fn roots_and_commitment_are_the_official_ones() {
    let (root, _) = roots(PRODUCTION, &Keccak::PLAIN, &data_of(1000)).unwrap();
    assert_eq!(hex(&root), "10b419e55586a4375faca5c4aeedc1e94a7ecbb4a6a79a72fd93b9eec453f0e1");
    let blob = EncodedBlob::new(&small(), &Keccak::PLAIN, &data_of(1000)).unwrap();
    assert_eq!(hex(&blob.data_root()), "4c5872a234592cf39d05e61d7156ac6aa6784013f70802d203920bb0668d03f5");
    assert_eq!(
        hex(blob.commitment()),
        "87cbcd45ff6663715205485adb0adb86529608a1046dc4131111c334a39fa02e790e9678a0d6d4ff75911191a01796a6f38ad791f66cc69d778552f6a502c51e"
    );
}

#[test]
fn all_slices_of_a_blob_pass_and_one_changed_bit_is_named() {
    let setup = small();
    let blob = EncodedBlob::new(&setup, &Keccak::PLAIN, &data_of(1000)).unwrap();
    let slices: Vec<Vec<u8>> = (0..DEVELOPMENT.encoded_rows()).map(|index| blob.slice(index)).collect();
    let views: Vec<&[u8]> = slices.iter().map(Vec::as_slice).collect();
    let expected: Vec<usize> = (0..DEVELOPMENT.encoded_rows()).collect();
    assert_eq!(verify(&setup, &Keccak::PLAIN, &views, &blob.data_root(), blob.commitment()), Ok(expected));
    let mut changed = slices[100].clone();
    changed[100] ^= 1;
    let mut views = views;
    views[100] = &changed;
    let refusal = verify(&setup, &Keccak::PLAIN, &views, &blob.data_root(), blob.commitment());
    assert!(matches!(refusal, Err(Refusal::Slice(100, SliceError::Verification(_)))), "{refusal:?}");
    assert_ne!(to_flagless(&Default::default()), *blob.commitment());
}

#[test]
fn any_third_of_the_rows_gives_the_blob_back() {
    let shape = DEVELOPMENT;
    let rows = shape.rows();
    for length in [0, 1, 31, 1000, shape.bytes_max()] {
        let data = data_of(length);
        let matrix = Matrix::encode(shape, &data).unwrap();
        // A step that is coprime with the number of rows visits them all, in an order of its own.
        let scattered: Vec<usize> = (0..rows).map(|index| (index * 29 + 7) % shape.encoded_rows()).collect();
        for chosen in [(0..rows).collect(), (rows..2 * rows).collect(), (2 * rows..3 * rows).collect(), (1..=rows).collect(), scattered] {
            let chosen: Vec<(usize, &[u8])> = chosen.into_iter().map(|index| (index, matrix.row(index))).collect();
            assert_eq!(recover(shape, &chosen), Ok(data.clone()));
            let refusal = recover(shape, &[&chosen[1..], &chosen[1..]].concat());
            assert_eq!(refusal, Err(RecoveryError::TooFewRows { found: rows - 1, needed: rows }));
        }
    }
}
