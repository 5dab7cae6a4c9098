//! What a trace is asked for. Source: ethereum/go-ethereum, eth/tracers/api.go (TraceConfig), eth/tracers/native.
use super::refusal::TraceRefusal;
use alloy_rpc_types_trace::geth::{CallConfig, FlatCallConfig, PreStateConfig};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

pub const TRACER_NAMES: [&str; 6] = ["callTracer", "prestateTracer", "4byteTracer", "noopTracer", "flatCallTracer", "muxTracer"];

/// Options of `debug_trace*`, as far as they choose what is recorded. `reexec` is read and means nothing here: every kept state is at hand.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Given {
    tracer: Option<String>,
    tracer_config: Value,
    timeout: Option<String>,
    enable_memory: Option<bool>,
    disable_memory: Option<bool>,
    disable_stack: Option<bool>,
    disable_storage: Option<bool>,
    enable_return_data: Option<bool>,
    disable_return_data: Option<bool>,
    limit: Option<u64>,
}

/// What the struct logger writes of each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StructLogOptions {
    pub memory: bool,
    pub stack: bool,
    pub storage: bool,
    pub return_data: bool,
    /// Most steps to write; none writes all.
    pub limit: Option<u64>,
}

/// A tracer with its configuration.
#[derive(Clone, Debug)]
pub enum Tracer {
    StructLog(StructLogOptions),
    Call(CallConfig),
    PreState(PreStateConfig),
    FourByte,
    Noop,
    FlatCall(FlatCallConfig),
    /// Several at once, each under its name.
    Mux(Vec<(String, Tracer)>),
}

#[derive(Clone, Debug)]
pub struct TraceOptions {
    pub tracer: Tracer,
    /// Time that one transaction may take, when the caller chose one.
    pub timeout: Option<Duration>,
}

impl TraceOptions {
    /// Read the options' JSON; nothing means the struct logger.
    pub fn parse(json: &[u8]) -> Result<Self, TraceRefusal> {
        let refused = |error: serde_json::Error| TraceRefusal::Options(format!("the options of the trace are not valid: {error}"));
        if json.trim_ascii_start().first() == Some(&b'[') {
            // A list would be read as the members in their order.
            return Err(TraceRefusal::Options("the options of the trace are not valid: they are an object".into()));
        }
        let given: Option<Given> = if json.is_empty() { None } else { serde_json::from_slice(json).map_err(refused)? };
        let given = given.unwrap_or_default();
        let timeout = given.timeout.as_deref().filter(|text| !text.is_empty()).map(parse_duration).transpose()?;
        let tracer = match given.tracer.as_deref() {
            None | Some("") => Tracer::StructLog(StructLogOptions {
                memory: given.enable_memory.unwrap_or(given.disable_memory == Some(false)),
                stack: !given.disable_stack.unwrap_or_default(),
                storage: !given.disable_storage.unwrap_or_default(),
                return_data: given.enable_return_data.unwrap_or(given.disable_return_data == Some(false)),
                limit: given.limit.filter(|limit| *limit > 0),
            }),
            Some(name) => tracer(name, given.tracer_config, false)?,
        };
        Ok(Self { tracer, timeout })
    }
}

fn tracer(name: &str, config: Value, is_inner: bool) -> Result<Tracer, TraceRefusal> {
    Ok(match name {
        "callTracer" => Tracer::Call(configuration(name, config)?),
        "prestateTracer" => Tracer::PreState(configuration(name, config)?),
        // Neither has any settings; an empty object is what some tools send all the same.
        "4byteTracer" => Tracer::FourByte,
        "noopTracer" => Tracer::Noop,
        "flatCallTracer" => Tracer::FlatCall(configuration(name, config)?),
        "muxTracer" if !is_inner => {
            let inner: serde_json::Map<String, Value> = configuration(name, config)?;
            Tracer::Mux(inner.into_iter().map(|(name, config)| Ok((name.clone(), tracer(&name, config, true)?))).collect::<Result<_, _>>()?)
        }
        _ => return Err(TraceRefusal::UnknownTracer(name.chars().take(80).collect())),
    })
}

fn configuration<T: DeserializeOwned + Default>(name: &str, config: Value) -> Result<T, TraceRefusal> {
    if config.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(config).map_err(|error| TraceRefusal::Options(format!("the tracerConfig of {name} is not valid: {error}")))
}

/// A duration as Go writes it: `5s`, `1m30s`, `250ms`. Source: golang/go, src/time/format.go (ParseDuration).
fn parse_duration(text: &str) -> Result<Duration, TraceRefusal> {
    let invalid = || TraceRefusal::Options(format!("invalid timeout {text:?}; write a duration like 5s, 1m30s or 250ms"));
    let mut rest = text;
    let mut total_s = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit() && it != '.').ok_or_else(invalid)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|it: char| it.is_ascii_digit() || it == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let unit_s = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err(invalid()),
        };
        total_s += number.parse::<f64>().map_err(|_| invalid())? * unit_s;
        rest = next;
    }
    Duration::try_from_secs_f64(total_s).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(json: &str) -> String {
        TraceOptions::parse(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let read = |text: &str| parse_duration(text).unwrap();
        assert_eq!(read("5s"), Duration::from_secs(5));
        assert_eq!(read("1m30s"), Duration::from_secs(90));
        assert_eq!(read("1.5h"), Duration::from_secs(5_400));
        assert_eq!(read("250ms"), Duration::from_millis(250));
        for text in ["5", "s", "-1s", "1x", "1..2s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_options_are_the_struct_logger_without_memory() {
        for json in ["", "null", "{}", r#"{"tracer": null, "reexec": 128}"#, r#"{"tracer": ""}"#] {
            let options = TraceOptions::parse(json.as_bytes()).unwrap();
            let Tracer::StructLog(struct_log) = options.tracer else { panic!("{json}") };
            assert_eq!(struct_log, StructLogOptions { stack: true, storage: true, ..Default::default() });
        }
    }

    #[test]
    fn a_mux_takes_any_configuration_of_tracers_without_settings() {
        let json = r#"{"tracer": "muxTracer", "tracerConfig": {"4byteTracer": {}, "noopTracer": null, "callTracer": {"withLog": true}}}"#;
        let Tracer::Mux(inner) = TraceOptions::parse(json.as_bytes()).unwrap().tracer else { panic!("no mux") };
        assert_eq!(inner.len(), 3);
        assert!(refusal(r#"{"tracer": "muxTracer", "tracerConfig": {"muxTracer": {}}}"#).contains("muxTracer"));
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert!(refusal(r#"{"tracer": "{step: function() {}}"}"#).contains("JavaScript tracers are not run"));
        assert!(refusal(r#"{"tracer": "callTracer", "tracerConfig": {"withLog": 5}}"#).contains("callTracer"));
        assert!(refusal(r#"{"timeout": "soon"}"#).contains("soon"));
        assert!(refusal("[]").contains("not valid"));
    }
}
