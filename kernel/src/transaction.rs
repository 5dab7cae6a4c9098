//! Transactions: strict decoding, senders, signing, impersonation, and what the EVM and the RPC need of them.

use alloy_consensus::transaction::{
    RlpEcdsaDecodableTx, RlpEcdsaEncodableTx, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip4844Variant, TxEip7702, TxLegacy,
};
use alloy_consensus::{Transaction as _, TxEnvelope, TypedTransaction};
use alloy_eips::eip2718::{Decodable2718, Eip2718Error, Encodable2718};
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use rayon::prelude::*;
use revm::context::{TxEnv, either::Either};

use crate::crypto::{self, CryptoError};
use crate::json::{self, Object};

/// Why bytes are no transaction that we take, or why a transaction cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Not the encoding of a transaction; the detail is worded as geth words it.
    #[error("{0}")]
    Encoding(String),
    /// A type byte that we do not know, or a form of it that does not belong here.
    #[error("transaction type {0} not supported")]
    UnsupportedType(u8),
    /// No sender can be recovered.
    #[error("{0}")]
    Signature(String),
    /// These fields make no transaction of the wanted type.
    #[error("{0}")]
    Fields(&'static str),
}

impl From<CryptoError> for TransactionError {
    fn from(error: CryptoError) -> Self {
        Self::Signature(error.to_string())
    }
}

/// Below this many transactions a second thread costs more than it gives.
const PARALLEL_ITEMS_MIN: usize = 8;

/// First byte of a legacy transaction: a smaller one is a type. Source: EIP-2718.
const LEGACY_FIRST_BYTE_MIN: u8 = 0x80;

/// `s` of the signature that stands for an impersonated sender; its `r` is the sender, its parity even.
const IMPERSONATION_S: U256 = U256::ONE;

fn impersonation(sender: Address) -> Signature {
    Signature::new(U256::from_be_slice(sender.as_slice()), IMPERSONATION_S, false)
}

fn impersonated_sender(signature: &Signature) -> Option<Address> {
    let r = signature.r();
    let pretended = !signature.v() && signature.s() == IMPERSONATION_S && r.bit_len() <= 160;
    pretended.then(|| Address::from_slice(&r.to_be_bytes::<32>()[12..]))
}

/// A transaction with a sender.
#[derive(Clone, Debug)]
pub struct SignedTransaction {
    /// Keccak-256 of `raw`.
    pub hash: B256,
    /// Recovered from the signature, or the impersonated one.
    pub sender: Address,
    /// EIP-2718 bytes; type 3 in the form of block bodies, without sidecar.
    pub raw: Bytes,
    /// All that it says.
    pub envelope: TxEnvelope,
}

impl SignedTransaction {
    /// Decode bytes from anywhere: one canonical encoding, nothing after it, `s` low, no impersonation.
    pub fn decode(raw: &[u8]) -> Result<Self, TransactionError> {
        let envelope = decode_envelope(raw)?;
        let signature = envelope.signature();
        if impersonated_sender(signature).is_some() {
            return Err(TransactionError::Signature("an impersonated sender is not accepted here".into()));
        }
        let sender = crypto::recover(&envelope.signature_hash(), signature)?;
        Ok(Self::assemble(raw, envelope, sender))
    }

    /// Decode bytes of a block before Homestead, when `s` could be high (EIP-2).
    pub fn decode_before_homestead(raw: &[u8]) -> Result<Self, TransactionError> {
        let envelope = decode_envelope(raw)?;
        let sender = crypto::recover_with_any_s(&envelope.signature_hash(), envelope.signature())?;
        Ok(Self::assemble(raw, envelope, sender))
    }

    /// Decode bytes that may carry an impersonated sender in place of a signature: blocks of our own, and impersonated calls.
    pub fn decode_trusted(raw: &[u8]) -> Result<Self, TransactionError> {
        let envelope = decode_envelope(raw)?;
        let sender = match impersonated_sender(envelope.signature()) {
            Some(sender) => sender,
            None => crypto::recover(&envelope.signature_hash(), envelope.signature())?,
        };
        Ok(Self::assemble(raw, envelope, sender))
    }

