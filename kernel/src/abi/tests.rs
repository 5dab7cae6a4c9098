//! The ABI codec and EIP-712: known vectors, agreement with alloy, and hostile input.

use alloy_dyn_abi::{DynSolType, DynSolValue, TypedData};
use alloy_primitives::{I256, U256, b256, hex};
use proptest::prelude::*;

use super::typed_data::digest;
use super::*;

fn unsigned(value: u64) -> Value {
    Value::Unsigned(U256::from(value))
}

// ---- codec -------------------------------------------------------------------------------------------------------

/// Source: Solidity documentation, Contract ABI Specification, example `f(uint256,uint32[],bytes10,bytes)`.
#[test]
fn the_example_of_the_specification_comes_out() {
    let types = ["uint256", "uint32[]", "bytes10", "bytes"];
    let values = [
        unsigned(0x123),
        Value::Array(vec![unsigned(0x456), unsigned(0x789)]),
        Value::Bytes(b"1234567890".to_vec()),
        Value::Bytes(b"Hello, world!".to_vec()),
    ];
    let data = hex!(
        "0000000000000000000000000000000000000000000000000000000000000123"
        "0000000000000000000000000000000000000000000000000000000000000080"
        "3132333435363738393000000000000000000000000000000000000000000000"
        "00000000000000000000000000000000000000000000000000000000000000e0"
        "0000000000000000000000000000000000000000000000000000000000000002"
        "0000000000000000000000000000000000000000000000000000000000000456"
        "0000000000000000000000000000000000000000000000000000000000000789"
        "000000000000000000000000000000000000000000000000000000000000000d"
        "48656c6c6f2c20776f726c642100000000000000000000000000000000000000"
    );
    assert_eq!(encode(&types, &values).unwrap(), data);
    assert_eq!(decode(&types, &data).unwrap(), values);
}

#[test]
fn nothing_is_a_sequence_too() {
    assert_eq!(encode::<&str>(&[], &[]), Ok(vec![]));
    assert_eq!(decode::<&str>(&[], &[]), Ok(vec![]));
    assert_eq!(decode(&["()"], &[]), Ok(vec![Value::Tuple(vec![])]));
}

#[test]
fn addresses_may_be_text() {
    let text = Value::Text("0x00000000000000000000000000000000000000Aa".into());
    let bytes = Value::Bytes([&[0; 19][..], &[0xaa]].concat());
    assert_eq!(encode(&["address"], &[text]), encode(&["address"], &[bytes]));
    for text in ["0x", "aa", "00000000000000000000000000000000000000Aa", "0x00000000000000000000000000000000000000Ag"] {
        assert_eq!(encode(&["address"], &[Value::Text(text.into())]), Err(AbiError::Value("address".into())));
    }
}

#[test]
fn values_out_of_range_are_refused() {
    let refused = [
        ("uint8", unsigned(256)),
        ("int8", unsigned(128)),
        ("int8", Value::Signed(I256::try_from(-129).unwrap())),
        ("uint256", Value::Signed(I256::MINUS_ONE)),
        ("uint256", Value::Bool(true)),
        ("bool", unsigned(1)),
        ("bytes4", Value::Bytes(vec![0; 3])),
        ("bytes4", Value::Bytes(vec![0; 5])),
        ("string", Value::Bytes(vec![])),
        ("bytes", Value::Text(String::new())),
        ("uint256[2]", Value::Array(vec![unsigned(1)])),
        ("(uint256,bool)", Value::Tuple(vec![unsigned(1)])),
    ];
    for (kind, value) in refused {
        assert_eq!(encode(&[kind], &[value]), Err(AbiError::Value(kind.into())), "{kind}");
    }
    assert_eq!(encode(&["bool"], &[]), Err(AbiError::Count { types: 1, count: 0 }));
    let lowest = Value::Signed(I256::try_from(-128).unwrap());
    assert_eq!(decode(&["int8"], &encode(&["int8"], std::slice::from_ref(&lowest)).unwrap()), Ok(vec![lowest]));
}

