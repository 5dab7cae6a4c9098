//! What the verifier and the decoder refuse: any changed bit, points that cancel out, rows that are not of a blob.

use super::{Numbers, data_of, rounds, small};
use crate::blob::PaddingError;
use crate::curve::{from_flagged, to_flagged};
use crate::decode::{RecoveryError, recover};
use crate::encode::{EncodedBlob, roots};
use crate::known;
use crate::merkle::Keccak;
use crate::rows::Matrix;
use crate::shape::{DEVELOPMENT, UNIT_BYTES};
use crate::slice::{Slice, SliceError, shape_of, slice_bytes};
use crate::verify::{Refusal, verify};
use ark_bn254::{Fr, G1Affine};
use ark_ec::{AffineRepr, CurveGroup};
use std::ops::Range;

/// Where the fields of a slice are.
const INDEXES: [Range<usize>; 3] = [0..8, 8..16, 80..88];
const COMMITMENT: Range<usize> = 16..80;
const ROW: Range<usize> = 96..1120;
const NODES: usize = 1128;
const HIGH: Range<usize> = 1896..1960;
const ROOTS: usize = 1960;
const PATH: usize = 2064;
const REST: [Range<usize>; 5] = [88..96, 1120..1128, 2056..2064, 2256..2264, 2264..2296];

fn fields() -> Vec<Range<usize>> {
    let mut fields = [INDEXES.to_vec(), REST.to_vec(), vec![COMMITMENT, ROW, HIGH]].concat();
    fields.extend((0..12).map(|place| NODES + 64 * place..NODES + 64 * (place + 1)));
    fields.extend((0..3).map(|place| ROOTS + 32 * place..ROOTS + 32 * (place + 1)));
    fields.extend((0..6).map(|place| PATH + 32 * place..PATH + 32 * (place + 1)));
    fields
}

fn encoded() -> EncodedBlob {
    EncodedBlob::new(small(), &Keccak::PLAIN, &data_of(60_000)).unwrap()
}

fn refusal_of(blob: &EncodedBlob, slices: &[Vec<u8>]) -> Option<Refusal> {
    let views: Vec<&[u8]> = slices.iter().map(Vec::as_slice).collect();
    verify(small(), &Keccak::PLAIN, &views, &blob.data_root(), blob.commitment()).err()
}

#[test]
fn any_flipped_bit_of_any_field_is_refused() {
    let fields = fields();
    assert_eq!(fields.iter().map(Range::len).sum::<usize>(), slice_bytes(DEVELOPMENT));
    let (blob, mut numbers) = (encoded(), Numbers(1));
    for round in 0..rounds(300, 10_000) {
        let mut slice = blob.slice(numbers.below(DEVELOPMENT.encoded_rows()));
        let field = &fields[round % fields.len()];
        let bit = 8 * field.start + numbers.below(8 * field.len());
        slice[bit / 8] ^= 1 << (bit % 8);
        let refusal = refusal_of(&blob, &[slice]);
        assert!(matches!(refusal, Some(Refusal::Slice(0, _))), "round {round}: bit {bit} of a slice was changed, {refusal:?}");
    }
}

#[test]
fn every_bit_of_a_points_flags_counts() {
    let blob = encoded();
    for point in [COMMITMENT, NODES..NODES + 64, HIGH] {
        for flag in [0x40, 0x80, 0xc0] {
            let mut slice = blob.slice(70);
            slice[point.end - 1] ^= flag;
            assert!(matches!(refusal_of(&blob, &[slice]), Some(Refusal::Slice(0, SliceError::Form(_)))));
        }
    }
}

fn moved(slice: &mut [u8], place: usize, by: &G1Affine) {
    let bytes: &mut [u8; 64] = (&mut slice[place..place + 64]).try_into().unwrap();
    *bytes = to_flagged(&(from_flagged(bytes).unwrap() + by).into_affine());
}

/// Changes that leave every sum of a row as it was, and every other slice whole.
#[test]
fn false_points_are_found_among_all_slices_of_a_blob() {
    let blob = encoded();
    let honest: Vec<Vec<u8>> = (0..DEVELOPMENT.encoded_rows()).map(|index| blob.slice(index)).collect();
    let generator = G1Affine::generator();
    for (position, changes) in [(0, vec![(NODES, 1), (NODES + 128, -1)]), (100, vec![(NODES + 64, 1)]), (191, vec![(HIGH.start, 1)])] {
        let mut slices = honest.clone();
        for (place, sign) in changes {
            moved(&mut slices[position], place, &if sign > 0 { generator } else { -generator });
        }
        assert_eq!(refusal_of(&blob, &slices), Some(Refusal::Slice(position, SliceError::Pairing)));
    }
    let mut slices = honest;
    moved(&mut slices[77], NODES, &generator);
    assert!(matches!(refusal_of(&blob, &slices), Some(Refusal::Slice(77, SliceError::Verification(_)))));
}

