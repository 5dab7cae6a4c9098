//! Marks that keep the words of messages from becoming tokens that steer the model.
//!
//! A template handles the strings of messages (it trims, splits, joins them), so they are not replaced but marked: a character that is in
//! none of them goes after each letter with which a steering token could begin, and before a string that could end one which the template
//! began. A steering token is recognised only without a mark, so only where the template wrote it; then the marks are taken out again.

use minijinja::value::{Value, ValueKind};

use super::{ChatRequest, refused};
use crate::inference::ModelRefused;

/// Characters that Unicode keeps for the inside of programs (noncharacters).
const CANDIDATES: std::ops::RangeInclusive<char> = '\u{FDD0}'..='\u{FDEF}';

/// Bounds on what a vocabulary may hold of them, so that the search below stays small.
const TEXTS_MAX: usize = 1 << 16;
const TEXT_BYTES_MAX: usize = 256;

/// The texts of the tokens that steer a model, ready to be looked for in strings.
#[derive(Debug)]
pub(super) struct Steering {
    texts: Vec<String>,
    /// First characters.
    firsts: Vec<char>,
    /// Every end of a text without its first character, as (text, place in it), in the order of these ends.
    ends: Vec<(u32, u32)>,
}

impl Steering {
    pub fn of<'a>(steering: impl Iterator<Item = &'a str>) -> Result<Self, ModelRefused> {
        let texts: Vec<String> = steering.map(str::to_owned).collect();
        if texts.len() > TEXTS_MAX || texts.iter().any(|text| text.len() > TEXT_BYTES_MAX) {
            let what = format!("the vocabulary has more than {TEXTS_MAX} control tokens, or one of more than {TEXT_BYTES_MAX} bytes");
            return Err(refused(what));
        }
        let mut firsts: Vec<char> = texts.iter().filter_map(|text| text.chars().next()).collect();
        firsts.sort_unstable();
        firsts.dedup();
        let places =
            |(number, text): (usize, &String)| text.char_indices().skip(1).map(|(at, _)| (number as u32, at as u32)).collect::<Vec<_>>();
        let ends = texts.iter().enumerate().flat_map(places).collect();
        let mut steering = Self { texts, firsts, ends };
        let mut ends = std::mem::take(&mut steering.ends);
        ends.sort_by(|one, other| steering.end(*one).cmp(steering.end(*other)));
        ends.dedup_by(|one, other| steering.end(*one) == steering.end(*other));
        steering.ends = ends;
        Ok(steering)
    }

    fn end(&self, (text, at): (u32, u32)) -> &str {
        &self.texts[text as usize][at as usize..]
    }

    /// `text` begins with an end of a token, or lies inside one.
    fn could_end(&self, text: &str) -> bool {
        let from = self.ends.partition_point(|end| self.end(*end) < text);
        if self.ends.get(from).is_some_and(|end| self.end(*end).starts_with(text)) {
            return true;
        }
        let beginnings = text.char_indices().map(|(at, character)| &text[..at + character.len_utf8()]);
        let mut short = beginnings.take_while(|beginning| beginning.len() <= TEXT_BYTES_MAX);
        short.any(|beginning| self.ends.binary_search_by(|end| self.end(*end).cmp(beginning)).is_ok())
    }

    /// A marker for a request, with a mark that does not occur in it.
    pub fn marker(&self, request: &ChatRequest<'_>) -> Result<Marker<'_>, ModelRefused> {
        let given = [Some(request.messages), request.tools];
        let holds = |mark: char| {
            let mut utf8 = [0; 4];
            let plain = mark.encode_utf8(&mut utf8).as_bytes();
            // A JSON escape of it, in either case of letters.
            let escaped = format!("{:04x}", mark as u32);
            let is_escaped = |json: &[u8]| {
                memchr::memmem::find_iter(json, b"\\u")
                    .any(|at| json.get(at + 2..at + 6).is_some_and(|hex| hex.eq_ignore_ascii_case(escaped.as_bytes())))
            };
            given.iter().flatten().any(|json| memchr::memmem::find(json, plain).is_some() || is_escaped(json))
        };
        let mark = CANDIDATES.into_iter().find(|mark| !holds(*mark));
        Ok(Marker { steering: self, mark: mark.ok_or_else(|| refused("the messages have every noncharacter of Unicode in them"))? })
    }
}

/// Marks the strings of one request.
pub(super) struct Marker<'a> {
    steering: &'a Steering,
    mark: char,
}

impl Marker<'_> {
    pub fn mark(&self) -> char {
        self.mark
    }

    pub fn without_marks(&self, text: &str) -> String {
        text.replace(self.mark, "")
    }

    /// `value` with every string in it marked, but the roles of messages and the types of parts, which templates compare.
    pub fn mark_all(&self, value: &Value) -> Value {
        match value.kind() {
            ValueKind::String => Value::from(self.marked(value.as_str().unwrap_or_default())),
            ValueKind::Seq => value.try_iter().into_iter().flatten().map(|item| self.mark_all(&item)).collect(),
            ValueKind::Map => Value::from_pairs(value.try_iter().into_iter().flatten().map(|key| {
                let member = value.get_item(&key).unwrap_or_default();
                let name = key.as_str().unwrap_or_default();
                let is_word = matches!(name, "role" | "type") && member.as_str().is_some_and(|word| WORDS.contains(&word));
                (self.split_firsts(name), if is_word { member } else { self.mark_all(&member) })
            })),
            _ => value.clone(),
        }
    }

    fn marked(&self, text: &str) -> String {
        let begins = text.trim_start();
        let at = text.len() - begins.len();
        if begins.is_empty() || !self.steering.could_end(begins) {
            return self.split_firsts(text);
        }
        [&text[..at], self.mark.encode_utf8(&mut [0; 4]), &self.split_firsts(begins)].concat()
    }

    fn split_firsts(&self, text: &str) -> String {
        let mut split = String::with_capacity(text.len());
        for character in text.chars() {
            split.push(character);
            if self.steering.firsts.contains(&character) {
                split.push(self.mark);
            }
        }
        split
    }
}

/// Roles, types of parts, types of JSON schemas: templates compare these words, and some make a token of a role.
const WORDS: [&str; 19] = [
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
    "ipython",
    "text",
    "image",
    "image_url",
    "input_text",
    "output_text",
    "object",
    "array",
    "string",
    "number",
    "integer",
    "boolean",
    "null",
];