    /// Decode bytes whose sender is known already; nothing is recovered.
    pub fn from_parts(raw: Bytes, sender: Address) -> Result<Self, TransactionError> {
        Ok(Self { hash: keccak256(&raw), sender, envelope: decode_envelope(&raw)?, raw })
    }

    /// Decode each on the threads of the current rayon pool; `trusted` as in `decode_trusted`.
    pub fn decode_many<T: AsRef<[u8]> + Sync>(raws: &[T], trusted: bool) -> Vec<Result<Self, TransactionError>> {
        let decode = |raw: &T| if trusted { Self::decode_trusted(raw.as_ref()) } else { Self::decode(raw.as_ref()) };
        if raws.len() < PARALLEL_ITEMS_MIN {
            return raws.iter().map(decode).collect();
        }
        raws.par_iter().with_min_len(PARALLEL_ITEMS_MIN / 2).map(decode).collect()
    }

    fn assemble(raw: &[u8], envelope: TxEnvelope, sender: Address) -> Self {
        Self { hash: keccak256(raw), sender, raw: Bytes::copy_from_slice(raw), envelope }
    }

    /// Whether the sender was put in place of a signature.
    pub fn is_impersonated(&self) -> bool {
        impersonated_sender(self.envelope.signature()).is_some()
    }

    /// Type byte of EIP-2718, 0 for legacy.
    pub fn kind(&self) -> u8 {
        self.envelope.tx_type() as u8
    }

    /// `None` only for legacy transactions without replay protection (EIP-155).
    pub fn chain_id(&self) -> Option<u64> {
        self.envelope.chain_id()
    }

    pub fn nonce(&self) -> u64 {
        self.envelope.nonce()
    }

    pub fn gas_limit(&self) -> u64 {
        self.envelope.gas_limit()
    }

    /// The gas price of types 0 and 1.
    pub fn max_fee_per_gas(&self) -> u128 {
        self.envelope.max_fee_per_gas()
    }

    /// `None` for types 0 and 1.
    pub fn max_priority_fee_per_gas(&self) -> Option<u128> {
        self.envelope.max_priority_fee_per_gas()
    }

    /// Most that the producer can get per gas: the gas price for types 0 and 1.
    pub fn tip_cap(&self) -> u128 {
        self.envelope.priority_fee_or_price()
    }

    /// What is paid per gas in a block with this base fee.
    pub fn effective_gas_price(&self, base_fee: u64) -> u128 {
        self.envelope.effective_gas_price(Some(base_fee))
    }

