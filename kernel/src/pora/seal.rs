//! Sealing: data chained with hashes that begin with the miner's id, so that whoever stores it in that form stores a copy of his own.

use alloy_primitives::{U256, keccak256};
use thiserror::Error;

use super::{Hash, SEAL_BYTES, SEAL_SECTORS};
use crate::hash::HashPath;

/// Chains that are computed together: a chain itself cannot be split.
const CHAINS: usize = 8;
const WORD_BYTES: usize = 32;
const SEAL_WORDS: usize = SEAL_BYTES / WORD_BYTES;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    #[error("{bytes} bytes are not the {seals} seals of 4096 bytes that context digests were given for")]
    Bytes { bytes: usize, seals: usize },
    #[error("a seal begins at a multiple of 16 sectors, not at {0}, and ends within 64 bits")]
    Start(u64),
}

/// Seal in place what begins at sector `start_sector`, one seal for each of `context_digests`.
pub fn seal(path: HashPath, miner_id: &Hash, start_sector: u64, context_digests: &[Hash], data: &mut [u8]) -> Result<(), SealError> {
    let mut masks = first_masks(miner_id, start_sector, context_digests, data)?;
    for (chains, masks) in data.chunks_mut(CHAINS * SEAL_BYTES).zip(masks.chunks_mut(CHAINS)) {
        let mut words = [[0; WORD_BYTES]; CHAINS];
        let words = &mut words[..masks.len()];
        for offset in (0..SEAL_BYTES).step_by(WORD_BYTES) {
            for ((seal, mask), word) in chains.chunks_exact_mut(SEAL_BYTES).zip(masks.iter()).zip(words.iter_mut()) {
                let place = &mut seal[offset..offset + WORD_BYTES];
                mix(place, mask);
                word.copy_from_slice(place);
            }
            path.hash_digests(words, masks);
        }
    }
    Ok(())
}

/// Undo `seal` in place.
pub fn unseal(path: HashPath, miner_id: &Hash, start_sector: u64, context_digests: &[Hash], data: &mut [u8]) -> Result<(), SealError> {
    let first_masks = first_masks(miner_id, start_sector, context_digests, data)?;
    for (seal, first_mask) in data.chunks_exact_mut(SEAL_BYTES).zip(first_masks) {
        let mut masks = [first_mask; SEAL_WORDS];
        let (words, _) = seal.as_chunks::<WORD_BYTES>();
        path.hash_digests(&words[..SEAL_WORDS - 1], &mut masks[1..]);
        mix(seal, masks.as_flattened());
    }
    Ok(())
}

/// What the first word of each seal is mixed with.
fn first_masks(miner_id: &Hash, start_sector: u64, context_digests: &[Hash], data: &[u8]) -> Result<Vec<Hash>, SealError> {
    let seals = context_digests.len();
    if seals.checked_mul(SEAL_BYTES) != Some(data.len()) {
        return Err(SealError::Bytes { bytes: data.len(), seals });
    }
    if !start_sector.is_multiple_of(SEAL_SECTORS as u64) || start_sector.checked_add((seals * SEAL_SECTORS) as u64).is_none() {
        return Err(SealError::Start(start_sector));
    }
    let starts = (start_sector..).step_by(SEAL_SECTORS);
    let first_mask = |(digest, start): (&Hash, u64)| keccak256([*miner_id, *digest, U256::from(start).to_be_bytes()].as_flattened()).0;
    Ok(context_digests.iter().zip(starts).map(first_mask).collect())
}

fn mix(bytes: &mut [u8], mask: &[u8]) {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}
