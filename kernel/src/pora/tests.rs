//! Mining against a plain form of its rules, and against values that other libraries computed.

use std::{sync::Arc, thread, time::Duration};

use alloy_primitives::{U256, hex, keccak256};
use blake2::{Blake2b512, Digest};
use proptest::prelude::*;

use super::*;
use crate::hash::HashPath;

/// Byte i is i mod 251, as in the vectors.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

const MINER: Hash = [0x11; 32];
const CONTEXT: Hash = [0x22; 32];
const NONCE: Hash = [0x33; 32];
const RANGE: RecallRange = RecallRange { start_sector: 0, sectors: 4096, shard_id: 1, shard_mask: !1 };

fn work(range: RecallRange, quality_max: U256) -> Work {
    Work { miner_id: MINER, subtask_digest: [0x44; 32], range, quality_max }
}

fn sealed(path: HashPath, start_sector: u64, data: &[u8]) -> Vec<u8> {
    let mut sealed = data.to_vec();
    seal(path, &MINER, start_sector, &vec![CONTEXT; data.len() / SEAL_BYTES], &mut sealed).unwrap();
    sealed
}

/// One word after another, as the rule is written.
fn plain_seal(context: &Hash, start_sector: u64, data: &[u8]) -> Vec<u8> {
    let mut mask = keccak256([MINER, *context, U256::from(start_sector).to_be_bytes()].concat());
    let mut sealed = Vec::new();
    for word in data.chunks(32) {
        let mixed: Vec<u8> = word.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        mask = keccak256(&mixed);
        sealed.extend(mixed);
    }
    sealed
}

fn plain_scratchpad(work: &Work, nonce: &Hash) -> Scratchpad {
    let pad_seed: [u8; 64] = Blake2b512::digest([work.miner_id, *nonce, work.subtask_digest, work.range.digest()].concat()).into();
    let (mut state, mut bytes) = (pad_seed.to_vec(), Vec::new());
    for _ in 0..256 {
        state = [keccak256(&state).as_slice(), &state[32..]].concat();
        state = [&state[..32], keccak256(&state).as_slice()].concat();
        bytes.extend(&state);
    }
    Scratchpad { pad_seed, bytes: bytes.into(), recall_seed: keccak256(&state).0 }
}

fn plain_quality(pad: &Scratchpad, seal: usize, sealed: &[u8]) -> U256 {
    let quarter = &pad.bytes[seal % 4 * SEAL_BYTES..];
    let mixed: Vec<u8> = sealed.iter().zip(quarter).map(|(byte, mask)| byte ^ mask).collect();
    let place = U256::from(seal).to_be_bytes::<32>();
    U256::from_be_slice(&Blake2b512::digest([&place, &pad.pad_seed[..], &[0; 32], &mixed].concat())[..32])
}

/// Source: the rules of 0gfoundation/0g-storage-node, computed with other libraries (Python's hashlib, pycryptodome).
#[test]
fn the_vectors_of_the_reference_hold_on_every_path() {
    assert_eq!(RANGE.digest(), hex!("ef2e6fe809a56978e3b0c3675e863599de4ec019e439939c703e2f19b8450261"));
    for path in HashPath::available() {
        let sealed = sealed(path, 16, &pattern(SEAL_BYTES));
        assert_eq!(sealed[..32], hex!("831941cafec50ee185da1d31be08a8a104de5e994ece597635b060437fe4cee8"));
        assert_eq!(keccak256(&sealed).0, hex!("f79a4e692fcb228c70d313374a09201b35adb27af962630318f83b88b2765637"));
        let pad = scratchpads(path, &work(RANGE, U256::MAX), &[NONCE]).remove(0);
        assert_eq!(
            pad.pad_seed,
            hex!(
                "3133175b5207847107f90c29ee194fda618a41c996ac6989a3a508671f976802c1b78d4eca86b0611ad087ceedfd0d68b1f5df3026d29f4513cf2eda0d283e61"
            )
        );
        assert_eq!(keccak256(&pad.bytes).0, hex!("aad69d7093c51b21091f9193208056389d9cad99f19a131fea7439135e99355a"));
        assert_eq!(pad.recall_seed, hex!("b0ef712b36e5151063740441f097c9bfee7aaac39cd85658541ac5634f464b1f"));
        assert_eq!(RANGE.load_of(&pad.recall_seed), Some(3));
        let mut load = vec![0; LOAD_BYTES];
        load[5 * SEAL_BYTES..6 * SEAL_BYTES].copy_from_slice(&sealed);
        let quality = U256::from_be_bytes(hex!("e0fbf11034653439f8bc7fb6aee973bf34ac6b22930036bf86704fb808181f8e"));
        assert_eq!(qualities(path, &pad, &load, 1 << 5), [(5, quality)]);
    }
}

