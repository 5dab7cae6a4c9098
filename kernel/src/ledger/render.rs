//! Blocks, receipts and logs in the JSON of the RPC. Source: ethereum/execution-apis, src/schemas.
use super::block::{Block, StoredLog, StoredReceipt};
use crate::{
    json::{self, Object},
    transaction::{MinedAt, write_transaction_json},
};
use alloy_consensus::Header;
use alloy_primitives::B256;

/// EIP-4844.
const BLOB_KIND: u8 = 3;

fn header_members(object: &mut Object<'_>, block: &Block) {
    let header = &block.header;
    object.quantity("number", header.number).data("hash", block.hash).data("parentHash", header.parent_hash);
    object.data("nonce", header.nonce).data("sha3Uncles", header.ommers_hash).data("logsBloom", header.logs_bloom);
    object.data("transactionsRoot", header.transactions_root).data("stateRoot", header.state_root);
    object.data("receiptsRoot", header.receipts_root).data("miner", header.beneficiary);
    object.quantity("difficulty", header.difficulty).data("extraData", &header.extra_data).quantity("gasLimit", header.gas_limit);
    object.quantity("gasUsed", header.gas_used).quantity("timestamp", header.timestamp).data("mixHash", header.mix_hash);
    if let Some(fee) = header.base_fee_per_gas {
        object.quantity("baseFeePerGas", fee);
    }
    if let Some(root) = header.withdrawals_root {
        object.data("withdrawalsRoot", root);
    }
    if let (Some(used), Some(excess)) = (header.blob_gas_used, header.excess_blob_gas) {
        object.quantity("blobGasUsed", used).quantity("excessBlobGas", excess);
    }
    if let Some(root) = header.parent_beacon_block_root {
        object.data("parentBeaconBlockRoot", root);
    }
    if let Some(hash) = header.requests_hash {
        object.data("requestsHash", hash);
    }
}

/// The header as `newHeads` pushes it.
pub fn header_json(block: &Block) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_500);
    let mut object = Object::begin(&mut out);
    header_members(&mut object, block);
    object.end();
    out
}

/// The block with whole transactions if `full`, else with their hashes.
pub fn block_json(block: &Block, full: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(2_000 + block.transactions.len() * if full { 900 } else { 70 });
    let mut object = Object::begin(&mut out);
    header_members(&mut object, block);
    // Nodes before the merge summed difficulties up; tools of that time still read the member. We believe difficulties and sum none up.
    if block.header.difficulty.is_zero() {
        object.quantity("totalDifficulty", 0u8);
    }
    body_members(&mut object, block, full);
    object.end();
    out
}

fn body_members(object: &mut Object<'_>, block: &Block, full: bool) {
    object.quantity("size", block.size());
    if full {
        object.array("transactions", 0..block.transactions.len(), |out, index| write_transaction(out, block, index));
    } else {
        object.array("transactions", &block.transactions, |out, transaction| json::data(out, transaction.hash.as_slice()));
    }
    object.array("uncles", [0u8; 0], |_, _| {});
    if let Some(withdrawals) = &block.withdrawals {
        object.array("withdrawals", withdrawals, |out, withdrawal| {
            let mut entry = Object::begin(out);
            entry.quantity("index", withdrawal.index).quantity("validatorIndex", withdrawal.validator_index);
            entry.data("address", withdrawal.address).quantity("amount", withdrawal.amount);
            entry.end();
        });
    }
}

fn write_transaction(out: &mut Vec<u8>, block: &Block, index: usize) {
    let header = &block.header;
    let mined = MinedAt {
        block_hash: block.hash,
        block_number: header.number,
        index: index as u64,
        base_fee: header.base_fee_per_gas.unwrap_or_default(),
        timestamp: header.timestamp,
    };
    write_transaction_json(out, &block.transactions[index], Some(&mined));
}

/// Transaction `index` of the block.
pub fn transaction_json(block: &Block, index: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_000);
    write_transaction(&mut out, block, index);
    out
}

/// Where a log stands.
struct LogPlace<'a> {
    header: &'a Header,
    block_hash: B256,
    transaction_hash: B256,
    transaction_index: usize,
    log_index: usize,
    removed: bool,
}

impl<'a> LogPlace<'a> {
    fn new(block: &'a Block, transaction_index: usize, log_index: usize) -> Self {
        let transaction_hash = block.transactions[transaction_index].hash;
        Self { header: &block.header, block_hash: block.hash, transaction_hash, transaction_index, log_index, removed: false }
    }
}

