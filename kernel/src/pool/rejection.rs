//! Why a transaction or call cannot run, with the facts that a message needs; Python words it.

use alloy_primitives::{Address, U256};

use crate::transaction::TransactionError;

/// One fact of a rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    Integer(U256),
    Text(String),
    Bytes(Vec<u8>),
}

macro_rules! integer_fact {
    ($($number:ty),*) => {$(
        impl From<$number> for Fact {
            fn from(value: $number) -> Self {
                Self::Integer(U256::from(value))
            }
        }
    )*};
}
integer_fact!(u8, u64, u128, usize, U256);

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Address> for Fact {
    fn from(address: Address) -> Self {
        Self::Bytes(address.to_vec())
    }
}

macro_rules! rejections {
    ($($(#[doc = $doc:literal])* $variant:ident = $kind:literal $({ $($fact:ident: $type:ty),* })?),* $(,)?) => {
        /// Why a transaction or call cannot run.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Rejection {
            $($(#[doc = $doc])* $variant $({ $($fact: $type),* })?),*
        }

        impl Rejection {
            /// Every kind there is.
            pub const KINDS: &[&str] = &[$($kind),*];

            /// Its name for Python.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $kind),*
                }
            }

            /// Its facts by name.
            pub fn facts(self) -> Vec<(&'static str, Fact)> {
                match self {
                    $(Self::$variant $({ $($fact),* })? => vec![$($((stringify!($fact), Fact::from($fact))),*)?]),*
                }
            }
        }
    };
}

rejections! {
    AlreadyKnown = "already_known",
    NonceTooLow = "nonce_too_low" { next_nonce: u64, tx_nonce: u64 },
    NonceTooHigh = "nonce_too_high" { next_nonce: u64, tx_nonce: u64 },
    ReplacementUnderpriced = "replacement_underpriced",
    /// Less than the pool wants per gas.
    Underpriced = "underpriced" { tip_needed: u128, tip: u128 },
    /// `queued_cost` is what the sender's other waiting transactions cost; 0 when the balance covers not even this one alone.
    InsufficientFunds = "insufficient_funds" { balance: U256, cost: U256, queued_cost: U256 },
    IntrinsicGas = "intrinsic_gas" { gas_limit: u64, needed: u64 },
    /// Below the floor for its data (EIP-7623).
    FloorGas = "floor_gas" { gas_limit: u64, needed: u64 },
    ExceedsBlockGasLimit = "exceeds_block_gas_limit" { gas_limit: u64, block_gas_limit: u64 },
    /// Above the cap of EIP-7825.
    ExceedsTransactionGasLimit = "exceeds_transaction_gas_limit" { gas_limit: u64, maximum: u64 },
    FeeCapBelowBaseFee = "fee_cap_below_base_fee" { max_fee: u128, base_fee: u128 },
    TipAboveFeeCap = "tip_above_fee_cap" { tip: u128, max_fee: u128 },
    /// `have` is the transaction's, `want` the chain's.
    WrongChainId = "wrong_chain_id" { have: u64, want: u64 },
    /// A legacy transaction without chain id (EIP-155).
    Unprotected = "unprotected",
    UnsupportedType = "unsupported_type" { kind: u8 },
    BadEncoding = "bad_encoding" { detail: String },
    BadSignature = "bad_signature" { detail: String },
    /// EIP-3860.
    InitcodeTooLarge = "initcode_too_large" { size: usize, maximum: usize },
    /// Only listed accounts may sign here.
    SignerNotListed = "signer_not_listed" { signer: Address },
    /// EIP-3607.
    SenderHasCode = "sender_has_code" { sender: Address },
    EmptyAuthorizationList = "empty_authorization_list",
    AuthorizationCreates = "authorization_creates",
    /// EIP-2681.
    NonceMaximum = "nonce_maximum",
    PoolFull = "pool_full" { capacity: usize },
    AccountLimit = "account_limit" { limit: usize },
    Oversized = "oversized" { size: usize, maximum: usize },
    /// Gas · price + value does not fit 256 bits.
    GasOverflow = "gas_overflow",
    /// A call names a fee cap or a tip on a block that knows neither (EIP-1559).
    FeesBeforeLondon = "fees_before_london",
    /// What a call sends leaves nothing for the gas of an estimate.
    InsufficientTransfer = "insufficient_transfer",
    /// A call pretends a precompiled contract to be elsewhere that is none.
    NotPrecompile = "not_a_precompile" { address: Address },
    PrecompileMovedToItself = "precompile_moved_to_itself" { address: Address },
    /// … or at an account that it overrides, too.
    AlreadyOverridden = "already_overridden" { address: Address },
    Other = "other" { detail: String },
}

impl From<TransactionError> for Rejection {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::UnsupportedType(kind) => Self::UnsupportedType { kind },
            TransactionError::Signature(detail) => Self::BadSignature { detail },
            TransactionError::Encoding(detail) => Self::BadEncoding { detail },
            TransactionError::Fields(detail) => Self::BadEncoding { detail: detail.into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_carry_the_names_of_their_fields() {
        let rejection = Rejection::WrongChainId { have: 1, want: 31337 };
        assert_eq!(rejection.kind(), "wrong_chain_id");
        assert_eq!(rejection.facts(), [("have", Fact::Integer(U256::from(1))), ("want", Fact::Integer(U256::from(31337)))]);
        let sender = Address::repeat_byte(7);
        assert_eq!(Rejection::SenderHasCode { sender }.facts(), [("sender", Fact::Bytes(vec![7; 20]))]);
        assert!(Rejection::AlreadyKnown.facts().is_empty());
    }

    #[test]
    fn errors_of_decoding_have_their_kinds() {
        assert_eq!(Rejection::from(TransactionError::UnsupportedType(9)), Rejection::UnsupportedType { kind: 9 });
        assert_eq!(Rejection::from(TransactionError::Signature("s".into())).kind(), "bad_signature");
        assert_eq!(Rejection::from(TransactionError::Encoding("e".into())).kind(), "bad_encoding");
        assert_eq!(Rejection::from(TransactionError::Fields("f")).kind(), "bad_encoding");
    }
}
