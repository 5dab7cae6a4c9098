//! The tokens of a model: what each stands for, and which of them steer the model instead of standing for text.
//! Source: ggml-org/llama.cpp, gguf-py/gguf/constants.py (`TokenType`), src/llama-vocab.cpp (tokens that end an answer).

use std::collections::HashMap;

use super::alphabet;
use crate::inference::gguf::{Gguf, List, Value, ValueKind};
use crate::inference::shape::VOCABULARY_MAX;
use crate::inference::{ModelRefused, Refusal};

/// The file's numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Normal = 1,
    Unknown = 2,
    /// It steers the model, and text cannot make it.
    Control = 3,
    /// Added to the vocabulary by hand: found in text before anything is merged.
    Added = 4,
    Unused = 5,
    /// One byte, for text that no token has.
    Byte = 6,
}

/// How the texts of tokens stand for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// A character for each byte.
    ByteLevel,
    /// UTF-8 with `▁` for the space, and `<0x0A>` for bytes.
    Spaced,
}

/// The space in texts of `Writing::Spaced`.
pub(super) const SPACE: &str = "\u{2581}";

#[derive(Debug)]
pub(super) struct Vocabulary {
    kinds: Vec<Kind>,
    /// Where the text of each token ends in `texts`, and likewise for bytes.
    text_ends: Vec<usize>,
    texts: Vec<u8>,
    byte_ends: Vec<usize>,
    bytes: Vec<u8>,
    /// Tokens that text can become, by what they stand for as the merges see it.
    ids: HashMap<Box<[u8]>, u32>,
    pub bytes_max: usize,
}

pub(super) fn refused(what: impl Into<String>) -> ModelRefused {
    ModelRefused::new(Refusal::Tokenizer, what)
}

/// A list that the file must have.
pub(super) fn list<'a>(gguf: &'a Gguf, key: &str) -> Result<List<'a>, ModelRefused> {
    gguf.list(key)?.ok_or_else(|| refused(format!("the file has no {key}")))
}

impl Vocabulary {
    pub fn of(gguf: &Gguf, writing: Writing) -> Result<Self, ModelRefused> {
        let tokens = list(gguf, "tokenizer.ggml.tokens")?;
        let count = tokens.count();
        let texts = tokens.texts().ok_or_else(|| refused("tokenizer.ggml.tokens are not texts"))?;
        if !(1..=VOCABULARY_MAX).contains(&count) {
            return Err(refused(format!("the vocabulary has {count} tokens, not 1 to {VOCABULARY_MAX}")));
        }
        let kinds = kinds_of(gguf, count)?;
        let mut vocabulary = Self {
            kinds,
            text_ends: Vec::with_capacity(count),
            texts: Vec::new(),
            byte_ends: Vec::with_capacity(count),
            bytes: Vec::new(),
            ids: HashMap::new(),
            bytes_max: 0,
        };
        for (id, text) in texts.enumerate() {
            let text = std::str::from_utf8(text).map_err(|_| refused(format!("token {id} is not UTF-8")))?;
            vocabulary.add(id, text, writing);
        }
        vocabulary.demote_added(gguf)?;
        Ok(vocabulary)
    }

    fn add(&mut self, id: usize, text: &str, writing: Writing) {
        self.texts.extend_from_slice(text.as_bytes());
        self.text_ends.push(self.texts.len());
        let kind = self.kinds[id];
        let bytes = match (kind, writing) {
            (Kind::Normal | Kind::Unused, Writing::ByteLevel) => alphabet::bytes_of(text).unwrap_or_else(|| text.into()),
            (Kind::Normal | Kind::Unused, Writing::Spaced) => text.replace(SPACE, " ").into_bytes(),
            (Kind::Byte, _) => byte_named(text).map_or_else(|| text.into(), |byte| vec![byte]),
            (Kind::Added, _) => text.into(),
            (Kind::Control | Kind::Unknown, _) => Vec::new(),
        };
        if matches!(kind, Kind::Normal | Kind::Added) {
            // What merges see: bytes, or text with its own sign for the space.
            let seen = if writing == Writing::ByteLevel { bytes.clone() } else { text.into() };
            self.bytes_max = self.bytes_max.max(seen.len());
            self.ids.entry(seen.into_boxed_slice()).or_insert(id as u32);
        }
        self.bytes.extend_from_slice(&bytes);
        self.byte_ends.push(self.bytes.len());
    }

