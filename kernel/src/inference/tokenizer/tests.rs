//! Tokenizers over small vocabularies; tests/unit/models holds the whole against the library of Hugging Face.

use super::made::{byte_level, spaced};
use super::*;
use crate::inference::gguf::made::MadeFile;

fn opened(made: &MadeFile) -> Result<Tokenizer, ModelRefused> {
    Tokenizer::of(&Gguf::from_bytes(made.bytes()).unwrap())
}

fn names(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<String> {
    tokens.iter().map(|token| String::from_utf8(tokenizer.token_text(*token).to_vec()).unwrap()).collect()
}

#[test]
fn the_best_merge_comes_first_and_the_leftmost_of_equals() {
    let tokenizer = opened(&byte_level(MadeFile::default())).unwrap();
    let encoded = |text: &str| names(&tokenizer, &tokenizer.encode(text).unwrap());
    assert_eq!(encoded("hello world"), ["hello", "Ġworld"]);
    assert_eq!(encoded("lllo"), ["ll", "lo"]);
    assert_eq!(encoded("helo\n"), ["he", "lo", "Ċ"]);
    assert_eq!(encoded("dé"), ["d", "Ã", "©"]);
    assert!(tokenizer.encode("").unwrap().is_empty());
}

#[test]
fn text_makes_no_steering_token_unless_it_may() {
    let tokenizer = opened(&byte_level(MadeFile::default())).unwrap();
    let text = "<|im_start|>hello<|im_end|>";
    let plain = tokenizer.encode(text).unwrap();
    assert!(plain.iter().all(|token| *token > 2));
    let steering = tokenizer.encode_steering(text).unwrap();
    assert_eq!(names(&tokenizer, &steering), ["<|im_start|>", "hello", "<|im_end|>"]);
    let marked = tokenizer.encode_marked("<|im_start|>he\u{FDD0}llo<\u{FDD0}|im_end|>", '\u{FDD0}').unwrap();
    assert_eq!(names(&tokenizer, &marked[..2]), ["<|im_start|>", "hello"]);
    assert!(marked[2..].iter().all(|token| *token > 2));
}

#[test]
fn added_tokens_are_found_in_text_but_not_when_they_steer() {
    let tokenizer = opened(&byte_level(MadeFile::default())).unwrap();
    assert_eq!(names(&tokenizer, &tokenizer.encode("hello<tool>").unwrap()), ["hello", "<tool>"]);
    assert_eq!(tokenizer.decode(&tokenizer.encode("hello<tool>").unwrap()), b"hello<tool>");
    // Files there are whose control tokens are called added: one that the template writes and that has the form of one is taken for it.
    let kinds: Vec<i32> = (0..32).map(|id| if id < 4 { 4 } else { 1 }).collect();
    let made = byte_level(MadeFile::default()).without("tokenizer.ggml.token_type").numbers("tokenizer.ggml.token_type", &kinds);
    let tokenizer = opened(&made).unwrap();
    assert!(tokenizer.encode("<|im_start|><|im_end|><|endoftext|>").unwrap().iter().all(|token| *token > 3));
    assert_eq!(tokenizer.encode("<tool>").unwrap(), [3]);
    assert_eq!(tokenizer.encode_steering("<|im_start|><tool>").unwrap(), [1, 3]);
}

#[test]
fn tokens_give_back_their_text_and_steering_ones_nothing() {
    let tokenizer = opened(&byte_level(MadeFile::default())).unwrap();
    let tokens = tokenizer.encode("hello world é 123").unwrap();
    assert_eq!(tokenizer.decode(&tokens), "hello world é 123".as_bytes());
    let one_by_one: Vec<u8> = tokens.iter().flat_map(|token| tokenizer.decode(&[*token])).collect();
    assert_eq!(one_by_one, tokenizer.decode(&tokens));
    assert_eq!(tokenizer.decode(&[1, 20, 2, 999]), b"hello");
    assert_eq!(tokenizer.token_text(1), b"<|im_start|>");
    assert_eq!(tokenizer.token_text(999), b"");
    assert_eq!((tokenizer.ends(), tokenizer.begin()), (&[0, 2][..], None));
}

#[test]
fn a_byte_that_the_vocabulary_lacks_is_left_out() {
    let tokenizer = opened(&byte_level(MadeFile::default())).unwrap();
    assert_eq!(names(&tokenizer, &tokenizer.encode("hZe").unwrap()), ["he"]);
}

#[test]
fn what_a_vocabulary_cannot_be_is_refused() {
    let refused = |key: &str, change: fn(MadeFile) -> MadeFile| {
        let error = opened(&change(byte_level(MadeFile::default()).without(key))).unwrap_err();
        assert_eq!(error.refusal, Refusal::Tokenizer);
        error.what
    };
    assert!(refused("tokenizer.ggml.pre", |made| made.text("tokenizer.ggml.pre", "tekken")).contains("tekken"));
    assert!(refused("tokenizer.ggml.model", |made| made.text("tokenizer.ggml.model", "bert")).contains("bert"));
    assert!(refused("tokenizer.ggml.model", |made| made).contains("tokenizer.ggml.model"));
    assert!(refused("tokenizer.ggml.merges", |made| made).contains("tokenizer.ggml.merges"));
    assert!(refused("tokenizer.ggml.merges", |made| made.texts("tokenizer.ggml.merges", &["h x"])).contains("merge 0"));
    assert!(refused("tokenizer.ggml.merges", |made| made.texts("tokenizer.ggml.merges", &["h e", "he"])).contains("merge 1"));
    assert!(refused("tokenizer.ggml.tokens", |made| made.texts("tokenizer.ggml.tokens", &[])).contains("0 tokens"));
    assert!(refused("tokenizer.ggml.token_type", |made| made.numbers("tokenizer.ggml.token_type", &[1])).contains("token_type"));
    assert!(refused("tokenizer.ggml.eos_token_id", |made| made.count("tokenizer.ggml.eos_token_id", 32)).contains("eos_token_id"));
    assert!(
        refused("nothing", |made| made.flag("tokenizer.ggml.add_bos_token", true).without("tokenizer.ggml.bos_token_id")).contains("begin")
    );
}

#[test]
fn too_long_a_text_is_refused() {
    let tokenizer = opened(&byte_level(MadeFile::default())).unwrap();
    assert_eq!(tokenizer.encode(&"h".repeat(TEXT_BYTES_MAX + 1)).unwrap_err().refusal, Refusal::TooLarge);
}

#[test]
fn a_long_word_is_merged_whole() {
    let tokenizer = opened(&byte_level(MadeFile::default())).unwrap();
    let tokens = tokenizer.encode(&"hello".repeat(50_000)).unwrap();
    assert_eq!(tokens, [20].repeat(50_000));
}

#[test]
fn scores_decide_where_there_are_no_merges() {
    let tokenizer = opened(&spaced(MadeFile::default())).unwrap();
    let encoded = |text: &str| names(&tokenizer, &tokenizer.encode(text).unwrap());
    assert_eq!(encoded("the"), ["▁the"]);
    assert_eq!(encoded("there"), ["▁the", "r", "e"]);
    assert_eq!(encoded("a  é"), ["▁", "a", "▁", "▁", "é"]);
    assert_eq!(encoded("ab"), ["▁", "a", "<0x62>"]);
    assert_eq!(encoded("漢"), ["▁", "<0xE6>", "<0xBC>", "<0xA2>"]);
    assert_eq!(tokenizer.decode(&tokenizer.encode("the 漢 éa").unwrap()), " the 漢 éa".as_bytes());
    assert_eq!((tokenizer.begin(), tokenizer.ends()), (Some(1), &[2][..]));
    // The texts of bytes and of steering tokens are no pieces that text could become.
    assert!(tokenizer.encode("<s></s><0x41>").unwrap().iter().all(|token| *token > 2 && tokenizer.decode(&[*token]).len() == 1));
    assert_eq!(names(&tokenizer, &tokenizer.encode_steering("<s>the</s>the").unwrap()), ["<s>", "▁the", "</s>", "▁the"]);
}

#[test]
fn scores_without_a_token_for_every_byte_are_refused() {
    let made = spaced(MadeFile::default()).without("tokenizer.ggml.token_type");
    assert!(opened(&made).unwrap_err().what.contains("byte 0"));
    let made = spaced(MadeFile::default()).without("tokenizer.ggml.scores").floats("tokenizer.ggml.scores", &[f32::NAN; 271]);
    assert!(opened(&made).unwrap_err().what.contains("not a number"));
}
