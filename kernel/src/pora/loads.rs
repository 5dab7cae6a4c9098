//! Sealed loads on disk: one file of slots, each with a head that says what it holds. Nothing here is precious: what is lost is sealed again.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use parking_lot::RwLock;
use thiserror::Error;

use super::{Hash, LOAD_BYTES, LOAD_SEALS};

const HEAD_BYTES: usize = 4096;
const SLOT_BYTES: u64 = (HEAD_BYTES + LOAD_BYTES) as u64;
const MAGIC: &[u8; 8] = b"zgpora01";
/// Magic, load, seals present, miner, checksum of the digests and of all that is before it.
const DIGESTS_AT: usize = 64;
const CHECKSUM_AT: usize = 56;
const HEAD_USED: usize = DIGESTS_AT + LOAD_SEALS * 32;

#[derive(Debug, Error)]
pub enum LoadError {
    #[error("a load has 262144 bytes and 64 context digests, not {bytes} and {digests}")]
    Form { bytes: usize, digests: usize },
    #[error("the file of sealed loads: {0}")]
    Disk(#[from] io::Error),
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedLoad {
    /// Its place on the flow.
    pub load: u64,
    /// A bit for each seal; the others are no seals.
    pub present: u64,
    /// With which each seal was made; those that are not present have any.
    pub context_digests: Vec<Hash>,
}

#[derive(Clone, Copy)]
struct Slot {
    place: u64,
    present: u64,
}

struct Index {
    slots: HashMap<u64, Slot>,
    free: Vec<u64>,
    end: u64,
}

/// The sealed loads of one miner, at most so many.
pub struct SealedLoads {
    file: File,
    miner_id: Hash,
    loads_max: u64,
    index: RwLock<Index>,
}

impl SealedLoads {
    /// Open or begin a file. Slots of another miner, and broken ones, count as free.
    pub fn open(path: &Path, miner_id: Hash, loads_max: u64) -> Result<Self, LoadError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let end = (file.metadata()?.len() / SLOT_BYTES).min(loads_max);
        file.set_len(end * SLOT_BYTES)?;
        let mut index = Index { slots: HashMap::new(), free: Vec::new(), end };
        for place in 0..end {
            match read_head(&file, place, &miner_id)? {
                Some(head) if !index.slots.contains_key(&head.load) => {
                    index.slots.insert(head.load, Slot { place, present: head.present });
                }
                _ => index.free.push(place),
            }
        }
        Ok(Self { file, miner_id, loads_max, index: RwLock::new(index) })
    }

    /// The loads that are here, in their order on the flow, each with the seals that are present.
    pub fn held(&self) -> Vec<(u64, u64)> {
        let mut held: Vec<_> = self.index.read().slots.iter().map(|(load, slot)| (*load, slot.present)).collect();
        held.sort_unstable();
        held
    }

    /// Keep a load in place of what was kept of it before. `false` if there is no room.
    pub fn put(&self, head: &SealedLoad, sealed: &[u8]) -> Result<bool, LoadError> {
        let (bytes, digests) = (sealed.len(), head.context_digests.len());
        if bytes != LOAD_BYTES || digests != LOAD_SEALS {
            return Err(LoadError::Form { bytes, digests });
        }
        self.remove(head.load)?;
        let Some(place) = self.take_slot() else { return Ok(false) };
        let written = self.write(place, head, sealed);
        let mut index = self.index.write();
        if written.is_ok() {
            index.slots.insert(head.load, Slot { place, present: head.present });
        } else {
            index.free.push(place);
        }
        drop(index);
        written?;
        Ok(true)
    }

    fn take_slot(&self) -> Option<u64> {
        let mut index = self.index.write();
        if let Some(place) = index.free.pop() {
            return Some(place);
        }
        let place = index.end;
        (place < self.loads_max).then(|| {
            index.end += 1;
            place
        })
    }

    /// The head last, so that it never speaks of data that is not there.
    fn write(&self, place: u64, head: &SealedLoad, sealed: &[u8]) -> io::Result<()> {
        self.file.write_all_at(sealed, place * SLOT_BYTES + HEAD_BYTES as u64)?;
        self.file.write_all_at(&head_bytes(head, &self.miner_id), place * SLOT_BYTES)
    }

    /// Forget a load; whether it was here.
    pub fn remove(&self, load: u64) -> Result<bool, LoadError> {
        // The lock is kept until nobody can read the slot any more.
        let mut index = self.index.write();
        let Some(slot) = index.slots.remove(&load) else { return Ok(false) };
        let erased = self.file.write_all_at(&[0; MAGIC.len()], slot.place * SLOT_BYTES);
        index.free.push(slot.place);
        erased?;
        Ok(true)
    }

    /// Which seals are present of a load.
    pub fn present(&self, load: u64) -> Option<u64> {
        self.index.read().slots.get(&load).map(|slot| slot.present)
    }

    /// What is known of a load.
    pub fn head(&self, load: u64) -> Result<Option<SealedLoad>, LoadError> {
        let index = self.index.read();
        let Some(slot) = index.slots.get(&load) else { return Ok(None) };
        Ok(read_head(&self.file, slot.place, &self.miner_id)?)
    }

    /// Its bytes into `room`; the seals that are present, if the load is here.
    pub fn read(&self, load: u64, room: &mut [u8]) -> Result<Option<u64>, LoadError> {
        let index = self.index.read();
        let Some(slot) = index.slots.get(&load).copied() else { return Ok(None) };
        self.file.read_exact_at(room, slot.place * SLOT_BYTES + HEAD_BYTES as u64)?;
        Ok(Some(slot.present))
    }
}

fn head_bytes(head: &SealedLoad, miner_id: &Hash) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&head.load.to_le_bytes());
    bytes[16..24].copy_from_slice(&head.present.to_le_bytes());
    bytes[24..CHECKSUM_AT].copy_from_slice(miner_id);
    bytes[DIGESTS_AT..HEAD_USED].copy_from_slice(head.context_digests.as_flattened());
    let checksum = checksum(&bytes);
    bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&checksum);
    bytes
}

fn checksum(head: &[u8; HEAD_BYTES]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head[..CHECKSUM_AT]);
    sum.update(&head[DIGESTS_AT..HEAD_USED]);
    sum.finalize().to_le_bytes()
}

fn read_head(file: &File, place: u64, miner_id: &Hash) -> io::Result<Option<SealedLoad>> {
    let mut bytes = [0; HEAD_BYTES];
    file.read_exact_at(&mut bytes, place * SLOT_BYTES)?;
    let is_own = &bytes[..8] == MAGIC && bytes[24..CHECKSUM_AT] == *miner_id && bytes[CHECKSUM_AT..CHECKSUM_AT + 4] == checksum(&bytes);
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
    let (context_digests, _) = bytes[DIGESTS_AT..HEAD_USED].as_chunks();
    Ok(is_own.then(|| SealedLoad { load: number(8), present: number(16), context_digests: context_digests.to_vec() }))
}
