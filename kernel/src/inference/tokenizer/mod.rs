//! Text into tokens and back, as the file's own vocabulary says.
//!
//! Text of a user never becomes a token that steers the model: such tokens are read from text only where the caller says so.
//! Source: ggml-org/llama.cpp, src/llama-vocab.cpp; huggingface/tokenizers, tokenizers/src/models/bpe (merging).

mod alphabet;
mod byte_level;
mod merging;
mod spaced;
mod split;
mod vocabulary;

#[cfg(test)]
pub(crate) mod made;
#[cfg(test)]
mod tests;

use aho_corasick::{AhoCorasick, MatchKind};

use super::gguf::Gguf;
use super::{ModelRefused, Refusal};
use byte_level::ByteLevel;
use spaced::Spaced;
use vocabulary::{END_TEXTS, Kind, Vocabulary, Writing, refused};

/// Longest text that is encoded at once: its symbols take up to forty times as much.
pub const TEXT_BYTES_MAX: usize = 4 << 20;

#[derive(Debug)]
enum Model {
    ByteLevel(Box<ByteLevel>),
    Spaced(Box<Spaced>),
}

/// The vocabulary of a model and the way to it from text.
#[derive(Debug)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    model: Model,
    steering: Finder,
    added: Finder,
    begin: Option<u32>,
    ends: Vec<u32>,
}

impl Tokenizer {
    pub fn of(gguf: &Gguf) -> Result<Self, ModelRefused> {
        let name = gguf.text("tokenizer.ggml.model")?.ok_or_else(|| refused("the file has no tokenizer.ggml.model"))?;
        let (vocabulary, model, begins) = match name {
            "gpt2" => {
                let vocabulary = Vocabulary::of(gguf, Writing::ByteLevel)?;
                let model = ByteLevel::of(gguf, &vocabulary)?;
                let begins = model.begins();
                (vocabulary, Model::ByteLevel(Box::new(model)), begins)
            }
            "llama" => {
                let vocabulary = Vocabulary::of(gguf, Writing::Spaced)?;
                let model = Spaced::of(gguf, &vocabulary)?;
                (vocabulary, Model::Spaced(Box::new(model)), true)
            }
            other => return Err(refused(format!("the vocabulary is of the kind {other:?}, and known are \"gpt2\" and \"llama\""))),
        };
        let steering = Finder::of(vocabulary.of_kind(|kind| matches!(kind, Kind::Control | Kind::Unknown)))?;
        let added = Finder::of(vocabulary.of_kind(|kind| kind == Kind::Added))?;
        let begin = begin_of(gguf, &vocabulary, begins)?;
        let ends = ends_of(gguf, &vocabulary)?;
        Ok(Self { vocabulary, model, steering, added, begin, ends })
    }

    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary.count()
    }

    /// The token that a text begins with, for models that want one.
    pub fn begin(&self) -> Option<u32> {
        self.begin
    }

    /// Tokens that end an answer, in their order.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Texts of the tokens that steer the model.
    pub fn steering_texts(&self) -> impl Iterator<Item = &str> {
        let steering = self.vocabulary.of_kind(|kind| matches!(kind, Kind::Control | Kind::Unknown));
        steering.filter_map(|(_, text)| std::str::from_utf8(text).ok())
    }

    /// The text of a token as it stands in the file, also of one that steers; empty if there is no such token.
    pub fn token_text(&self, token: u32) -> &[u8] {
        self.vocabulary.text(token)
    }

    /// What tokens add to an answer. It is UTF-8 only when they are taken together.
    pub fn decode(&self, tokens: &[u32]) -> Vec<u8> {
        tokens.iter().flat_map(|token| self.vocabulary.bytes(*token)).copied().collect()
    }

    /// Tokens of a text, all of it taken as text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelRefused> {
        self.encode_parts(text, false, |part| part.to_owned())
    }

    /// Tokens of a text in which the names of steering tokens mean these. For text that we wrote ourselves.
    pub fn encode_steering(&self, text: &str) -> Result<Vec<u32>, ModelRefused> {
        self.encode_parts(text, true, |part| part.to_owned())
    }

    /// The same for a text with marks that keep names apart: a name with a mark in it is none, and marks are left out before merging.
    pub fn encode_marked(&self, text: &str, mark: char) -> Result<Vec<u32>, ModelRefused> {
        self.encode_parts(text, true, |part| part.replace(mark, ""))
    }

    fn encode_parts(&self, text: &str, steering: bool, plain: impl Fn(&str) -> String) -> Result<Vec<u32>, ModelRefused> {
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("a text of {} bytes, above {TEXT_BYTES_MAX}", text.len());
            return Err(ModelRefused::new(Refusal::TooLarge, what));
        }
        let mut tokens = Vec::with_capacity(text.len() / 3);
        let mut after_special = true;
        let encode_plain = |part: &str, tokens: &mut Vec<u32>, after_special: bool| {
            self.encode_added(&plain(part), tokens, after_special);
        };
        if !steering {
            encode_plain(text, &mut tokens, after_special);
            return Ok(tokens);
        }
        self.steering.parts(text, |part| match part {
            Part::Text(part) => {
                encode_plain(part, &mut tokens, after_special);
                after_special = false;
            }
            Part::Token(token) => {
                tokens.push(token);
                after_special = true;
            }
        });
        Ok(tokens)
    }

    fn encode_added(&self, text: &str, tokens: &mut Vec<u32>, mut after_special: bool) {
        self.added.parts(text, |part| match part {
            Part::Token(token) => {
                tokens.push(token);
                after_special = true;
            }
            Part::Text(part) => {
                match &self.model {
                    Model::ByteLevel(model) => model.encode(&self.vocabulary, part, tokens),
                    Model::Spaced(model) => model.encode(&self.vocabulary, part, after_special, tokens),
                }
                after_special = false;
            }
        });
    }
}

