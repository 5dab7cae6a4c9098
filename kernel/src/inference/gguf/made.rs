//! GGUF files made by tests.

use super::TensorKind;

/// A file in the making: the metadata and the descriptions of tensors as bytes, with the borders between the fields.
#[derive(Clone, Default)]
pub struct MadeFile {
    metadata: Vec<(String, Vec<u8>)>,
    tensors: Vec<(String, TensorKind, Vec<u64>, Vec<u8>)>,
}

fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes(), value.as_bytes()].concat()
}

impl MadeFile {
    fn with(mut self, key: &str, kind: u32, bytes: &[u8]) -> Self {
        self.metadata.push((key.to_owned(), [&kind.to_le_bytes(), bytes].concat()));
        self
    }

    pub fn count(self, key: &str, value: u32) -> Self {
        self.with(key, 4, &value.to_le_bytes())
    }

    pub fn float(self, key: &str, value: f32) -> Self {
        self.with(key, 6, &value.to_le_bytes())
    }

    pub fn flag(self, key: &str, value: bool) -> Self {
        self.with(key, 7, &[u8::from(value)])
    }

    pub fn text(self, key: &str, value: &str) -> Self {
        self.with(key, 8, &text(value))
    }

    pub fn texts(self, key: &str, values: &[&str]) -> Self {
        let head = [&8_u32.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
        self.with(key, 9, &[head, values.iter().flat_map(|value| text(value)).collect()].concat())
    }

    pub fn numbers(self, key: &str, values: &[i32]) -> Self {
        let head = [&5_u32.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
        self.with(key, 9, &[head, values.iter().flat_map(|value| value.to_le_bytes()).collect()].concat())
    }

    pub fn floats(self, key: &str, values: &[f32]) -> Self {
        let head = [&6_u32.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
        self.with(key, 9, &[head, values.iter().flat_map(|value| value.to_le_bytes()).collect()].concat())
    }

    /// A tensor whose bytes count up.
    pub fn tensor(mut self, name: &str, kind: TensorKind, dims: &[u64]) -> Self {
        let values = dims.iter().product::<u64>() as usize;
        let bytes = values / kind.block_values() * kind.block_bytes();
        self.tensors.push((name.to_owned(), kind, dims.to_vec(), (0..bytes).map(|at| at as u8).collect()));
        self
    }

    /// The same tensors with other bytes, as many as each has.
    pub fn filled(mut self, with: impl Fn(&str, TensorKind, usize) -> Vec<u8>) -> Self {
        for (name, kind, _, bytes) in &mut self.tensors {
            *bytes = with(name, *kind, bytes.len());
        }
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.metadata.retain(|(key, _)| key != name);
        self.tensors.retain(|(tensor, ..)| tensor != name);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_and_borders().0
    }

    /// The file, and every place in it where a field of its structure begins or ends.
    pub fn bytes_and_borders(&self) -> (Vec<u8>, Vec<usize>) {
        let (mut file, mut borders) = (Vec::new(), vec![0]);
        let mut put = |bytes: &[u8]| {
            file.extend_from_slice(bytes);
            borders.push(file.len());
        };
        put(b"GGUF");
        put(&3_u32.to_le_bytes());
        put(&(self.tensors.len() as u64).to_le_bytes());
        put(&(self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put(&(key.len() as u64).to_le_bytes());
            put(key.as_bytes());
            value.chunks(4).for_each(&mut put);
        }
        let mut start = 0_u64;
        for (name, kind, dims, bytes) in &self.tensors {
            put(&(name.len() as u64).to_le_bytes());
            put(name.as_bytes());
            put(&(dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|dim| put(&dim.to_le_bytes()));
            put(&(*kind as u32).to_le_bytes());
            put(&start.to_le_bytes());
            start = (start + bytes.len() as u64).next_multiple_of(32);
        }
        for (.., bytes) in &self.tensors {
            file.resize(file.len().next_multiple_of(32), 0);
            borders.push(file.len());
            file.extend_from_slice(bytes);
            borders.push(file.len());
        }
        (file, borders)
    }

    /// A whole model: two layers, width 64, a vocabulary of 32.
    pub fn llama() -> Self {
        let made = Self::default()
            .text("general.architecture", "llama")
            .text("general.name", "made by a test")
            .count("llama.block_count", 2)
            .count("llama.context_length", 128)
            .count("llama.embedding_length", 64)
            .count("llama.feed_forward_length", 96)
            .count("llama.attention.head_count", 4)
            .count("llama.attention.head_count_kv", 2)
            .count("llama.vocab_size", 32)
            .float("llama.attention.layer_norm_rms_epsilon", 1e-5)
            .float("llama.rope.freq_base", 10_000.0)
            .flag("tokenizer.ggml.add_bos_token", false)
            .tensor("token_embd.weight", TensorKind::Q8_0, &[64, 32])
            .tensor("output_norm.weight", TensorKind::F32, &[64]);
        (0..2).fold(made, |made, layer| {
            made.tensor(&format!("blk.{layer}.attn_norm.weight"), TensorKind::F32, &[64])
                .tensor(&format!("blk.{layer}.attn_q.weight"), TensorKind::Q4_0, &[64, 64])
                .tensor(&format!("blk.{layer}.attn_k.weight"), TensorKind::Q4_1, &[64, 32])
                .tensor(&format!("blk.{layer}.attn_v.weight"), TensorKind::F16, &[64, 32])
                .tensor(&format!("blk.{layer}.attn_output.weight"), TensorKind::Q8_0, &[64, 64])
                .tensor(&format!("blk.{layer}.ffn_norm.weight"), TensorKind::F32, &[64])
                .tensor(&format!("blk.{layer}.ffn_gate.weight"), TensorKind::Q4_1, &[64, 96])
                .tensor(&format!("blk.{layer}.ffn_up.weight"), TensorKind::Q4_1, &[64, 96])
                .tensor(&format!("blk.{layer}.ffn_down.weight"), TensorKind::Q4_1, &[96, 64])
        })
    }
}
