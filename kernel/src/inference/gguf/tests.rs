//! The reader against files that are right, and against files that lie.

use std::{fs, path::Path};

use super::made::MadeFile;
use super::*;
use crate::inference::LlamaShape;

fn opened(made: &MadeFile) -> Gguf {
    Gguf::from_bytes(made.bytes()).unwrap()
}

fn refusal(bytes: Vec<u8>) -> Refusal {
    Gguf::from_bytes(bytes).unwrap_err().refusal
}

#[test]
fn a_file_gives_what_was_written() {
    let made = MadeFile::llama().texts("some.texts", &["a", "", "ccc"]).numbers("some.numbers", &[-1, 2]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.gguf");
    fs::write(&path, made.bytes()).unwrap();
    let gguf = Gguf::open(&path).unwrap();
    assert_eq!(gguf.version(), 3);
    assert_eq!(gguf.text("general.architecture").unwrap(), Some("llama"));
    assert_eq!(gguf.count("llama.block_count").unwrap(), Some(2));
    assert_eq!(gguf.float("llama.rope.freq_base").unwrap(), Some(10_000.0));
    assert_eq!(gguf.flag("tokenizer.ggml.add_bos_token").unwrap(), Some(false));
    assert_eq!(gguf.text("nothing").unwrap(), None);
    let texts = gguf.list("some.texts").unwrap().unwrap();
    assert_eq!(texts.texts().unwrap().collect::<Vec<_>>(), [&b"a"[..], b"", b"ccc"]);
    let numbers = gguf.list("some.numbers").unwrap().unwrap();
    assert_eq!(numbers.values().collect::<Vec<_>>(), [Value::Signed(-1), Value::Signed(2)]);
    assert!(numbers.texts().is_none());
    let tensor = gguf.tensor("blk.1.ffn_down.weight").unwrap();
    assert_eq!((tensor.kind, tensor.dims, tensor.bytes.len()), (TensorKind::Q4_1, &[96, 64][..], 96 * 64 / 32 * 20));
    assert_eq!(tensor.bytes[..300], (0..300).map(|at| at as u8).collect::<Vec<u8>>());
    assert_eq!(gguf.quantization(), Some(TensorKind::Q4_1));
    gguf.release();
    assert_eq!(gguf.tensor("blk.1.ffn_down.weight").unwrap().bytes[255], 255);
}

#[test]
fn the_measures_follow_from_the_metadata() {
    let shape = LlamaShape::of(&opened(&MadeFile::llama())).unwrap();
    assert_eq!((shape.layers, shape.width, shape.heads, shape.kv_heads, shape.head_size), (2, 64, 4, 2, 16));
    assert_eq!((shape.feed_forward, shape.vocabulary, shape.context, shape.tied_output), (96, 32, 128, true));
    let own_output = MadeFile::llama().tensor("output.weight", TensorKind::Q8_0, &[64, 32]);
    assert!(!LlamaShape::of(&opened(&own_output)).unwrap().tied_output);
}

#[test]
fn what_the_engine_does_not_compute_is_refused() {
    let refused = |made: MadeFile| LlamaShape::of(&opened(&made)).unwrap_err().refusal;
    let other = |key: &str| MadeFile::llama().without(key);
    assert_eq!(refused(other("general.architecture").text("general.architecture", "qwen2")), Refusal::Architecture);
    assert_eq!(refused(MadeFile::llama().text("llama.rope.scaling.type", "yarn")), Refusal::Architecture);
    assert_eq!(refused(MadeFile::llama().count("llama.expert_count", 8)), Refusal::Architecture);
    assert_eq!(refused(MadeFile::llama().tensor("blk.0.attn_q.bias", TensorKind::F32, &[64])), Refusal::Architecture);
    assert_eq!(refused(MadeFile::llama().count("llama.rope.dimension_count", 8)), Refusal::Architecture);
    assert_eq!(refused(other("llama.block_count")), Refusal::Metadata);
    assert_eq!(refused(other("llama.attention.head_count").count("llama.attention.head_count", 0)), Refusal::Metadata);
    assert_eq!(refused(other("llama.attention.head_count").count("llama.attention.head_count", 5)), Refusal::Metadata);
    assert_eq!(refused(other("llama.block_count").count("llama.block_count", u32::MAX)), Refusal::Metadata);
    assert_eq!(refused(other("llama.rope.freq_base").float("llama.rope.freq_base", f32::NAN)), Refusal::Metadata);
    assert_eq!(refused(other("llama.block_count").count("llama.block_count", 3)), Refusal::Tensors);
    assert_eq!(refused(other("llama.vocab_size").count("llama.vocab_size", 31)), Refusal::Tensors);
    assert_eq!(refused(other("blk.1.ffn_up.weight")), Refusal::Tensors);
    let half_norm = other("output_norm.weight").tensor("output_norm.weight", TensorKind::F16, &[64]);
    assert_eq!(refused(half_norm), Refusal::TensorKind);
    assert_eq!(refused(other("llama.block_count").text("llama.block_count", "two")), Refusal::Metadata);
}

#[test]
fn what_divides_the_frequencies_is_read() {
    let made = MadeFile::llama().tensor("rope_freqs.weight", TensorKind::F32, &[8]);
    // The bytes of the tensor count up: no divisor is zero.
    assert_eq!(LlamaShape::of(&opened(&made)).unwrap().rope_divisors.unwrap()[0], f32::from_le_bytes([0, 1, 2, 3]));
    assert_eq!(
        LlamaShape::of(&opened(&MadeFile::llama().tensor("rope_freqs.weight", TensorKind::F32, &[9]))).unwrap_err().refusal,
        Refusal::Tensors
    );
}

/// The made file with some bytes of its head replaced.
fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = MadeFile::llama().bytes();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

fn place_of(name: &str) -> usize {
    let file = MadeFile::llama().bytes();
    file.windows(name.len()).position(|window| window == name.as_bytes()).unwrap() + name.len()
}

#[test]
fn a_file_that_lies_is_refused() {
    assert_eq!(refusal(b"GGML".to_vec()), Refusal::NotGguf);
    assert_eq!(refusal(Vec::new()), Refusal::NotGguf);
    assert_eq!(refusal(changed(4, &1_u32.to_le_bytes())), Refusal::Version);
    assert_eq!(refusal(changed(4, &3_u32.to_be_bytes())), Refusal::Version);
    assert_eq!(refusal(changed(8, &u64::MAX.to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(changed(16, &u64::MAX.to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(changed(24, &u64::MAX.to_le_bytes())), Refusal::Truncated);
    // Two dimensions follow the name of the tensor, then its kind and its place.
    let tensor = place_of("token_embd.weight");
    assert_eq!(refusal(changed(tensor, &5_u32.to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(changed(tensor, &0_u32.to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(changed(tensor + 4, &0_u64.to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(changed(tensor + 4, &33_u64.to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(changed(tensor + 4, &(1_u64 << 62).to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(changed(tensor + 4, &(1_u64 << 40).to_le_bytes())), Refusal::Truncated);
    assert_eq!(refusal(changed(tensor + 20, &12_u32.to_le_bytes())), Refusal::TensorKind);
    assert!(
        Gguf::from_bytes(changed(tensor + 20, &12_u32.to_le_bytes()))
            .unwrap_err()
            .what
            .contains("token_embd.weight has the type 12 (Q4_K)")
    );
    assert_eq!(refusal(changed(tensor + 24, &1_u64.to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(changed(tensor + 24, &(32_u64 * 100).to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(changed(tensor + 24, &(u64::MAX - 31).to_le_bytes())), Refusal::Truncated);
    let flag = place_of("tokenizer.ggml.add_bos_token");
    assert_eq!(refusal(changed(flag + 4, &[2])), Refusal::Malformed);
    assert_eq!(refusal(changed(flag, &9_u32.to_le_bytes())), Refusal::Malformed);
    assert_eq!(refusal(MadeFile::llama().count("llama.block_count", 2).bytes()), Refusal::Malformed);
    assert_eq!(refusal(MadeFile::llama().count("general.alignment", 48).bytes()), Refusal::Malformed);
    assert_eq!(refusal(MadeFile::llama().count("", 48).bytes()), Refusal::Malformed);
}

#[test]
fn a_list_that_claims_too_much_allocates_nothing() {
    let mut file = MadeFile::llama().texts("some.texts", &["a"]).bytes();
    let at = file.windows(10).position(|window| window == b"some.texts").unwrap() + 10 + 8;
    for claim in [u64::MAX, 1 << 61, 1 << 40, 1_000_000] {
        file[at..at + 8].copy_from_slice(&claim.to_le_bytes());
        assert_eq!(refusal(file.clone()), Refusal::Truncated);
    }
}

#[test]
fn only_regular_files_are_mapped() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Gguf::open(folder.path()).unwrap_err().refusal, Refusal::NotAFile);
    assert_eq!(Gguf::open(Path::new("/dev/zero")).unwrap_err().refusal, Refusal::NotAFile);
    assert_eq!(Gguf::open(&folder.path().join("none")).unwrap_err().refusal, Refusal::Unreadable);
    fs::write(folder.path().join("empty"), []).unwrap();
    assert_eq!(Gguf::open(&folder.path().join("empty")).unwrap_err().refusal, Refusal::NotGguf);
}
