//! Blocks that others made: decoded, checked against the rules, executed, and taken only if all comes out as their headers say.
//!
//! Seals of proof of work and the difficulty are believed; blocks with uncles are refused. Sources of the rules: ethereum/execution-specs,
//! src/ethereum/forks/*/fork.py (validate_header), and the EIPs that are named where they matter.
use super::{
    account::Edit,
    block::Block,
    error::{LedgerError, Result},
    executor::BlockPlan,
    machine::Ledger,
};
use crate::transaction::{SignedTransaction, TransactionError};
use alloy_consensus::{Header, constants::EMPTY_OMMER_ROOT_HASH};
use alloy_eips::{
    eip1559::{BaseFeeParams, calc_next_block_base_fee},
    eip4895::Withdrawal,
};
use alloy_primitives::{B64, B256, Bytes, U256, keccak256};
use alloy_rlp::{Decodable, Header as RlpHeader};
use rayon::prelude::*;
use revm::primitives::hardfork::SpecId;
use std::{fmt::Display, sync::Arc};

/// Source: Ethereum yellow paper, section 4.4.4.
const EXTRA_DATA_BYTES_MAX: usize = 32;
/// Sources: Ethereum yellow paper, section 4.4.4; EIP-1985.
const GAS_LIMIT_MIN: u64 = 5_000;
const GAS_LIMIT_MAX: u64 = (1 << 63) - 1;
const GAS_LIMIT_DIVISOR: u64 = 1_024;
/// Base fee of the first block that has one, and by how much its gas limit grows with it (EIP-1559).
const INITIAL_BASE_FEE: u64 = 1_000_000_000;
const ELASTICITY: u64 = 2;
/// Longest RLP of a block from Osaka on (EIP-7934).
const BLOCK_BYTES_MAX: usize = 10_485_760 - 2_097_152;

/// Whose blocks these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A network's: every rule of Ethereum holds.
    Network,
    /// A developer's node of our own kind, where people set gas limits and base fees and send for others.
    Developer,
}

/// A block as it came, with the edits that its maker made before it.
pub struct ForeignBlock<'a> {
    pub rlp: &'a [u8],
    pub edits: Vec<Edit>,
}

/// A block whose bytes were understood.
struct Decoded {
    header: Header,
    hash: B256,
    bytes: usize,
    transactions: Vec<SignedTransaction>,
    withdrawals: Option<Vec<Withdrawal>>,
}

fn refused(header: &Header, reason: String) -> LedgerError {
    LedgerError::Refused { number: header.number, hash: header.hash_slow(), reason }
}

/// What the header says of a field against what it must be.
fn compare<T: PartialEq + Display>(header: &Header, field: &str, says: T, must: T) -> Result<()> {
    if says == must {
        return Ok(());
    }
    Err(refused(header, format!("its {field} is {says}, it should be {must}")))
}

fn compare_optional<T: PartialEq + Display>(header: &Header, field: &str, says: Option<T>, must: Option<T>) -> Result<()> {
    match (says, must) {
        (Some(says), Some(must)) => compare(header, field, says, must),
        (Some(_), None) => Err(refused(header, format!("it has a {field}, which its fork does not know"))),
        (None, Some(_)) => Err(refused(header, format!("it has no {field}, which its fork asks for"))),
        (None, None) => Ok(()),
    }
}

// ---- decoding --------------------------------------------------------------------------------------------------------

fn malformed(error: alloy_rlp::Error) -> LedgerError {
    LedgerError::Decode(format!("not the RLP of a block: {error}"))
}

fn list<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8]> {
    RlpHeader::decode_bytes(bytes, true).map_err(malformed)
}

/// The items of a list of transactions: legacy ones stand there as lists, others as strings.
fn transaction_items(mut payload: &[u8]) -> Result<Vec<&[u8]>> {
    let mut items = Vec::new();
    while !payload.is_empty() {
        let whole = payload;
        let header = RlpHeader::decode(&mut payload).map_err(malformed)?;
        let head_bytes = whole.len() - payload.len();
        let (content, rest) = payload.split_at(header.payload_length);
        items.push(if header.list { &whole[..head_bytes + header.payload_length] } else { content });
        payload = rest;
    }
    Ok(items)
}

