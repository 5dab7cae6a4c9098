//! The flow against a plain tree over all its leaves, and against roots of the contract.

use super::*;

/// Submissions of the pattern: size, start, length after, flow root. Source: a port of 0gfoundation/0g-storage-contracts, `Flow.sol`.
const SUBMISSIONS: [(usize, u64, u64, [u8; 32]); 7] = [
    (1, 1, 2, hex!("2014f3087d820492aa74c1e1a30cf4d6111e1f2459ef7cd80dd1e1bc2bc6593d")),
    (257, 2, 4, hex!("367814d9bc498fbc34cd62181ce58e3a28c5b43c4c1a9e5c2b4e336c952a8ef5")),
    (513, 4, 7, hex!("816e768bbe890941cdb5cb196cb047262170a63430b6162df77ab4bfe10ffc9f")),
    (4097, 16, 34, hex!("863eb208090bc88349f4113583faad254bbd8e402e66ca9454dfb5492e892572")),
    (262_145, 1024, 2176, hex!("be6a9a1877e056ad7e827abeee1f50de8b04bfd98db91343ea4c7c849ffbb225")),
    (255, 2176, 2177, hex!("dedd442fe7e4e66e681a0cf091fd0a6d07bcc94fdea2325a42fc95349e4648e6")),
    (786_432, 4096, 7168, hex!("e2989bab750730d6337096631b71ec211e02d0d03a485561798381fb69dd6b81")),
];

/// The flow as all its leaves, filled up to a power of two with zero sectors.
#[derive(Clone)]
struct PlainFlow {
    leaves: Vec<Hash>,
}

impl PlainFlow {
    fn new() -> Self {
        Self { leaves: vec![[0; 32]] }
    }

    fn append(&mut self, start: u64, data: &[u8]) {
        let sectors = FileShape::new(data.len() as u64).unwrap().padded_sectors() as usize;
        self.leaves.resize(start as usize, zero_root(0));
        self.leaves.extend(plain_leaves(data, sectors));
    }

    fn padded(&self) -> Vec<Hash> {
        let mut leaves = self.leaves.clone();
        leaves.resize(leaves.len().next_power_of_two(), zero_root(0));
        leaves
    }

    /// Leaf and siblings of `sector` up to `height`.
    fn inside(&self, sector: u64, height: u32) -> Vec<Hash> {
        let leaves = self.padded();
        let sibling = |height: u32| {
            let start = (((sector >> height) ^ 1) << height) as usize;
            plain_root(&leaves[start..start + (1 << height)])
        };
        std::iter::once(leaves[sector as usize]).chain((0..height).map(sibling)).collect()
    }
}

/// Where a submission may begin: aligned to its first node. (The contract's rule about segments only moves it further.)
fn start_of(flow: &FlowTree, nodes: &[SubtreeNode], skip: u64) -> u64 {
    (flow.sectors() + skip).next_multiple_of(1 << nodes[0].height)
}

fn submit(flow: &mut FlowTree, plain: &mut PlainFlow, data: &[u8], skip: u64) {
    let nodes = tree(data).submission_nodes();
    let start = start_of(flow, &nodes, skip);
    flow.append(start, &nodes).unwrap();
    plain.append(start, data);
}

/// The proof of `sector`, given as little as is needed.
fn prove(flow: &FlowTree, plain: &PlainFlow, sector: u64) -> Result<MerkleProof, FlowError> {
    match flow.proof(sector, &[], flow.sectors()) {
        Err(FlowError::Inside { height, .. }) => flow.proof(sector, &plain.inside(sector, height), flow.sectors()),
        other => other,
    }
}

