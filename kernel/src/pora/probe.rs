//! Nonces one after another: each picks a load, and every seal of it that is here is weighed.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::U256;

use super::{Hash, LOAD_BYTES, LoadError, SEAL_BYTES, SealedLoads, Work, qualities, scratchpads};
use crate::hash::HashPath;

/// Nonces that are tried together.
pub const NONCES_AT_ONCE: usize = 8;

/// A nonce that leads to a seal of the wanted quality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub nonce: Hash,
    /// Its place on the flow.
    pub load: u64,
    /// Its place in the load.
    pub seal: usize,
    pub quality: U256,
    pub sealed: Vec<u8>,
}

/// What was tried so far.
#[derive(Debug, Default)]
pub struct Tally {
    pub nonces: AtomicU64,
    /// Nonces whose load is here.
    pub loads: AtomicU64,
    pub seals: AtomicU64,
    pub hits: AtomicU64,
}

/// A row of nonces.
pub struct Probe {
    path: HashPath,
    work: Work,
    next: Hash,
    room: Vec<u8>,
}

impl Probe {
    /// Nonces from `first` on, counted in its last eight bytes.
    pub fn new(path: HashPath, work: Work, first: Hash) -> Self {
        Self { path, work, next: first, room: vec![0; LOAD_BYTES] }
    }

    fn next_nonce(&mut self) -> Hash {
        let nonce = self.next;
        let (_, counter) = self.next.split_at_mut(24);
        let count = counter.iter().fold(0u64, |count, byte| count << 8 | u64::from(*byte)).wrapping_add(1);
        counter.copy_from_slice(&count.to_be_bytes());
        nonce
    }

    /// Try the next nonces, `NONCES_AT_ONCE` or fewer.
    pub fn step(&mut self, nonces: usize, loads: &SealedLoads, tally: &Tally) -> Result<Vec<Hit>, LoadError> {
        let nonces: Vec<Hash> = (0..nonces.min(NONCES_AT_ONCE)).map(|_| self.next_nonce()).collect();
        let mut hits = Vec::new();
        tally.nonces.fetch_add(nonces.len() as u64, Ordering::Relaxed);
        for (nonce, pad) in nonces.iter().zip(scratchpads(self.path, &self.work, &nonces)) {
            let Some(load) = self.work.range.load_of(&pad.recall_seed) else { continue };
            let Some(present) = loads.read(load, &mut self.room)? else { continue };
            tally.loads.fetch_add(1, Ordering::Relaxed);
            tally.seals.fetch_add(u64::from(present.count_ones()), Ordering::Relaxed);
            for (seal, quality) in qualities(self.path, &pad, &self.room, present) {
                if quality <= self.work.quality_max {
                    let sealed = self.room[seal * SEAL_BYTES..(seal + 1) * SEAL_BYTES].to_vec();
                    hits.push(Hit { nonce: *nonce, load, seal, quality, sealed });
                }
            }
        }
        tally.hits.fetch_add(hits.len() as u64, Ordering::Relaxed);
        Ok(hits)
    }
}
