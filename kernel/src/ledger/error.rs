//! What can go wrong in the ledger, each with the facts that its message needs.
use super::trace::TraceRefusal;
use alloy_primitives::B256;
use std::{path::PathBuf, sync::Arc};

pub type Result<T> = std::result::Result<T, LedgerError>;

#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{action} failed: {cause}; the ledger takes no more changes until it is opened again")]
    Write { action: &'static str, cause: Arc<std::io::Error> },
    #[error("{action} failed: {cause}")]
    Read { action: &'static str, cause: Arc<std::io::Error> },
    #[error("the tables could not be read or written: {0}")]
    Tables(String),
    #[error("the ledger stopped after an earlier failed write ({0}); open it again")]
    Stopped(String),
    #[error("the ledger in {0} is open in another process")]
    Busy(PathBuf),
    #[error("damaged ledger: {0}")]
    Corrupt(String),
    #[error("this ledger was written by an older version, in a form that this one does not read")]
    OldFormat,
    #[error("this ledger began from genesis {kept}, not from {given}")]
    GenesisMismatch { kept: B256, given: B256 },
    #[error("no block {0} in this ledger")]
    UnknownBlock(String),
    #[error("the state of block {block} is not kept: the oldest kept is that of block {oldest}")]
    StateNotKept { block: u64, oldest: u64 },
    #[error("{0}")]
    Decode(String),
    #[error("block {number} ({hash}) is refused: {reason}")]
    Refused { number: u64, hash: B256, reason: String },
    #[error("the chain moved on while this block was executed")]
    Stale,
    #[error("{0}")]
    Trace(TraceRefusal),
}

impl revm::database_interface::DBErrorMarker for LedgerError {}

impl LedgerError {
    pub fn write(action: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |cause| Self::Write { action, cause: Arc::new(cause) }
    }

    pub fn read(action: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |cause| Self::Read { action, cause: Arc::new(cause) }
    }

    pub fn tables(error: impl Into<redb::Error>) -> Self {
        Self::Tables(error.into().to_string())
    }
}
