//! The measures of a Llama-shaped model, as its metadata say and its tensors confirm.
//! Source: ggml-org/llama.cpp, gguf-py/gguf/constants.py (names of keys and tensors), src/llama-model.cpp (what is left out by default).

use std::collections::HashSet;

use super::gguf::{Gguf, Tensor, TensorKind};
use super::{ModelRefused, Refusal};

const ARCHITECTURE: &str = "llama";
const ROPE_BASE: f32 = 10_000.0;
/// Bounds that no plain model comes near, so that no product of them overflows.
const LAYERS_MAX: u64 = 1 << 10;
const MEASURE_MAX: u64 = 1 << 20;
pub const VOCABULARY_MAX: usize = 1 << 20;

/// What a model is made of. Every tensor that `weights` names is there with the shape that follows from these numbers, and there is no other.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaShape {
    pub layers: usize,
    /// Values of a token between layers.
    pub width: usize,
    pub heads: usize,
    /// Heads of keys and values; `heads` is a multiple of it.
    pub kv_heads: usize,
    /// Values in a head: even.
    pub head_size: usize,
    pub feed_forward: usize,
    pub vocabulary: usize,
    /// Tokens that the model was trained to look back on.
    pub context: usize,
    pub rms_epsilon: f32,
    /// Base of the rotation's frequencies. Neighbouring values turn together, as llama.cpp arranges the rows of queries and keys.
    pub rope_base: f32,
    /// What each of the `head_size / 2` frequencies is divided by (Llama 3.1), if the file says.
    pub rope_divisors: Option<Vec<f32>>,
    /// The output has no matrix of its own and takes that of the tokens.
    pub tied_output: bool,
}

/// Names of the tensors of a layer, without `blk.N.` and `.weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    AttentionNorm,
    Query,
    Key,
    Value,
    AttentionOutput,
    FeedForwardNorm,
    Gate,
    Up,
    Down,
}

impl Part {
    pub const ALL: [Self; 9] = [
        Self::AttentionNorm,
        Self::Query,
        Self::Key,
        Self::Value,
        Self::AttentionOutput,
        Self::FeedForwardNorm,
        Self::Gate,
        Self::Up,
        Self::Down,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::AttentionNorm => "attn_norm",
            Self::Query => "attn_q",
            Self::Key => "attn_k",
            Self::Value => "attn_v",
            Self::AttentionOutput => "attn_output",
            Self::FeedForwardNorm => "ffn_norm",
            Self::Gate => "ffn_gate",
            Self::Up => "ffn_up",
            Self::Down => "ffn_down",
        }
    }

    /// The tensor of this part in a layer.
    pub fn tensor_name(self, layer: usize) -> String {
        format!("blk.{layer}.{}.weight", self.name())
    }
}

pub const TOKENS_TENSOR: &str = "token_embd.weight";
pub const OUTPUT_NORM_TENSOR: &str = "output_norm.weight";
pub const OUTPUT_TENSOR: &str = "output.weight";
const ROPE_DIVISORS_TENSOR: &str = "rope_freqs.weight";

impl LlamaShape {
    /// Read the measures, and hold every tensor against them.
    pub fn of(gguf: &Gguf) -> Result<Self, ModelRefused> {
        let architecture = gguf.text("general.architecture")?.ok_or_else(|| missing("general.architecture"))?;
        if architecture != ARCHITECTURE {
            return Err(ModelRefused::new(Refusal::Architecture, format!("the model is of the architecture {architecture:?}")));
        }
        refuse_extras(gguf)?;
        let mut shape = Self::measured(gguf)?;
        shape.check_tensors(gguf)?;
        shape.rope_divisors = shape.read_divisors(gguf)?;
        Ok(shape)
    }

