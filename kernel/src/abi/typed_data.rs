//! EIP-712 digests of `eth_signTypedData_v4` documents.
//!
//! Source: EIP-712, and for what it leaves open MetaMask/eth-sig-util (version V4): a struct that is absent or null counts as 32
//! zero bytes, `EIP712Domain` as primary type signs the domain alone, and members that the type does not name do not count.

use std::collections::{BTreeMap, BTreeSet};

use alloy_dyn_abi::DynSolType;
use alloy_primitives::{B256, keccak256};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{AbiError, TYPE_DEPTH_MAX, parse_type};

/// Longest document.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// Most struct types in a document.
const TYPES_MAX: usize = 256;

const DOMAIN: &str = "EIP712Domain";

/// The members that a domain may have, in their order.
const DOMAIN_MEMBERS: [(&str, &str); 5] =
    [("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"), ("salt", "bytes32")];

#[derive(Deserialize)]
struct Document {
    types: BTreeMap<String, Vec<Member>>,
    #[serde(rename = "primaryType")]
    primary_type: String,
    #[serde(default)]
    domain: Json,
    #[serde(default)]
    message: Json,
}

#[derive(Deserialize)]
struct Member {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The digest that a wallet signs for this document (JSON text, or a JSON string that holds it).
pub fn digest(document: &[u8]) -> Result<B256, AbiError> {
    let mut document = parse(document)?;
    if !document.types.contains_key(DOMAIN) {
        let present = DOMAIN_MEMBERS.iter().filter(|(name, _)| document.domain.get(name).is_some());
        let members = present.map(|(name, kind)| Member { name: (*name).into(), kind: (*kind).into() }).collect();
        document.types.insert(DOMAIN.into(), members);
    }
    let structs = Structs::compile(&document)?;
    let mut signed = vec![0x19, 0x01];
    signed.extend(structs.hash(DOMAIN, &document.domain)?);
    if document.primary_type != DOMAIN {
        signed.extend(structs.hash(&document.primary_type, &document.message)?);
    }
    Ok(keccak256(signed))
}

fn error(text: impl Into<String>) -> AbiError {
    AbiError::TypedData(text.into())
}

fn parse(document: &[u8]) -> Result<Document, AbiError> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(error(format!("the document is longer than {DOCUMENT_BYTES_MAX} bytes")));
    }
    let mut json: Json = serde_json::from_slice(document).map_err(|cause| error(cause.to_string()))?;
    if let Json::String(text) = &json {
        json = serde_json::from_str(text).map_err(|cause| error(cause.to_string()))?;
    }
    let document: Document = serde_json::from_value(json).map_err(|cause| error(cause.to_string()))?;
    if document.types.len() > TYPES_MAX {
        return Err(error(format!("more than {TYPES_MAX} types")));
    }
    Ok(document)
}

enum Kind {
    Atom(DynSolType),
    Struct(String),
    Array(Box<Kind>, Option<usize>),
}

impl Kind {
    fn parse(text: &str, types: &BTreeMap<String, Vec<Member>>, depth: usize) -> Result<Self, AbiError> {
        let unknown = || error(format!("unknown type {}", text.chars().take(80).collect::<String>()));
        if depth > TYPE_DEPTH_MAX {
            return Err(unknown());
        }
        if types.contains_key(text) {
            return Ok(Self::Struct(text.into()));
        }
        if let Some((inner, count)) = text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
            let count = if count.is_empty() { None } else { Some(count.parse().map_err(|_| unknown())?) };
            return Ok(Self::Array(Box::new(Self::parse(inner, types, depth + 1)?), count));
        }
        match parse_type(text) {
            Ok(DynSolType::Tuple(_)) | Err(_) => Err(unknown()),
            Ok(atom) => Ok(Self::Atom(atom)),
        }
    }

    /// The struct at its core, if any.
    fn root(&self) -> Option<&str> {
        match self {
            Self::Atom(_) => None,
            Self::Struct(name) => Some(name),
            Self::Array(inner, _) => inner.root(),
        }
    }
}

