//! Proofs of segments: those that the official client sends, and everything that can be wrong with one.

use super::*;

const SIZE: usize = 4_456_448;

/// Segments as they are uploaded: whole sectors, without padding sectors.
fn uploaded(data: &[u8], index: u64) -> Vec<u8> {
    let start = index as usize * SEGMENT_BYTES;
    let mut segment = data[start..data.len().min(start + SEGMENT_BYTES)].to_vec();
    segment.resize(segment.len().next_multiple_of(SECTOR_BYTES), 0);
    segment
}

fn verify(tree: &FileTree, index: u64, data: &[u8], proof: &MerkleProof) -> Result<(), SegmentFault> {
    verify_segment(HashPath::best(), &tree.root(), tree.segments().shape().size_bytes(), index, data, proof)
}

/// Source: npm `@0gfoundation/0g-ts-sdk` 1.2.8, as it uploads the pattern of 4,456,448 bytes.
#[test]
fn proofs_agree_with_the_official_client() {
    let tree = tree(&pattern(SIZE));
    let last = tree.segments().proof(16).unwrap();
    assert_eq!(last.path, [true, false]);
    assert_eq!(
        last.lemma,
        [
            hex!("25ae9e541203b21a3b94d243dd70f85c96c4207bd8301d995acdd2e4eb52218e"),
            zero_root(10),
            hex!("83eefbcdf40866aaf387878bc2614410ce7637c02977fecce90779253e49b200"),
            tree.root(),
        ]
    );
    let first = tree.segments().proof(0).unwrap();
    assert_eq!(first.path, [true; 5]);
    assert_eq!(
        first.lemma[1..6],
        [
            hex!("1935877a058f7a928762c026fcd7d6a0ca76ce38196e1c78b9d1c3ed70ae7a84"),
            hex!("5adaf0904d8c1a0684ba45719286b06450648ab746a41a1a340fd0c867fcd054"),
            hex!("e3afc382b9c49eb763706a4b40a053b96b3ff1ac6e6d6b00f5a9b96df4bb597e"),
            hex!("85db03467ca75f440d0c8d799686f408c55430221034eef63a22a79220e6eb62"),
            hex!("f4cee85a9c07bdf0681257a9e494981f63666458b53c0ef1966551c74f947427"),
        ]
    );
}

#[test]
fn a_file_of_one_segment_is_proved_by_its_root() {
    let tree = tree(&pattern(300));
    let proof = tree.segments().proof(0).unwrap();
    assert_eq!(proof, MerkleProof { lemma: vec![tree.root()], path: vec![] });
    assert_eq!(verify(&tree, 0, &uploaded(&pattern(300), 0), &proof), Ok(()));
    assert_eq!(tree.segments().proof(1), Err(ShapeError::NoSegment { index: 1, segments: 1 }));
}

#[test]
fn every_fault_of_a_segment_has_its_name() {
    let data = pattern(SIZE);
    let tree = tree(&data);
    let (segment, proof) = (uploaded(&data, 16), tree.segments().proof(16).unwrap());
    let with = |change: fn(&mut MerkleProof)| {
        let mut changed = proof.clone();
        change(&mut changed);
        verify(&tree, 16, &segment, &changed)
    };
    assert_eq!(verify(&tree, 16, &segment, &proof), Ok(()));
    assert_eq!(verify_segment(HashPath::best(), &tree.root(), 0, 0, &segment, &proof), Err(SegmentFault::EmptyFile));
    assert_eq!(verify(&tree, 17, &segment, &proof), Err(SegmentFault::IndexOutOfBound));
    assert_eq!(verify(&tree, u64::MAX, &segment, &proof), Err(SegmentFault::IndexOutOfBound));
    assert_eq!(verify(&tree, 16, &segment[256..], &proof), Err(SegmentFault::DataLength));
    assert_eq!(verify(&tree, 16, &[&segment[..], &[0; 256]].concat(), &proof), Err(SegmentFault::DataLength));
    assert_eq!(with(|proof| proof.lemma.clear()), Err(SegmentFault::ProofForm));
    assert_eq!(with(|proof| proof.path.clear()), Err(SegmentFault::ProofForm));
    assert_eq!(with(|proof| *proof = MerkleProof { lemma: vec![proof.lemma[3]], path: vec![] }), Err(SegmentFault::PathTooShort));
    assert_eq!(with(|proof| (proof.path, proof.lemma) = (vec![true; 9], vec![[0; 32]; 11])), Err(SegmentFault::PathTooLong));
    assert_eq!(with(|proof| proof.path[0] = false), Err(SegmentFault::WrongPosition { expected: 16, proved: 17 }));
    assert_eq!(verify(&tree, 15, &segment, &proof), Err(SegmentFault::WrongPosition { expected: 15, proved: 16 }));
    assert_eq!(with(|proof| proof.lemma[2][0] ^= 1), Err(SegmentFault::BrokenChain));
    assert_eq!(verify_segment(HashPath::best(), &[7; 32], SIZE as u64, 16, &segment, &proof), Err(SegmentFault::RootMismatch));
    assert_eq!(verify(&tree, 16, &uploaded(&data, 15), &proof), Err(SegmentFault::DataMismatch));
}

/// A root under which the padding is not zero: nothing but the last rule sees it.
#[test]
fn data_hidden_in_the_padding_is_found() {
    let data = pattern(SIZE);
    let shape = FileShape::new(SIZE as u64).unwrap();
    let mut roots = tree(&data).segments().segment_roots().to_vec();
    roots.push([9; 32]);
    let root = plain_root(&roots);
    let lemma = vec![roots[16], roots[17], plain_root(&roots[..16]), root];
    let proof = MerkleProof { lemma, path: vec![true, false] };
    let verdict = verify_segment(HashPath::best(), &root, shape.size_bytes(), 16, &uploaded(&data, 16), &proof);
    assert_eq!(verdict, Err(SegmentFault::PaddingMismatch));
}

