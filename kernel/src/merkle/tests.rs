//! The trees against a plain recursive form of the rules, and against roots that the official client computed.

use std::iter::successors;

use alloy_primitives::hex;
use proptest::prelude::*;

use super::shape::subtree_heights;
use super::*;
use crate::hash::{HashPath, keccak256};

mod flow;
mod segments;

/// Byte i is i mod 251, as in the vectors.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

/// The rule as it stands: one leaf is its own root, more split at the largest power of two below their number.
fn plain_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            parent(&plain_root(left), &plain_root(right))
        }
    }
}

fn plain_leaves(data: &[u8], sectors: usize) -> Vec<Hash> {
    let mut padded = data.to_vec();
    padded.resize(sectors * SECTOR_BYTES, 0);
    padded.chunks_exact(SECTOR_BYTES).map(|sector| keccak256(sector).0).collect()
}

fn plain_file_root(data: &[u8]) -> Hash {
    plain_root(&plain_leaves(data, FileShape::new(data.len() as u64).unwrap().padded_sectors() as usize))
}

fn tree(data: &[u8]) -> FileTree {
    FileTree::new(HashPath::best(), data).unwrap()
}

/// Sizes around the borders of sectors, segments and powers of two.
fn sizes() -> impl Strategy<Value = usize> {
    let around = |unit: usize, most: usize| (0..=most, 0..3usize).prop_map(move |(count, offset)| (count * unit + offset).max(2) - 1);
    prop_oneof![around(SECTOR_BYTES, 2000), around(SEGMENT_BYTES, 6), 1..5 * SEGMENT_BYTES]
}

/// Size, number of sectors with padding, roots. Source: npm `@0gfoundation/0g-ts-sdk` 1.2.8.
const ROOTS: [(usize, u64, [u8; 32]); 8] = [
    (1, 1, hex!("d397b3b043d87fcd6fad1291ff0bfd16401c274896d8c63a923727f077b8e0b5")),
    (255, 1, hex!("037a0c9cbd377fa4d88832b1adb2de77b7a2939815debfc83137ecf1b89bf984")),
    (513, 3, hex!("e049f2ef01ba47692ee32f24428319a73872124e59965a362734d068eec7ffda")),
    (4097, 18, hex!("b6c1b3198755cdcf3e030b73b31801aaea2ea41be49229e5e0b5eaa0be775ed8")),
    (262_145, 1152, hex!("1458412a6ece9f4f9dc83ade0c68037378ef3e10fe484cea5d451cc10c9212d0")),
    (1_048_577, 4608, hex!("3bdc4fe98b58589538649dc2bfa4675ab5d18d30908256443d6e86ad70da2756")),
    (4_456_448, 18_432, hex!("889b5f23259aa98e971c0839f4c6fe1a9de7444ae7fced2bff6cd7354ef7e5f1")),
    (10_485_761, 45_056, hex!("8c4faecc5763e42c3a9559ec833a62e5aa3ac3847bfb49ceade84b0bd830127f")),
];

#[test]
fn roots_agree_with_the_official_client_on_every_path() {
    for (size, padded_sectors, root) in ROOTS {
        assert_eq!(FileShape::new(size as u64).unwrap().padded_sectors(), padded_sectors, "{size}");
        for path in HashPath::available() {
            assert_eq!(FileTree::new(path, &pattern(size)).unwrap().root(), root, "{size} bytes, {}", path.name());
        }
    }
}

#[test]
fn zero_roots_are_those_of_the_flow_contract() {
    assert_eq!(zero_root(0), hex!("d397b3b043d87fcd6fad1291ff0bfd16401c274896d8c63a923727f077b8e0b5"));
    assert_eq!(zero_root(10), hex!("e68d02859bb6211cec64f52368b77d422de3b8eac34bf615942b814b643301b5"));
    assert_eq!(zero_root(63), hex!("b48a92d40b61dc995ceecee4cded6415050dcece448b1e0b5e5b6a0e6981f3ef"));
}

#[test]
fn an_empty_file_has_no_tree() {
    assert_eq!(FileTree::new(HashPath::best(), &[]).err(), Some(ShapeError::Empty));
}

#[test]
fn the_largest_sizes_have_a_shape() {
    for size in [1 << 63, u64::MAX] {
        let shape = FileShape::new(size).unwrap();
        assert_eq!(shape.sectors(), 1 << (if size == u64::MAX { 56 } else { 55 }));
        assert_eq!(shape.padded_sectors(), shape.sectors());
    }
}

#[test]
fn a_segment_has_up_to_1024_sectors() {
    for (bytes, sectors) in [(0, 0), (257, 1), (0, 1025), (SEGMENT_BYTES + 1, 1024)] {
        let refused = segment_root(HashPath::best(), &pattern(bytes), sectors);
        assert_eq!(refused, Err(ShapeError::SegmentBytes { bytes, sectors }));
    }
    assert_eq!(segment_root(HashPath::best(), &[], 1024), Ok(zero_root(10)));
}

#[test]
fn segment_roots_are_as_many_as_the_file_needs() {
    let shape = FileShape::new(SEGMENT_BYTES as u64 + 1).unwrap();
    let refused = SegmentTree::new(HashPath::best(), shape, vec![[1; 32]]);
    assert_eq!(refused.err(), Some(ShapeError::SegmentCount { given: 1, segments: 2 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn roots_follow_the_plain_rule(size in sizes()) {
        let data = pattern(size);
        prop_assert_eq!(tree(&data).root(), plain_file_root(&data));
    }

    #[test]
    fn any_bytes_have_the_same_root_on_every_path(data in proptest::collection::vec(any::<u8>(), 1..20_000)) {
        for path in HashPath::available() {
            prop_assert_eq!(FileTree::new(path, &data).unwrap().root(), plain_file_root(&data), "{}", path.name());
        }
    }

    #[test]
    fn any_part_of_a_segment_follows_the_plain_rule(sectors in 1..=1024usize, share in 0.0..=1.0f64) {
        let data = pattern((sectors as f64 * SECTOR_BYTES as f64 * share) as usize);
        prop_assert_eq!(segment_root(HashPath::best(), &data, sectors), Ok(plain_root(&plain_leaves(&data, sectors))));
    }

    #[test]
    fn submission_nodes_are_subtrees_and_fold_to_the_root(size in sizes()) {
        let data = pattern(size);
        let nodes = tree(&data).submission_nodes();
        let padded = FileShape::new(size as u64).unwrap().padded_sectors();
        prop_assert_eq!(nodes.iter().map(|node| node.height).collect::<Vec<_>>(), subtree_heights(padded).collect::<Vec<_>>());
        prop_assert!(nodes.len() <= 4 && nodes[0].height - nodes[nodes.len() - 1].height <= 3);
        let mut leaves = &plain_leaves(&data, padded as usize)[..];
        for node in &nodes {
            let (own, rest) = leaves.split_at(1 << node.height);
            prop_assert_eq!(node.root, plain_root(own));
            leaves = rest;
        }
        prop_assert_eq!(segment::fold_nodes(&nodes), tree(&data).root());
    }
}