    fn measured(gguf: &Gguf) -> Result<Self, ModelRefused> {
        let layers = needed(gguf, "llama.block_count", LAYERS_MAX)?;
        let width = needed(gguf, "llama.embedding_length", MEASURE_MAX)?;
        let heads = needed(gguf, "llama.attention.head_count", MEASURE_MAX)?;
        let kv_heads = measure(gguf, "llama.attention.head_count_kv", MEASURE_MAX)?.unwrap_or(heads);
        let head_size = match measure(gguf, "llama.attention.key_length", MEASURE_MAX)? {
            Some(size) => size,
            None if width.is_multiple_of(heads) => width / heads,
            None => return Err(unfit(format!("{heads} heads do not divide a width of {width}"))),
        };
        let value_size = measure(gguf, "llama.attention.value_length", MEASURE_MAX)?.unwrap_or(head_size);
        let rotated = measure(gguf, "llama.rope.dimension_count", MEASURE_MAX)?.unwrap_or(head_size);
        if value_size != head_size || rotated != head_size || !head_size.is_multiple_of(2) {
            let what = format!("heads of {head_size} values whose values have {value_size} and whose rotation turns {rotated}");
            return Err(ModelRefused::new(Refusal::Architecture, what));
        }
        if !heads.is_multiple_of(kv_heads) || heads.saturating_mul(head_size) > MEASURE_MAX as usize {
            return Err(unfit(format!("{heads} heads of {head_size} values share {kv_heads} heads of keys and values")));
        }
        let tokens = gguf.tensor(TOKENS_TENSOR).ok_or_else(|| absent(TOKENS_TENSOR))?;
        let rows = tokens.dims.get(1).copied().unwrap_or(1);
        let vocabulary = within("llama.vocab_size", gguf.count("llama.vocab_size")?.unwrap_or(rows), VOCABULARY_MAX as u64)?;
        let rms_epsilon = positive(gguf, "llama.attention.layer_norm_rms_epsilon")?;
        Ok(Self {
            layers,
            width,
            heads,
            kv_heads,
            head_size,
            feed_forward: needed(gguf, "llama.feed_forward_length", MEASURE_MAX)?,
            vocabulary,
            context: needed(gguf, "llama.context_length", u64::from(u32::MAX))?,
            rms_epsilon: rms_epsilon.ok_or_else(|| missing("llama.attention.layer_norm_rms_epsilon"))?,
            rope_base: positive(gguf, "llama.rope.freq_base")?.unwrap_or(ROPE_BASE),
            rope_divisors: None,
            tied_output: gguf.tensor(OUTPUT_TENSOR).is_none(),
        })
    }

    /// Length of a row and count of rows of a part; norms have one row.
    pub fn dims_of(&self, part: Part) -> (usize, usize) {
        let (queries, keys) = (self.heads * self.head_size, self.kv_heads * self.head_size);
        match part {
            Part::AttentionNorm | Part::FeedForwardNorm => (self.width, 1),
            Part::Query => (self.width, queries),
            Part::Key | Part::Value => (self.width, keys),
            Part::AttentionOutput => (queries, self.width),
            Part::Gate | Part::Up => (self.width, self.feed_forward),
            Part::Down => (self.feed_forward, self.width),
        }
    }

    fn check_tensors(&self, gguf: &Gguf) -> Result<(), ModelRefused> {
        let mut known = HashSet::new();
        let mut check = |name: String, (row, rows): (usize, usize), norm: bool| {
            let tensor = gguf.tensor(&name).ok_or_else(|| absent(&name))?;
            check_tensor(&tensor, row as u64, rows as u64, norm)?;
            known.insert(name);
            Ok::<(), ModelRefused>(())
        };
        check(TOKENS_TENSOR.to_owned(), (self.width, self.vocabulary), false)?;
        check(OUTPUT_NORM_TENSOR.to_owned(), (self.width, 1), true)?;
        if !self.tied_output {
            check(OUTPUT_TENSOR.to_owned(), (self.width, self.vocabulary), false)?;
        }
        for layer in 0..self.layers {
            for part in Part::ALL {
                let norm = matches!(part, Part::AttentionNorm | Part::FeedForwardNorm);
                check(part.tensor_name(layer), self.dims_of(part), norm)?;
            }
        }
        match gguf.tensors().find(|tensor| tensor.name != ROPE_DIVISORS_TENSOR && !known.contains(tensor.name)) {
            None => Ok(()),
            Some(tensor) => {
                Err(ModelRefused::new(Refusal::Architecture, format!("tensor {} has no place in a plain Llama model", tensor.name)))
            }
        }
    }