/// Finds tokens in text: the leftmost, and the longest of those that begin there.
#[derive(Debug)]
struct Finder {
    names: Option<AhoCorasick>,
    tokens: Vec<u32>,
}

enum Part<'a> {
    Text(&'a str),
    Token(u32),
}

impl Finder {
    fn of<'a>(tokens: impl Iterator<Item = (u32, &'a [u8])>) -> Result<Self, ModelRefused> {
        let (tokens, names): (Vec<u32>, Vec<&[u8]>) = tokens.unzip();
        let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(names);
        let names = built.map_err(|error| refused(format!("the special tokens cannot be searched for: {error}")))?;
        Ok(Self { names: (!tokens.is_empty()).then_some(names), tokens })
    }

    fn parts<'a>(&self, text: &'a str, mut each: impl FnMut(Part<'a>)) {
        let mut from = 0;
        for found in self.names.iter().flat_map(|names| names.find_iter(text)) {
            if from < found.start() {
                each(Part::Text(&text[from..found.start()]));
            }
            each(Part::Token(self.tokens[found.pattern().as_usize()]));
            from = found.end();
        }
        if from < text.len() {
            each(Part::Text(&text[from..]));
        }
    }
}

/// A token that the file names by its number.
fn token_of(gguf: &Gguf, vocabulary: &Vocabulary, key: &str) -> Result<Option<u32>, ModelRefused> {
    match gguf.count(key)? {
        None => Ok(None),
        Some(id) if id < vocabulary.count() as u64 => Ok(Some(id as u32)),
        Some(id) => Err(refused(format!("{key} is {id}, and the vocabulary has {} tokens", vocabulary.count()))),
    }
}

fn begin_of(gguf: &Gguf, vocabulary: &Vocabulary, begins: bool) -> Result<Option<u32>, ModelRefused> {
    if !gguf.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(begins) {
        return Ok(None);
    }
    let begin = token_of(gguf, vocabulary, "tokenizer.ggml.bos_token_id")?;
    begin.map(Some).ok_or_else(|| refused("texts begin with a token that the file does not name"))
}

fn ends_of(gguf: &Gguf, vocabulary: &Vocabulary) -> Result<Vec<u32>, ModelRefused> {
    let steering = vocabulary.of_kind(|kind| matches!(kind, Kind::Control | Kind::Unknown));
    let mut ends: Vec<u32> = steering.filter(|(_, text)| END_TEXTS.iter().any(|end| end.as_bytes() == *text)).map(|(id, _)| id).collect();
    for key in ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"] {
        ends.extend(token_of(gguf, vocabulary, key)?);
    }
    ends.sort_unstable();
    ends.dedup();
    Ok(ends)
}
