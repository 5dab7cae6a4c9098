//! Blocks and receipts in the encoding that consensus hashes, and a transaction by its sender and nonce.
use super::{
    block::Block,
    error::Result,
    machine::{At, Ledger},
    query::BlockId,
};
use alloy_primitives::Address;
use alloy_rlp::{Encodable, Header as RlpHeader};
use std::sync::Arc;

/// RLP of a block: header, transactions, no uncles, and withdrawals where the fork has them.
pub fn raw_block(block: &Block) -> Vec<u8> {
    let mut transactions = Vec::new();
    for transaction in &block.transactions {
        if transaction.kind() == 0 {
            transactions.extend_from_slice(&transaction.raw);
        } else {
            transaction.raw.encode(&mut transactions);
        }
    }
    let mut body = Vec::with_capacity(transactions.len() + 1_000);
    block.header.encode(&mut body);
    write_list(&mut body, &transactions);
    write_list(&mut body, &[]);
    if let Some(withdrawals) = &block.withdrawals {
        withdrawals.encode(&mut body);
    }
    let mut out = Vec::with_capacity(body.len() + 9);
    write_list(&mut out, &body);
    out
}

fn write_list(out: &mut Vec<u8>, payload: &[u8]) {
    RlpHeader { list: true, payload_length: payload.len() }.encode(out);
    out.extend_from_slice(payload);
}

/// Each receipt as the receipts' trie holds it (EIP-2718).
pub fn raw_receipts(block: &Block) -> Vec<Vec<u8>> {
    let encode = |(transaction, receipt): (&crate::transaction::SignedTransaction, &super::block::StoredReceipt)| {
        let mut out = Vec::with_capacity(400);
        if transaction.kind() != 0 {
            out.push(transaction.kind());
        }
        receipt.with_bloom().encode(&mut out);
        out
    };
    block.transactions.iter().zip(&block.receipts).map(encode).collect()
}

impl Ledger {
    /// The block that holds the transaction of `sender` with this nonce, and its index there.
    ///
    /// The sender's nonce never falls from block to block but by a developer's edit, so the block is found by halving the chain.
    pub fn transaction_by_sender_and_nonce(&self, sender: &Address, nonce: u64) -> Result<Option<(Arc<Block>, usize)>> {
        let next_nonce = |at: &At| -> Result<u64> { Ok(self.account(sender, at)?.unwrap_or_default().nonce) };
        let (mut low, mut high) = (0, self.newest().header.number);
        if next_nonce(&At::Number(high))? <= nonce {
            return Ok(None);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if next_nonce(&At::Number(middle))? > nonce { high = middle } else { low = middle + 1 }
        }
        let Some(block) = self.block(BlockId::Number(low))? else { return Ok(None) };
        let index = block.transactions.iter().position(|it| it.sender == *sender && it.nonce() == nonce);
        Ok(index.map(|index| (block, index)))
    }
}
