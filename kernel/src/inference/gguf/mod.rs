//! Reader of GGUF files, versions 2 and 3, little-endian. Everything in the file is checked before it is used, and nothing is allocated by
//! what the file only claims: texts, lists and weights stay where they are, mapped.
//! Source: ggml-org/ggml, docs/gguf.md; ggml-org/llama.cpp, ggml/src/gguf.cpp.

mod cursor;
mod directory;
mod layout;
mod source;
mod value;

#[cfg(test)]
mod counted;
#[cfg(test)]
pub(crate) mod made;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use layout::{DIMS_MAX, TensorKind};
pub use value::{List, Value, ValueKind};

use super::{ModelRefused, Refusal};
use directory::Directory;
use source::Source;

/// The weights of one name. `dims[0]` is the length of a row, as GGML counts; `bytes` are the rows one after another, blocks of `kind`,
/// little-endian, without alignment that a caller could rely on when the file did not come from a map.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    pub name: &'a str,
    pub kind: TensorKind,
    pub dims: &'a [u64],
    pub bytes: &'a [u8],
}

impl Tensor<'_> {
    /// Values in it; checked when the file was opened.
    pub fn values(&self) -> u64 {
        self.dims.iter().product()
    }
}

/// An open model file. It keeps its map: a file that another program cuts short while it is open ends this process (SIGBUS), so models are
/// replaced by renaming, never written over.
#[derive(Debug)]
pub struct Gguf {
    source: Source,
    directory: Directory,
}

impl Gguf {
    /// Map a file and check all of its structure.
    pub fn open(path: &Path) -> Result<Self, ModelRefused> {
        Self::of(Source::map(path)?)
    }

    /// The same from bytes in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ModelRefused> {
        Self::of(Source::Owned(bytes))
    }

    fn of(source: Source) -> Result<Self, ModelRefused> {
        let directory = Directory::read(source.bytes())?;
        Ok(Self { source, directory })
    }

    /// Everything in the file.
    pub fn bytes(&self) -> &[u8] {
        self.source.bytes()
    }

    pub fn version(&self) -> u32 {
        self.directory.version
    }

    /// Give the pages of the map back to the system; they come again from the file when they are read.
    pub fn release(&self) {
        self.source.release();
    }

    pub fn metadata(&self, key: &str) -> Option<Value<'_>> {
        self.directory.value(self.bytes(), key)
    }

    /// Keys in the order of their bytes.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.directory.keys(self.bytes())
    }

    pub fn tensor(&self, name: &str) -> Option<Tensor<'_>> {
        self.directory.tensor(self.bytes(), name)
    }

    /// Tensors in the order of their names' bytes.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor<'_>> {
        self.directory.tensors(self.bytes())
    }

    /// Weights of the model, each tensor counted once.
    pub fn parameter_count(&self) -> u64 {
        self.tensors().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.values()))
    }

    /// The kind that most weights of matrices in the layers have; that of most weights at all if there are none.
    pub fn quantization(&self) -> Option<TensorKind> {
        let most = |layers: bool| {
            TensorKind::ALL.into_iter().filter_map(move |kind| {
                let of_kind = self.tensors().filter(|tensor| tensor.kind == kind);
                let counted = of_kind.filter(|tensor| !layers || tensor.name.starts_with("blk.") && tensor.dims.len() > 1);
                let values = counted.fold(0, |sum: u64, tensor| sum.saturating_add(tensor.values()));
                (values > 0).then_some((values, kind))
            })
        };
        most(true).max_by_key(|counted| counted.0).or_else(|| most(false).max_by_key(|counted| counted.0)).map(|counted| counted.1)
    }

    fn other_type(key: &str, value: Value<'_>, expected: &str) -> ModelRefused {
        ModelRefused::new(Refusal::Metadata, format!("{key} is {}, not {expected}", value.type_name()))
    }

    pub fn text(&self, key: &str) -> Result<Option<&str>, ModelRefused> {
        match self.metadata(key) {
            None => Ok(None),
            Some(Value::Text(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(ModelRefused::new(Refusal::Metadata, format!("{key} is not UTF-8"))),
            },
            Some(other) => Err(Self::other_type(key, other, "a text")),
        }
    }

    /// A whole number that is not negative.
    pub fn count(&self, key: &str) -> Result<Option<u64>, ModelRefused> {
        match self.metadata(key) {
            None => Ok(None),
            Some(Value::Unsigned(value)) => Ok(Some(value)),
            Some(Value::Signed(value)) if value >= 0 => Ok(Some(value.unsigned_abs())),
            Some(other) => Err(Self::other_type(key, other, "a whole number from 0 on")),
        }
    }

    pub fn float(&self, key: &str) -> Result<Option<f64>, ModelRefused> {
        match self.metadata(key) {
            None => Ok(None),
            Some(Value::Float(value)) if value.is_finite() => Ok(Some(value)),
            Some(other) => Err(Self::other_type(key, other, "a finite number")),
        }
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>, ModelRefused> {
        match self.metadata(key) {
            None => Ok(None),
            Some(Value::Flag(value)) => Ok(Some(value)),
            Some(other) => Err(Self::other_type(key, other, "true or false")),
        }
    }

    pub fn list(&self, key: &str) -> Result<Option<List<'_>>, ModelRefused> {
        match self.metadata(key) {
            None => Ok(None),
            Some(Value::List(list)) => Ok(Some(list)),
            Some(other) => Err(Self::other_type(key, other, "a list")),
        }
    }
}
