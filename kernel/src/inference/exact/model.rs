//! A Llama-shaped model whose weights are packed for the kernels.

use std::sync::Arc;

use super::math;
use super::matrix::{Arena, BLOCK, Matrix, unpacked_row};
use crate::inference::shape::{OUTPUT_NORM_TENSOR, OUTPUT_TENSOR, Part, TOKENS_TENSOR};
use crate::inference::{Gguf, LlamaShape, ModelRefused, Refusal, Tensor};

/// The matrices and norms of a layer.
pub(super) struct Layer {
    pub attention_norm: Vec<f32>,
    pub query: Matrix,
    pub key: Matrix,
    pub value: Matrix,
    pub attention_output: Matrix,
    pub feed_forward_norm: Vec<f32>,
    pub gate: Matrix,
    pub up: Matrix,
    pub down: Matrix,
}

/// Weights, ready to be computed with. The file stays mapped: rows of the table of tokens are read from it.
pub(super) struct Weights {
    pub shape: LlamaShape,
    pub layers: Vec<Layer>,
    pub output_norm: Vec<f32>,
    pub output: Matrix,
    /// Radians that each pair of a head turns by from one position to the next.
    pub turns: Vec<f64>,
    gguf: Arc<Gguf>,
    /// What the matrices point into.
    _arena: Arena,
}

impl Weights {
    /// The measures of a model that can be packed.
    pub fn check(gguf: &Gguf) -> Result<LlamaShape, ModelRefused> {
        let shape = LlamaShape::of(gguf)?;
        if !shape.head_size.is_multiple_of(BLOCK) {
            let what = format!("its heads have {} values, not a multiple of {BLOCK}", shape.head_size);
            return Err(ModelRefused::new(Refusal::Architecture, what));
        }
        packed_bytes(gguf, &shape)?;
        Ok(shape)
    }

    /// Pack the weights of a model. The pages of its file that this has read are given back.
    pub fn load(gguf: Arc<Gguf>) -> Result<Self, ModelRefused> {
        let shape = Self::check(&gguf)?;
        let output_name = output_name(&shape);
        let mut arena = Arena::new(packed_bytes(&gguf, &shape)?)?;
        let layers = (0..shape.layers).map(|layer| Layer::load(&gguf, layer, &mut arena)).collect::<Result<_, _>>()?;
        let output = pack(&gguf, output_name, &mut arena)?;
        let output_norm = norm(&gguf, OUTPUT_NORM_TENSOR)?;
        let turns = turns(&shape);
        gguf.release();
        Ok(Self { shape, layers, output_norm, output, turns, gguf, _arena: arena })
    }

    /// The numbers that stand for a token.
    pub fn token(&self, token: u32, to: &mut [f32]) -> Result<(), ModelRefused> {
        unpacked_row(&tensor(&self.gguf, TOKENS_TENSOR)?, token as usize, to);
        Ok(())
    }
}

const MATRICES: [Part; 7] = [Part::Query, Part::Key, Part::Value, Part::AttentionOutput, Part::Gate, Part::Up, Part::Down];

fn output_name(shape: &LlamaShape) -> &'static str {
    if shape.tied_output { TOKENS_TENSOR } else { OUTPUT_TENSOR }
}

/// What all matrices of a model take.
fn packed_bytes(gguf: &Gguf, shape: &LlamaShape) -> Result<usize, ModelRefused> {
    let mut sizes = vec![Matrix::packed_bytes(&tensor(gguf, output_name(shape))?)?];
    for layer in 0..shape.layers {
        for part in MATRICES {
            sizes.push(Matrix::packed_bytes(&tensor(gguf, &part.tensor_name(layer))?)?);
        }
    }
    Ok(Arena::bytes_of(sizes.into_iter()))
}

impl Layer {
    fn load(gguf: &Gguf, layer: usize, arena: &mut Arena) -> Result<Self, ModelRefused> {
        let mut packed = |part: Part| pack(gguf, &part.tensor_name(layer), arena);
        Ok(Self {
            attention_norm: norm(gguf, &Part::AttentionNorm.tensor_name(layer))?,
            query: packed(Part::Query)?,
            key: packed(Part::Key)?,
            value: packed(Part::Value)?,
            attention_output: packed(Part::AttentionOutput)?,
            feed_forward_norm: norm(gguf, &Part::FeedForwardNorm.tensor_name(layer))?,
            gate: packed(Part::Gate)?,
            up: packed(Part::Up)?,
            down: packed(Part::Down)?,
        })
    }
}

/// base^(-2i / size) for each pair of a head, over its divisor if there are any.
fn turns(shape: &LlamaShape) -> Vec<f64> {
    let base = math::ln(f64::from(shape.rope_base));
    let turn = |pair: usize| math::exp(-2.0 * pair as f64 / shape.head_size as f64 * base);
    let divisor =
        |pair: usize| shape.rope_divisors.as_ref().and_then(|divisors| divisors.get(pair)).map_or(1.0, |divisor| f64::from(*divisor));
    (0..shape.head_size / 2).map(|pair| turn(pair) / divisor(pair)).collect()
}

fn tensor<'a>(gguf: &'a Gguf, name: &str) -> Result<Tensor<'a>, ModelRefused> {
    gguf.tensor(name).ok_or_else(|| ModelRefused::new(Refusal::Tensors, format!("the file has no tensor {name}")))
}

fn pack(gguf: &Gguf, name: &str, arena: &mut Arena) -> Result<Matrix, ModelRefused> {
    let tensor = tensor(gguf, name)?;
    Matrix::pack(&tensor, arena.take(Matrix::packed_bytes(&tensor)?))
}

fn norm(gguf: &Gguf, name: &str) -> Result<Vec<f32>, ModelRefused> {
    let tensor = tensor(gguf, name)?;
    let mut values = vec![0.0; tensor.values() as usize];
    unpacked_row(&tensor, 0, &mut values);
    Ok(values)
}