fn decode(rlp: &[u8], ledger: &Ledger, origin: Origin) -> Result<Decoded> {
    let mut rest = rlp;
    let mut body = list(&mut rest)?;
    if !rest.is_empty() {
        return Err(LedgerError::Decode("not the RLP of a block: more bytes follow".into()));
    }
    let mut header_bytes = body;
    let header = Header::decode(&mut body).map_err(malformed)?;
    header_bytes = &header_bytes[..header_bytes.len() - body.len()];
    let hash = keccak256(header_bytes);
    let items = transaction_items(list(&mut body)?)?;
    if !list(&mut body)?.is_empty() {
        return Err(refused(&header, "it has uncles, which are not supported".into()));
    }
    let withdrawals = if body.is_empty() { None } else { Some(Vec::<Withdrawal>::decode(&mut body).map_err(malformed)?) };
    if !body.is_empty() {
        return Err(LedgerError::Decode("not the RLP of a block: more than header, transactions, uncles and withdrawals".into()));
    }
    // Until Homestead both forms of a signature were valid (EIP-2).
    let any_s = ledger.rules.fork_of(&header) < SpecId::HOMESTEAD;
    let decode = |raw: &&[u8]| match origin {
        Origin::Developer => SignedTransaction::decode_trusted(raw),
        Origin::Network if any_s => SignedTransaction::decode_before_homestead(raw),
        Origin::Network => SignedTransaction::decode(raw),
    };
    let transactions: Vec<std::result::Result<_, TransactionError>> = items.par_iter().map(decode).collect();
    let transactions = transactions.into_iter().enumerate().map(|(index, transaction)| {
        transaction.map_err(|error| refused(&header, format!("its transaction {index} cannot be decoded: {error}")))
    });
    let transactions = transactions.collect::<Result<_>>()?;
    Ok(Decoded { hash, bytes: rlp.len(), transactions, withdrawals, header })
}

// ---- rules of a header -----------------------------------------------------------------------------------------------

fn check_header(ledger: &Ledger, block: &Decoded, parent: &Block, origin: Origin) -> Result<()> {
    let header = &block.header;
    let fork = ledger.rules.fork_of(header);
    compare(header, "parent hash", header.parent_hash, parent.hash)?;
    compare(header, "number", header.number, parent.header.number + 1)?;
    let earliest = parent.header.timestamp + u64::from(!ledger.rules.zero_gravity.equal_timestamps);
    if header.timestamp < earliest {
        return Err(refused(header, format!("its timestamp is {}, the earliest is {earliest}", header.timestamp)));
    }
    if header.extra_data.len() > EXTRA_DATA_BYTES_MAX {
        return Err(refused(header, format!("its extra data has {} bytes, {EXTRA_DATA_BYTES_MAX} at most", header.extra_data.len())));
    }
    if header.gas_used > header.gas_limit {
        return Err(refused(header, format!("it used {} gas, above its limit of {}", header.gas_used, header.gas_limit)));
    }
    compare(header, "hash of uncles", header.ommers_hash, EMPTY_OMMER_ROOT_HASH)?;
    if fork.is_enabled_in(SpecId::MERGE) {
        compare(header, "difficulty", header.difficulty, U256::ZERO)?;
        compare(header, "nonce", header.nonce, B64::ZERO)?;
    }
    if fork.is_enabled_in(SpecId::OSAKA) && block.bytes > BLOCK_BYTES_MAX {
        return Err(refused(header, format!("it has {} bytes, {BLOCK_BYTES_MAX} at most (EIP-7934)", block.bytes)));
    }
    if origin == Origin::Network {
        check_gas_limit(header, parent, fork)?;
        compare_optional(header, "base fee", header.base_fee_per_gas, base_fee(parent, fork))?;
    }
    let has_blobs = fork.is_enabled_in(SpecId::CANCUN);
    let excess = has_blobs.then(|| ledger.rules.excess_blob_gas_after(&parent.header, fork, header.timestamp));
    compare_optional(header, "excess blob gas", header.excess_blob_gas, excess)?;
    compare_optional(
        header,
        "parent beacon block root",
        header.parent_beacon_block_root,
        has_blobs.then(|| header.parent_beacon_block_root.unwrap_or_default()),
    )
}

