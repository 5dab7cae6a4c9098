//! Byte-pair encoding by scores, as SentencePiece does it: the whole text is one word, spaces are `▁`, and what no token has goes by bytes.

use std::{cell::RefCell, cmp::Ordering};

use super::merging::{Joins, Merger, Symbol};
use super::vocabulary::{Kind, SPACE, Vocabulary, byte_named, list, refused};
use crate::inference::ModelRefused;
use crate::inference::gguf::{Gguf, Value, ValueKind};

/// Stands for a character that is no token.
const NO_TOKEN: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Spaced {
    bytes: [u32; 256],
    /// By token: lower is better, and equal scores have equal ranks.
    ranks: Vec<u32>,
    prefix: bool,
}

/// One text on its way: tokens are found by what they cover.
struct Merging<'a> {
    model: &'a Spaced,
    vocabulary: &'a Vocabulary,
    text: &'a [u8],
}

impl Joins for Merging<'_> {
    fn join(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)> {
        let length = (left.length + right.length) as usize;
        if right.length == 0 || length > self.vocabulary.bytes_max {
            return None;
        }
        let start = left.start as usize;
        let token = self.vocabulary.id(&self.text[start..start + length])?;
        Some((*self.model.ranks.get(token as usize)?, token))
    }
}

thread_local! {
    static MERGER: RefCell<Merger> = RefCell::default();
}

impl Spaced {
    pub fn of(gguf: &Gguf, vocabulary: &Vocabulary) -> Result<Self, ModelRefused> {
        let mut bytes = [NO_TOKEN; 256];
        for (id, text) in vocabulary.of_kind(|kind| kind == Kind::Byte) {
            if let Some(byte) = std::str::from_utf8(text).ok().and_then(byte_named) {
                bytes[usize::from(byte)] = id;
            }
        }
        if let Some(byte) = bytes.iter().position(|token| *token == NO_TOKEN) {
            return Err(refused(format!("the vocabulary has no token for the byte {byte}")));
        }
        let prefix = gguf.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
        Ok(Self { bytes, ranks: ranks_of(gguf, vocabulary.count())?, prefix })
    }

    pub fn encode(&self, vocabulary: &Vocabulary, text: &str, after_special: bool, tokens: &mut Vec<u32>) {
        let mut spaced = text.replace(' ', SPACE);
        if self.prefix && after_special {
            spaced.insert_str(0, SPACE);
        }
        let merging = Merging { model: self, vocabulary, text: spaced.as_bytes() };
        MERGER.with_borrow_mut(|merger| {
            merger.symbols.extend(spaced.char_indices().map(|(start, character)| {
                let length = character.len_utf8();
                let token = vocabulary.id(&spaced.as_bytes()[start..start + length]);
                Symbol::new(token.unwrap_or(NO_TOKEN), start as u32, length as u32)
            }));
            merger.merge(&merging, |symbol| match symbol.token {
                NO_TOKEN => {
                    let start = symbol.start as usize;
                    let covered = &merging.text[start..start + symbol.length as usize];
                    tokens.extend(covered.iter().map(|byte| self.bytes[usize::from(*byte)]));
                }
                token => tokens.push(token),
            });
            merger.shrink();
        });
    }
}

/// Ranks from the file's scores: the highest score has rank 0.
fn ranks_of(gguf: &Gguf, count: usize) -> Result<Vec<u32>, ModelRefused> {
    let listed = list(gguf, "tokenizer.ggml.scores")?;
    if listed.count() != count || listed.kind() != ValueKind::F32 {
        return Err(refused(format!("tokenizer.ggml.scores does not have a number for each of {count} tokens")));
    }
    let scores: Vec<f64> = listed.values().map(|value| if let Value::Float(score) = value { score } else { 0.0 }).collect();
    if scores.iter().any(|score| score.is_nan()) {
        return Err(refused("a score is not a number"));
    }
    let mut order: Vec<u32> = (0..count as u32).collect();
    let better = |left: &u32, right: &u32| scores[*right as usize].partial_cmp(&scores[*left as usize]).unwrap_or(Ordering::Equal);
    order.sort_by(better);
    let mut ranks = vec![0; count];
    let mut rank = 0;
    for (at, token) in order.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| scores[order[before] as usize]);
        if before.is_some_and(|before| before != scores[*token as usize]) {
            rank += 1;
        }
        ranks[*token as usize] = rank;
    }
    Ok(ranks)
}
