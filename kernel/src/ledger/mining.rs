//! Making many blocks without transactions at once: what `hardhat_mine` asks for, each as real as any other.
use super::{
    block::Block,
    error::{LedgerError, Result},
    executor::BlockPlan,
    machine::Ledger,
};
use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::{Address, Bytes, keccak256};
use std::sync::Arc;

/// What blocks that are made in one go have in common.
#[derive(Clone, Debug)]
pub struct EmptyBlocks {
    pub count: u64,
    /// Of the first block, in seconds since 1970.
    pub timestamp: u64,
    /// Seconds from a block to the next.
    pub interval: u64,
    pub gas_limit: u64,
    pub beneficiary: Address,
    pub extra_data: Bytes,
}

impl Ledger {
    /// Make blocks without transactions on top of the newest one, with one write to the disk for all; returns them in order.
    pub fn make_empty(&self, wanted: &EmptyBlocks) -> Result<Vec<Arc<Block>>> {
        let mut made = Vec::with_capacity(wanted.count as usize);
        for index in 0..wanted.count {
            let parent = self.newest();
            let later = wanted.interval.checked_mul(index).and_then(|seconds| wanted.timestamp.checked_add(seconds));
            let timestamp = later.ok_or_else(|| LedgerError::Decode("the time of the last block is out of range".into()))?;
            let executed = self.execute(&empty_plan(wanted, &parent, timestamp), &[])?;
            self.commit_in_batch(&executed)?;
            made.push(executed.block);
        }
        self.sync()?;
        Ok(made)
    }
}

fn empty_plan(wanted: &EmptyBlocks, parent: &Block, timestamp: u64) -> BlockPlan {
    let number = parent.header.number + 1;
    BlockPlan {
        timestamp,
        gas_limit: wanted.gas_limit,
        base_fee_per_gas: parent.header.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or_default(),
        beneficiary: wanted.beneficiary,
        prev_randao: keccak256([parent.hash.as_slice(), &number.to_be_bytes()].concat()),
        extra_data: wanted.extra_data.clone(),
        ..Default::default()
    }
}