#[test]
fn roots_agree_with_the_contract() {
    let mut flow = FlowTree::new();
    assert_eq!((flow.sectors(), flow.height(), flow.root()), (1, 0, [0; 32]));
    for (size, start, sectors, root) in SUBMISSIONS {
        flow.append(start, &tree(&pattern(size)).submission_nodes()).unwrap();
        assert_eq!((flow.sectors(), flow.root()), (sectors, root), "{size}");
    }
    let before = flow.root();
    flow.append(7168, &tree(&[0]).submission_nodes()).unwrap();
    assert_eq!((flow.sectors(), flow.root()), (7169, before), "a zero sector is the same as padding");
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut flow = FlowTree::new();
    flow.append(4, &tree(&pattern(513)).submission_nodes()).unwrap();
    let before = flow.checkpoint();
    let node = |height| SubtreeNode { root: [1; 32], height };
    assert_eq!(flow.append(6, &[node(0)]), Err(FlowError::Behind { start: 6, sectors: 7 }));
    assert_eq!(flow.append(7, &[node(1)]), Err(FlowError::Unplaced { sector: 7, height: 1 }));
    assert_eq!(flow.append(8, &[node(0), node(1)]), Err(FlowError::Unplaced { sector: 9, height: 1 }));
    assert_eq!(flow.append(8, &[node(64)]), Err(FlowError::Unplaced { sector: 8, height: 64 }));
    assert_eq!(flow.append(8, &[node(u32::MAX)]), Err(FlowError::Unplaced { sector: 8, height: u32::MAX }));
    assert_eq!(flow.append(1 << 63, &[node(3)]), Err(FlowError::Unplaced { sector: 1 << 63, height: 3 }));
    assert_eq!(flow.checkpoint(), before);
}

#[test]
fn the_flow_reaches_up_to_the_last_position() {
    let mut flow = FlowTree::new();
    flow.append(1 << 62, &[SubtreeNode { root: [1; 32], height: 62 }]).unwrap();
    assert_eq!((flow.sectors(), flow.height()), (1 << 63, 63));
    let sentinel = flow.proof(0, &[], flow.sectors()).unwrap();
    assert_eq!((sentinel.computed_root(), sentinel.path.len()), (Some(flow.root()), 63));
    assert_eq!(flow.proof(1 << 63, &[], flow.sectors()), Err(FlowError::NoSector(1 << 63)));
}

#[test]
fn a_sector_within_a_submission_needs_its_own_siblings() {
    let (mut flow, mut plain) = (FlowTree::new(), PlainFlow::new());
    submit(&mut flow, &mut plain, &pattern(1024), 0);
    let inside = plain.inside(5, 2);
    assert_eq!(flow.proof(5, &[], flow.sectors()), Err(FlowError::Inside { sector: 5, height: 2 }));
    assert_eq!(flow.proof(5, &inside[..2], flow.sectors()), Err(FlowError::Inside { sector: 5, height: 2 }));
    assert_eq!(flow.proof(6, &inside, flow.sectors()), Err(FlowError::Inside { sector: 6, height: 2 }));
    assert_eq!(flow.proof(5, &inside, flow.sectors()).unwrap().computed_root(), Some(flow.root()));
}

#[test]
fn the_past_is_proved_as_it_was() {
    let (mut flow, mut plain) = (FlowTree::new(), PlainFlow::new());
    let mut past = vec![(flow.clone(), plain.clone())];
    for (place, size) in [700, 5000, 1, 257, 9000, 513].into_iter().enumerate() {
        submit(&mut flow, &mut plain, &vec![place as u8 + 1; size], 0);
        past.push((flow.clone(), plain.clone()));
    }
    for (then, then_plain) in &past {
        let (sectors, root) = (then.sectors(), then.root());
        assert_eq!((flow.root_at(sectors), flow.sectors_of_root(&root, usize::MAX)), (Ok(root), (sectors > 1).then_some(sectors)));
        for sector in 0..then_plain.padded().len() as u64 {
            let proof = prove(then, then_plain, sector).unwrap();
            assert_eq!(
                flow.proof(sector, &then_plain.inside(sector, 0), sectors).or_else(|error| match error {
                    FlowError::Inside { height, .. } => flow.proof(sector, &then_plain.inside(sector, height), sectors),
                    other => Err(other),
                }),
                Ok(proof)
            );
        }
    }
    assert_eq!(flow.root_at(17), Err(FlowError::NoLength(17)), "within a submission");
    assert_eq!(flow.root_at(flow.sectors() + 1), Err(FlowError::NoLength(flow.sectors() + 1)));
    assert_eq!(flow.sectors_of_root(&[9; 32], usize::MAX), None);
    assert_eq!(flow.sectors_of_root(&past[1].0.root(), 1), None, "longer ago than was looked at");
}

