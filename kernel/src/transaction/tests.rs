//! Transactions: known vectors, round trips, and bytes that must be refused.

use alloy_consensus::{TxEip4844, TxEip4844WithSidecar};
use alloy_eips::eip2930::AccessListItem;
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{address, b256, hex};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const KEY: [u8; 32] = [0x46; 32];
const ETHER: u64 = 1_000_000_000_000_000_000;

/// Source: EIP-155, example.
fn eip155_example() -> TransactionFields {
    TransactionFields {
        kind: 0,
        chain_id: Some(1),
        nonce: 9,
        gas_limit: 21_000,
        max_fee_per_gas: 20_000_000_000,
        to: Some(Address::repeat_byte(0x35)),
        value: U256::from(ETHER),
        ..TransactionFields::default()
    }
}

const EIP155_RAW: [u8; 110] = hex!(
    "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025"
    "a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
    "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
);

#[test]
fn the_example_of_eip_155_comes_out() {
    let unsigned = UnsignedTransaction::new(eip155_example()).unwrap();
    assert_eq!(unsigned.signing_hash(), b256!("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"));
    assert_eq!(unsigned.sign(&KEY).unwrap(), EIP155_RAW);
    let decoded = SignedTransaction::decode(&EIP155_RAW).unwrap();
    assert_eq!(decoded.sender, address!("9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"));
    assert_eq!(decoded.hash, keccak256(EIP155_RAW));
    assert_eq!((decoded.kind(), decoded.chain_id(), decoded.nonce(), decoded.value()), (0, Some(1), 9, U256::from(ETHER)));
}

/// The deployment of the deterministic deployer. Source: Arachnid/deterministic-deployment-proxy.
#[test]
fn an_unprotected_transaction_decodes() {
    let code = hex!(
        "604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
        "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    );
    let signature = [&[0x1b][..], &[0xa0], &[0x22; 32], &[0xa0], &[0x22; 32]].concat();
    let raw = [&hex!("f8a58085174876e800830186a08080b853")[..], &code, &signature].concat();
    let decoded = SignedTransaction::decode(&raw).unwrap();
    assert_eq!(decoded.sender, address!("3fab184622dc19b6109349b94811493bf2a45362"));
    assert_eq!((decoded.chain_id(), decoded.to()), (None, None));
    assert_eq!(decoded.sender.create(0), address!("4e59b44847b379578588920cA78FbF26c0B4956C"));
}

fn authorization(nonce: u64) -> SignedAuthorization {
    let inner = Authorization { chain_id: U256::from(1), address: Address::repeat_byte(7), nonce };
    let signature = crypto::sign(&inner.signature_hash(), &[9; 32]).unwrap();
    inner.into_signed(signature)
}

fn fields(kind: u8) -> TransactionFields {
    let list = AccessList(vec![AccessListItem { address: Address::repeat_byte(1), storage_keys: vec![B256::repeat_byte(2)] }]);
    TransactionFields {
        kind,
        max_priority_fee_per_gas: matches!(kind, 2 | 4).then_some(3),
        input: vec![1, 2, 3].into(),
        access_list: if kind == 0 { AccessList::default() } else { list },
        authorization_list: if kind == 4 { vec![authorization(5)] } else { vec![] },
        ..eip155_example()
    }
}

/// The pieces that build a strategy of fields.
fn any_fields() -> impl Strategy<Value = TransactionFields> {
    let kind = prop_oneof![Just(0u8), Just(1), Just(2), Just(4)];
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u128>(), any::<u128>(), any::<[u64; 4]>());
    let rest = (any::<Option<[u8; 20]>>(), proptest::collection::vec(any::<u8>(), 0..80), any::<bool>());
    (kind, numbers, rest).prop_map(|(kind, (chain_id, nonce, gas_limit, cap, tip, value), (to, input, protected))| {
        let chain_id = if kind == 0 && !protected { None } else { Some(chain_id / 2) };
        let to = to.or_else(|| (kind == 4).then_some([3; 20])).map(Address::from);
        TransactionFields {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: cap,
            max_priority_fee_per_gas: matches!(kind, 2 | 4).then_some(tip),
            to,
            value: U256::from_limbs(value),
            input: input.into(),
            ..fields(kind)
        }
    })
}