    /// What the producer gets per gas in a block with this base fee; `None` if the fee cap is below it.
    pub fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        self.max_fee_per_gas().checked_sub(u128::from(base_fee)).map(|room| room.min(self.tip_cap()))
    }

    /// The called account; `None` for a creation.
    pub fn to(&self) -> Option<Address> {
        self.envelope.to()
    }

    pub fn value(&self) -> U256 {
        self.envelope.value()
    }

    pub fn input(&self) -> &Bytes {
        self.envelope.input()
    }

    pub fn access_list(&self) -> Option<&AccessList> {
        self.envelope.access_list()
    }

    pub fn authorization_list(&self) -> &[SignedAuthorization] {
        self.envelope.authorization_list().unwrap_or_default()
    }

    /// Blob gas of type 3, else 0.
    pub fn blob_gas_used(&self) -> u64 {
        self.envelope.blob_gas_used().unwrap_or_default()
    }

    /// What the sender must own at most: gas limit · fee cap (+ blobs) + value; `None` above 2^256.
    pub fn cost(&self) -> Option<U256> {
        let gas = U256::from(self.gas_limit()) * U256::from(self.max_fee_per_gas());
        let blobs = U256::from(self.blob_gas_used()) * U256::from(self.envelope.max_fee_per_blob_gas().unwrap_or_default());
        gas.checked_add(blobs)?.checked_add(self.value())
    }

    /// What revm executes.
    pub fn tx_env(&self) -> TxEnv {
        let envelope = &self.envelope;
        TxEnv {
            tx_type: self.kind(),
            caller: self.sender,
            gas_limit: envelope.gas_limit(),
            gas_price: envelope.max_fee_per_gas(),
            gas_priority_fee: envelope.max_priority_fee_per_gas(),
            kind: envelope.kind(),
            value: envelope.value(),
            data: envelope.input().clone(),
            nonce: envelope.nonce(),
            chain_id: envelope.chain_id(),
            access_list: envelope.access_list().cloned().unwrap_or_default(),
            blob_hashes: envelope.blob_versioned_hashes().map(<[B256]>::to_vec).unwrap_or_default(),
            max_fee_per_blob_gas: envelope.max_fee_per_blob_gas().unwrap_or_default(),
            authorization_list: self.authorization_list().iter().cloned().map(Either::Left).collect(),
        }
    }
}

fn decode_envelope(raw: &[u8]) -> Result<TxEnvelope, TransactionError> {
    let first = match raw {
        [] => return Err(TransactionError::Encoding("typed transaction too short".into())),
        [first, ..] => *first,
    };
    if first < LEGACY_FIRST_BYTE_MIN {
        if !matches!(first, 1..=4) {
            return Err(TransactionError::UnsupportedType(first));
        }
        if raw.len() == 1 {
            return Err(TransactionError::Encoding("typed transaction too short".into()));
        }
    }
    let mut rest = raw;
    // A legacy transaction is decoded as such, because the envelope forgets what was wrong with it.
    let envelope = if first < LEGACY_FIRST_BYTE_MIN {
        TxEnvelope::decode_2718(&mut rest)
    } else {
        TxLegacy::rlp_decode_signed(&mut rest).map(TxEnvelope::Legacy).map_err(Into::into)
    };
    let envelope = envelope.map_err(|error| wording(raw, error))?;
    if !rest.is_empty() {
        return Err(TransactionError::Encoding("rlp: input contains more than one value".into()));
    }
    if let TxEnvelope::Eip4844(blob) = &envelope
        && matches!(blob.tx(), TxEip4844Variant::TxEip4844WithSidecar(_))
    {
        return Err(TransactionError::UnsupportedType(first));
    }
    // Only what encodes back to the same bytes is canonical: otherwise one transaction would have many hashes.
    if envelope.encoded_2718() != raw {
        return Err(TransactionError::Encoding("rlp: non-canonical encoding".into()));
    }
    Ok(envelope)
}

/// The words that geth has for a fault of RLP.
fn wording(raw: &[u8], error: Eip2718Error) -> TransactionError {
    use alloy_rlp::Error;
    let typed = usize::from(raw[0] < LEGACY_FIRST_BYTE_MIN);
    let kind = if typed == 1 { raw[0] } else { 0 };
    // Whether the outer list is all there, so that it is its content that ends too early.
    let whole = alloy_rlp::Header::decode(&mut &raw[typed..]).is_ok();
    let error = match error {
        Eip2718Error::UnexpectedType(kind) => return TransactionError::UnsupportedType(kind),
        Eip2718Error::RlpError(error) => error,
        other => return TransactionError::Encoding(format!("rlp: {other}")),
    };
    let detail = match error {
        Error::Overflow => "rlp: input string too long".into(),
        Error::LeadingZero => "rlp: non-canonical integer format".into(),
        Error::InputTooShort if whole => format!("rlp: too few elements in a transaction of type {kind}"),
        Error::InputTooShort => "rlp: value size exceeds available input length".into(),
        Error::NonCanonicalSingleByte | Error::NonCanonicalSize => "rlp: non-canonical size information".into(),
        Error::UnexpectedLength => format!("rlp: input string has the wrong size in a transaction of type {kind}"),
        Error::UnexpectedString => "rlp: expected input list".into(),
        Error::UnexpectedList => "rlp: expected input string or byte".into(),
        Error::ListLengthMismatch { expected, got } if got < expected => "rlp: input list has too many elements".into(),
        Error::ListLengthMismatch { .. } => "rlp: too few elements".into(),
        Error::Custom(detail) => format!("rlp: {detail}"),
    };
    TransactionError::Encoding(detail)
}

