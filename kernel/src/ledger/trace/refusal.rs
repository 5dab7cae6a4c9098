//! Why a trace is refused, with the facts that the message needs.
use crate::{ledger::error::LedgerError, pool::Rejection};

#[derive(Clone, Debug, thiserror::Error)]
pub enum TraceRefusal {
    /// Options that cannot be understood.
    #[error("{0}")]
    Options(String),
    #[error("tracer not found: {0:?} (JavaScript tracers are not run; built in are {names})", names = super::options::TRACER_NAMES.join(", "))]
    UnknownTracer(String),
    #[error("transaction not found")]
    UnknownTransaction,
    #[error("genesis is not traceable")]
    Genesis,
    #[error("parent {0} not found")]
    UnknownParent(alloy_primitives::B256),
    #[error("execution timeout after {0} s")]
    Timeout(f64),
    #[error("the trace is larger than {0} bytes")]
    TooLarge(usize),
    /// A call that could not begin.
    #[error("{0:?}")]
    Call(Box<Rejection>),
}

impl TraceRefusal {
    /// A word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Options(_) => "options",
            Self::UnknownTracer(_) => "unknown_tracer",
            Self::UnknownTransaction => "unknown_transaction",
            Self::Genesis => "genesis",
            Self::UnknownParent(_) => "unknown_parent",
            Self::Timeout(_) => "timeout",
            Self::TooLarge(_) => "too_large",
            Self::Call(_) => "call",
        }
    }
}

impl From<TraceRefusal> for LedgerError {
    fn from(refusal: TraceRefusal) -> Self {
        Self::Trace(refusal)
    }
}