fn check_gas_limit(header: &Header, parent: &Block, fork: SpecId) -> Result<()> {
    // The first block with a base fee measures itself against a target, which is half of its limit.
    let grows = fork.is_enabled_in(SpecId::LONDON) && parent.header.base_fee_per_gas.is_none();
    let from = parent.header.gas_limit * if grows { ELASTICITY } else { 1 };
    let step = from / GAS_LIMIT_DIVISOR;
    let limit = header.gas_limit;
    if limit.abs_diff(from) >= step || !(GAS_LIMIT_MIN..=GAS_LIMIT_MAX).contains(&limit) {
        return Err(refused(header, format!("its gas limit is {limit}, which is not within {step} of {from}")));
    }
    Ok(())
}

fn base_fee(parent: &Block, fork: SpecId) -> Option<u64> {
    let header = &parent.header;
    fork.is_enabled_in(SpecId::LONDON).then(|| {
        header
            .base_fee_per_gas
            .map_or(INITIAL_BASE_FEE, |fee| calc_next_block_base_fee(header.gas_used, header.gas_limit, fee, BaseFeeParams::ethereum()))
    })
}

// ---- import ----------------------------------------------------------------------------------------------------------

impl Ledger {
    /// Take blocks, each on top of the newest, until one does not fit. They are durable when this returns, also with an error.
    ///
    /// Each is executed in exactly its header's environment. The error names the first thing in which a block differs.
    pub fn import_blocks(&self, blocks: Vec<ForeignBlock<'_>>, origin: Origin) -> Result<Vec<Arc<Block>>> {
        let decoded: Vec<Result<Decoded>> =
            self.threads.install(|| blocks.par_iter().map(|block| decode(block.rlp, self, origin)).collect());
        let mut taken = Vec::with_capacity(blocks.len());
        let imported = decoded.into_iter().zip(blocks).try_for_each(|(decoded, given)| {
            taken.push(self.import(decoded?, given.edits, origin)?);
            Ok(())
        });
        self.sync()?;
        imported.map(|()| taken)
    }

    fn import(&self, block: Decoded, edits: Vec<Edit>, origin: Origin) -> Result<Arc<Block>> {
        check_header(self, &block, &self.newest(), origin)?;
        for edit in edits {
            self.edit_in_batch(edit)?;
        }
        let Decoded { header, hash, transactions, withdrawals, .. } = block;
        let names_chain = |transaction: &SignedTransaction| transaction.kind() == 0 && transaction.chain_id().is_some();
        if !self.rules.is_replay_protected(header.number)
            && let Some(index) = transactions.iter().position(names_chain)
        {
            return Err(refused(&header, format!("its transaction {index} names a chain, which its fork does not know (EIP-155)")));
        }
        let plan = BlockPlan {
            timestamp: header.timestamp,
            gas_limit: header.gas_limit,
            base_fee_per_gas: header.base_fee_per_gas.unwrap_or_default(),
            beneficiary: header.beneficiary,
            prev_randao: header.mix_hash,
            extra_data: header.extra_data.clone(),
            parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
            excess_blob_gas: header.excess_blob_gas.unwrap_or_default(),
            withdrawals: withdrawals.unwrap_or_default(),
            difficulty: header.difficulty,
            nonce: header.nonce,
        };
        let executed = self.execute(&plan, &transactions)?;
        if let Some((dropped, rejection)) = executed.dropped.first() {
            let index = transactions.iter().position(|transaction| transaction.hash == *dropped).unwrap_or_default();
            return Err(refused(&header, format!("its transaction {index} ({dropped}) cannot run: {}", rejection.kind())));
        }
        let ours = &executed.block.header;
        compare(&header, "gas used", header.gas_used, ours.gas_used)?;
        compare_optional(&header, "blob gas used", header.blob_gas_used, ours.blob_gas_used)?;
        compare(&header, "root of transactions", header.transactions_root, ours.transactions_root)?;
        compare_optional(&header, "root of withdrawals", header.withdrawals_root, ours.withdrawals_root)?;
        compare(&header, "root of receipts", header.receipts_root, ours.receipts_root)?;
        compare(&header, "bloom of logs", header.logs_bloom, ours.logs_bloom)?;
        compare_optional(&header, "hash of requests", header.requests_hash, ours.requests_hash)?;
        compare(&header, "state root", header.state_root, ours.state_root)?;
        compare(&header, "hash", hash, executed.block.hash)?;
        self.commit_in_batch(&executed)?;
        Ok(executed.block.clone())
    }

