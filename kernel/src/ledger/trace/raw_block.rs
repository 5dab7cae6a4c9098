//! A block from the RLP that peers send, for tracing it.
use crate::{
    ledger::{
        block::Block,
        error::{LedgerError, Result},
    },
    transaction::SignedTransaction,
};
use alloy_consensus::Header;
use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, Header as RlpHeader, PayloadView};

fn invalid(detail: impl std::fmt::Display) -> LedgerError {
    LedgerError::Decode(format!("could not decode block: {detail}"))
}

/// Header and transactions; what a trace does not need stays empty.
pub fn decode(mut rlp: &[u8]) -> Result<Block> {
    let mut body = RlpHeader::decode_bytes(&mut rlp, true).map_err(invalid)?;
    let header = Header::decode(&mut body).map_err(invalid)?;
    let PayloadView::List(items) = RlpHeader::decode_raw(&mut body).map_err(invalid)? else {
        return Err(invalid("the transactions are no list"));
    };
    let transactions = items.into_iter().map(|mut item| {
        // A typed transaction stands as a byte string, an old one as the list that it is.
        let raw = if item.first().is_some_and(|byte| *byte >= alloy_rlp::EMPTY_LIST_CODE) {
            Bytes::copy_from_slice(item)
        } else {
            Bytes::decode(&mut item).map_err(invalid)?
        };
        SignedTransaction::decode(raw.as_ref()).map_err(invalid)
    });
    let transactions = transactions.collect::<Result<_>>()?;
    Ok(Block { hash: header.hash_slow(), header, transactions, receipts: vec![], withdrawals: None })
}
