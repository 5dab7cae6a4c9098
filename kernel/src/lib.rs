//! zerog's hot loops: hashing, signatures, ABI, transactions, the pool and the ledger. Python sees them through `python` alone.

pub mod abi;
pub mod crypto;
pub mod hash;
pub mod json;
pub mod ledger;
pub mod pool;
pub mod python;
pub mod quick;
pub mod transaction;
