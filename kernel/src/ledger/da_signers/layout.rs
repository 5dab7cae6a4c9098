//! Where the contract keeps what: slots and keys are hashes of a prefix and the fields. Source: 0glabs/0g-geth, core/vm/precompiles/dasigners.
use super::DA_SIGNERS;
use crate::ledger::stateful::StoredBytes;
use alloy_primitives::{Address, B256, keccak256};

const SIGNER: u8 = 0x00;
const QUORUM: u8 = 0x01;
const REGISTRATION: u8 = 0x02;
const VOTES: u8 = 0x03;
const QUORUM_COUNT: u8 = 0x04;
const EPOCH_NUMBER: u8 = 0x05;
const EPOCH_BLOCK: u8 = 0x06;
const REGISTRATION_COUNT: u8 = 0x07;
const REGISTERED_SIGNER: u8 = 0x08;

fn key(prefix: u8, fields: &[&[u8]]) -> B256 {
    keccak256([&[prefix], fields.concat().as_slice()].concat())
}

/// A signer's details.
pub fn signer(account: Address) -> StoredBytes {
    StoredBytes::new(DA_SIGNERS, key(SIGNER, &[account.as_slice()]))
}

/// The signers of the rows of a quorum.
pub fn quorum(epoch: u64, quorum: u64) -> StoredBytes {
    StoredBytes::new(DA_SIGNERS, key(QUORUM, &[&epoch.to_be_bytes(), &quorum.to_be_bytes()]))
}

/// The hash of the signature with which a signer entered an epoch; zero where it did not.
pub fn registration(epoch: u64, account: Address) -> B256 {
    key(REGISTRATION, &[&epoch.to_be_bytes(), account.as_slice()])
}

pub fn votes(epoch: u64, account: Address) -> B256 {
    key(VOTES, &[&epoch.to_be_bytes(), account.as_slice()])
}

pub fn quorum_count(epoch: u64) -> B256 {
    key(QUORUM_COUNT, &[&epoch.to_be_bytes()])
}

pub fn epoch_number() -> B256 {
    key(EPOCH_NUMBER, &[])
}

/// The block in which an epoch was made.
pub fn epoch_block(epoch: u64) -> B256 {
    key(EPOCH_BLOCK, &[&epoch.to_be_bytes()])
}

/// How many signers entered an epoch.
pub fn registration_count(epoch: u64) -> B256 {
    key(REGISTRATION_COUNT, &[&epoch.to_be_bytes()])
}

/// The signer that entered an epoch after `index` others.
pub fn registered_signer(epoch: u64, index: u64) -> B256 {
    key(REGISTERED_SIGNER, &[&epoch.to_be_bytes(), &index.to_be_bytes()])
}
