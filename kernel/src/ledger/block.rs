//! A block with its receipts, and its form in the block log.
use super::{
    account::{BlockChanges, Edit},
    error::{LedgerError, Result},
    log::{Record, RecordKind},
};
use crate::transaction::SignedTransaction;
use alloy_consensus::{Eip658Value, Header, Receipt, ReceiptWithBloom};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, LogData, keccak256};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::root::ordered_trie_root_with_encoder;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLog {
    pub address: Address,
    pub topics: Vec<B256>,
    pub data: Bytes,
}

impl StoredLog {
    pub fn log(&self) -> Log {
        Log { address: self.address, data: LogData::new_unchecked(self.topics.clone(), self.data.clone()) }
    }
}

impl From<Log> for StoredLog {
    fn from(log: Log) -> Self {
        let (topics, data) = log.data.split();
        Self { address: log.address, topics, data }
    }
}

/// What a transaction did, as far as a receipt tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReceipt {
    pub succeeded: bool,
    pub gas_used: u64,
    pub cumulative_gas_used: u64,
    pub effective_gas_price: u128,
    pub contract_address: Option<Address>,
    pub logs: Vec<StoredLog>,
    /// The state after the transaction, which a receipt named instead of success before Byzantium. It has a section of its own.
    #[serde(skip)]
    pub state_root: Option<B256>,
}

impl StoredReceipt {
    pub fn with_bloom(&self) -> ReceiptWithBloom<Receipt> {
        let status = self.state_root.map_or(Eip658Value::Eip658(self.succeeded), Eip658Value::PostState);
        let logs = self.logs.iter().map(StoredLog::log).collect();
        Receipt { status, cumulative_gas_used: self.cumulative_gas_used, logs }.with_bloom()
    }
}

/// A block of the chain with everything that RPC tells of it.
#[derive(Clone, Debug)]
pub struct Block {
    pub header: Header,
    pub hash: B256,
    pub transactions: Vec<SignedTransaction>,
    pub receipts: Vec<StoredReceipt>,
    pub withdrawals: Option<Vec<Withdrawal>>,
}

impl Block {
    /// Length of the block's RLP, in bytes.
    pub fn size(&self) -> usize {
        let bodies: usize = self.transactions.iter().map(|transaction| body_length(&transaction.raw)).sum();
        let list = |payload: usize| payload + alloy_rlp::length_of_length(payload);
        let withdrawals = self.withdrawals.as_ref().map_or(0, |withdrawals| withdrawals.length());
        list(self.header.length() + list(bodies) + list(0) + withdrawals)
    }

    /// Position of the first log of transaction `index` among the block's logs.
    pub fn first_log_index(&self, index: usize) -> usize {
        self.receipts.iter().take(index).map(|receipt| receipt.logs.len()).sum()
    }
}

/// A transaction inside a block: legacy ones are RLP lists, typed ones RLP strings.
fn body_length(raw: &Bytes) -> usize {
    if raw.first().is_some_and(|byte| *byte >= alloy_rlp::EMPTY_LIST_CODE) { raw.len() } else { raw.length() }
}

pub fn transactions_root(transactions: &[SignedTransaction]) -> B256 {
    ordered_trie_root_with_encoder(transactions, |transaction, buffer| buffer.extend_from_slice(&transaction.raw))
}

/// Root of the receipts' trie and the union of their blooms.
pub fn receipts_root(transactions: &[SignedTransaction], receipts: &[StoredReceipt]) -> (B256, Bloom) {
    let receipts: Vec<(u8, ReceiptWithBloom<Receipt>)> =
        transactions.iter().zip(receipts).map(|(transaction, receipt)| (transaction.kind(), receipt.with_bloom())).collect();
    let bloom = receipts.iter().fold(Bloom::ZERO, |union, (_, receipt)| union | receipt.logs_bloom);
    let root = ordered_trie_root_with_encoder(&receipts, |(kind, receipt), buffer| {
        if *kind != 0 {
            buffer.push(*kind);
        }
        receipt.encode(buffer);
    });
    (root, bloom)
}

