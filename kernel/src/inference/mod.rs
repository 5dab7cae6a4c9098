//! The exact engine: models read from GGUF files, text turned into tokens and back, and arithmetic that comes out the same on every machine.

pub mod exact;
pub mod gguf;
pub mod model;
mod refused;
pub mod shape;
pub mod template;
pub mod tokenizer;

pub use gguf::{Gguf, Tensor, TensorKind};
pub use model::Model;
pub use refused::{ModelRefused, Refusal};
pub use shape::LlamaShape;
