//! The chain's state machine and store: execute blocks, keep them, read any state, go back.
//!
//! Durable is what the block log holds (`log`). Everything else is derived from it: newest values, history and indexes lie in an
//! overlay in memory (`overlay`) that checkpoints fold into tables (`tables`); the tries (`trie`, `head`) give the roots.
mod account;
mod block;
mod call;
mod checkpoint;
mod collision;
mod da_signers;
mod deadline;
mod error;
mod evm;
mod executor;
mod genesis;
mod head;
mod import;
mod log;
mod log_search;
mod machine;
mod mining;
mod overlay;
mod packing;
mod participants;
mod precompiles;
mod proof;
mod query;
mod raw;
mod render;
mod rules;
mod simulate;
mod stateful;
mod store;
mod system_contracts;
mod tables;
#[cfg(test)]
mod tests;
mod trace;
mod trie;
mod unwind;
mod view;
mod watch;
mod wrapped_base;

pub use account::{Account, Edit};
pub use block::{Block, StoredReceipt};
pub use call::{AccountOverride, BlockOverride, Call, CallOutcome, CallStatus, Tried};
pub use error::{LedgerError, Result};
pub use executor::{BlockPlan, Executed};
pub use import::{ForeignBlock, Origin, decode_edits, encode_edits};
pub use log_search::LogQuery;
pub use machine::{At, Ledger, Options, Statistics};
pub use mining::EmptyBlocks;
pub use packing::{may_run_later, pick, settle_pool};
pub use proof::{AccountProof, SlotProof};
pub use query::{AccountDump, BlobFees, BlockFees, BlockId};
pub use raw::{raw_block, raw_receipts};
pub use render::{block_json, header_json, receipts_json, transaction_json};
pub use simulate::{CallSeries, SimulatedBlock, SimulatedCall, Simulation, SimulationRefusal, simulated_json};
pub use trace::{TraceFilter, TraceRefusal, TraceTypes};
pub use view::View;
