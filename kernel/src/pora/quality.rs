//! The quality of a seal under a scratchpad: a number that is as likely to be small as any hash.

use alloy_primitives::U256;

use super::{LOAD_BYTES, SCRATCHPAD_BYTES, SEAL_BYTES, Scratchpad};
use crate::hash::{BLAKE2B_BLOCK_BYTES, HashPath};

/// Before the data: the seal's place (32 bytes), the seed of the pad (64), and zeros (32).
const HEAD_BYTES: usize = BLAKE2B_BLOCK_BYTES;
const MESSAGE_BYTES: usize = HEAD_BYTES + SEAL_BYTES;
const MESSAGE_BLOCKS: usize = MESSAGE_BYTES / BLAKE2B_BLOCK_BYTES;
/// Seals that are hashed together.
const GROUP: usize = 8;
const PAD_SEALS: usize = SCRATCHPAD_BYTES / SEAL_BYTES;

/// Place in the load and quality of each seal that has its bit in `present`.
///
/// # Panics
/// If `load` has not the length of one.
pub fn qualities(path: HashPath, pad: &Scratchpad, load: &[u8], present: u64) -> Vec<(usize, U256)> {
    assert_eq!(load.len(), LOAD_BYTES, "a whole load");
    let seals: Vec<usize> = (0..u64::BITS as usize).filter(|seal| present >> seal & 1 == 1).collect();
    let mut found = Vec::with_capacity(seals.len());
    let mut messages = vec![0; GROUP * MESSAGE_BYTES];
    let mut digests = [[0; 64]; GROUP];
    for group in seals.chunks(GROUP) {
        let messages = &mut messages[..group.len() * MESSAGE_BYTES];
        for (message, seal) in messages.chunks_exact_mut(MESSAGE_BYTES).zip(group) {
            compose(message, pad, *seal, &load[seal * SEAL_BYTES..(seal + 1) * SEAL_BYTES]);
        }
        let digests = &mut digests[..group.len()];
        path.blake2b_each::<MESSAGE_BLOCKS>(messages, digests);
        found.extend(group.iter().zip(digests).map(|(seal, digest)| (*seal, U256::from_be_slice(&digest[..32]))));
    }
    found
}

/// What is hashed for a seal: its place, the seed, zeros, and its data mixed with its quarter of the pad.
fn compose(message: &mut [u8], pad: &Scratchpad, seal: usize, sealed: &[u8]) {
    let (head, mixed) = message.split_at_mut(HEAD_BYTES);
    head[24..32].copy_from_slice(&(seal as u64).to_be_bytes());
    head[32..96].copy_from_slice(&pad.pad_seed);
    let quarter = &pad.bytes[seal % PAD_SEALS * SEAL_BYTES..][..SEAL_BYTES];
    for ((place, byte), mask) in mixed.iter_mut().zip(sealed).zip(quarter) {
        *place = byte ^ mask;
    }
}
