//! How text falls into words before pairs are merged. Each way is the regular expression that llama.cpp has for it, matched by hand in one
//! pass, so that no text makes it slow.
//! Source: ggml-org/llama.cpp, src/llama-vocab.cpp, `llm_tokenizer_bpe` (expressions) and `llama_vocab::impl::load` (names).

use std::ops::Range;

use unicode_general_category::{GeneralCategory, get_general_category};

/// One pass over the text. What a pass leaves unmatched is a word too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// `\p{N}`: each digit by itself.
    Digits,
    /// `\p{N}+`
    Numbers,
    /// `[0-9][0-9][0-9]`
    AsciiTriples,
    /// `[\p{P}\$\+<=>\^~\|]+`
    Marks,
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    Gpt2,
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,most}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    Llama3 { digits_max: usize },
}

/// A way to split text that a file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    passes: &'static [Pass],
    /// A word that is a token is taken whole, whatever the merges say.
    pub words_first: bool,
    /// The file means a token at the beginning of the text when it does not say.
    pub begins: bool,
}

const PLAIN: Split = Split { passes: &[], words_first: false, begins: false };

impl Split {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "default" => Self { passes: &[Pass::Marks, Pass::Gpt2, Pass::Numbers, Pass::AsciiTriples], ..PLAIN },
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => Self { passes: &[Pass::Digits, Pass::Gpt2], ..PLAIN },
            "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" => Self { passes: &[Pass::Gpt2], ..PLAIN },
            "llama3" | "llama-v3" | "llama-bpe" => Self { passes: &[Pass::Llama3 { digits_max: 3 }], words_first: true, begins: true },
            "dbrx" | "smaug-bpe" => Self { passes: &[Pass::Llama3 { digits_max: 3 }], ..PLAIN },
            "qwen2" | "stablelm2" => Self { passes: &[Pass::Llama3 { digits_max: 1 }], ..PLAIN },
            _ => return None,
        })
    }

    /// Give the words of a text one after another: together they are the text.
    pub fn words<'a>(&self, text: &'a str, mut word: impl FnMut(&'a str)) {
        let mut parts: Vec<Range<usize>> = std::iter::once(0..text.len()).collect();
        for pass in self.passes {
            let mut finer = Vec::with_capacity(parts.len());
            for part in parts {
                pass.apply(&text[part.clone()], |inner| finer.push(part.start + inner.start..part.start + inner.end));
            }
            parts = finer;
        }
        parts.into_iter().filter(|part| !part.is_empty()).for_each(|part| word(&text[part]));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Punctuation,
    Other,
}

fn class_of(character: char) -> Class {
    use GeneralCategory as Category;
    if character.is_whitespace() {
        return Class::Space;
    }
    match get_general_category(character) {
        Category::UppercaseLetter
        | Category::LowercaseLetter
        | Category::TitlecaseLetter
        | Category::ModifierLetter
        | Category::OtherLetter => Class::Letter,
        Category::DecimalNumber | Category::LetterNumber | Category::OtherNumber => Class::Number,
        Category::ConnectorPunctuation
        | Category::DashPunctuation
        | Category::OpenPunctuation
        | Category::ClosePunctuation
        | Category::InitialPunctuation
        | Category::FinalPunctuation
        | Category::OtherPunctuation => Class::Punctuation,
        _ => Class::Other,
    }
}

fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || !character.is_ascii() && class_of(character) == Class::Letter
}

fn is_number(character: char) -> bool {
    character.is_ascii_digit() || !character.is_ascii() && class_of(character) == Class::Number
}

fn is_mark(character: char) -> bool {
    "$+<=>^~|".contains(character) || class_of(character) == Class::Punctuation
}

/// Neither space nor letter nor number.
fn is_sign(character: char) -> bool {
    matches!(class_of(character), Class::Punctuation | Class::Other)
}

/// Bytes at the beginning of `text` whose characters are such, at most `most` of them.
fn run(text: &str, most: usize, such: impl Fn(char) -> bool) -> usize {
    text.chars().take(most).take_while(|character| such(*character)).map(char::len_utf8).sum()
}

fn run_all(text: &str, such: impl Fn(char) -> bool) -> usize {
    text.find(|character| !such(character)).unwrap_or(text.len())
}

impl Pass {
    fn apply(self, text: &str, mut part: impl FnMut(Range<usize>)) {
        match self {
            Self::Gpt2 => whole_cover(text, gpt2, part),
            Self::Llama3 { digits_max } => whole_cover(text, |rest| llama3(rest, digits_max), part),
            Self::Digits => between(text, |rest| run(rest, 1, is_number), &mut part),
            Self::Numbers => between(text, |rest| run_all(rest, is_number), &mut part),
            Self::Marks => between(text, |rest| run_all(rest, is_mark), &mut part),
            Self::AsciiTriples => {
                let triple = |rest: &str| if run(rest, 3, |character| character.is_ascii_digit()) == 3 { 3 } else { 0 };
                between(text, triple, &mut part);
            }
        }
    }
}

