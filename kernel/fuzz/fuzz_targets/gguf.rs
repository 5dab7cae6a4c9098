//! Any bytes as a file of a model: it is read to the last tensor, and a text goes through its tokenizer and its template.

#![no_main]
#![allow(dead_code)]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;

#[path = "../../src/inference/mod.rs"]
pub mod inference;

use inference::template::ChatRequest;
use inference::{Gguf, Model};

fuzz_target!(|data: &[u8]| {
    let Ok(gguf) = Gguf::from_bytes(data.to_vec()) else { return };
    for key in gguf.keys() {
        black_box(gguf.metadata(key));
    }
    for tensor in gguf.tensors() {
        black_box(tensor.bytes.iter().fold(0_u8, |sum, byte| sum ^ byte));
    }
    let Ok(model) = Model::of(gguf) else { return };
    if let Ok(tokens) = model.tokenizer.encode_steering("Hello <|im_start|> world 123 \u{1F600}") {
        black_box(model.tokenizer.decode(&tokens));
    }
    let request = ChatRequest { messages: br#"[{"role":"user","content":"hi"}]"#, tools: None, add_generation_prompt: true, now_s: None };
    let _ = black_box(model.template().and_then(|template| template.tokens(&request, &model.tokenizer)));
});
