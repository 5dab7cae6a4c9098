//! An account as the flat state keeps it, and what a block did to accounts.
use alloy_consensus::constants::KECCAK_EMPTY;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use revm::state::{AccountId, AccountInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub nonce: u64,
    pub balance: U256,
    pub code_hash: B256,
    pub storage_root: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK_EMPTY, storage_root: EMPTY_ROOT_HASH }
    }
}

impl Account {
    pub fn info(&self) -> AccountInfo {
        AccountInfo {
            balance: self.balance,
            nonce: self.nonce,
            code_hash: self.code_hash,
            code: None,
            // revm only hands it on, so it can tell the creation of a contract what revm's account does not say.
            account_id: self.has_only_storage().then(|| AccountId::new(0)).flatten(),
        }
    }

    /// Whether EIP-7610 alone keeps a contract from being created here.
    fn has_only_storage(&self) -> bool {
        self.storage_root != EMPTY_ROOT_HASH && self.nonce == 0 && !self.has_code()
    }

    pub fn has_code(&self) -> bool {
        self.code_hash != KECCAK_EMPTY
    }

    /// The leaf of the account trie.
    pub fn leaf(&self) -> Vec<u8> {
        alloy_rlp::encode(TrieAccount {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: self.storage_root,
            code_hash: self.code_hash,
        })
    }
}

/// A value before and after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta<T> {
    pub before: T,
    pub after: T,
}

/// Everything a block did to the state, forwards and backwards, in the order of addresses and slots, and whom its transactions touched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockChanges {
    pub accounts: BTreeMap<Address, Delta<Option<Account>>>,
    pub slots: BTreeMap<Address, BTreeMap<U256, Delta<U256>>>,
    pub code: BTreeMap<B256, Bytes>,
    /// Who took part in a transaction, by its index, besides its sender and recipient; see `participants`.
    pub participants: BTreeMap<u32, Vec<Address>>,
}

impl BlockChanges {
    /// The same with the slots of these accounts alone.
    pub fn with_storage_of(&self, addresses: &[Address]) -> Self {
        let slots = self.slots.iter().filter(|(address, _)| addresses.contains(address));
        Self {
            accounts: self.accounts.clone(),
            slots: slots.map(|(address, slots)| (*address, slots.clone())).collect(),
            ..Self::default()
        }
    }

    /// Add what a later block did, so that these changes lead over both.
    pub fn append(&mut self, later: Self) {
        for (address, delta) in later.accounts {
            self.accounts.entry(address).and_modify(|earlier| earlier.after = delta.after).or_insert(delta);
        }
        for (address, slots) in later.slots {
            let earlier_slots = self.slots.entry(address).or_default();
            for (slot, delta) in slots {
                earlier_slots.entry(slot).and_modify(|earlier| earlier.after = delta.after).or_insert(delta);
            }
        }
        self.code.extend(later.code);
    }
}

/// A developer's change of the state outside any transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    Balance(Address, U256),
    Nonce(Address, u64),
    Code(Address, Bytes),
    Slot(Address, U256, U256),
}
