//! Why a model file is not used, and what to do about it.

use thiserror::Error;

/// The kinds of refusal: a name for machines, and a remedy for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No file with that name, or one that may not be read.
    Unreadable,
    /// A folder, a pipe, a device.
    NotAFile,
    NotGguf,
    Version,
    /// Something reaches beyond the end of the file.
    Truncated,
    /// Against the rules of the format.
    Malformed,
    /// A quantisation that is not computed here.
    TensorKind,
    /// Not Llama, or Llama with parts that are not computed here.
    Architecture,
    /// Something that the file has to say is missing, or of another type or range than it can be.
    Metadata,
    /// A tensor is missing, has another shape than the metadata say, or has no place in the model.
    Tensors,
    /// A vocabulary or a way to split text that is not known here.
    Tokenizer,
    /// A chat template that is missing, does not parse, or fails.
    Template,
    /// What was asked for goes beyond a limit.
    TooLarge,
}

impl Refusal {
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "model_unreadable",
            Self::NotAFile => "model_not_a_file",
            Self::NotGguf => "model_not_gguf",
            Self::Version => "model_version",
            Self::Truncated => "model_truncated",
            Self::Malformed => "model_malformed",
            Self::TensorKind => "model_tensor_kind",
            Self::Architecture => "model_architecture",
            Self::Metadata => "model_metadata",
            Self::Tensors => "model_tensors",
            Self::Tokenizer => "model_tokenizer",
            Self::Template => "model_template",
            Self::TooLarge => "model_too_large",
        }
    }

    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Unreadable => "check the path and its permissions",
            Self::NotAFile => "name a regular file: what can change its size while it is mapped is not read",
            Self::NotGguf => "give a file in the GGUF format",
            Self::Version => "convert the model again with a current llama.cpp (little-endian GGUF of version 2 or 3)",
            Self::Truncated => "fetch the file again: it is not whole",
            Self::Malformed => "fetch the file again, or convert the model again",
            Self::TensorKind => "take a file whose tensors are F32, F16, Q8_0, Q4_0 or Q4_1 (llama-quantize --pure makes one)",
            Self::Architecture => "take a plain model of the Llama architecture",
            Self::Metadata | Self::Tensors => "convert the model again with a current llama.cpp",
            Self::Tokenizer => "take a model with a tokenizer that is known here",
            Self::Template => "send messages that the template takes, or take a model with another template",
            Self::TooLarge => "ask for less at once",
        }
    }
}

/// A model that is not used, or a request to it that is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}")]
pub struct ModelRefused {
    pub refusal: Refusal,
    pub what: String,
}

impl ModelRefused {
    pub fn new(refusal: Refusal, what: impl Into<String>) -> Self {
        Self { refusal, what: what.into() }
    }
}
