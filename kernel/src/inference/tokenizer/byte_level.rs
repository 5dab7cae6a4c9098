//! Byte-level byte-pair encoding: the text falls into words, a word into bytes, and neighbours merge by the file's list.

use std::{cell::RefCell, collections::HashMap};

use super::alphabet;
use super::merging::{Joins, Merger, Symbol};
use super::split::Split;
use super::vocabulary::{Vocabulary, list, refused};
use crate::inference::ModelRefused;
use crate::inference::gguf::Gguf;

#[derive(Debug)]
pub(super) struct ByteLevel {
    split: Split,
    /// The token of each byte. A vocabulary can lack bytes that its makers never saw: text loses them, as it does with others.
    bytes: [Option<u32>; 256],
    merges: HashMap<(u32, u32), (u32, u32)>,
}

impl Joins for ByteLevel {
    fn join(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)> {
        self.merges.get(&(left.token, right.token)).copied()
    }
}

thread_local! {
    static MERGER: RefCell<Merger> = RefCell::default();
}

impl ByteLevel {
    pub fn of(gguf: &Gguf, vocabulary: &Vocabulary) -> Result<Self, ModelRefused> {
        let name = gguf.text("tokenizer.ggml.pre")?.unwrap_or("default");
        let split = Split::named(name).ok_or_else(|| refused(format!("the way {name:?} to split text is not known here")))?;
        let bytes = std::array::from_fn(|byte| vocabulary.id(&[byte as u8]));
        let listed = list(gguf, "tokenizer.ggml.merges")?;
        let texts = listed.texts().ok_or_else(|| refused("tokenizer.ggml.merges are not texts"))?;
        let mut merges = HashMap::with_capacity(listed.count());
        for (rank, text) in texts.enumerate() {
            let merge = merge_of(vocabulary, text);
            let (pair, token) = merge.ok_or_else(|| {
                let shown = String::from_utf8_lossy(&text[..text.len().min(80)]);
                refused(format!("merge {rank} ({shown:?}) does not join two tokens to a third"))
            })?;
            // The first of equals has the better rank.
            merges.entry(pair).or_insert((rank as u32, token));
        }
        Ok(Self { split, bytes, merges })
    }

    pub fn begins(&self) -> bool {
        self.split.begins
    }

    pub fn encode(&self, vocabulary: &Vocabulary, text: &str, tokens: &mut Vec<u32>) {
        MERGER.with_borrow_mut(|merger| {
            self.split.words(text, |word| {
                if self.split.words_first
                    && let Some(token) = vocabulary.id(word.as_bytes())
                {
                    tokens.push(token);
                    return;
                }
                let known = word.bytes().filter_map(|byte| self.bytes[usize::from(byte)]);
                merger.symbols.extend(known.map(|token| Symbol::new(token, 0, 1)));
                merger.merge(self, |symbol| tokens.push(symbol.token));
            });
            merger.shrink();
        });
    }
}

/// `left right`, each in the alphabet of the vocabulary: the two tokens, and what they become.
fn merge_of(vocabulary: &Vocabulary, text: &[u8]) -> Option<((u32, u32), u32)> {
    let text = std::str::from_utf8(text).ok()?;
    // A token can begin with the separator's character only if it is not in the alphabet, so the first place after a character separates.
    let at = text.char_indices().skip(1).find(|(_, character)| *character == ' ')?.0;
    let left = alphabet::bytes_of(&text[..at])?;
    let right = alphabet::bytes_of(&text[at + 1..])?;
    let token = vocabulary.id(&[left.as_slice(), right.as_slice()].concat())?;
    Some(((vocabulary.id(&left)?, vocabulary.id(&right)?), token))
}
