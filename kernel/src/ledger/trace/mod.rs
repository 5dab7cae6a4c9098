//! Traces: blocks and calls run again under an inspector, and what it saw as the JSON that the RPC sends.
mod blocks;
mod calls;
mod guard;
mod options;
mod otterscan;
mod parity;
mod raw_block;
mod refusal;
mod replay;
mod storage;
mod struct_log;
mod tracers;

pub use alloy_rpc_types_trace::filter::TraceFilter;
pub use parity::TraceTypes;
pub use refusal::TraceRefusal;

use std::time::Duration;

/// Time that a trace may take when its caller does not say.
/// Source: ethereum/go-ethereum, eth/tracers/api.go (defaultTraceTimeout).
const TIME_DEFAULT: Duration = Duration::from_secs(5);
/// Time that a caller may ask for.
const TIME_MAX: Duration = Duration::from_secs(60);
/// What the records and the answer of one request may take in memory.
const BYTES_MAX: usize = 128 << 20;
