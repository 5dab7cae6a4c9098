//! The plainest reads, answered straight from the bytes of a request. Whatever is not plain is left to the methods of the RPC.
//!
//! Only what succeeds is answered here, so that every error keeps its one home; a request that is declined costs some microseconds.

use std::time::Duration;

use alloy_primitives::{Address, Bytes, hex};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;
use crate::ledger::{At, Call, CallStatus, Ledger};

/// Requests above this size are not plain.
const BODY_BYTES_MAX: usize = 4_096;
/// Ids of more digits may be numbers that not every reader tells apart.
const ID_DIGITS_MAX: usize = 15;

/// What a call may cost here; one that needs longer is for the method.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    pub gas_cap: u64,
    pub time_limit: Duration,
}

/// A method that is answered here; its place in `METHODS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    BlockNumber,
    ChainId,
    GetBalance,
    Call,
}

/// Names of the methods that are answered here.
pub const METHODS: [&str; 4] = ["eth_blockNumber", "eth_chainId", "eth_getBalance", "eth_call"];

impl Method {
    pub fn name(self) -> &'static str {
        METHODS[self as usize]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallObject<'a> {
    from: Option<&'a str>,
    to: &'a str,
    data: Option<&'a str>,
    input: Option<&'a str>,
}

/// Method and answer of a request body, if it is a plain read that succeeds on the newest state.
pub fn answer(ledger: &Ledger, body: &[u8], limits: CallLimits) -> Option<(Method, Vec<u8>)> {
    if body.len() > BODY_BYTES_MAX {
        return None;
    }
    let request: Request<'_> = serde_json::from_slice(body).ok()?;
    let id = request.id.get();
    if request.jsonrpc != "2.0" || !is_plain_id(id) {
        return None;
    }
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"result\":");
    let method = write_result(&mut out, ledger, &request, limits)?;
    out.push(b'}');
    Some((method, out))
}

fn is_plain_id(id: &str) -> bool {
    id.len() <= ID_DIGITS_MAX && id.bytes().all(|byte| byte.is_ascii_digit()) && (id == "0" || !id.starts_with('0'))
}

fn write_result(out: &mut Vec<u8>, ledger: &Ledger, request: &Request<'_>, limits: CallLimits) -> Option<Method> {
    match request.method {
        "eth_blockNumber" if no_parameters(request) => {
            json::quantity(out, ledger.newest().header.number);
            Some(Method::BlockNumber)
        }
        "eth_chainId" if no_parameters(request) => {
            json::quantity(out, ledger.rules.chain_id);
            Some(Method::ChainId)
        }
        "eth_getBalance" => {
            json::quantity(out, ledger.account(&account(request)?, &At::Newest).ok()?.unwrap_or_default().balance);
            Some(Method::GetBalance)
        }
        "eth_call" => {
            json::data(out, &call(ledger, request, limits)?);
            Some(Method::Call)
        }
        _ => None,
    }
}

fn no_parameters(request: &Request<'_>) -> bool {
    request.params.is_none_or(|params| params.get() == "[]")
}

/// The account of an `[address, "latest"]`.
fn account(request: &Request<'_>) -> Option<Address> {
    let (account, block): (&str, &str) = serde_json::from_str(request.params?.get()).ok()?;
    (block == "latest").then(|| address(account))?
}

/// `0x` and an even number of digits, as every library writes bytes.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    hex::decode(digits).ok()
}

fn address(text: &str) -> Option<Address> {
    bytes(text).and_then(|bytes| Address::try_from(bytes.as_slice()).ok())
}

/// What a `[{from?, to, data | input}, "latest"]` returns.
fn call(ledger: &Ledger, request: &Request<'_>, limits: CallLimits) -> Option<Bytes> {
    let (object, block): (CallObject<'_>, &str) = serde_json::from_str(request.params?.get()).ok()?;
    let input = match (object.data, object.input) {
        (Some(_), Some(_)) => return None,
        (data, input) => data.or(input).unwrap_or("0x"),
    };
    if block != "latest" {
        return None;
    }
    let call = Call {
        sender: object.from.map_or(Some(Address::ZERO), address)?,
        to: Some(address(object.to)?),
        input: bytes(input)?.into(),
        gas_cap: limits.gas_cap,
        time_limit: limits.time_limit,
        ..Default::default()
    };
    let outcome = ledger.call(&call, &At::Newest).ok()?.ok()?;
    (outcome.status == CallStatus::Success).then_some(outcome.output)
}