/// The fields of a transaction that is yet to be signed; what a type does not have must be left out.
#[derive(Clone, Debug, Default)]
pub struct TransactionFields {
    /// 0, 1, 2 or 4; 3 for calls, which nobody signs.
    pub kind: u8,
    pub chain_id: Option<u64>,
    pub nonce: u64,
    pub gas_limit: u64,
    /// The gas price of types 0 and 1.
    pub max_fee_per_gas: u128,
    pub max_priority_fee_per_gas: Option<u128>,
    /// `None` creates a contract.
    pub to: Option<Address>,
    pub value: U256,
    pub input: Bytes,
    pub access_list: AccessList,
    pub authorization_list: Vec<SignedAuthorization>,
    /// Of type 3.
    pub blob_hashes: Vec<B256>,
    pub max_fee_per_blob_gas: u128,
}

/// A transaction before it is signed.
#[derive(Clone, Debug)]
pub struct UnsignedTransaction(TypedTransaction);

impl UnsignedTransaction {
    /// Check that the fields fit the type.
    pub fn new(fields: TransactionFields) -> Result<Self, TransactionError> {
        let dynamic = matches!(fields.kind, 2..=4);
        if !dynamic && fields.max_priority_fee_per_gas.is_some() {
            return Err(TransactionError::Fields("this type of transaction has no priority fee"));
        }
        if fields.kind == 0 && !fields.access_list.is_empty() {
            return Err(TransactionError::Fields("a legacy transaction has no access list"));
        }
        if fields.kind != 4 && !fields.authorization_list.is_empty() {
            return Err(TransactionError::Fields("only a transaction of type 4 has authorizations"));
        }
        match fields.kind {
            0 => Ok(Self(legacy(fields).into())),
            1 => Ok(Self(eip2930(fields)?.into())),
            2 => Ok(Self(eip1559(fields)?.into())),
            3 => Ok(Self(TypedTransaction::Eip4844(eip4844(fields)?.into()))),
            4 => Ok(Self(eip7702(fields)?.into())),
            kind => Err(TransactionError::UnsupportedType(kind)),
        }
    }

    /// What the sender signs.
    pub fn signing_hash(&self) -> B256 {
        match &self.0 {
            TypedTransaction::Legacy(inner) => inner.signature_hash(),
            TypedTransaction::Eip2930(inner) => inner.signature_hash(),
            TypedTransaction::Eip1559(inner) => inner.signature_hash(),
            TypedTransaction::Eip4844(inner) => inner.signature_hash(),
            TypedTransaction::Eip7702(inner) => inner.signature_hash(),
        }
    }

    /// EIP-2718 bytes with the signature of this key (32 bytes).
    pub fn sign(&self, private_key: &[u8]) -> Result<Vec<u8>, TransactionError> {
        Ok(self.with_signature(crypto::sign(&self.signing_hash(), private_key)?))
    }

    /// EIP-2718 bytes that carry a sender in place of a signature, for `decode_trusted` only.
    pub fn impersonate(&self, sender: Address) -> Vec<u8> {
        self.with_signature(impersonation(sender))
    }

