//! Proof of random access of 0G Storage: data sealed for one miner, and the search for a nonce that leads to a part of it whose hash is small.
//!
//! A load is 1024 sectors of the flow, the unit that a nonce picks; a seal is 16 of them, the unit that is sealed and proved.
//! Source: 0gfoundation/0g-storage-contracts (`PoraMine.sol`, `RecallRange.sol`, `Blake2b.sol`), 0gfoundation/0g-storage-node
//! (`node/miner`, `node/shared_types`, crate `zgs_spec`).

mod loads;
mod probe;
mod quality;
mod scratchpad;
mod seal;
mod search;

#[cfg(test)]
mod tests;

use alloy_primitives::{U256, keccak256};

pub use loads::{LoadError, SealedLoad, SealedLoads};
pub use probe::{Hit, NONCES_AT_ONCE, Probe, Tally};
pub use quality::qualities;
pub use scratchpad::{SCRATCHPAD_BYTES, Scratchpad, scratchpads};
pub use seal::{SealError, seal, unseal};
pub use search::{Search, SearchOptions};

pub use crate::merkle::Hash;
use crate::merkle::{SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS};

pub const SEAL_SECTORS: usize = 16;
pub const SEAL_BYTES: usize = SEAL_SECTORS * SECTOR_BYTES;
pub const LOAD_SECTORS: usize = SEGMENT_SECTORS;
pub const LOAD_BYTES: usize = SEGMENT_BYTES;
pub const LOAD_SEALS: usize = LOAD_SECTORS / SEAL_SECTORS;
/// A bit for each seal of a load.
const _: () = assert!(LOAD_SEALS == u64::BITS as usize);

/// The part of the flow that a miner searches: from a sector on, and of its loads those of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecallRange {
    pub start_sector: u64,
    pub sectors: u64,
    pub shard_id: u64,
    /// The bits of a load's index that the nonce decides.
    pub shard_mask: u64,
}

impl RecallRange {
    /// Keccak-256 of the four numbers, each as 256 bits.
    pub fn digest(&self) -> Hash {
        let words = [self.start_sector, self.sectors, self.shard_id, self.shard_mask].map(|number| U256::from(number).to_be_bytes::<32>());
        keccak256(words.as_flattened()).0
    }

    /// The load of the flow that a recall seed picks, if it lies in the range.
    pub fn load_of(&self, recall_seed: &Hash) -> Option<u64> {
        let loads = self.sectors / LOAD_SECTORS as u64;
        // A remainder of 64 bits is less than that.
        let picked = U256::from_be_bytes(*recall_seed).checked_rem(U256::from(loads))?.as_limbs()[0];
        let index = (picked & self.shard_mask) | self.shard_id;
        (index < loads).then(|| self.start_sector / LOAD_SECTORS as u64 + index)
    }
}

/// What is searched for: a nonce that leads to a seal of at most a certain quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    pub miner_id: Hash,
    pub subtask_digest: Hash,
    pub range: RecallRange,
    /// The smaller a quality, the rarer it is.
    pub quality_max: U256,
}