    fn read_divisors(&self, gguf: &Gguf) -> Result<Option<Vec<f32>>, ModelRefused> {
        let Some(tensor) = gguf.tensor(ROPE_DIVISORS_TENSOR) else { return Ok(None) };
        check_tensor(&tensor, self.head_size as u64 / 2, 1, true)?;
        let (values, _) = tensor.bytes.as_chunks();
        let divisors: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if divisors.iter().all(|divisor| divisor.is_finite() && *divisor > 0.0) {
            return Ok(Some(divisors));
        }
        Err(unfit(format!("{ROPE_DIVISORS_TENSOR} has a divisor that is not above 0")))
    }
}

/// Parts that change the arithmetic and are not computed here.
fn refuse_extras(gguf: &Gguf) -> Result<(), ModelRefused> {
    let refused = |what: String| Err(ModelRefused::new(Refusal::Architecture, what));
    match gguf.text("llama.rope.scaling.type")? {
        None | Some("none") => {}
        Some(other) => return refused(format!("its rotation is scaled ({other})")),
    }
    if let Some(factor) = gguf.float("llama.rope.scale_linear")?.filter(|factor| *factor != 1.0) {
        return refused(format!("its rotation is scaled by {factor}"));
    }
    for key in ["llama.expert_count", "llama.attention.sliding_window"] {
        if let Some(count) = gguf.count(key)?.filter(|count| *count != 0) {
            return refused(format!("{key} is {count}"));
        }
    }
    Ok(())
}

fn check_tensor(tensor: &Tensor<'_>, row: u64, rows: u64, norm: bool) -> Result<(), ModelRefused> {
    let fits = tensor.dims.first() == Some(&row) && tensor.dims.iter().skip(1).product::<u64>() == rows && tensor.dims.len() <= 2;
    if !fits {
        let what = format!("tensor {} has the dimensions {:?}, and the metadata say [{row}, {rows}]", tensor.name, tensor.dims);
        return Err(ModelRefused::new(Refusal::Tensors, what));
    }
    if norm && tensor.kind != TensorKind::F32 {
        return Err(ModelRefused::new(Refusal::TensorKind, format!("tensor {} is {}, not F32", tensor.name, tensor.kind.name())));
    }
    Ok(())
}

fn missing(key: &str) -> ModelRefused {
    ModelRefused::new(Refusal::Metadata, format!("the file does not say {key}"))
}

fn absent(tensor: &str) -> ModelRefused {
    ModelRefused::new(Refusal::Tensors, format!("the file has no tensor {tensor}"))
}

fn unfit(what: String) -> ModelRefused {
    ModelRefused::new(Refusal::Metadata, what)
}

fn within(key: &str, value: u64, value_max: u64) -> Result<usize, ModelRefused> {
    if (1..=value_max).contains(&value) { Ok(value as usize) } else { Err(unfit(format!("{key} is {value}, not 1 to {value_max}"))) }
}

fn measure(gguf: &Gguf, key: &str, value_max: u64) -> Result<Option<usize>, ModelRefused> {
    gguf.count(key)?.map(|value| within(key, value, value_max)).transpose()
}

fn needed(gguf: &Gguf, key: &str, value_max: u64) -> Result<usize, ModelRefused> {
    measure(gguf, key, value_max)?.ok_or_else(|| missing(key))
}

/// A number of f32 above zero.
fn positive(gguf: &Gguf, key: &str) -> Result<Option<f32>, ModelRefused> {
    let checked = |value: f64| {
        let narrow = value as f32;
        if narrow.is_finite() && narrow > 0.0 { Ok(narrow) } else { Err(unfit(format!("{key} is {value}, not above 0"))) }
    };
    gguf.float(key)?.map(checked).transpose()
}