/// Sections of a block's record, in this order.
#[repr(usize)]
enum Section {
    Header,
    Transactions,
    Receipts,
    Withdrawals,
    Changes,
    Edits,
    /// Of block 0 only: the chain's configuration as given.
    Configuration,
    /// Of blocks before Byzantium only: the state root of each receipt.
    ReceiptRoots,
}

pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|error| LedgerError::Decode(error.to_string()))
}

pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|error| LedgerError::Corrupt(format!("a record cannot be decoded: {error}")))
}

/// The sections of a block's record.
pub fn encode_block(block: &Block, changes: &BlockChanges, edits: &[Edit], configuration: Option<&[u8]>) -> Result<Vec<Vec<u8>>> {
    let transactions: Vec<(Address, &Bytes)> =
        block.transactions.iter().map(|transaction| (transaction.sender, &transaction.raw)).collect();
    let mut sections = vec![
        alloy_rlp::encode(&block.header),
        encode(&transactions)?,
        encode(&block.receipts)?,
        encode(&block.withdrawals.as_ref().map(alloy_rlp::encode))?,
        encode(changes)?,
        encode(&edits)?,
    ];
    sections.extend(configuration.map(<[u8]>::to_vec));
    let roots: Vec<B256> = block.receipts.iter().filter_map(|receipt| receipt.state_root).collect();
    if !roots.is_empty() {
        sections.resize(Section::ReceiptRoots as usize, vec![]);
        sections.push(encode(&roots)?);
    }
    Ok(sections)
}

pub fn decode_block(record: &Record) -> Result<Block> {
    if record.kind != RecordKind::Block {
        return Err(LedgerError::Corrupt("a record is not the block it should be".into()));
    }
    let header = decode_header(record)?;
    let transactions: Vec<(Address, Bytes)> = decode(record.section(Section::Transactions as usize)?)?;
    let transactions = transactions
        .into_iter()
        .map(|(sender, raw)| SignedTransaction::from_parts(raw, sender).map_err(|error| LedgerError::Corrupt(error.to_string())))
        .collect::<Result<_>>()?;
    let withdrawals: Option<Vec<u8>> = decode(record.section(Section::Withdrawals as usize)?)?;
    let withdrawals = withdrawals.map(|bytes| Vec::<Withdrawal>::decode(&mut bytes.as_slice())).transpose().map_err(undecodable)?;
    let mut receipts = decode_receipts(record)?;
    if record.section_count() > Section::ReceiptRoots as usize {
        let roots: Vec<B256> = decode(record.section(Section::ReceiptRoots as usize)?)?;
        receipts.iter_mut().zip(roots).for_each(|(receipt, root)| receipt.state_root = Some(root));
    }
    Ok(Block { hash: header.hash_slow(), header, transactions, receipts, withdrawals })
}

fn undecodable(error: alloy_rlp::Error) -> LedgerError {
    LedgerError::Corrupt(format!("a record cannot be decoded: {error}"))
}

/// The header alone.
pub fn decode_header(record: &Record) -> Result<Header> {
    Header::decode(&mut record.section(Section::Header as usize)?).map_err(undecodable)
}

/// The receipts alone, but for the state roots of old ones.
pub fn decode_receipts(record: &Record) -> Result<Vec<StoredReceipt>> {
    decode(record.section(Section::Receipts as usize)?)
}

/// The hashes of the transactions, which are not decoded for it.
pub fn transaction_hashes(record: &Record) -> Result<Vec<B256>> {
    let transactions: Vec<(Address, &[u8])> = decode(record.section(Section::Transactions as usize)?)?;
    Ok(transactions.into_iter().map(|(_, raw)| keccak256(raw)).collect())
}

pub fn decode_changes(record: &Record) -> Result<(BlockChanges, Vec<Edit>)> {
    Ok((decode(record.section(Section::Changes as usize)?)?, decode(record.section(Section::Edits as usize)?)?))
}

pub fn decode_configuration(record: &Record) -> Result<&[u8]> {
    record.section(Section::Configuration as usize)
}
