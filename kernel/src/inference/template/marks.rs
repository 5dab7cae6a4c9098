//! Marks that keep the words of messages from becoming tokens that steer the model.
//!
//! A template handles the strings of messages (it trims, splits, joins them), so they are not replaced but marked with a character that is in
//! none of them. A steering token is recognised only without a mark, so only where the template wrote it; then the marks are taken out again.
//!
//! A mark goes after the first of three characters that begin a token, before the last of three that end one, after a beginning at the end of
//! a string, and before a string that could go on with a token from before. So no token has a part in a message, however templates join what
//! they are given; and words like `</think>`, which they look for in messages, are left alone unless they are such tokens.

use std::collections::HashSet;

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
    /// The first three characters of each, or all of a shorter one, and the last three.
    beginnings: HashSet<String>,
    endings: HashSet<String>,
    /// The first one and two characters of each.
    openings: HashSet<String>,
    /// Every end of a text without its first character, as (text, place in it), in the order of these ends.
    ends: Vec<(u32, u32)>,
}

/// Characters by which a beginning and an ending are known.
const KNOWN_BY: usize = 3;

impl Steering {
    pub fn of<'a>(steering: impl Iterator<Item = &'a str>) -> Result<Self, ModelRefused> {
        let texts: Vec<String> = steering.map(str::to_owned).collect();
        if texts.len() > TEXTS_MAX || texts.iter().any(|text| text.len() > TEXT_BYTES_MAX) {
            let what = format!("the vocabulary has more than {TEXTS_MAX} control tokens, or one of more than {TEXT_BYTES_MAX} bytes");
            return Err(refused(what));
        }
        let first = |count: usize| texts.iter().map(move |text| text.chars().take(count).collect::<String>());
        let last = texts.iter().map(|text| {
            let reversed: Vec<char> = text.chars().rev().take(KNOWN_BY).collect();
            reversed.into_iter().rev().collect::<String>()
        });
        let beginnings = first(KNOWN_BY).collect();
        let openings = (1..KNOWN_BY).flat_map(first).collect();
        let endings = last.filter(|ending| ending.chars().count() == KNOWN_BY).collect();
        let places =
            |(number, text): (usize, &String)| text.char_indices().skip(1).map(|(at, _)| (number as u32, at as u32)).collect::<Vec<_>>();
        let mut ends: Vec<(u32, u32)> = texts.iter().enumerate().flat_map(places).collect();
        ends.sort_by(|one, other| end(&texts, *one).cmp(end(&texts, *other)));
        ends.dedup_by(|one, other| end(&texts, *one) == end(&texts, *other));
        Ok(Self { texts, beginnings, endings, openings, ends })
    }

    /// `text` begins with an end of a token, or lies inside one.
    fn could_go_on(&self, text: &str) -> bool {
        let from = self.ends.partition_point(|place| end(&self.texts, *place) < text);
        if self.ends.get(from).is_some_and(|place| end(&self.texts, *place).starts_with(text)) {
            return true;
        }
        let beginnings = text.char_indices().map(|(at, character)| &text[..at + character.len_utf8()]);
        let mut short = beginnings.take_while(|beginning| beginning.len() <= TEXT_BYTES_MAX);
        short.any(|beginning| self.ends.binary_search_by(|place| end(&self.texts, *place).cmp(beginning)).is_ok())
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
                (self.split(name), if is_word { member } else { self.mark_all(&member) })
            })),
            _ => value.clone(),
        }
    }

    fn marked(&self, text: &str) -> String {
        let begins = text.trim_start();
        let at = text.len() - begins.len();
        if begins.is_empty() || !self.steering.could_go_on(begins) {
            return self.split(text);
        }
        [&text[..at], self.mark.encode_utf8(&mut [0; 4]), &self.split(begins)].concat()
    }

    /// With marks inside of whatever could begin or end a token.
    fn split(&self, text: &str) -> String {
        let steering = self.steering;
        let mut split = String::with_capacity(text.len());
        let told_by = text.trim_end();
        for (at, character) in text.char_indices() {
            let next = at + character.len_utf8();
            let known_by = three_from(text, at);
            if three_to(text, next).is_some_and(|three| steering.endings.contains(three)) {
                split.push(self.mark);
            }
            split.push(character);
            let opens = || at < told_by.len() && told_by.len() - at <= 2 * 4 && steering.openings.contains(&told_by[at..]);
            if steering.beginnings.contains(known_by) || opens() {
                split.push(self.mark);
            }
        }
        split
    }
}

fn end(texts: &[String], (text, at): (u32, u32)) -> &str {
    &texts[text as usize][at as usize..]
}

/// Three characters from a place on, or fewer at the end of the text.
fn three_from(text: &str, at: usize) -> &str {
    let length = text[at..].chars().take(KNOWN_BY).map(char::len_utf8).sum::<usize>();
    &text[at..at + length]
}

/// The three characters before a place.
fn three_to(text: &str, end: usize) -> Option<&str> {
    let (start, _) = text[..end].char_indices().rev().nth(KNOWN_BY - 1)?;
    Some(&text[start..end])
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