#[test]
fn a_seal_has_its_place_and_its_length() {
    let path = HashPath::best();
    let refused = |start, digests: usize, bytes| seal(path, &MINER, start, &vec![CONTEXT; digests], &mut vec![0; bytes]);
    assert_eq!(refused(8, 1, SEAL_BYTES), Err(SealError::Start(8)));
    assert_eq!(refused(u64::MAX - 15, 1, SEAL_BYTES), Err(SealError::Start(u64::MAX - 15)));
    assert_eq!(refused(0, 2, SEAL_BYTES), Err(SealError::Bytes { bytes: SEAL_BYTES, seals: 2 }));
    assert_eq!(refused(0, 0, 0), Ok(()));
}

#[test]
fn a_range_without_loads_picks_none() {
    assert_eq!(RecallRange { sectors: 1023, ..RANGE }.load_of(&[7; 32]), None);
    // Of three loads and two shards, the second shard's load 3 would lie beyond the end.
    let range = RecallRange { sectors: 3 * 1024, ..RANGE };
    let seed = U256::from(2).to_be_bytes();
    assert_eq!(range.load_of(&seed), None);
}

fn digests(first: u8) -> Vec<Hash> {
    (0..LOAD_SEALS).map(|seal| [first.wrapping_add(seal as u8); 32]).collect()
}

#[test]
fn sealed_loads_are_found_again_and_only_by_their_miner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sealed");
    let head = |load| SealedLoad { load, present: !1, context_digests: digests(load as u8) };
    let data = pattern(LOAD_BYTES);
    {
        let loads = SealedLoads::open(&path, MINER, 2).unwrap();
        assert!(loads.put(&head(7), &data).unwrap());
        assert!(loads.put(&head(9), &data).unwrap());
        assert!(!loads.put(&head(8), &data).unwrap(), "there is room for two");
        assert!(loads.put(&head(9), &data[..]).unwrap(), "but one can be put again");
        assert!(loads.remove(7).unwrap() && !loads.remove(7).unwrap());
        assert!(loads.put(&head(8), &data).unwrap());
        assert!(matches!(loads.put(&head(8), &data[1..]), Err(LoadError::Form { bytes: 262_143, digests: 64 })));
    }
    let loads = SealedLoads::open(&path, MINER, 2).unwrap();
    assert_eq!(loads.held(), [(8, !1), (9, !1)]);
    assert_eq!(loads.head(8).unwrap(), Some(head(8)));
    assert_eq!((loads.head(7).unwrap(), loads.present(7), loads.present(9)), (None, None, Some(!1)));
    let mut room = vec![0; LOAD_BYTES];
    assert_eq!(loads.read(9, &mut room).unwrap(), Some(!1));
    assert_eq!(room, data);
    assert_eq!(SealedLoads::open(&path, CONTEXT, 2).unwrap().held(), []);
    assert_eq!(SealedLoads::open(&path, MINER, 1).unwrap().held().len(), 1, "a smaller bound cuts the file");
}

/// A store with the loads of a small flow, of which some seals are missing.
fn small_store(folder: &tempfile::TempDir) -> (SealedLoads, Vec<u8>) {
    let loads = SealedLoads::open(&folder.path().join("sealed"), MINER, 8).unwrap();
    let data = sealed(HashPath::best(), 0, &pattern(LOAD_BYTES));
    for load in [1, 3] {
        let head = SealedLoad { load, present: !0b1010, context_digests: vec![CONTEXT; LOAD_SEALS] };
        assert!(loads.put(&head, &data).unwrap());
    }
    (loads, data)
}

#[test]
fn a_probe_finds_exactly_the_hits_of_the_plain_rule() {
    let folder = tempfile::tempdir().unwrap();
    let (loads, data) = small_store(&folder);
    let range = RecallRange { shard_id: 0, shard_mask: !0, ..RANGE };
    // One seal of 256 hits.
    let work = work(range, U256::MAX >> 8);
    let first = [0x55; 32];
    let mut expected = Vec::new();
    let mut counted = 0;
    for index in 0..24u64 {
        let mut nonce = first;
        let counter = u64::from_be_bytes([0x55; 8]) + index;
        nonce[24..].copy_from_slice(&counter.to_be_bytes());
        let pad = plain_scratchpad(&work, &nonce);
        let load = (U256::from_be_bytes(pad.recall_seed) % U256::from(4)).to::<u64>();
        if load % 2 == 1 {
            counted += 1;
            for seal in (0..LOAD_SEALS).filter(|seal| ![1, 3].contains(seal)) {
                let sealed = data[seal * SEAL_BYTES..(seal + 1) * SEAL_BYTES].to_vec();
                let quality = plain_quality(&pad, seal, &sealed);
                if quality <= work.quality_max {
                    expected.push(Hit { nonce, load, seal, quality, sealed });
                }
            }
        }
    }
    assert!(!expected.is_empty());
    for path in HashPath::available() {
        let (mut probe, tally) = (Probe::new(path, work, first), Tally::default());
        let found: Vec<Hit> = [8, 8, 5, 3].into_iter().flat_map(|nonces| probe.step(nonces, &loads, &tally).unwrap()).collect();
        assert_eq!(found, expected, "{}", path.name());
        let counts = [&tally.nonces, &tally.loads, &tally.seals, &tally.hits].map(|count| count.load(std::sync::atomic::Ordering::Relaxed));
        assert_eq!(counts, [24, counted, counted * 62, expected.len() as u64]);
    }
}

