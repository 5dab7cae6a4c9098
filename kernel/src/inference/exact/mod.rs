//! Arithmetic of a Llama-shaped model that gives the same bits on every machine.

mod activations;
mod attention;
mod cache;
mod decoder;
mod forward;
mod halves;
mod kernels;
mod lanes;
mod math;
mod matrix;
mod model;
mod path;
mod sampler;
mod score;
mod trace;
mod workers;

#[cfg(test)]
mod tests;

pub use decoder::{Decoder, DecoderError, DecoderOptions, Finish, TokenEvent};
pub use path::ExactPath;
pub use sampler::{Choice, SamplingParameters, TOP_LOGPROBS_MAX};
pub use score::Score;
pub use trace::trace_root;

/// Changes whenever the same request could give other tokens.
pub const ENGINE_VERSION: &str = "exact-1";