    /// The edits that were made on top of block `number` - 1 and are part of block `number`.
    pub fn edits_before(&self, number: u64) -> Result<Vec<Edit>> {
        Ok(self.changes_of(number)?.1)
    }
}

// ---- edits on the wire -----------------------------------------------------------------------------------------------

/// Edits as RLP: a list of `[kind, address, value]` or `[3, address, slot, value]`; kinds 0 balance, 1 nonce, 2 code, 3 storage.
pub fn encode_edits(edits: &[Edit]) -> Vec<u8> {
    let item = |kind: u8, address: &alloy_primitives::Address, parts: &[Bytes]| {
        let mut payload = alloy_rlp::encode(kind);
        alloy_rlp::Encodable::encode(address, &mut payload);
        parts.iter().for_each(|part| alloy_rlp::Encodable::encode(part, &mut payload));
        payload
    };
    let word = |value: &U256| Bytes::from(value.to_be_bytes_trimmed_vec());
    let mut items = Vec::new();
    for edit in edits {
        let payload = match edit {
            Edit::Balance(address, value) => item(0, address, &[word(value)]),
            Edit::Nonce(address, nonce) => item(1, address, &[word(&U256::from(*nonce))]),
            Edit::Code(address, code) => item(2, address, std::slice::from_ref(code)),
            Edit::Slot(address, slot, value) => item(3, address, &[word(slot), word(value)]),
        };
        RlpHeader { list: true, payload_length: payload.len() }.encode(&mut items);
        items.extend_from_slice(&payload);
    }
    let mut out = Vec::with_capacity(items.len() + 9);
    RlpHeader { list: true, payload_length: items.len() }.encode(&mut out);
    out.extend_from_slice(&items);
    out
}

/// What `encode_edits` made.
pub fn decode_edits(mut bytes: &[u8]) -> Result<Vec<Edit>> {
    let invalid = |error: alloy_rlp::Error| LedgerError::Decode(format!("not the RLP of edits: {error}"));
    let mut items = RlpHeader::decode_bytes(&mut bytes, true).map_err(invalid)?;
    let mut edits = Vec::new();
    while !items.is_empty() {
        let mut item = RlpHeader::decode_bytes(&mut items, true).map_err(invalid)?;
        edits.push(decode_edit(&mut item).map_err(invalid)?);
    }
    Ok(edits)
}

fn decode_edit(item: &mut &[u8]) -> alloy_rlp::Result<Edit> {
    let kind = u8::decode(item)?;
    let address = Decodable::decode(item)?;
    Ok(match kind {
        0 => Edit::Balance(address, U256::decode(item)?),
        1 => Edit::Nonce(address, u64::decode(item)?),
        2 => Edit::Code(address, Bytes::decode(item)?),
        3 => Edit::Slot(address, U256::decode(item)?, U256::decode(item)?),
        _ => return Err(alloy_rlp::Error::Custom("unknown kind of edit")),
    })
}