fn take(search: &Search) -> Hit {
    loop {
        match search.take().unwrap() {
            Some(hit) => return hit,
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[test]
fn a_search_has_hits_of_the_work_it_was_last_given() {
    let folder = tempfile::tempdir().unwrap();
    let (loads, _) = small_store(&folder);
    let options = SearchOptions { threads: 2, share: 0.9 };
    let search = Search::start(HashPath::best(), Arc::new(loads), options).unwrap();
    assert_eq!(search.take(), Ok(None));
    let range = RecallRange { shard_id: 1, shard_mask: !1, ..RANGE };
    for turn in 1..4 {
        search.set_work(Some(work(range, U256::MAX)), [turn; 32]);
        // So many that the search had to pause for them to be taken.
        for _ in 0..200 {
            assert_eq!(take(&search).nonce[..16], [turn; 16]);
        }
    }
    search.set_work(None, [0; 32]);
    assert_eq!(search.take(), Ok(None));
}

#[test]
fn a_search_ends_when_its_file_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (loads, _) = small_store(&folder);
    std::fs::OpenOptions::new().write(true).open(folder.path().join("sealed")).unwrap().set_len(0).unwrap();
    let search = Search::start(HashPath::best(), Arc::new(loads), SearchOptions { threads: 1, share: 1.0 }).unwrap();
    search.set_work(Some(work(RANGE, U256::MAX)), [0; 32]);
    let failure = loop {
        match search.take() {
            Err(cause) => break cause,
            Ok(_) => thread::sleep(Duration::from_millis(1)),
        }
    };
    assert!(failure.starts_with("the file of sealed loads: "), "{failure}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn seals_follow_the_plain_rule_and_can_be_undone(seals in 1..20usize, start in 0..1u64 << 40, first in any::<u8>(), seed in any::<u8>()) {
        let data: Vec<u8> = pattern(seals * SEAL_BYTES).iter().map(|byte| byte ^ seed).collect();
        let contexts: Vec<Hash> = (0..seals).map(|seal| [first.wrapping_add(seal as u8); 32]).collect();
        let start = start * SEAL_SECTORS as u64;
        let starts = (start..).step_by(SEAL_SECTORS);
        let expected: Vec<u8> = data.chunks(SEAL_BYTES).zip(&contexts).zip(starts).flat_map(|((data, context), start)| plain_seal(context, start, data)).collect();
        for path in HashPath::available() {
            let mut bytes = data.clone();
            seal(path, &MINER, start, &contexts, &mut bytes).unwrap();
            prop_assert_eq!(&bytes, &expected, "{}", path.name());
            unseal(path, &MINER, start, &contexts, &mut bytes).unwrap();
            prop_assert_eq!(&bytes, &data, "{}", path.name());
        }
    }

    #[test]
    fn scratchpads_follow_the_plain_rule(nonces in proptest::collection::vec(any::<Hash>(), 1..12), shard_id in 0..4u64) {
        let work = work(RecallRange { shard_id, shard_mask: !3, ..RANGE }, U256::MAX);
        let expected: Vec<Scratchpad> = nonces.iter().map(|nonce| plain_scratchpad(&work, nonce)).collect();
        for path in HashPath::available() {
            prop_assert_eq!(&scratchpads(path, &work, &nonces), &expected, "{}", path.name());
        }
    }

    #[test]
    fn qualities_follow_the_plain_rule(present in any::<u64>(), nonce in any::<Hash>()) {
        let pad = plain_scratchpad(&work(RANGE, U256::MAX), &nonce);
        let load = pattern(LOAD_BYTES);
        let seals = (0..LOAD_SEALS).filter(|seal| present >> seal & 1 == 1);
        let expected: Vec<_> = seals.map(|seal| (seal, plain_quality(&pad, seal, &load[seal * SEAL_BYTES..(seal + 1) * SEAL_BYTES]))).collect();
        for path in HashPath::available() {
            prop_assert_eq!(&qualities(path, &pad, &load, present), &expected, "{}", path.name());
        }
    }
}