    /// Tokens that the file calls added, and that end an answer or stand in the chat template, steer the model: text does not make them.
    fn demote_added(&mut self, gguf: &Gguf) -> Result<(), ModelRefused> {
        let template = gguf.text("tokenizer.chat_template")?.unwrap_or_default();
        for id in 0..self.count() as u32 {
            let text = self.text(id);
            let steers = END_TEXTS.iter().any(|end| end.as_bytes() == text)
                || !text.is_empty() && std::str::from_utf8(text).is_ok_and(|text| looks_steering(text) && template.contains(text));
            if steers && self.kinds[id as usize] == Kind::Added {
                self.kinds[id as usize] = Kind::Control;
                let text = self.text(id).to_vec();
                self.ids.remove(text.as_slice());
            }
        }
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.kinds.len()
    }

    pub fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }

    /// The text of a token as it stands in the file; empty if there is no such token.
    pub fn text(&self, id: u32) -> &[u8] {
        piece(&self.texts, &self.text_ends, id)
    }

    /// What a token adds to an answer; nothing if it steers the model or is none.
    pub fn bytes(&self, id: u32) -> &[u8] {
        if self.kind(id) == Some(Kind::Control) { &[] } else { piece(&self.bytes, &self.byte_ends, id) }
    }

    /// The token that text can become and that merges see as `seen`.
    pub fn id(&self, seen: &[u8]) -> Option<u32> {
        self.ids.get(seen).copied()
    }

    /// Tokens of a kind with their texts, the empty ones left out.
    pub fn of_kind(&self, such: impl Fn(Kind) -> bool) -> impl Iterator<Item = (u32, &[u8])> {
        (0..self.count() as u32)
            .filter(move |id| such(self.kinds[*id as usize]))
            .map(|id| (id, self.text(id)))
            .filter(|(_, text)| !text.is_empty())
    }
}

fn piece<'a>(pool: &'a [u8], ends: &[usize], id: u32) -> &'a [u8] {
    let at = id as usize;
    let start = at.checked_sub(1).and_then(|before| ends.get(before).copied()).unwrap_or(0);
    ends.get(at).map_or(&[], |end| &pool[start..*end])
}

/// Tokens that only steer: `<|…|>` in either form of the bar, and the marks of turns that are written otherwise. Words that a model itself
/// writes, such as `<think>`, are none.
fn looks_steering(text: &str) -> bool {
    let barred = text.starts_with("<|") && text.ends_with("|>") || text.starts_with("<｜") && text.ends_with("｜>");
    barred || ["<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]", "<s>", "</s>"].contains(&text)
}

fn kinds_of(gguf: &Gguf, count: usize) -> Result<Vec<Kind>, ModelRefused> {
    let Some(list) = gguf.list("tokenizer.ggml.token_type")? else { return Ok(vec![Kind::Normal; count]) };
    if list.count() != count || !matches!(list.kind(), ValueKind::I32 | ValueKind::U32) {
        return Err(refused(format!("tokenizer.ggml.token_type does not have a number for each of {count} tokens")));
    }
    let kind = |value: Value<'_>| match value {
        Value::Signed(1) | Value::Unsigned(1) => Ok(Kind::Normal),
        Value::Signed(2) | Value::Unsigned(2) => Ok(Kind::Unknown),
        Value::Signed(3) | Value::Unsigned(3) => Ok(Kind::Control),
        Value::Signed(4) | Value::Unsigned(4) => Ok(Kind::Added),
        Value::Signed(5) | Value::Unsigned(5) => Ok(Kind::Unused),
        Value::Signed(6) | Value::Unsigned(6) => Ok(Kind::Byte),
        other => Err(refused(format!("a token has the unknown type {other:?}"))),
    };
    list.values().map(kind).collect()
}

/// The byte of `<0x0A>`.
pub(super) fn byte_named(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// Texts of tokens that end an answer, whatever the file says.
pub(super) const END_TEXTS: [&str; 14] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
];