fn assert_says(decoded: &SignedTransaction, fields: &TransactionFields) {
    assert_eq!(decoded.kind(), fields.kind);
    assert_eq!(decoded.chain_id(), fields.chain_id);
    assert_eq!(decoded.nonce(), fields.nonce);
    assert_eq!(decoded.gas_limit(), fields.gas_limit);
    assert_eq!(decoded.max_fee_per_gas(), fields.max_fee_per_gas);
    assert_eq!(decoded.max_priority_fee_per_gas(), fields.max_priority_fee_per_gas);
    assert_eq!(decoded.to(), fields.to);
    assert_eq!(decoded.value(), fields.value);
    assert_eq!(decoded.input(), &fields.input);
    assert_eq!(decoded.access_list().cloned().unwrap_or_default(), fields.access_list);
    assert_eq!(decoded.authorization_list(), fields.authorization_list);
    let env = decoded.tx_env();
    assert_eq!((env.tx_type, env.caller, env.nonce, env.gas_limit), (fields.kind, decoded.sender, fields.nonce, fields.gas_limit));
    assert_eq!((env.gas_price, env.gas_priority_fee), (fields.max_fee_per_gas, fields.max_priority_fee_per_gas));
    assert_eq!((env.value, env.data, env.chain_id), (fields.value, fields.input.clone(), fields.chain_id));
    assert_eq!((env.kind.to().copied(), env.access_list), (fields.to, fields.access_list.clone()));
    assert_eq!(env.authorization_list.len(), fields.authorization_list.len());
}