#[test]
fn texts_that_are_no_types_are_refused() {
    for text in ["", "uint7", "uint264", "bytes33", "bytes0", "struct", "uint256[", "(uint256", "uint256[0]", "uint256[-1]"] {
        assert!(matches!(parse_type(text), Err(AbiError::Type(_))), "{text}");
    }
    let nested = |depth: usize| format!("{}uint256{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse_type(&nested(TYPE_DEPTH_MAX)).is_ok() && parse_type(&nested(TYPE_DEPTH_MAX + 1)).is_err());
    assert!(parse_type(&format!("uint256{}", "[]".repeat(TYPE_DEPTH_MAX + 1))).is_err());
    assert!(parse_type(&format!("({}uint256)", "uint256,".repeat(TYPE_TEXT_MAX))).is_err());
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect()
}

#[test]
fn words_that_no_value_has_are_refused() {
    let ones = [0xff; 32];
    for kind in ["bool", "uint8", "address", "bytes31", "function"] {
        assert_eq!(decode(&[kind], &ones), Err(AbiError::Value(kind.into())));
    }
    assert_eq!(decode(&["int8"], &ones), Ok(vec![Value::Signed(I256::MINUS_ONE)]));
    assert_eq!(decode(&["int8"], &words(&[128])), Err(AbiError::Value("int8".into())));
    assert_eq!(decode(&["string"], &[words(&[32, 1]), vec![0xff; 32]].concat()), Err(AbiError::Value("string".into())));
}

#[test]
fn data_that_ends_early_is_refused() {
    let short = |kind: &str| Err(AbiError::Short(kind.into()));
    assert_eq!(decode(&["uint256"], &[0; 31]), short("uint256"));
    assert_eq!(decode(&["bytes"], &words(&[32])), short("bytes"));
    assert_eq!(decode(&["bytes"], &words(&[32, 1])), short("bytes"));
    assert_eq!(decode(&["uint256[]"], &words(&[32, 2, 1])), short("uint256"));
    assert_eq!(decode(&["uint256[]"], &words(&[u64::MAX, 2, 1])), short("uint256[]"));
    assert_eq!(decode(&["uint256[]"], &words(&[32, u64::MAX])), short("uint256[]"));
    assert_eq!(decode(&["uint256[1000000000]"], &words(&[1])), short("uint256"));
    assert_eq!(decode(&["uint256[1000000000][1000000000][]"], &words(&[32, 2, 7])), short("uint256"));
}

/// Every level holds the next one twice, so that it has 2 to the power of its depth items.
#[test]
fn data_that_points_twice_at_everything_does_not_grow() {
    let data = |depth: usize| [words(&[32]), (0..depth).flat_map(|_| words(&[2, 64, 64])).collect(), words(&[0])].concat();
    let kind = |depth: usize| format!("uint256{}", "[]".repeat(depth + 1));
    assert!(decode(&[kind(6)], &data(6)).is_ok());
    assert!(matches!(decode(&[kind(12)], &data(12)), Err(AbiError::Amplified(_))));
    // Items without size cost no data.
    assert!(matches!(decode(&["()[]"], &[words(&[32, 8000]), vec![0; 9000]].concat()), Err(AbiError::Amplified(_))));
}

/// Any type, and values of it.
fn kind() -> impl Strategy<Value = DynSolType> {
    let leaf = prop_oneof![
        Just(DynSolType::Bool),
        Just(DynSolType::Address),
        Just(DynSolType::Bytes),
        Just(DynSolType::String),
        Just(DynSolType::Function),
        (1usize..=32).prop_map(|bytes| DynSolType::Uint(8 * bytes)),
        (1usize..=32).prop_map(|bytes| DynSolType::Int(8 * bytes)),
        (1usize..=32).prop_map(DynSolType::FixedBytes),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| DynSolType::Array(Box::new(inner))),
            (inner.clone(), 1usize..4).prop_map(|(inner, count)| DynSolType::FixedArray(Box::new(inner), count)),
            proptest::collection::vec(inner, 1..4).prop_map(DynSolType::Tuple),
        ]
    })
}

fn value_of(kind: &DynSolType) -> BoxedStrategy<Value> {
    match kind.clone() {
        DynSolType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        DynSolType::Uint(bits) => any::<[u64; 4]>().prop_map(move |limbs| Value::Unsigned(U256::from_limbs(limbs) >> (256 - bits))).boxed(),
        DynSolType::Int(bits) => {
            any::<[u64; 4]>().prop_map(move |limbs| Value::Signed(I256::from_raw(U256::from_limbs(limbs)).asr(256 - bits))).boxed()
        }
        DynSolType::Address => any::<[u8; 20]>().prop_map(|bytes| Value::Bytes(bytes.to_vec())).boxed(),
        DynSolType::Function => any::<[u8; 24]>().prop_map(|bytes| Value::Bytes(bytes.to_vec())).boxed(),
        DynSolType::FixedBytes(size) => proptest::collection::vec(any::<u8>(), size).prop_map(Value::Bytes).boxed(),
        DynSolType::Bytes => proptest::collection::vec(any::<u8>(), 0..70).prop_map(Value::Bytes).boxed(),
        DynSolType::String => any::<String>().prop_map(Value::Text).boxed(),
        DynSolType::Array(inner) => proptest::collection::vec(value_of(&inner), 0..4).prop_map(Value::Array).boxed(),
        DynSolType::FixedArray(inner, count) => vec![value_of(&inner); count].prop_map(Value::Array).boxed(),
        DynSolType::Tuple(kinds) => kinds.iter().map(value_of).collect::<Vec<_>>().prop_map(Value::Tuple).boxed(),
        other => unreachable!("{other:?} is not made here"),
    }
}

