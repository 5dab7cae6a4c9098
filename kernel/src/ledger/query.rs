//! What the ledger answers about blocks and fees, and audits of its state.
use super::{
    account::Account,
    block::Block,
    call::{self, Call, CallResult, EstimateResult},
    error::{LedgerError, Result},
    machine::{At, Ledger},
    render,
    store::read_block,
};
use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::TrieAccount;
use std::{collections::BTreeMap, sync::Arc};

/// A block by number or by hash.
#[derive(Clone, Copy, Debug)]
pub enum BlockId {
    Number(u64),
    Hash(B256),
}

/// What `eth_feeHistory` tells of a block.
#[derive(Clone, Debug)]
pub struct BlockFees {
    pub base_fee: u64,
    pub gas_used: u64,
    pub gas_limit: u64,
    /// Tip per gas at each percentile of gas used.
    pub tips: Vec<u128>,
}

/// What blobs cost, in wei for a unit of blob gas; all 0 before Cancun.
#[derive(Clone, Copy, Debug)]
pub struct BlobFees {
    pub base_fee: u128,
    /// In the block after it, if that has the same parameters.
    pub base_fee_after: u128,
    /// Most blob gas of such a block.
    pub gas_max: u64,
}

/// Attempts of a reader whose view an unwind made void.
const ATTEMPTS: usize = 4;

impl Ledger {
    /// Run a reader again when the chain was unwound under it.
    pub(super) fn settled<T>(&self, read: impl Fn() -> Result<T>) -> Result<T> {
        for _ in 1..ATTEMPTS {
            match read() {
                Err(LedgerError::Stale) => {}
                result => return result,
            }
        }
        read()
    }

    // ---- blocks ----------------------------------------------------------------------------------------------

    pub fn block(&self, id: BlockId) -> Result<Option<Arc<Block>>> {
        let number = match id {
            BlockId::Number(number) => Some(number),
            BlockId::Hash(hash) => self.store.read().number_of(&hash)?,
        };
        number.map_or(Ok(None), |number| read_block(&self.store, number))
    }

    /// The block that holds a transaction, and its index there.
    pub fn transaction(&self, hash: &B256) -> Result<Option<(Arc<Block>, usize)>> {
        let Some((number, index)) = self.store.read().transaction_place(hash)? else { return Ok(None) };
        let block = read_block(&self.store, number)?;
        // An unwind may have replaced the block since.
        Ok(block
            .map(|block| (block, index as usize))
            .filter(|(block, index)| block.transactions.get(*index).is_some_and(|found| found.hash == *hash)))
    }

    /// JSON of the receipt of a transaction; none when it is in no block.
    pub fn receipt_json(&self, hash: &B256) -> Result<Option<Vec<u8>>> {
        Ok(self.transaction(hash)?.map(|(block, index)| render::receipt_json(&block, index, self.rules.blob_base_fee(&block.header))))
    }

    /// JSON array of all receipts of a block; none when there is no such block.
    pub fn receipts_json(&self, block: BlockId) -> Result<Option<Vec<u8>>> {
        Ok(self.block(block)?.map(|block| render::receipts_json(&block, self.rules.blob_base_fee(&block.header))))
    }

    /// What blobs cost in a block and after it.
    pub fn blob_fees(&self, number: u64) -> Result<BlobFees> {
        let block = self.block(BlockId::Number(number))?.ok_or_else(|| LedgerError::UnknownBlock(number.to_string()))?;
        let header = &block.header;
        let params = self.rules.blob_params(self.rules.fork_of(header), header.timestamp);
        Ok(BlobFees {
            base_fee: self.rules.blob_base_fee(header).unwrap_or_default(),
            base_fee_after: self.rules.blob_base_fee_after(header).unwrap_or_default(),
            gas_max: header.excess_blob_gas.map_or(0, |_| params.max_blob_gas_per_block()),
        })
    }

    pub fn block_fees(&self, number: u64, percentiles: &[f64]) -> Result<BlockFees> {
        let block = self.block(BlockId::Number(number))?.ok_or_else(|| LedgerError::UnknownBlock(number.to_string()))?;
        let header = &block.header;
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        Ok(BlockFees { base_fee, gas_used: header.gas_used, gas_limit: header.gas_limit, tips: tips(&block, base_fee, percentiles) })
    }

    // ---- state -----------------------------------------------------------------------------------------------

    pub fn account(&self, address: &Address, at: &At) -> Result<Option<Account>> {
        self.settled(|| self.view_as_seen(at)?.0.account(address))
    }