proptest! {
    #[test]
    fn what_is_signed_decodes(fields in any_fields(), key in 1u8..255) {
        let raw = UnsignedTransaction::new(fields.clone()).unwrap().sign(&[key; 32]).unwrap();
        let decoded = SignedTransaction::decode(&raw).unwrap();
        assert_says(&decoded, &fields);
        prop_assert_eq!(Ok(decoded.sender), crypto::address_of(&[key; 32]));
        prop_assert_eq!(&decoded.raw[..], &raw[..]);
        prop_assert!(!decoded.is_impersonated());
        prop_assert_eq!(SignedTransaction::decode_trusted(&raw).unwrap().sender, decoded.sender);
        let known = SignedTransaction::from_parts(decoded.raw.clone(), decoded.sender).unwrap();
        prop_assert_eq!((known.hash, known.sender), (decoded.hash, decoded.sender));
    }

    #[test]
    fn an_impersonated_sender_is_for_trusted_bytes_only(fields in any_fields(), sender: [u8; 20]) {
        let sender = Address::from(sender);
        let raw = UnsignedTransaction::new(fields.clone()).unwrap().impersonate(sender);
        prop_assert!(matches!(SignedTransaction::decode(&raw), Err(TransactionError::Signature(_))));
        let decoded = SignedTransaction::decode_trusted(&raw).unwrap();
        assert_says(&decoded, &fields);
        prop_assert_eq!(decoded.sender, sender);
        prop_assert!(decoded.is_impersonated());
    }

    /// Whatever is taken has one encoding, so that no second hash exists for it.
    #[test]
    fn damaged_bytes_are_refused_or_canonical(fields in any_fields(), at: usize, byte: u8, cut: usize) {
        let mut raw = UnsignedTransaction::new(fields).unwrap().sign(&KEY).unwrap();
        let cut = cut % raw.len();
        prop_assert!(SignedTransaction::decode(&raw[..cut]).is_err());
        let at = at % raw.len();
        raw[at] = byte;
        if let Ok(decoded) = SignedTransaction::decode(&raw) {
            prop_assert_eq!(decoded.envelope.encoded_2718(), raw);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = SignedTransaction::decode(&raw);
        let _ = SignedTransaction::decode_trusted(&raw);
    }
}

#[test]
fn the_zero_address_can_be_impersonated() {
    let raw = UnsignedTransaction::new(eip155_example()).unwrap().impersonate(Address::ZERO);
    assert_eq!(SignedTransaction::decode_trusted(&raw).unwrap().sender, Address::ZERO);
}

#[test]
fn many_decode_in_their_order() {
    let raws: Vec<Vec<u8>> = (0..50)
        .map(|nonce| UnsignedTransaction::new(TransactionFields { nonce, ..eip155_example() }).unwrap().sign(&KEY).unwrap())
        .chain([vec![0x7f], vec![]])
        .collect();
    for count in [0, 1, 52] {
        let decoded = SignedTransaction::decode_many(&raws[..count], false);
        for (outcome, raw) in decoded.iter().zip(&raws) {
            assert_eq!(outcome.as_ref().map(|it| it.hash), SignedTransaction::decode(raw).as_ref().map(|it| it.hash));
        }
        assert_eq!(decoded.len(), count);
    }
}

fn refused(raw: &[u8]) -> TransactionError {
    SignedTransaction::decode(raw).unwrap_err()
}

/// The words are those of ethereum/go-ethereum, core/types and rlp.
#[test]
fn faults_have_geths_words() {
    let encoding = |detail: &str| TransactionError::Encoding(detail.into());
    assert_eq!(refused(&[]), encoding("typed transaction too short"));
    assert_eq!(refused(&[2]), encoding("typed transaction too short"));
    assert_eq!(refused(&[0]), TransactionError::UnsupportedType(0));
    assert_eq!(refused(&[0x7f, 0xc0]), TransactionError::UnsupportedType(0x7f));
    assert_eq!(refused(&[&EIP155_RAW[..], &[0]].concat()), encoding("rlp: input contains more than one value"));
    assert_eq!(refused(&EIP155_RAW[..100]), encoding("rlp: value size exceeds available input length"));
    assert_eq!(refused(&[0xf8, 0x6b]), encoding("rlp: value size exceeds available input length"));
    assert_eq!(refused(&[0xc0]), encoding("rlp: too few elements in a transaction of type 0"));
    assert_eq!(refused(&[2, 0xc0]), encoding("rlp: too few elements in a transaction of type 2"));
    assert_eq!(refused(&[0x80]), encoding("rlp: expected input list"));
    assert_eq!(refused(&[2, 0x80]), encoding("rlp: expected input list"));
    let mut leading_zero = EIP155_RAW.to_vec();
    leading_zero[2] = 0;
    assert_eq!(refused(&leading_zero), encoding("rlp: non-canonical integer format"));
}

#[test]
fn a_high_s_is_refused() {
    let order = U256::from_be_bytes(hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
    for kind in [0, 1, 2, 4] {
        let unsigned = UnsignedTransaction::new(fields(kind)).unwrap();
        let signature = crypto::sign(&unsigned.signing_hash(), &KEY).unwrap();
        let raw = unsigned.with_signature(Signature::new(signature.r(), order - signature.s(), !signature.v()));
        assert_eq!(refused(&raw), TransactionError::Signature(CryptoError::HighS.to_string()));
        assert!(matches!(SignedTransaction::decode_trusted(&raw), Err(TransactionError::Signature(_))));
    }
}

fn blob() -> TxEip4844 {
    TxEip4844 {
        chain_id: 1,
        gas_limit: 21_000,
        max_fee_per_gas: 7,
        max_fee_per_blob_gas: 5,
        blob_versioned_hashes: vec![B256::repeat_byte(1); 2],
        ..TxEip4844::default()
    }
}

#[test]
fn a_blob_transaction_decodes_in_the_form_of_blocks_only() {
    let signature = crypto::sign(&blob().signature_hash(), &KEY).unwrap();
    let raw = TypedTransaction::from(blob()).into_envelope(signature).encoded_2718();
    let decoded = SignedTransaction::decode(&raw).unwrap();
    assert_eq!((decoded.kind(), decoded.blob_gas_used()), (3, 2 * 131_072));
    assert_eq!(decoded.cost(), Some(U256::from(21_000 * 7 + 2 * 131_072 * 5)));
    assert_eq!(decoded.tx_env().blob_hashes.len(), 2);
    let sidecar = BlobTransactionSidecarVariant::Eip4844(Default::default());
    let pooled = TypedTransaction::from(TxEip4844WithSidecar::from_tx_and_sidecar(blob(), sidecar));
    assert_eq!(refused(&pooled.into_envelope(signature).encoded_2718()), TransactionError::UnsupportedType(3));
}

#[test]
fn fields_must_fit_the_type() {
    let refused = [
        TransactionFields { kind: 3, to: None, ..fields(1) },
        TransactionFields { kind: 3, chain_id: None, ..fields(1) },
        TransactionFields { kind: 5, ..fields(1) },
        TransactionFields { max_priority_fee_per_gas: Some(1), ..fields(0) },
        TransactionFields { max_priority_fee_per_gas: Some(1), ..fields(1) },
        TransactionFields { access_list: fields(1).access_list, ..fields(0) },
        TransactionFields { authorization_list: vec![authorization(0)], ..fields(2) },
        TransactionFields { chain_id: None, ..fields(1) },
        TransactionFields { chain_id: None, ..fields(2) },
        TransactionFields { chain_id: None, ..fields(4) },
        TransactionFields { to: None, ..fields(4) },
    ];
    for fields in refused {
        assert!(UnsignedTransaction::new(fields.clone()).is_err(), "{fields:?}");
    }
}

#[test]
fn prices_follow_the_base_fee() {
    let decode = |fields| SignedTransaction::decode(&UnsignedTransaction::new(fields).unwrap().sign(&KEY).unwrap()).unwrap();
    let dynamic = decode(TransactionFields { max_fee_per_gas: 10, max_priority_fee_per_gas: Some(3), ..fields(2) });
    assert_eq!([5, 8, 10].map(|base| dynamic.effective_gas_price(base)), [8, 10, 10]);
    assert_eq!([5, 8, 10, 11].map(|base| dynamic.effective_tip(base)), [Some(3), Some(2), Some(0), None]);
    let legacy = decode(TransactionFields { max_fee_per_gas: 10, ..fields(0) });
    assert_eq!((legacy.effective_gas_price(4), legacy.tip_cap()), (10, 10));
    assert_eq!([4, 10, 11].map(|base| legacy.effective_tip(base)), [Some(6), Some(0), None]);
    assert_eq!(legacy.cost(), Some(U256::from(21_000 * 10) + U256::from(ETHER)));
    let most = TransactionFields { value: U256::MAX, ..fields(0) };
    assert_eq!(decode(most).cost(), None);
}

fn json_of(raw: &[u8], mined: Option<&MinedAt>) -> serde_json::Value {
    let mut out = Vec::new();
    write_transaction_json(&mut out, &SignedTransaction::decode_trusted(raw).unwrap(), mined);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_pending_legacy_transaction_has_its_rpc_object() {
    let expected = json!({
        "blockHash": null, "blockNumber": null, "transactionIndex": null,
        "hash": keccak256(EIP155_RAW), "type": "0x0", "nonce": "0x9", "gas": "0x5208", "gasPrice": "0x4a817c800",
        "from": "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f", "to": "0x3535353535353535353535353535353535353535",
        "value": "0xde0b6b3a7640000", "input": "0x", "chainId": "0x1", "v": "0x25",
        "r": "0x28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276",
        "s": "0x67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    });
    assert_eq!(json_of(&EIP155_RAW, None), expected);
}

#[test]
fn a_mined_set_code_transaction_has_its_rpc_object() {
    let fields = TransactionFields { max_fee_per_gas: 20, max_priority_fee_per_gas: Some(3), ..fields(4) };
    let raw = UnsignedTransaction::new(fields).unwrap().impersonate(Address::repeat_byte(0xee));
    let at = MinedAt { block_hash: B256::repeat_byte(0xbb), block_number: 16, index: 2, base_fee: 7, timestamp: 1_800_000_000 };
    let signed = authorization(5);
    let expected = json!({
        "blockHash": at.block_hash, "blockNumber": "0x10", "blockTimestamp": "0x6b49d200", "transactionIndex": "0x2",
        "hash": keccak256(&raw), "type": "0x4", "nonce": "0x9", "gas": "0x5208",
        "gasPrice": "0xa", "maxFeePerGas": "0x14", "maxPriorityFeePerGas": "0x3",
        "from": Address::repeat_byte(0xee), "to": Address::repeat_byte(0x35), "value": "0xde0b6b3a7640000", "input": "0x010203",
        "accessList": [{"address": Address::repeat_byte(1), "storageKeys": [B256::repeat_byte(2)]}],
        "authorizationList": [{
            "chainId": "0x1", "address": Address::repeat_byte(7), "nonce": "0x5",
            "yParity": format!("{:#x}", signed.y_parity()), "r": signed.r(), "s": signed.s()
        }],
        "chainId": "0x1", "v": "0x0", "yParity": "0x0", "r": "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "s": "0x1"
    });
    assert_eq!(json_of(&raw, Some(&at)), expected);
}

#[test]
fn objects_have_the_members_of_their_type() {
    let members = |kind: u8| {
        let json = json_of(&UnsignedTransaction::new(fields(kind)).unwrap().sign(&KEY).unwrap(), None);
        ["accessList", "maxFeePerGas", "authorizationList", "yParity", "gasPrice"].map(|name| json.get(name).is_some())
    };
    assert_eq!(members(0), [false, false, false, false, true]);
    assert_eq!(members(1), [true, false, false, true, true]);
    assert_eq!(members(2), [true, true, false, true, true]);
    assert_eq!(members(4), [true, true, true, true, true]);
}
