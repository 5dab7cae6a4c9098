//! The scratchpad: 16 KiB that a nonce expands to. Each round needs the one before, so several nonces are expanded side by side.

use super::{Hash, Work};
use crate::hash::{BLAKE2B_BLOCK_BYTES, HashPath, WideDigest};

pub const SCRATCHPAD_BYTES: usize = 16 * 1024;
const HALF_BYTES: usize = 32;
const ROUND_BYTES: usize = 2 * HALF_BYTES;

/// What a nonce leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratchpad {
    pub pad_seed: WideDigest,
    pub bytes: Box<[u8]>,
    /// Picks the load.
    pub recall_seed: Hash,
}

/// The scratchpad of each nonce.
pub fn scratchpads(path: HashPath, work: &Work, nonces: &[Hash]) -> Vec<Scratchpad> {
    let range_digest = work.range.digest();
    let seeded = nonces.iter().flat_map(|nonce| [work.miner_id, *nonce, work.subtask_digest, range_digest]);
    let messages: Vec<u8> = seeded.flatten().collect();
    const { assert!(4 * HALF_BYTES == BLAKE2B_BLOCK_BYTES) };
    let mut pads: Vec<Scratchpad> = nonces
        .iter()
        .map(|_| Scratchpad { pad_seed: [0; 64], bytes: vec![0; SCRATCHPAD_BYTES].into_boxed_slice(), recall_seed: [0; 32] })
        .collect();
    let mut states = vec![[0; ROUND_BYTES]; nonces.len()];
    path.blake2b_each::<1>(&messages, &mut states);
    for (pad, seed) in pads.iter_mut().zip(&states) {
        pad.pad_seed = *seed;
    }
    let mut hashes = vec![[0; HALF_BYTES]; nonces.len()];
    for offset in (0..SCRATCHPAD_BYTES).step_by(ROUND_BYTES) {
        for half in [0, HALF_BYTES] {
            path.hash_each::<1>(states.as_flattened(), &mut hashes);
            for (state, hash) in states.iter_mut().zip(&hashes) {
                state[half..half + HALF_BYTES].copy_from_slice(hash);
            }
        }
        for (pad, state) in pads.iter_mut().zip(&states) {
            pad.bytes[offset..offset + ROUND_BYTES].copy_from_slice(state);
        }
    }
    path.hash_each::<1>(states.as_flattened(), &mut hashes);
    for (pad, hash) in pads.iter_mut().zip(hashes) {
        pad.recall_seed = hash;
    }
    pads
}