    pub fn code(&self, address: &Address, at: &At) -> Result<Bytes> {
        self.settled(|| {
            let (view, _) = self.view_as_seen(at)?;
            view.account(address)?.map_or(Ok(Bytes::new()), |account| view.code(&account.code_hash))
        })
    }

    pub fn slot(&self, address: &Address, slot: &U256, at: &At) -> Result<U256> {
        self.settled(|| self.view_as_seen(at)?.0.slot(address, slot))
    }

    pub fn call(&self, request: &Call, at: &At) -> CallResult {
        self.settled(|| {
            let (view, block) = self.view_as_seen(at)?;
            call::call(request, &block, &view, &self.rules)
        })
    }

    pub fn estimate(&self, request: &Call, at: &At) -> EstimateResult {
        self.settled(|| {
            let (view, block) = self.view_as_seen(at)?;
            call::estimate(request, &block, &view, &self.rules)
        })
    }

    /// A page of the newest accounts in order of address, with code and storage, edits included.
    pub fn accounts(&self, after: Option<&Address>, limit: usize) -> Result<Vec<AccountDump>> {
        self.settled(|| {
            let (view, _) = self.view(&At::Newest)?;
            let edits = self.head.read().edits.clone();
            let mut page: BTreeMap<Address, Account> = self.store.read().accounts_after(after, limit)?.into_iter().collect();
            let edited = edits.accounts.iter().filter(|(address, _)| after.is_none_or(|after| *address > after));
            page.extend(edited.map(|(address, account)| (*address, *account)));
            let dump = page.into_iter().take(limit).map(|(address, account)| {
                let mut slots = view.slots_of(&address)?;
                slots.extend(edits.slots.get(&address).into_iter().flatten().map(|(slot, value)| (*slot, *value)));
                slots.retain(|_, value| !value.is_zero());
                Ok(AccountDump { address, account, code: view.code(&account.code_hash)?, slots })
            });
            dump.collect()
        })
    }

    /// State root of the newest block from the flat state alone, by another implementation of the trie than the ledger's.
    pub fn recompute_root(&self) -> Result<B256> {
        let store = self.store.read();
        let mut changed: BTreeMap<Address, BTreeMap<U256, U256>> = BTreeMap::new();
        for ((address, slot), value) in store.changed_slots() {
            changed.entry(*address).or_default().insert(*slot, *value);
        }
        let mut leaves = Vec::new();
        let mut after = None;
        loop {
            let page = store.accounts_after(after.as_ref(), 10_000)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (address, account) in page {
                let mut slots: BTreeMap<U256, U256> = store.tables.slots_of(&address)?.into_iter().collect();
                slots.extend(changed.get(&address).into_iter().flatten());
                let slots = slots.into_iter().filter(|(_, value)| !value.is_zero()).map(|(slot, value)| (B256::from(slot), value));
                let storage_root = alloy_trie::root::storage_root_unhashed(slots);
                if storage_root != account.storage_root {
                    return Err(LedgerError::Corrupt(format!(
                        "the storage of {address} has the root {storage_root}, its account says {}",
                        account.storage_root
                    )));
                }
                let (nonce, balance, code_hash) = (account.nonce, account.balance, account.code_hash);
                leaves.push((address, TrieAccount { nonce, balance, storage_root, code_hash }));
            }
        }
        Ok(if leaves.is_empty() { EMPTY_ROOT_HASH } else { alloy_trie::root::state_root_unhashed(leaves) })
    }
}

/// An account with everything it holds.
#[derive(Clone, Debug)]
pub struct AccountDump {
    pub address: Address,
    pub account: Account,
    pub code: Bytes,
    pub slots: BTreeMap<U256, U256>,
}

/// Tips at percentiles of the gas used, transactions in order of their tip. Source: ethereum/go-ethereum, eth/gasprice/feehistory.go.
fn tips(block: &Block, base_fee: u64, percentiles: &[f64]) -> Vec<u128> {
    let mut by_tip: Vec<(u128, u64)> = block
        .transactions
        .iter()
        .zip(&block.receipts)
        .map(|(transaction, receipt)| (transaction.effective_tip(base_fee).unwrap_or_default(), receipt.gas_used))
        .collect();
    by_tip.sort_unstable();
    let (mut index, mut gas_so_far) = (0, by_tip.first().map_or(0, |(_, gas)| *gas));
    let tip_at = |percentile: &f64| {
        let threshold = (block.header.gas_used as f64 * percentile / 100.0) as u64;
        while gas_so_far < threshold && index + 1 < by_tip.len() {
            index += 1;
            gas_so_far += by_tip[index].1;
        }
        by_tip.get(index).map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(tip_at).collect()
}
