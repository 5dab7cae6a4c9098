//! zerog's hot loops: hashing, Merkle trees, encryption of files, mining, signatures, ABI, transactions, the pool, the ledger, answers to plain reads, and models. Python sees them through `python` alone.

pub mod abi;
pub mod background;
pub mod cipher;
pub mod crypto;
#[cfg(unix)]
pub mod front;
pub mod hash;
pub mod hpke;
pub mod inference;
pub mod json;
pub mod ledger;
pub mod memory;
pub mod merkle;
pub mod pool;
#[cfg(unix)]
pub mod pora;
pub mod priority;
pub mod python;
pub mod quick;
pub mod transaction;