#[test]
fn checkpoints_of_another_form_or_flow_are_refused() {
    let (mut flow, mut other) = (FlowTree::new(), FlowTree::new());
    let start = flow.checkpoint();
    flow.append(4, &tree(&pattern(1024)).submission_nodes()).unwrap();
    other.append(4, &tree(&[1; 1024]).submission_nodes()).unwrap();
    assert_eq!(flow.unwind(&other.checkpoint()), Err(FlowError::ForeignCheckpoint(8)));
    other.unwind(&start).unwrap();
    assert_eq!(other.unwind(&flow.checkpoint()), Err(FlowError::ForeignCheckpoint(8)), "the future is not the past");
    for bytes in [&[][..], &[0; 8], &[0; 40], &start[..39], &[&start[..], &[0; 32]].concat()] {
        assert_eq!(FlowTree::from_checkpoint(bytes).err(), Some(FlowError::CheckpointForm(bytes.len())));
    }
}

/// Sizes of small files, with gaps before some.
fn submissions() -> impl Strategy<Value = Vec<(usize, u64)>> {
    proptest::collection::vec((1..6000usize, prop_oneof![3 => Just(0), 1 => 0..40u64]), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn roots_and_proofs_follow_the_plain_rule(files in submissions(), choice in any::<proptest::sample::Index>()) {
        let (mut flow, mut plain) = (FlowTree::new(), PlainFlow::new());
        for (size, skip) in files {
            submit(&mut flow, &mut plain, &pattern(size), skip);
            let leaves = plain.padded();
            prop_assert_eq!(flow.root(), plain_root(&leaves));
            let sector = choice.index(leaves.len()) as u64;
            let proof = prove(&flow, &plain, sector).unwrap();
            prop_assert_eq!(&proof.lemma[..=proof.path.len()], &plain.inside(sector, flow.height())[..]);
            prop_assert_eq!(proof.computed_root(), Some(flow.root()));
        }
    }

    #[test]
    fn a_flow_goes_on_from_its_checkpoint(before in submissions(), after in submissions(), choice in any::<proptest::sample::Index>()) {
        let (mut flow, mut plain) = (FlowTree::new(), PlainFlow::new());
        for (size, skip) in before {
            submit(&mut flow, &mut plain, &pattern(size), skip);
        }
        let known_from = flow.sectors();
        let mut opened = FlowTree::from_checkpoint(&flow.checkpoint()).unwrap();
        prop_assert_eq!(opened.root(), flow.root());
        for (size, skip) in after {
            let nodes = tree(&pattern(size)).submission_nodes();
            opened.append(start_of(&flow, &nodes, skip), &nodes).unwrap();
            submit(&mut flow, &mut plain, &pattern(size), skip);
        }
        prop_assert_eq!((opened.root(), opened.checkpoint()), (flow.root(), flow.checkpoint()));
        let sector = choice.index(plain.padded().len()) as u64;
        match prove(&opened, &plain, sector) {
            Ok(proof) => prop_assert_eq!(Ok(proof), prove(&flow, &plain, sector)),
            Err(error) => prop_assert!(sector < known_from, "{} of {}: {}", sector, known_from, error),
        }
    }

    #[test]
    fn unwinding_forgets_what_came_after(before in submissions(), lost in submissions(), after in submissions(), opened in any::<bool>()) {
        let (mut flow, mut plain) = (FlowTree::new(), PlainFlow::new());
        for (size, skip) in before {
            submit(&mut flow, &mut plain, &pattern(size), skip);
        }
        let (checkpoint, root) = (flow.checkpoint(), flow.root());
        let (mut longer, mut longer_plain) = (flow.clone(), plain.clone());
        for (size, skip) in lost {
            submit(&mut longer, &mut longer_plain, &vec![7; size], skip);
        }
        if opened {
            longer = FlowTree::from_checkpoint(&longer.checkpoint()).unwrap();
        }
        longer.unwind(&checkpoint).unwrap();
        prop_assert_eq!((longer.root(), longer.checkpoint()), (root, checkpoint));
        for (size, skip) in after {
            submit(&mut longer, &mut plain.clone(), &pattern(size), skip);
            submit(&mut flow, &mut plain, &pattern(size), skip);
            prop_assert_eq!(longer.root(), flow.root());
        }
        let last = flow.sectors() - 1;
        prop_assert_eq!(prove(&longer, &plain, last), prove(&flow, &plain, last));
    }
}