/// Parts that cover the text: `length` says how many bytes the next has.
fn whole_cover(text: &str, length: impl Fn(&str) -> usize, mut part: impl FnMut(Range<usize>)) {
    let mut at = 0;
    while at < text.len() {
        let end = at + length(&text[at..]);
        part(at..end);
        at = end;
    }
}

/// Matches, and what lies between them. `length` is 0 where nothing begins.
fn between(text: &str, length: impl Fn(&str) -> usize, part: &mut impl FnMut(Range<usize>)) {
    let (mut from, mut at) = (0, 0);
    while at < text.len() {
        match length(&text[at..]) {
            0 => at += text[at..].chars().next().map_or(1, char::len_utf8),
            matched => {
                if from < at {
                    part(from..at);
                }
                part(at..at + matched);
                at += matched;
                from = at;
            }
        }
    }
    if from < at {
        part(from..at);
    }
}

/// Bytes of an English contraction at the beginning: `'s`, `'t`, `'m`, `'d`, `'re`, `'ve`, `'ll`.
fn contraction(text: &str, any_case: bool) -> usize {
    let mut lower = [0; 3];
    let bytes = text.as_bytes();
    let taken = bytes.len().min(3);
    lower[..taken].copy_from_slice(&bytes[..taken]);
    if any_case {
        lower.make_ascii_lowercase();
    }
    match &lower {
        [b'\'', b's' | b't' | b'm' | b'd', _] => 2,
        [b'\'', b'r' | b'v', b'e'] | [b'\'', b'l', b'l'] => 3,
        _ => 0,
    }
}

/// `\s+(?!\S)|\s+`, for text that begins with a space: all of them at the end of the text, else all but the last, else the only one.
fn spaces(text: &str) -> usize {
    let all = run_all(text, char::is_whitespace);
    let last = text[..all].chars().next_back().map_or(0, char::len_utf8);
    if all == text.len() || all == last { all } else { all - last }
}

fn gpt2(text: &str) -> usize {
    let short = contraction(text, false);
    if short > 0 {
        return short;
    }
    let space = usize::from(text.starts_with(' '));
    let rest = &text[space..];
    let Some(next) = rest.chars().next() else { return spaces(text) };
    space
        + match class_of(next) {
            Class::Letter => run_all(rest, is_letter),
            Class::Number => run_all(rest, is_number),
            Class::Punctuation | Class::Other => run_all(rest, is_sign),
            Class::Space => return spaces(text),
        }
}

fn llama3(text: &str, digits_max: usize) -> usize {
    let short = contraction(text, true);
    if short > 0 {
        return short;
    }
    let mut characters = text.chars();
    let (Some(first), second) = (characters.next(), characters.next()) else { return 0 };
    if is_letter(first) {
        return run_all(text, is_letter);
    }
    if !is_number(first) && !matches!(first, '\r' | '\n') && second.is_some_and(is_letter) {
        return first.len_utf8() + run_all(&text[first.len_utf8()..], is_letter);
    }
    if is_number(first) {
        return run(text, digits_max, is_number);
    }
    let space = usize::from(first == ' ');
    let signs = run_all(&text[space..], is_sign);
    if signs > 0 {
        let end = space + signs;
        return end + run_all(&text[end..], |character| matches!(character, '\r' | '\n'));
    }
    let all = run_all(text, char::is_whitespace);
    match text[..all].rfind(['\r', '\n']) {
        Some(line_end) => line_end + 1,
        None => spaces(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(name: &str, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        Split::named(name).unwrap().words(text, |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn the_expression_of_gpt_2_is_matched() {
        assert_eq!(
            words("gpt-2", "I'm  here\n\n now, it's 2024!! "),
            ["I", "'m", " ", " here", "\n\n", " now", ",", " it", "'s", " 2024", "!!", " "]
        );
        assert_eq!(words("gpt-2", "a \t b\n"), ["a", " \t", " b", "\n"]);
        assert_eq!(words("gpt-2", "'S 'x"), ["'", "S", " '", "x"]);
    }

    #[test]
    fn each_digit_is_a_word_of_smollm() {
        assert_eq!(words("smollm", "in 2024 x½"), ["in", " ", "2", "0", "2", "4", " x", "½"]);
    }

    #[test]
    fn the_expression_of_llama_3_is_matched() {
        let text = "HE'S 12345 (ok)\n\n  x \n y\tz";
        assert_eq!(words("llama-bpe", text), ["HE", "'S", " ", "123", "45", " (", "ok", ")\n\n", " ", " x", " \n", " y", "\tz"]);
        assert_eq!(words("qwen2", "12 a"), ["1", "2", " a"]);
    }

    #[test]
    fn the_default_takes_marks_and_triples() {
        assert_eq!(words("default", "a+b 1234567"), ["a", "+", "b", " ", "123", "456", "7"]);
    }

    proptest! {
        #[test]
        fn words_together_are_the_text(text in "\\PC*|[ \\n\\r\\ta1'é.]*") {
            for name in ["default", "smollm", "gpt-2", "llama-bpe", "qwen2"] {
                prop_assert_eq!(words(name, &text).concat(), text.clone());
            }
        }
    }
}
