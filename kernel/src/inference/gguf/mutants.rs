//! Files that were damaged on purpose: none makes the reader panic, read outside the file, or take memory that the file does not have.

use std::path::PathBuf;

use super::counted::most_held;
use super::made::MadeFile;
use super::*;
use crate::inference::Model;
use crate::inference::template::ChatRequest;
use crate::inference::tokenizer::{Tokenizer, made::byte_level};

/// Numbers from a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

const ODD: [u64; 12] = [0, 1, 3, 31, 33, 1 << 16, (1 << 31) - 1, 1 << 31, u32::MAX as u64, 1 << 62, i64::MAX as u64, u64::MAX];

/// Change a file in one to three ways: a bit, a number of 4 or 8 bytes at a border, a piece gone, doubled, or the end gone.
fn mutate(dice: &mut Dice, file: &mut Vec<u8>, borders: &[usize]) {
    for _ in 0..1 + dice.below(3) {
        let border = borders[dice.below(borders.len())].min(file.len());
        let length = dice.below(40).min(file.len() - border);
        let odd = ODD[dice.below(ODD.len())].to_le_bytes();
        match dice.below(6) {
            0 if !file.is_empty() => {
                let at = dice.below(file.len());
                file[at] ^= 1 << dice.below(8);
            }
            1 if border + 8 <= file.len() => file[border..border + 8].copy_from_slice(&odd),
            2 if border + 4 <= file.len() => file[border..border + 4].copy_from_slice(&odd[..4]),
            3 => drop(file.drain(border..border + length)),
            4 => {
                let piece = file[border..border + length].to_vec();
                file.splice(border..border, piece);
            }
            _ => file.truncate(dice.below(file.len() + 1)),
        }
    }
}

/// Use everything in a file: a whole model, or why it is refused.
fn use_all(file: Vec<u8>) -> bool {
    let Ok(gguf) = Gguf::from_bytes(file) else { return false };
    let read: usize = gguf
        .keys()
        .filter_map(|key| gguf.metadata(key))
        .map(|value| match value {
            Value::List(list) => list.values().count(),
            _ => 1,
        })
        .sum();
    let bytes: usize = gguf.tensors().map(|tensor| tensor.bytes.iter().map(|byte| usize::from(*byte & 1)).sum::<usize>()).sum();
    std::hint::black_box((read, bytes));
    let Ok(model) = Model::of(gguf) else { return false };
    let text = "Hello <|im_start|> world 123 \u{1F600}";
    let tokens = model.tokenizer.encode_steering(text).unwrap();
    std::hint::black_box(model.tokenizer.decode(&tokens));
    let request = ChatRequest { messages: br#"[{"role":"user","content":"hi"}]"#, tools: None, add_generation_prompt: true, now_s: None };
    let _ = model.template().and_then(|template| template.tokens(&request, &model.tokenizer));
    true
}

/// Held for the work on a small file whatever it says (tables of the template engine, room for its run), and for each byte of it.
const HELD_BYTES: usize = 1 << 20;
const HELD_FOR_A_BYTE: usize = 24;

fn use_bounded(file: Vec<u8>) -> bool {
    let length = file.len();
    let (used, held) = most_held(|| use_all(file));
    assert!(held <= HELD_BYTES + HELD_FOR_A_BYTE * length, "{held} bytes held for a file of {length}");
    used
}

#[test]
fn ten_thousand_mutants_do_no_harm() {
    let (file, borders) = byte_level(MadeFile::llama()).bytes_and_borders();
    let mut dice = Dice(0x5EED_2026);
    let mut whole = 0;
    for _ in 0..10_000 {
        let mut mutant = file.clone();
        mutate(&mut dice, &mut mutant, &borders);
        whole += usize::from(use_bounded(mutant));
    }
    // Some changes hit only weights or names, so that the rest of the way is walked too.
    assert!((500..9_500).contains(&whole), "{whole} mutants are models");
}

#[test]
fn every_truncation_is_refused() {
    let (file, borders) = byte_level(MadeFile::llama()).bytes_and_borders();
    assert!(use_bounded(file.clone()));
    for border in borders {
        for length in [border.saturating_sub(1), border, border + 1] {
            if length < file.len() {
                assert!(!use_bounded(file[..length].to_vec()), "{length} of {} bytes are taken for a model", file.len());
            }
        }
    }
}

/// The folder of models, as the package finds it.
fn model_path() -> PathBuf {
    let cache = || {
        PathBuf::from(
            std::env::var_os("XDG_CACHE_HOME").unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache").into()),
        )
    };
    let folder = std::env::var_os("ZEROG_MODELS").map_or_else(|| cache().join("zerog/models"), PathBuf::from);
    folder.join("SmolLM2-135M-Instruct.Q4_1.gguf")
}

/// The head of the real model without its tensors, and places in it: keys, and some of the texts.
fn real_head() -> (Vec<u8>, Vec<usize>) {
    let path = model_path();
    let gguf = Gguf::open(&path).unwrap_or_else(|error| panic!("{error}: run `make ready`, which fetches the model"));
    let whole = gguf.bytes();
    let first = gguf.tensors().map(|tensor| tensor.name.as_bytes()).min_by_key(|name| name.as_ptr()).unwrap();
    let end = first.as_ptr() as usize - whole.as_ptr() as usize - 8;
    let mut head = whole[..end].to_vec();
    head[8..16].fill(0);
    let places = gguf.keys().map(|key| key.as_ptr() as usize - whole.as_ptr() as usize);
    let around = places.flat_map(|place| [place - 8, place, place + 20, place + 28, place + 36]);
    let borders = around.chain((0..200).map(|at| end / 200 * at)).filter(|border| *border < end).collect();
    (head, borders)
}

#[test]
fn mutants_of_the_real_head_do_no_harm() {
    let (head, borders) = real_head();
    let mut dice = Dice(0x5EED_2027);
    let long = std::env::var("ZEROG_TEST_LONG").is_ok_and(|value| value == "1");
    let tokenizes = |file: Vec<u8>| Gguf::from_bytes(file).and_then(|gguf| Tokenizer::of(&gguf)).is_ok();
    assert!(tokenizes(head.clone()));
    let mut most = 0;
    for number in 0..if long { 10_000 } else { 60 } {
        let mut mutant = head.clone();
        if number % 2 == 0 {
            // One bit, so that most of the way is walked before it matters.
            let at = dice.below(mutant.len());
            mutant[at] ^= 1 << dice.below(8);
        } else {
            mutate(&mut dice, &mut mutant, &borders);
        }
        let length = mutant.len();
        let (_, held) = most_held(|| tokenizes(mutant));
        assert!(held <= HELD_BYTES + HELD_FOR_A_BYTE * length, "{held} bytes held for a head of {length}");
        most = most.max(held);
    }
    assert!(most > head.len(), "no mutant came as far as the vocabulary");
}

#[test]
fn truncations_of_the_real_head_are_refused() {
    let (head, borders) = real_head();
    for border in borders {
        assert!(Gguf::from_bytes(head[..border].to_vec()).is_err(), "{border} of {} bytes are taken for a model", head.len());
    }
}
