//! What the pool holds, in the JSON of geth's `txpool_*`. Source: ethereum/go-ethereum, internal/ethapi/api.go (TxPoolAPI).
use alloy_primitives::Address;

use super::{Entries, Pool};
use crate::{
    json::Object,
    transaction::{SignedTransaction, write_transaction_json},
};

/// How one transaction is written.
type Write = fn(&mut Vec<u8>, &SignedTransaction);

fn whole(out: &mut Vec<u8>, transaction: &SignedTransaction) {
    write_transaction_json(out, transaction, None);
}

/// A line for people.
fn line(out: &mut Vec<u8>, transaction: &SignedTransaction) {
    let to = transaction.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    let (value, gas, price) = (transaction.value(), transaction.gas_limit(), transaction.max_fee_per_gas());
    out.extend_from_slice(format!("\"{to}: {value} wei + {gas} gas × {price} wei\"").as_bytes());
}

/// `{nonce: transaction}` of those that are executable or not.
fn write_by_nonce(out: &mut Vec<u8>, entries: &Entries, executable: bool, write: Write) {
    let mut object = Object::begin(out);
    for (entry, _) in entries.iter().filter(|(_, is_executable)| *is_executable == executable) {
        write(object.member(&entry.transaction.nonce().to_string()), &entry.transaction);
    }
    object.end();
}

fn by_sender(pool: &Pool, write: Write) -> Vec<u8> {
    let content = pool.content(None);
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
    for (name, executable) in [("pending", true), ("queued", false)] {
        let mut senders = Object::begin(object.member(name));
        for (sender, entries) in &content {
            if entries.iter().any(|(_, is_executable)| *is_executable == executable) {
                write_by_nonce(senders.member(&sender.to_string()), entries, executable, write);
            }
        }
        senders.end();
    }
    object.end();
    out
}

/// `{pending, queued}`, each `{sender: {nonce: transaction}}`.
pub fn content_json(pool: &Pool) -> Vec<u8> {
    by_sender(pool, whole)
}

/// The same with a line in place of each transaction.
pub fn inspect_json(pool: &Pool) -> Vec<u8> {
    by_sender(pool, line)
}

/// `{pending, queued}` of one sender, each `{nonce: transaction}`.
pub fn content_from_json(pool: &Pool, sender: &Address) -> Vec<u8> {
    let entries = pool.content(Some(sender)).pop().map(|(_, entries)| entries).unwrap_or_default();
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
    for (name, executable) in [("pending", true), ("queued", false)] {
        write_by_nonce(object.member(name), &entries, executable, whole);
    }
    object.end();
    out
}