#[test]
fn the_first_wrong_segment_of_several_is_named() {
    let data = pattern(10 * SEGMENT_BYTES + 300);
    let tree = tree(&data);
    let pieces: Vec<_> = (0..11).map(|index| uploaded(&data, index)).collect();
    let proofs = tree.segments().proofs(0, 11).unwrap();
    let mut segments: Vec<_> =
        proofs.into_iter().zip(&pieces).zip(0..).map(|((proof, data), index)| ProvedSegment { index, data, proof }).collect();
    let size = data.len() as u64;
    let fault = |segments: &[ProvedSegment<'_>]| first_fault(HashPath::best(), &tree.root(), size, segments);
    assert_eq!((fault(&[]), fault(&segments[10..]), fault(&segments)), (None, None, None));
    segments[7].data = &pieces[6];
    segments[9].data = &pieces[10];
    assert_eq!(fault(&segments), Some((7, SegmentFault::DataMismatch)));
    assert_eq!(fault(&segments[8..]), Some((1, SegmentFault::DataLength)));
    for (first, count) in [(0, 12), (11, 1), (u64::MAX, 2)] {
        assert_eq!(tree.segments().proofs(first, count), Err(ShapeError::NoSegment { index: 11, segments: 11 }));
    }
    assert_eq!(tree.segments().proofs(11, 0), Ok(vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_segment_is_proved_and_nothing_else(size in sizes(), choice in any::<proptest::sample::Index>(), flip in any::<proptest::sample::Index>()) {
        let data = pattern(size);
        let tree = tree(&data);
        let index = choice.index(tree.segments().segment_roots().len()) as u64;
        let (mut segment, proof) = (uploaded(&data, index), tree.segments().proof(index).unwrap());
        prop_assert_eq!(verify(&tree, index, &segment, &proof), Ok(()));
        prop_assert_eq!(proof.computed_root(), Some(tree.root()));
        let place = flip.index(segment.len());
        segment[place] ^= 1;
        prop_assert_eq!(verify(&tree, index, &segment, &proof), Err(SegmentFault::DataMismatch));
    }

    /// Trees of many segments, without hashing that much data.
    #[test]
    fn trees_over_segment_roots_follow_the_plain_rule(segments in 1..1200u64, choice in any::<proptest::sample::Index>()) {
        let shape = FileShape::new(segments * SEGMENT_BYTES as u64).unwrap();
        let mut roots: Vec<Hash> = successors(Some([1; 32]), |hash| Some(keccak256(hash).0)).take(segments as usize).collect();
        let tree = SegmentTree::new(HashPath::best(), shape, roots.clone()).unwrap();
        roots.resize(shape.padded_segments() as usize, zero_root(SEGMENT_HEIGHT));
        prop_assert_eq!(tree.root(), plain_root(&roots));
        let proof = tree.proof(choice.index(roots.len()) as u64).unwrap();
        prop_assert!(proof.is_well_formed());
        prop_assert_eq!(proof.computed_root(), Some(tree.root()));
    }
}

/// Every segment of a file as a store keeps it, one behind the other, with what each has to be.
fn records(data: &[u8]) -> (Vec<u8>, Vec<Record>) {
    let tree = tree(data);
    let shape = tree.segments().shape();
    let mut buffer = Vec::new();
    let mut records = Vec::new();
    for index in 0..shape.segments() {
        let lemma = tree.segments().proof(index).unwrap().lemma;
        let siblings = lemma.get(1..lemma.len() - 1).unwrap_or_default();
        let segment = uploaded(data, index);
        records.push(Record {
            root: tree.root(),
            segment_root: lemma[0],
            padded_sectors: shape.padded_sectors(),
            index,
            offset: buffer.len(),
            siblings: siblings.len(),
            data_bytes: segment.len(),
        });
        buffer.extend(siblings.as_flattened());
        buffer.extend(segment);
    }
    (buffer, records)
}

#[test]
fn a_record_is_right_with_every_bit_and_wrong_with_any_other() {
    for size in [1, 300, SEGMENT_BYTES, SEGMENT_BYTES + 1, SIZE] {
        let (mut buffer, records) = records(&pattern(size));
        let faults = |buffer: &[u8]| -> Vec<_> { records.iter().map(|record| record_fault(HashPath::best(), buffer, record)).collect() };
        assert!(faults(&buffer).iter().all(Option::is_none));
        for (place, record) in records.iter().enumerate() {
            let data_at = record.offset + record.siblings * 32;
            let proof_at = (record.siblings > 0).then(|| (data_at - 1, RecordFault::Proof));
            for (at, fault) in proof_at.into_iter().chain([(data_at + record.data_bytes - 1, RecordFault::Data)]) {
                buffer[at] ^= 4;
                let found = faults(&buffer);
                assert_eq!(found[place], Some(fault));
                assert_eq!(found.iter().flatten().count(), 1);
                buffer[at] ^= 4;
            }
        }
        assert_eq!(faults(&buffer[..buffer.len() - 1]).last(), Some(&Some(RecordFault::Data)));
        assert!(faults(&[]).iter().all(|fault| *fault == Some(RecordFault::Data)));
        let absurd = Record { offset: usize::MAX, siblings: usize::MAX, data_bytes: usize::MAX, index: u64::MAX, ..records[0] };
        assert_eq!(record_fault(HashPath::best(), &buffer, &absurd), Some(RecordFault::Data));
    }
}
