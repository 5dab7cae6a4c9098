//! The storage of a contract in the midst of a block, in the order of hashed slots: `debug_storageRangeAt`.
//! Source: ethereum/go-ethereum, eth/api_debug.go (StorageRangeAt).
use super::{TraceRefusal, replay::Replay};
use crate::{
    json::Object,
    ledger::{error::Result, machine::Ledger, query::BlockId},
};
use alloy_primitives::{Address, B256, U256, keccak256};
use revm::Database;
use std::collections::{BTreeMap, BTreeSet};

/// Most slots in one answer.
const SLOTS_MAX: usize = 10_000;

impl Ledger {
    /// Up to `count` slots of a contract before transaction `index` of a block, from the hashed slot `start` on.
    pub fn storage_range(&self, block: B256, index: usize, address: &Address, start: B256, count: usize) -> Result<Vec<u8>> {
        self.settled(|| {
            let block = self.block_or_refuse(BlockId::Hash(block))?;
            let (view, edits) = self.ground(&block)?;
            if index > block.transactions.len() {
                let count = block.transactions.len();
                return Err(TraceRefusal::Options(format!("transaction index {index} out of range: the block has {count}")).into());
            }
            let mut replay = Replay::begin(&block, &view, &edits, &self.rules)?;
            replay.skip(&block.transactions[..index])?;
            let mut slots: BTreeSet<U256> = self.store.read().slots_ever(address)?;
            if let Some(changed) = replay.state.changed.get(address) {
                slots.extend(changed.slots.keys());
            }
            let mut entries = BTreeMap::new();
            for slot in slots {
                let value = replay.state.storage(*address, slot)?;
                let hashed = keccak256(slot.to_be_bytes::<32>());
                if !value.is_zero() && hashed >= start {
                    entries.insert(hashed, (slot, value));
                }
            }
            Ok(written(&entries, count.min(SLOTS_MAX)))
        })
    }
}

fn written(entries: &BTreeMap<B256, (U256, U256)>, count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(200 * count.min(entries.len()) + 100);
    let mut answer = Object::begin(&mut out);
    let mut storage = Object::begin(answer.member("storage"));
    for (hashed, (slot, value)) in entries.iter().take(count) {
        let mut entry = Object::begin(storage.member(&format!("{hashed:?}")));
        entry.data("key", slot.to_be_bytes::<32>()).data("value", value.to_be_bytes::<32>());
        entry.end();
    }
    storage.end();
    answer.data_or_null("nextKey", entries.keys().nth(count));
    answer.end();
    out
}