/// The struct types that a document uses.
#[derive(Default)]
struct Structs {
    members: BTreeMap<String, Vec<(String, Kind)>>,
    hashes: BTreeMap<String, B256>,
}

impl Structs {
    fn compile(document: &Document) -> Result<Self, AbiError> {
        let types = &document.types;
        let mut structs = Self::default();
        let mut waiting = vec![DOMAIN.to_owned(), document.primary_type.clone()];
        while let Some(name) = waiting.pop() {
            if structs.members.contains_key(&name) {
                continue;
            }
            let members = types.get(&name).ok_or_else(|| error(format!("unknown type {name}")))?;
            let compile = |member: &Member| Ok((member.name.clone(), Kind::parse(&member.kind, types, 0)?));
            let members = members.iter().map(compile).collect::<Result<Vec<_>, AbiError>>()?;
            waiting.extend(members.iter().filter_map(|(_, kind)| kind.root().map(str::to_owned)));
            structs.members.insert(name, members);
        }
        for name in structs.members.keys() {
            structs.hashes.insert(name.clone(), keccak256(structs.encode_type(name, types)));
        }
        Ok(structs)
    }

    /// The type, followed by all that it refers to, in the order of their names.
    fn encode_type(&self, name: &str, types: &BTreeMap<String, Vec<Member>>) -> String {
        let mut others = BTreeSet::new();
        let mut waiting = vec![name];
        while let Some(next) = waiting.pop() {
            let roots = self.members.get(next).into_iter().flatten().filter_map(|(_, kind)| kind.root());
            waiting.extend(roots.filter(|root| *root != name && others.insert(*root)));
        }
        let mut text = String::new();
        for name in std::iter::once(name).chain(others) {
            let members = types.get(name).into_iter().flatten().map(|member| format!("{} {}", member.kind, member.name));
            text.push_str(&format!("{name}({})", members.collect::<Vec<_>>().join(",")));
        }
        text
    }

    fn hash(&self, name: &str, value: &Json) -> Result<B256, AbiError> {
        let object = value.as_object().ok_or_else(|| error(format!("no object for type {name}")))?;
        let mut encoded = self.hashes.get(name).copied().unwrap_or_default().to_vec();
        for (member, kind) in self.members.get(name).into_iter().flatten() {
            let word = match object.get(member) {
                None | Some(Json::Null) if matches!(kind, Kind::Struct(_)) => B256::ZERO,
                None => return Err(error(format!("no value for {name}.{member}"))),
                Some(value) => self.word(kind, value).ok_or_else(|| error(format!("the value of {name}.{member} does not fit")))??,
            };
            encoded.extend(word);
        }
        Ok(keccak256(encoded))
    }

    /// The 32 bytes that stand for a value in the data of its struct; `None` if it is no value of its type.
    fn word(&self, kind: &Kind, value: &Json) -> Option<Result<B256, AbiError>> {
        match kind {
            Kind::Atom(atom) => atom_word(atom, value).map(Ok),
            Kind::Struct(name) => Some(self.hash(name, value)),
            Kind::Array(inner, count) => {
                let items = value.as_array().filter(|items| count.is_none_or(|count| count == items.len()))?;
                let mut encoded = Vec::with_capacity(items.len() * 32);
                for item in items {
                    match self.word(inner, item)? {
                        Ok(word) => encoded.extend(word),
                        failed => return Some(failed),
                    }
                }
                Some(Ok(keccak256(encoded)))
            }
        }
    }
}

fn atom_word(atom: &DynSolType, value: &Json) -> Option<B256> {
    let number = matches!(atom, DynSolType::Uint(_) | DynSolType::Int(_));
    if number && value.as_str().is_some_and(|text| !text.ends_with(|last: char| last.is_ascii_hexdigit())) {
        return None;
    }
    let value = atom.coerce_json(value).ok()?;
    match value.as_packed_seq() {
        Some(bytes) => Some(keccak256(bytes)),
        None => value.as_word(),
    }
}
