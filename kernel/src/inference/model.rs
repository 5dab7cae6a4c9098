//! A model file opened for use: its measures, its tokenizer and its chat template, all checked.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::template::ChatTemplate;
use super::tokenizer::Tokenizer;
use super::{Gguf, LlamaShape, ModelRefused, Refusal};

/// Everything that is read from a file before a token is computed.
#[derive(Debug)]
pub struct Model {
    pub gguf: Arc<Gguf>,
    pub shape: LlamaShape,
    pub tokenizer: Tokenizer,
    /// A model without a template, or with one that does not compile, still continues texts.
    template: Result<ChatTemplate, ModelRefused>,
}

impl Model {
    pub fn open(path: &Path) -> Result<Self, ModelRefused> {
        Self::of(Gguf::open(path)?)
    }

    pub fn of(gguf: Gguf) -> Result<Self, ModelRefused> {
        let shape = LlamaShape::of(&gguf)?;
        let tokenizer = Tokenizer::of(&gguf)?;
        if tokenizer.vocabulary_size() != shape.vocabulary {
            let what = format!("the tokenizer has {} tokens and the model {}", tokenizer.vocabulary_size(), shape.vocabulary);
            return Err(ModelRefused::new(Refusal::Tokenizer, what));
        }
        let template = ChatTemplate::of(&gguf, &tokenizer);
        Ok(Self { gguf: Arc::new(gguf), shape, tokenizer, template })
    }

    pub fn template(&self) -> Result<&ChatTemplate, ModelRefused> {
        self.template.as_ref().map_err(Clone::clone)
    }

    /// SHA-256 of the whole file.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.gguf.bytes()).into()
    }
}