fn typed_values() -> impl Strategy<Value = (Vec<String>, Vec<Value>)> {
    proptest::collection::vec(kind(), 0..4).prop_flat_map(|kinds| {
        let names: Vec<String> = kinds.iter().map(name_of).collect();
        (Just(names), kinds.iter().map(value_of).collect::<Vec<_>>())
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_and_alloy_agrees((types, values) in typed_values()) {
        let data = encode(&types, &values).unwrap();
        prop_assert_eq!(decode(&types, &data).unwrap(), values);
        let tuple = DynSolType::Tuple(types.iter().map(|text| parse_type(text).unwrap()).collect());
        if !types.is_empty() {
            let DynSolValue::Tuple(parts) = tuple.abi_decode_params(&data).unwrap() else { unreachable!() };
            prop_assert_eq!(DynSolValue::Tuple(parts).abi_encode_params(), data);
        }
    }

    #[test]
    fn damaged_data_never_panics((types, values) in typed_values(), at: usize, byte: u8, cut: usize) {
        let mut data = encode(&types, &values).unwrap();
        if !data.is_empty() {
            let (at, cut) = (at % data.len(), cut % data.len());
            data[at] = byte;
            let _ = decode(&types, &data);
            let _ = decode(&types, &data[..cut]);
        }
    }

    #[test]
    fn arbitrary_data_never_panics(kind in kind(), data in proptest::collection::vec(prop_oneof![Just(0u8), Just(32), any::<u8>()], 0..400)) {
        let _ = decode(&[name_of(&kind)], &data);
    }

    #[test]
    fn arbitrary_texts_never_panic(text in "[a-z0-9\\[\\](),]{0,40}") {
        let _ = parse_type(&text);
    }
}

// ---- EIP-712 -----------------------------------------------------------------------------------------------------

const MAIL: &str = r#"{
    "types": {
        "EIP712Domain": [
            {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}
        ],
        "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
        "Mail": [{"name": "from", "type": "Person"}, {"name": "to", "type": "Person"}, {"name": "contents", "type": "string"}]
    },
    "primaryType": "Mail",
    "domain": {"name": "Ether Mail", "version": "1", "chainId": 1, "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"},
    "message": {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!"
    }
}"#;

/// Source: EIP-712, example `Mail`.
#[test]
fn the_mail_of_the_eip_has_its_digest() {
    let expected = b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
    assert_eq!(digest(MAIL.as_bytes()), Ok(expected));
    assert_eq!(digest(serde_json::to_string(MAIL).unwrap().as_bytes()), Ok(expected));
    // The type of the domain follows from its members when it is not given.
    let mut document: serde_json::Value = serde_json::from_str(MAIL).unwrap();
    document["types"].as_object_mut().unwrap().remove("EIP712Domain");
    assert_eq!(digest(document.to_string().as_bytes()), Ok(expected));
    // Other writings of a number.
    for chain_id in ["\"1\"", "\"0x1\""] {
        let document = MAIL.replace("\"chainId\": 1", &format!("\"chainId\": {chain_id}"));
        assert_eq!(digest(document.as_bytes()), Ok(expected));
    }
}

fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Result<alloy_primitives::B256, AbiError> {
    let mut document: serde_json::Value = serde_json::from_str(MAIL).unwrap();
    change(&mut document);
    digest(document.to_string().as_bytes())
}

#[test]
fn documents_that_do_not_fit_are_refused() {
    let refused = [
        changed(|it| it["primaryType"] = "Letter".into()),
        changed(|it| it["types"]["Person"][1]["type"] = "Wallet".into()),
        changed(|it| it["types"]["Person"][1]["type"] = "address[]".into()),
        changed(|it| it["types"]["Person"][1]["type"] = "(address)".into()),
        changed(|it| it["message"]["contents"] = 7.into()),
        changed(|it| it["message"]["contents"] = serde_json::Value::Null),
        changed(|it| it["message"] = "Hello".into()),
        changed(|it| it["domain"]["chainId"] = "".into()),
        changed(|it| it["domain"]["chainId"] = "0x".into()),
        changed(|it| it["domain"]["chainId"] = (-1).into()),
        changed(|it| it["domain"]["chainId"] = 1.5.into()),
        changed(|it| it["domain"]["verifyingContract"] = "0x00".into()),
        changed(|it| _ = it.as_object_mut().unwrap().remove("types")),
        digest(b"{"),
        digest(&vec![b' '; (1 << 20) + 1]),
    ];
    for outcome in refused {
        assert!(matches!(outcome, Err(AbiError::TypedData(_))), "{outcome:?}");
    }
}

#[test]
fn an_absent_struct_counts_as_null() {
    let absent = changed(|it| _ = it["message"].as_object_mut().unwrap().remove("to"));
    let null = changed(|it| it["message"]["to"] = serde_json::Value::Null);
    assert!(absent.is_ok());
    assert_eq!(absent, null);
    assert_ne!(absent, digest(MAIL.as_bytes()));
}

/// Types that refer to themselves are hashed without being unfolded, and so are types that fan out.
#[test]
fn recursive_and_fanning_types_stay_small() {
    let types = (0..200).map(|level| {
        let next = format!("T{}", (level + 1) % 200);
        (format!("T{level}"), serde_json::json!([{"name": "a", "type": next.clone()}, {"name": "b", "type": next}]))
    });
    let types: serde_json::Map<_, _> = types.collect();
    let document = serde_json::json!({"types": types, "primaryType": "T0", "domain": {}, "message": {"a": {"a": null}}});
    assert!(digest(document.to_string().as_bytes()).is_ok());
    let many: serde_json::Map<_, _> = (0..257).map(|index| (format!("T{index}"), serde_json::json!([]))).collect();
    let document = serde_json::json!({"types": many, "primaryType": "T0", "domain": {}, "message": {}});
    assert!(digest(document.to_string().as_bytes()).is_err());
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(digest(format!(r#"{{"types": {{"T": []}}, "primaryType": "T", "message": {deep}}}"#).as_bytes()).is_err());
}

/// A struct type for each level, with a value that fits.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let atom = prop_oneof![
        any::<u64>().prop_map(|value| ("uint64", serde_json::json!(value.to_string()))),
        any::<i32>().prop_map(|value| ("int32", serde_json::json!(value))),
        any::<bool>().prop_map(|value| ("bool", serde_json::json!(value))),
        any::<String>().prop_map(|value| ("string", serde_json::json!(value))),
        any::<[u8; 4]>().prop_map(|value| ("bytes4", serde_json::json!(format!("0x{}", hex::encode(value))))),
        any::<[u8; 20]>().prop_map(|value| ("address", serde_json::json!(format!("0x{}", hex::encode(value))))),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|value| ("bytes", serde_json::json!(format!("0x{}", hex::encode(value))))),
        proptest::collection::vec(any::<u16>(), 0..4).prop_map(|value| ("uint16[]", serde_json::json!(value))),
        any::<[[u8; 2]; 3]>().prop_map(|value| ("uint8[2][3]", serde_json::json!(value))),
    ];
    let level = proptest::collection::vec(atom, 0..4);
    (proptest::collection::vec(level, 1..4), any::<u32>()).prop_map(|(levels, chain_id)| {
        let mut types = serde_json::Map::new();
        let mut message = serde_json::json!({});
        for (depth, level) in levels.iter().enumerate() {
            let mut members = vec![];
            let mut value = serde_json::Map::new();
            for (index, (kind, atom)) in level.iter().enumerate() {
                members.push(serde_json::json!({"name": format!("m{index}"), "type": kind}));
                value.insert(format!("m{index}"), atom.clone());
            }
            if depth > 0 {
                members.push(serde_json::json!({"name": "inner", "type": format!("T{}[]", depth - 1)}));
                value.insert("inner".into(), serde_json::json!([message.clone(), message]));
            }
            types.insert(format!("T{depth}"), members.into());
            message = value.into();
        }
        let domain = serde_json::json!({"name": "n", "chainId": chain_id});
        serde_json::json!({"types": types, "primaryType": format!("T{}", levels.len() - 1), "domain": domain, "message": message})
    })
}

proptest! {
    #[test]
    fn digests_agree_with_alloy(document in document()) {
        let expected = serde_json::from_value::<TypedData>(document.clone()).unwrap().eip712_signing_hash().unwrap();
        prop_assert_eq!(digest(document.to_string().as_bytes()), Ok(expected));
    }
}
