//! What a call returns, and what an event tells, as ABI data.
use super::packed::Signer;
use alloy_primitives::{Address, B256, Bytes, U256};

const WORD: usize = 32;
/// Words of a signer before its socket: address, place of the socket, keys.
const SIGNER_HEAD_WORDS: u64 = 8;

pub fn words(numbers: &[U256]) -> Bytes {
    numbers.iter().flat_map(|number| number.to_be_bytes::<WORD>()).collect()
}

pub fn flag(value: bool) -> Bytes {
    words(&[U256::from(value)])
}

pub fn address(account: Address) -> Bytes {
    account.into_word().into()
}

pub fn addresses(accounts: &[Address]) -> Bytes {
    let mut data = Vec::with_capacity(WORD * (2 + accounts.len()));
    push(&mut data, WORD as u64);
    push(&mut data, accounts.len() as u64);
    for account in accounts {
        data.extend_from_slice(account.into_word().as_slice());
    }
    data.into()
}

/// One text.
pub fn text(bytes: &[u8]) -> Bytes {
    let mut data = Vec::new();
    push(&mut data, WORD as u64);
    push_text(&mut data, bytes);
    data.into()
}

/// A list of signers.
pub fn signers(signers: &[&Signer]) -> Bytes {
    let encoded: Vec<Vec<u8>> = signers.iter().map(|one| signer(one)).collect();
    let mut data = Vec::new();
    push(&mut data, WORD as u64);
    push(&mut data, signers.len() as u64);
    let mut place = WORD * signers.len();
    for one in &encoded {
        push(&mut data, place as u64);
        place += one.len();
    }
    for one in &encoded {
        data.extend_from_slice(one);
    }
    data.into()
}

fn signer(signer: &Signer) -> Vec<u8> {
    let mut data = signer.account.into_word().to_vec();
    push(&mut data, WORD as u64 * SIGNER_HEAD_WORDS);
    data.extend_from_slice(&signer.key_g1);
    data.extend_from_slice(&signer.key_g2);
    push_text(&mut data, &signer.socket);
    data
}

fn push(data: &mut Vec<u8>, number: u64) {
    data.extend_from_slice(B256::from(U256::from(number)).as_slice());
}

fn push_text(data: &mut Vec<u8>, bytes: &[u8]) {
    push(data, bytes.len() as u64);
    data.extend_from_slice(bytes);
    data.resize(data.len().next_multiple_of(WORD), 0);
}