fn write_log(out: &mut Vec<u8>, log: &StoredLog, place: &LogPlace<'_>) {
    let header = place.header;
    let mut object = Object::begin(out);
    object.data("address", log.address).array("topics", &log.topics, |out, topic| json::data(out, topic.as_slice()));
    object.data("data", &log.data).quantity("blockNumber", header.number).data("blockHash", place.block_hash);
    object.quantity("blockTimestamp", header.timestamp).data("transactionHash", place.transaction_hash);
    object.quantity("transactionIndex", place.transaction_index).quantity("logIndex", place.log_index).boolean("removed", place.removed);
    object.end();
}

/// A receipt; `blob_base_fee` is that of the block, in wei.
fn write_receipt(out: &mut Vec<u8>, block: &Block, index: usize, first_log_index: usize, blob_base_fee: Option<u128>) {
    let (transaction, receipt) = (&block.transactions[index], &block.receipts[index]);
    let mut object = Object::begin(out);
    match receipt.state_root {
        Some(root) => object.data("root", root),
        None => object.quantity("status", u8::from(receipt.succeeded)),
    };
    object.quantity("type", transaction.kind());
    object.data("transactionHash", transaction.hash).quantity("transactionIndex", index);
    object.data("blockHash", block.hash).quantity("blockNumber", block.header.number);
    object.data("from", transaction.sender).data_or_null("to", transaction.to());
    object.quantity("cumulativeGasUsed", receipt.cumulative_gas_used).quantity("gasUsed", receipt.gas_used);
    object.quantity("effectiveGasPrice", receipt.effective_gas_price).data_or_null("contractAddress", receipt.contract_address);
    if let (BLOB_KIND, Some(fee)) = (transaction.kind(), blob_base_fee) {
        object.quantity("blobGasUsed", transaction.blob_gas_used()).quantity("blobGasPrice", fee);
    }
    object.data("logsBloom", receipt.with_bloom().logs_bloom);
    object.array("logs", receipt.logs.iter().enumerate(), |out, (position, log)| {
        write_log(out, log, &LogPlace::new(block, index, first_log_index + position));
    });
    object.end();
}

/// Receipt of transaction `index` of the block; `blob_base_fee` is that of the block, in wei.
pub fn receipt_json(block: &Block, index: usize, blob_base_fee: Option<u128>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_200);
    write_receipt(&mut out, block, index, block.first_log_index(index), blob_base_fee);
    out
}

/// All receipts of the block; `blob_base_fee` is that of the block, in wei.
pub fn receipts_json(block: &Block, blob_base_fee: Option<u128>) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + 1_200 * block.receipts.len());
    let mut first_log_index = 0;
    json::array(&mut out, 0..block.receipts.len(), |out, index| {
        write_receipt(out, block, index, first_log_index, blob_base_fee);
        first_log_index += block.receipts[index].logs.len();
    });
    out
}

/// A simulated block without what became of its calls.
pub fn simulated_json(block: &Block, full: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(4_000);
    let mut object = Object::begin(&mut out);
    header_members(&mut object, block);
    body_members(&mut object, block, full);
    object.end();
    out
}

/// An array of logs of transaction `transaction_index`, the first of which has this index in the block.
pub fn write_call_logs(out: &mut Vec<u8>, block: &Block, transaction_index: usize, first_log_index: usize, logs: &[StoredLog]) {
    json::array(out, logs.iter().enumerate(), |out, (position, log)| {
        write_log(out, log, &LogPlace::new(block, transaction_index, first_log_index + position));
    });
}

/// What is needed of a block to write its logs, besides the hashes of its transactions.
pub struct BlockLogs<'a> {
    pub header: &'a Header,
    pub hash: B256,
    pub receipts: &'a [StoredReceipt],
}

/// Append the block's logs that `wanted` picks, with commas between them and what is there.
pub fn write_logs(
    out: &mut Vec<u8>,
    block: &BlockLogs<'_>,
    transaction_hash: impl Fn(usize) -> B256,
    removed: bool,
    wanted: impl Fn(&StoredLog) -> bool,
) {
    let BlockLogs { header, hash: block_hash, receipts } = *block;
    let mut log_index = 0;
    for (transaction_index, receipt) in receipts.iter().enumerate() {
        for log in &receipt.logs {
            if wanted(log) {
                if !out.is_empty() {
                    out.push(b',');
                }
                let transaction_hash = transaction_hash(transaction_index);
                write_log(out, log, &LogPlace { header, block_hash, transaction_hash, transaction_index, log_index, removed });
            }
            log_index += 1;
        }
    }
}
