//! Model files for Python: what a file is, its tokenizer and its chat template.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::errors::ModelRefusedError;
use crate::inference::template::ChatRequest;
use crate::inference::{Model, ModelRefused};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ModelFile>()
}

impl From<ModelRefused> for PyErr {
    fn from(error: ModelRefused) -> Self {
        ModelRefusedError::new_err((error.refusal.code(), error.what, error.refusal.remedy()))
    }
}

/// An open model file. What it holds is shared by everything that works with it.
#[pyclass(module = "zerog._kernel", frozen)]
pub struct ModelFile {
    pub model: Arc<Model>,
    path: PathBuf,
}

#[pymethods]
impl ModelFile {
    /// Map a file and check all of it but the weights' values. Raises `ModelRefusedError`.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let model = py.detach(|| Model::open(&path))?;
        Ok(Self { model: Arc::new(model), path })
    }

    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    #[getter]
    fn size_bytes(&self) -> usize {
        self.model.gguf.bytes().len()
    }

    #[getter]
    fn architecture(&self) -> PyResult<Option<&str>> {
        Ok(self.model.gguf.text("general.architecture")?)
    }

    #[getter]
    fn name(&self) -> PyResult<Option<&str>> {
        Ok(self.model.gguf.text("general.name")?)
    }

    #[getter]
    fn license(&self) -> PyResult<Option<&str>> {
        Ok(self.model.gguf.text("general.license")?)
    }

    #[getter]
    fn parameter_count(&self) -> u64 {
        self.model.gguf.parameter_count()
    }

    #[getter]
    fn quantization(&self) -> &str {
        self.model.gguf.quantization().map_or("", |kind| kind.name())
    }

    #[getter]
    fn context_length(&self) -> usize {
        self.model.shape.context
    }

    #[getter]
    fn layers(&self) -> usize {
        self.model.shape.layers
    }

    #[getter]
    fn width(&self) -> usize {
        self.model.shape.width
    }

    #[getter]
    fn vocabulary_size(&self) -> usize {
        self.model.shape.vocabulary
    }

    #[getter]
    fn chat_template(&self) -> Option<&str> {
        self.model.template().ok().map(|template| template.source())
    }

    #[getter]
    fn knows_tools(&self) -> bool {
        self.model.template().is_ok_and(|template| template.knows_tools())
    }

    #[getter]
    fn begin_token(&self) -> Option<u32> {
        self.model.tokenizer.begin()
    }

    #[getter]
    fn end_tokens(&self) -> Vec<u32> {
        self.model.tokenizer.ends().to_vec()
    }

    /// SHA-256 of the file; a tenth of a second for a hundred megabytes.
    fn sha256<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let digest = py.detach(|| self.model.sha256());
        PyBytes::new(py, &digest)
    }

    /// Tokens of a text. Raises `ModelRefusedError` (`model_too_large`).
    #[pyo3(signature = (text, *, special=false, begin=false))]
    fn encode(&self, py: Python<'_>, text: &str, special: bool, begin: bool) -> PyResult<Vec<u32>> {
        let tokenizer = &self.model.tokenizer;
        let mut tokens = py.detach(|| if special { tokenizer.encode_steering(text) } else { tokenizer.encode(text) })?;
        if let Some(token) = tokenizer.begin().filter(|_| begin) {
            tokens.insert(0, token);
        }
        Ok(tokens)
    }

    /// What tokens add to an answer, as bytes of UTF-8.
    fn decode<'py>(&self, py: Python<'py>, tokens: Vec<u32>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.model.tokenizer.decode(&tokens))
    }

    /// The text of one token as it stands in the file.
    fn token_text<'py>(&self, py: Python<'py>, token: u32) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.model.tokenizer.token_text(token))
    }

    /// Tokens of a conversation. Raises `ModelRefusedError`.
    #[pyo3(signature = (messages, *, tools=None, add_generation_prompt=true, now_s=None))]
    fn render_chat(
        &self,
        py: Python<'_>,
        messages: PyBackedBytes,
        tools: Option<PyBackedBytes>,
        add_generation_prompt: bool,
        now_s: Option<i64>,
    ) -> PyResult<Vec<u32>> {
        let request = ChatRequest { messages: &messages, tools: tools.as_deref(), add_generation_prompt, now_s };
        Ok(py.detach(|| self.model.template()?.tokens(&request, &self.model.tokenizer))?)
    }

    /// Text of a conversation. Raises `ModelRefusedError`.
    #[pyo3(signature = (messages, *, tools=None, add_generation_prompt=true, now_s=None))]
    fn chat_text(
        &self,
        py: Python<'_>,
        messages: PyBackedBytes,
        tools: Option<PyBackedBytes>,
        add_generation_prompt: bool,
        now_s: Option<i64>,
    ) -> PyResult<String> {
        let request = ChatRequest { messages: &messages, tools: tools.as_deref(), add_generation_prompt, now_s };
        Ok(py.detach(|| self.model.template()?.text(&request))?)
    }
}