    /// The transaction as calls are shown: of `sender`, with zeros in place of a signature.
    pub fn unsigned(&self, sender: Address) -> SignedTransaction {
        let envelope = self.0.clone().into_envelope(NO_SIGNATURE);
        let raw = match &self.0 {
            // A legacy signature would name the chain in its `v`.
            TypedTransaction::Legacy(inner) => unsigned_legacy(inner),
            _ => envelope.encoded_2718(),
        };
        SignedTransaction { hash: keccak256(&raw), sender, raw: raw.into(), envelope }
    }

    fn with_signature(&self, signature: Signature) -> Vec<u8> {
        self.0.clone().into_envelope(signature).encoded_2718()
    }
}

/// What stands where nobody signed.
const NO_SIGNATURE: Signature = Signature::new(U256::ZERO, U256::ZERO, false);

fn unsigned_legacy(inner: &TxLegacy) -> Vec<u8> {
    let mut payload = Vec::with_capacity(inner.input.len() + 100);
    inner.rlp_encode_fields(&mut payload);
    payload.extend_from_slice(&[alloy_rlp::EMPTY_STRING_CODE; 3]);
    let mut out = Vec::with_capacity(payload.len() + 9);
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(&payload);
    out
}

const NO_CHAIN_ID: TransactionError = TransactionError::Fields("a typed transaction needs a chain id");

fn legacy(fields: TransactionFields) -> TxLegacy {
    TxLegacy {
        chain_id: fields.chain_id,
        nonce: fields.nonce,
        gas_price: fields.max_fee_per_gas,
        gas_limit: fields.gas_limit,
        to: fields.to.map_or(TxKind::Create, TxKind::Call),
        value: fields.value,
        input: fields.input,
    }
}

fn eip2930(fields: TransactionFields) -> Result<TxEip2930, TransactionError> {
    Ok(TxEip2930 {
        chain_id: fields.chain_id.ok_or(NO_CHAIN_ID)?,
        nonce: fields.nonce,
        gas_price: fields.max_fee_per_gas,
        gas_limit: fields.gas_limit,
        to: fields.to.map_or(TxKind::Create, TxKind::Call),
        value: fields.value,
        access_list: fields.access_list,
        input: fields.input,
    })
}

fn eip1559(fields: TransactionFields) -> Result<TxEip1559, TransactionError> {
    Ok(TxEip1559 {
        chain_id: fields.chain_id.ok_or(NO_CHAIN_ID)?,
        nonce: fields.nonce,
        gas_limit: fields.gas_limit,
        max_fee_per_gas: fields.max_fee_per_gas,
        max_priority_fee_per_gas: fields.max_priority_fee_per_gas.unwrap_or_default(),
        to: fields.to.map_or(TxKind::Create, TxKind::Call),
        value: fields.value,
        access_list: fields.access_list,
        input: fields.input,
    })
}

fn eip4844(fields: TransactionFields) -> Result<TxEip4844, TransactionError> {
    Ok(TxEip4844 {
        chain_id: fields.chain_id.ok_or(NO_CHAIN_ID)?,
        nonce: fields.nonce,
        gas_limit: fields.gas_limit,
        max_fee_per_gas: fields.max_fee_per_gas,
        max_priority_fee_per_gas: fields.max_priority_fee_per_gas.unwrap_or_default(),
        to: fields.to.ok_or(TransactionError::Fields("a transaction of type 3 cannot create a contract"))?,
        value: fields.value,
        access_list: fields.access_list,
        blob_versioned_hashes: fields.blob_hashes,
        max_fee_per_blob_gas: fields.max_fee_per_blob_gas,
        input: fields.input,
    })
}

fn eip7702(fields: TransactionFields) -> Result<TxEip7702, TransactionError> {
    Ok(TxEip7702 {
        chain_id: fields.chain_id.ok_or(NO_CHAIN_ID)?,
        nonce: fields.nonce,
        gas_limit: fields.gas_limit,
        max_fee_per_gas: fields.max_fee_per_gas,
        max_priority_fee_per_gas: fields.max_priority_fee_per_gas.unwrap_or_default(),
        to: fields.to.ok_or(TransactionError::Fields("a transaction of type 4 cannot create a contract"))?,
        value: fields.value,
        access_list: fields.access_list,
        authorization_list: fields.authorization_list,
        input: fields.input,
    })
}