#[test]
fn slices_of_another_blob_or_setup_are_refused() {
    let blob = encoded();
    let other = EncodedBlob::new(small(), &Keccak::PLAIN, &data_of(60_001)).unwrap();
    let text = "verification failed: IncorrectCommitment";
    assert!(matches!(refusal_of(&blob, &[blob.slice(3), other.slice(4)]), Some(Refusal::Slice(1, error)) if error.to_string() == text));
    let setup = known::setup(DEVELOPMENT, Fr::from(987_654_321)).unwrap();
    assert_ne!(setup.fingerprint, small().fingerprint);
    let foreign = EncodedBlob::new(&setup, &Keccak::PLAIN, &data_of(60_000)).unwrap();
    assert_eq!(foreign.data_root(), blob.data_root());
    assert!(matches!(refusal_of(&foreign, &[foreign.slice(1)]), Some(Refusal::Slice(0, _))));
    let empty = EncodedBlob::new(small(), &Keccak::PLAIN, &[]).unwrap();
    assert!(
        matches!(refusal_of(&empty, &[]), Some(Refusal::Commitment(_))),
        "a blob without bytes has no commitment that could be checked"
    );
}

#[test]
fn any_bytes_are_answered() {
    let (blob, mut numbers) = (encoded(), Numbers(2));
    for round in 0..rounds(200, 5000) {
        let mut slice = if round % 2 == 0 { numbers.bytes(slice_bytes(DEVELOPMENT)) } else { blob.slice(round % 192) };
        for _ in 0..numbers.below(20) {
            let start = numbers.below(slice.len());
            let count = numbers.below(64.min(slice.len() - start));
            slice[start..start + count].fill([0, 0xff, 0x40, 0x80][round / 2 % 4]);
        }
        slice.truncate(slice_bytes(DEVELOPMENT) - [0, 0, 0, round % 9][round % 4]);
        if let Ok(parsed) = Slice::parse(DEVELOPMENT, &slice) {
            let _ = parsed.check_points();
        }
        assert_eq!(shape_of(slice.len()).is_ok(), slice.len() == slice_bytes(DEVELOPMENT));
        let whole = (0..192).any(|index| blob.slice(index) == slice);
        assert_eq!(refusal_of(&blob, &[slice]).is_none(), whole, "round {round}");
    }
}

#[test]
fn rows_that_are_not_of_a_blob_are_refused() {
    let (shape, data) = (DEVELOPMENT, data_of(1000));
    let matrix = Matrix::encode(shape, &data).unwrap();
    let rows: Vec<(usize, &[u8])> = (0..shape.rows()).map(|index| (index, matrix.row(index))).collect();
    let with = |index: usize, row: &[u8]| {
        let mut rows = rows.clone();
        rows[0] = (index, row);
        recover(shape, &rows)
    };
    assert_eq!(with(192, matrix.row(0)), Err(RecoveryError::Row(192)));
    assert_eq!(with(0, &matrix.row(0)[1..]), Err(RecoveryError::Row(0)));
    let mut row = matrix.row(0).to_vec();
    row[..UNIT_BYTES].fill(0xff);
    assert_eq!(with(0, &row), Err(RecoveryError::Row(0)));
    row.copy_from_slice(matrix.row(0));
    row[2 * UNIT_BYTES - 1] = 1;
    assert_eq!(with(0, &row), Err(RecoveryError::NotABlob(PaddingError::Element(1))));
    // A row in the place of another is no blob, but for one chance in 2^200.
    assert!(matches!(with(100, matrix.row(101)), Err(RecoveryError::NotABlob(_))));
}

#[test]
fn the_end_of_a_blob_is_checked() {
    let shape = DEVELOPMENT;
    let matrix = Matrix::encode(shape, &data_of(1000)).unwrap();
    let mut rows: Vec<Vec<u8>> = (0..shape.rows()).map(|index| matrix.row(index).to_vec()).collect();
    let read = |rows: &[Vec<u8>]| {
        let rows: Vec<(usize, &[u8])> = rows.iter().map(Vec::as_slice).enumerate().collect();
        recover(shape, &rows)
    };
    rows[40][5] = 1;
    assert_eq!(read(&rows), Err(RecoveryError::NotABlob(PaddingError::Padding(31 * 32 * 40 + 5))));
    rows[40][5] = 0;
    let end = rows[63].len() - 1;
    rows[63][end - 2] = 1;
    assert_eq!(read(&rows), Err(RecoveryError::NotABlob(PaddingError::Length(1000 + (1 << 16)))));
}

/// A wrong row that still decodes gives another blob, and so another root.
#[test]
fn a_wrong_row_shows_in_the_root() {
    let (shape, data) = (DEVELOPMENT, data_of(60_000));
    let matrix = Matrix::encode(shape, &data).unwrap();
    let mut wrong = matrix.row(7).to_vec();
    wrong[0] ^= 1;
    let rows: Vec<(usize, &[u8])> = (0..shape.rows()).map(|index| (index, if index == 7 { &wrong } else { matrix.row(index) })).collect();
    let blob = recover(shape, &rows).unwrap();
    assert_ne!(roots(shape, &Keccak::PLAIN, &blob), roots(shape, &Keccak::PLAIN, &data));
}

#[test]
fn a_tau_that_is_a_point_of_the_code_makes_no_setup() {
    for tau in [Fr::from(0), Fr::from(1), -Fr::from(1)] {
        assert!(known::setup(DEVELOPMENT, tau).is_err());
    }
}
