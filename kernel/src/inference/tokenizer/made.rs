//! Vocabularies made by tests.

use crate::inference::gguf::made::MadeFile;

const TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// A byte-level vocabulary of 32 tokens, which lacks most bytes, with merges, an added token and a chat template.
pub fn byte_level(made: MadeFile) -> MadeFile {
    let tokens = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<tool>",
        "h",
        "e",
        "l",
        "o",
        "w",
        "r",
        "d",
        "Ġ",
        "Ċ",
        "1",
        "2",
        "3",
        "he",
        "ll",
        "lo",
        "hell",
        "hello",
        "Ġw",
        "or",
        "ld",
        "Ġwor",
        "Ġworld",
        "<",
        "|",
        ">",
        "i",
        "Ã",
        "©",
    ]; // é is two bytes
    let kinds: Vec<i32> = (0..32)
        .map(|id| {
            if id < 3 {
                3
            } else if id == 3 {
                4
            } else {
                1
            }
        })
        .collect();
    let merges = ["h e", "l l", "o r", "l d", "Ġ w", "he ll", "l o", "hell o", "Ġw or", "Ġwor ld"];
    made.text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", &tokens)
        .numbers("tokenizer.ggml.token_type", &kinds)
        .texts("tokenizer.ggml.merges", &merges)
        .count("tokenizer.ggml.eos_token_id", 2)
        .count("tokenizer.ggml.bos_token_id", 1)
        .text("tokenizer.chat_template", TEMPLATE)
}

/// A vocabulary by scores: control tokens, 256 bytes, then pieces of which later ones have lower scores.
pub fn spaced(made: MadeFile) -> MadeFile {
    let pieces = ["▁t", "he", "▁the", "er", "▁there", "t", "h", "e", "r", "▁", "a", "é"];
    let bytes: Vec<String> = (0..256).map(|byte| format!("<0x{byte:02X}>")).collect();
    let texts: Vec<&str> = ["<unk>", "<s>", "</s>"].into_iter().chain(bytes.iter().map(String::as_str)).chain(pieces).collect();
    let kinds: Vec<i32> = (0..texts.len())
        .map(|id| match id {
            0 => 2,
            1 | 2 => 3,
            3..259 => 6,
            _ => 1,
        })
        .collect();
    let scores: Vec<f32> = (0..texts.len()).map(|id| -(id.saturating_sub(259) as f32)).collect();
    made.text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", &texts)
        .numbers("tokenizer.ggml.token_type", &kinds)
        .floats("tokenizer.ggml.scores", &scores)
        .count("tokenizer.ggml.bos_token_id", 1)
        .count("tokenizer.ggml.eos_token_id", 2)
}