/// Where a transaction was mined.
#[derive(Clone, Copy, Debug)]
pub struct MinedAt {
    pub block_hash: B256,
    pub block_number: u64,
    /// Position in the block, from 0.
    pub index: u64,
    /// Wei.
    pub base_fee: u64,
    /// Seconds.
    pub timestamp: u64,
}

/// Append the RPC object of a transaction; without a block it is pending, and its gas price is the most that it may pay.
pub fn write_transaction_json(out: &mut Vec<u8>, transaction: &SignedTransaction, mined: Option<&MinedAt>) {
    let mut object = Object::begin(out);
    match mined {
        Some(at) => {
            object.data("blockHash", at.block_hash).quantity("blockNumber", at.block_number);
            object.quantity("blockTimestamp", at.timestamp).quantity("transactionIndex", at.index);
        }
        None => {
            object.null("blockHash").null("blockNumber").null("transactionIndex");
        }
    }
    let envelope = &transaction.envelope;
    object.data("hash", transaction.hash).data("from", transaction.sender).data_or_null("to", envelope.to());
    object.quantity("type", transaction.kind()).quantity("nonce", envelope.nonce()).quantity("gas", envelope.gas_limit());
    let price = mined.map_or(envelope.max_fee_per_gas(), |at| transaction.effective_gas_price(at.base_fee));
    object.quantity("gasPrice", price);
    if let Some(tip) = envelope.max_priority_fee_per_gas() {
        object.quantity("maxFeePerGas", envelope.max_fee_per_gas()).quantity("maxPriorityFeePerGas", tip);
    }
    object.quantity("value", envelope.value()).data("input", envelope.input());
    write_lists(&mut object, transaction);
    write_signature(&mut object, envelope);
    object.end();
}

fn write_lists(object: &mut Object<'_>, transaction: &SignedTransaction) {
    let envelope = &transaction.envelope;
    if let Some(list) = envelope.access_list() {
        object.array("accessList", list.iter(), |out, item| {
            let mut entry = Object::begin(out);
            entry.data("address", item.address).array("storageKeys", &item.storage_keys, |out, key| json::data(out, key.as_slice()));
            entry.end();
        });
    }
    if let Some(hashes) = envelope.blob_versioned_hashes() {
        object.quantity("maxFeePerBlobGas", envelope.max_fee_per_blob_gas().unwrap_or_default());
        object.array("blobVersionedHashes", hashes, |out, hash| json::data(out, hash.as_slice()));
    }
    if let Some(list) = envelope.authorization_list() {
        object.array("authorizationList", list, |out, item| {
            let mut entry = Object::begin(out);
            entry.quantity("chainId", item.chain_id).data("address", item.address).quantity("nonce", item.nonce);
            entry.quantity("yParity", item.y_parity()).quantity("r", item.r()).quantity("s", item.s());
            entry.end();
        });
    }
}

fn write_signature(object: &mut Object<'_>, envelope: &TxEnvelope) {
    if let Some(chain_id) = envelope.chain_id() {
        object.quantity("chainId", chain_id);
    }
    let signature = envelope.signature();
    let parity = u8::from(signature.v());
    if envelope.is_legacy() && *signature == NO_SIGNATURE {
        object.quantity("v", 0u8);
    } else if envelope.is_legacy() {
        object.quantity("v", alloy_consensus::transaction::to_eip155_value(signature.v(), envelope.chain_id()));
    } else {
        object.quantity("v", parity);
    }
    object.quantity("r", signature.r()).quantity("s", signature.s());
    if !envelope.is_legacy() {
        object.quantity("yParity", parity);
    }
}

#[cfg(test)]
mod tests;
