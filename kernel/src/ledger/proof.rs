//! Merkle proofs of accounts and slots at a height, and the tries of a height that are needed for them.
//!
//! Proofs stand on the state root of a block: edits that no block carries yet are not in any root, so a proof of the newest block does
//! not show them, and one of an executed block (the pending one) does.
use super::{
    account::{Account, BlockChanges},
    error::{LedgerError, Result},
    head::{Tries, set_slot},
    machine::{At, Ledger},
    trie::Proof,
};
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::TrieAccount;
use std::sync::atomic::Ordering;

/// An account, or that there is none, with the way to it from the state root.
#[derive(Clone, Debug)]
pub struct AccountProof {
    pub account: Option<Account>,
    pub nodes: Vec<Vec<u8>>,
    pub slots: Vec<SlotProof>,
}

/// A slot's value with the way to it from the account's storage root; no nodes where the storage is empty.
#[derive(Clone, Debug)]
pub struct SlotProof {
    pub value: U256,
    pub nodes: Vec<Vec<u8>>,
}

fn corrupt(error: alloy_rlp::Error) -> LedgerError {
    LedgerError::Corrupt(format!("a leaf of the state's trie cannot be decoded: {error}"))
}

/// Tries moved to a height, and what lies between it and the block that was newest when they were copied.
pub struct Rewound {
    pub tries: Tries,
    /// From the height forward to the newest block.
    pub since: BlockChanges,
}

impl Ledger {
    /// What blocks `number + 1` to `newest` did together, with the storage of `addresses` alone if they are given.
    pub fn changes_between(&self, number: u64, newest: u64, addresses: Option<&[Address]>) -> Result<BlockChanges> {
        let mut since = BlockChanges::default();
        for later in number + 1..=newest {
            let (changes, _) = self.changes_of(later)?;
            since.append(match addresses {
                Some(addresses) => changes.with_storage_of(addresses),
                None => changes,
            });
        }
        Ok(since)
    }

    /// The tries of block `number`, as a copy; with `addresses`, for proofs of those alone.
    ///
    /// The writer waits only while the copy is taken, which costs nothing but later copies of the nodes that it changes.
    pub fn tries_at(&self, number: u64, addresses: Option<&[Address]>) -> Result<Rewound> {
        let (copy, newest, unwinds) = {
            let tries = self.tries.lock();
            let copy = match addresses {
                Some(addresses) => tries.copy_of(&self.store, addresses)?,
                None => tries.copy(&self.store)?,
            };
            (copy, self.newest(), self.unwinds.load(Ordering::Acquire))
        };
        if number > newest.header.number {
            return Err(LedgerError::UnknownBlock(number.to_string()));
        }
        let mut tries = copy.settle(&self.store)?;
        let since = self.changes_between(number, newest.header.number, addresses)?;
        if self.unwinds.load(Ordering::Acquire) != unwinds {
            return Err(LedgerError::Stale);
        }
        tries.go_back(&self.store, &since)?;
        Ok(Rewound { tries, since })
    }

    /// Prove an account and slots of it in the state of a block; see the file's first lines for edits.
    pub fn prove(&self, address: &Address, slots: &[U256], at: &At) -> Result<AccountProof> {
        self.settled(|| self.try_prove(address, slots, at))
    }

    fn try_prove(&self, address: &Address, slots: &[U256], at: &At) -> Result<AccountProof> {
        let addresses = [*address];
        let tries = match at {
            At::Newest => self.tries_at(self.newest().header.number, Some(&addresses))?.tries,
            At::Number(number) => self.tries_at(*number, Some(&addresses))?.tries,
            At::Executed(executed) => {
                let mut tries = self.tries_at(executed.block.header.number - 1, Some(&addresses))?.tries;
                tries.go_forward(&self.store, &executed.changes.with_storage_of(&addresses))?;
                if tries.root() != executed.block.header.state_root {
                    return Err(LedgerError::Stale); // It was executed on blocks that were taken back since.
                }
                tries
            }
        };
        let Proof { nodes, value } = tries.account_proof(&self.store, address)?;
        let account = value.map(|leaf| TrieAccount::decode(&mut leaf.as_slice())).transpose().map_err(corrupt)?;
        let account = account.map(|leaf| Account {
            nonce: leaf.nonce,
            balance: leaf.balance,
            code_hash: leaf.code_hash,
            storage_root: leaf.storage_root,
        });
        let storage = tries.storage(address, account.unwrap_or_default().storage_root);
        let nodes_of_storage = tries.storage_nodes(&self.store, address);
        let prove = |slot: &U256| {
            let Proof { nodes, value } = storage.prove(keccak256(slot.to_be_bytes::<32>()), &nodes_of_storage)?;
            let value = value.map_or(Ok(U256::ZERO), |leaf| U256::decode(&mut leaf.as_slice())).map_err(corrupt)?;
            Ok(SlotProof { value, nodes })
        };
        Ok(AccountProof { account, nodes, slots: slots.iter().map(prove).collect::<Result<_>>()? })
    }

    /// The root of an account's storage in a state, with the edits that the next block will carry.
    pub fn storage_root(&self, address: &Address, at: &At) -> Result<B256> {
        self.settled(|| {
            let (_, block) = self.view(at)?;
            let account = self.account(address, at)?.unwrap_or_default();
            let edits = self.head.read().edits.clone();
            let is_newest = !matches!(at, At::Executed(_)) && block.hash == self.newest().hash;
            let Some(edited) = edits.slots.get(address).filter(|_| is_newest) else { return Ok(account.storage_root) };
            let tries = self.tries_at(block.header.number, Some(&[*address]))?.tries;
            let mut trie = tries.storage(address, account.storage_root);
            for (slot, value) in edited {
                set_slot(&mut trie, &tries.storage_nodes(&self.store, address), *slot, *value)?;
            }
            Ok(trie.root(false))
        })
    }
}
