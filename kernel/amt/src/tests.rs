//! Encoder, verifier and decoder together, on blobs of development size.

mod naive;
mod refused;

use self::naive::NaiveEncoder;
use crate::decode::{RecoveryError, recover};
use crate::encode::{EncodedBlob, roots};
use crate::known;
use crate::merkle::Keccak;
use crate::rows::Matrix;
use crate::setup::Setup;
use crate::shape::{DEVELOPMENT, PRODUCTION};
use crate::verify::verify;
use ark_bn254::Fr;
use std::sync::OnceLock;

const TAU: u64 = 123_456_789;

/// The inputs of the golden vectors.
fn data_of(length: usize) -> Vec<u8> {
    (0..length).map(|index| (7 * index + 3) as u8).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn small() -> &'static Setup {
    static SETUP: OnceLock<Setup> = OnceLock::new();
    SETUP.get_or_init(|| known::setup(DEVELOPMENT, Fr::from(TAU)).unwrap())
}

/// How often a test with random inputs runs: as often as `often` when all the time of the world is there.
fn rounds(normally: usize, often: usize) -> usize {
    if std::env::var("ZEROG_TEST_LONG").is_ok_and(|value| value == "1") { often } else { normally }
}

/// SplitMix64: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// A blob of one of the kinds that an encoder could treat apart.
    fn blob(&mut self) -> Vec<u8> {
        let longest = DEVELOPMENT.bytes_max();
        let length = self.below(longest + 1);
        match self.below(6) {
            0 => self.bytes(length),
            1 => vec![0xff; length],
            2 => {
                let mut sparse = vec![0; length + 1];
                for _ in 0..3 {
                    let place = self.below(length + 1);
                    sparse[place] = self.next() as u8;
                }
                sparse.truncate(longest);
                sparse
            }
            3 => {
                let short = 1 + self.below(31);
                self.bytes(short)
            }
            4 => vec![0; length],
            _ => {
                let rows = 31 * DEVELOPMENT.columns();
                let around = (length / rows * rows + self.below(3)).saturating_sub(1).min(longest);
                self.bytes(around)
            }
        }
    }
}

/// Source: 0glabs/0g-da-encoder run with τ = 123456789.
#[test]
fn roots_and_commitment_are_the_official_ones() {
    let (root, _) = roots(PRODUCTION, &Keccak::PLAIN, &data_of(1000)).unwrap();
    assert_eq!(hex(&root), "10b419e55586a4375faca5c4aeedc1e94a7ecbb4a6a79a72fd93b9eec453f0e1");
    let blob = EncodedBlob::new(small(), &Keccak::PLAIN, &data_of(1000)).unwrap();
    assert_eq!(hex(&blob.data_root()), "4c5872a234592cf39d05e61d7156ac6aa6784013f70802d203920bb0668d03f5");
    assert_eq!(
        hex(blob.commitment()),
        "87cbcd45ff6663715205485adb0adb86529608a1046dc4131111c334a39fa02e790e9678a0d6d4ff75911191a01796a6f38ad791f66cc69d778552f6a502c51e"
    );
}

#[test]
fn slices_are_what_the_formulas_give() {
    let naive = NaiveEncoder::new(DEVELOPMENT, Fr::from(TAU));
    let mut numbers = Numbers(9);
    for round in 0..rounds(100, 1000) {
        let data = if round == 0 { Vec::new() } else { numbers.blob() };
        let blob = EncodedBlob::new(small(), &Keccak::PLAIN, &data).unwrap();
        let slices: Vec<u8> = (0..DEVELOPMENT.encoded_rows()).flat_map(|index| blob.slice(index)).collect();
        let (expected, root) = naive.encode(&data);
        assert_eq!(blob.data_root(), root, "round {round}");
        assert!(slices == expected, "round {round}: the slices of {} bytes differ", data.len());
    }
}

#[test]
fn all_slices_of_a_blob_pass_in_any_order_and_number() {
    let blob = EncodedBlob::new(small(), &Keccak::PLAIN, &data_of(1000)).unwrap();
    for indexes in [(0..DEVELOPMENT.encoded_rows()).collect(), vec![191, 3, 64], vec![5, 5], vec![]] {
        let slices: Vec<Vec<u8>> = indexes.iter().map(|index| blob.slice(*index)).collect();
        let views: Vec<&[u8]> = slices.iter().map(Vec::as_slice).collect();
        assert_eq!(verify(small(), &Keccak::PLAIN, &views, &blob.data_root(), blob.commitment()), Ok(indexes));
    }
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
