//! The exact engine for Python: a model at work for several requests, and the check of answers that are there already.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::convert::HashBytes;
use super::errors::{DecoderFullError, ModelRefusedError};
use super::model::ModelFile;
use crate::inference::exact::{self, DecoderError, DecoderOptions, ENGINE_VERSION, ExactPath, Finish};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<SamplingParameters>()?;
    module.add_class::<TokenEvent>()?;
    module.add_class::<Score>()?;
    module.add_class::<Decoder>()?;
    module.add_function(wrap_pyfunction!(exact_paths, module)?)?;
    module.add_function(wrap_pyfunction!(trace_root, module)?)
}

impl From<DecoderError> for PyErr {
    fn from(error: DecoderError) -> Self {
        match error {
            DecoderError::Model(refused) => refused.into(),
            DecoderError::Full { slots } => DecoderFullError::new_err(slots),
            DecoderError::Parameters(_) | DecoderError::TooLong { .. } => PyValueError::new_err(error.to_string()),
            DecoderError::NotFinite => {
                ModelRefusedError::new_err(("model_not_finite", error.to_string(), "fetch the file again, or take another model"))
            }
            DecoderError::System(error) => error.into(),
        }
    }
}

/// Names of the ways to compute that this processor has, the fastest first. All give the same bits.
#[pyfunction]
fn exact_paths() -> Vec<&'static str> {
    ExactPath::available().into_iter().map(ExactPath::name).collect()
}

/// The commitment to the logits of an answer's tokens, from their digests. `None` for no digests.
#[pyfunction]
fn trace_root(py: Python<'_>, digests: Vec<HashBytes>) -> Option<Bound<'_, PyBytes>> {
    let digests: Vec<_> = digests.into_iter().map(|digest| digest.0).collect();
    exact::trace_root(&digests).map(|root| PyBytes::new(py, &root))
}

/// How an answer is sampled.
#[pyclass(module = "zerog._kernel", frozen, eq)]
#[derive(Clone, PartialEq)]
pub struct SamplingParameters {
    own: exact::SamplingParameters,
    /// The model's own, if not given.
    end_tokens: Option<Vec<u32>>,
    top_logprobs: Option<usize>,
}

#[pymethods]
impl SamplingParameters {
    #[new]
    #[pyo3(signature = (
        max_tokens, *, temperature=1.0, top_p=1.0, top_k=0, min_p=0.0, seed=0, frequency_penalty=0.0, presence_penalty=0.0,
        repetition_penalty=1.0, logit_bias=None, end_tokens=None, top_logprobs=None, trace=false
    ))]
    #[expect(clippy::too_many_arguments, reason = "each has a name in Python")]
    fn new(
        max_tokens: usize,
        temperature: f32,
        top_p: f32,
        top_k: usize,
        min_p: f32,
        seed: u64,
        frequency_penalty: f32,
        presence_penalty: f32,
        repetition_penalty: f32,
        logit_bias: Option<std::collections::BTreeMap<u32, f32>>,
        end_tokens: Option<Vec<u32>>,
        top_logprobs: Option<usize>,
        trace: bool,
    ) -> PyResult<Self> {
        let own = exact::SamplingParameters {
            tokens_max: max_tokens,
            temperature,
            top_p,
            top_k,
            min_p,
            seed,
            frequency_penalty,
            presence_penalty,
            repetition_penalty,
            logit_bias: logit_bias.unwrap_or_default().into_iter().collect(),
            end_tokens: Vec::new(),
            top_logprobs: top_logprobs.unwrap_or(0),
            trace,
        };
        own.check(usize::MAX).map_err(PyValueError::new_err)?;
        Ok(Self { own, end_tokens, top_logprobs })
    }

    #[getter]
    fn max_tokens(&self) -> usize {
        self.own.tokens_max
    }

    #[getter]
    fn temperature(&self) -> f32 {
        self.own.temperature
    }

    #[getter]
    fn seed(&self) -> u64 {
        self.own.seed
    }

    #[getter]
    fn top_logprobs(&self) -> Option<usize> {
        self.top_logprobs
    }

    #[getter]
    fn trace(&self) -> bool {
        self.own.trace
    }
}

/// A token of an answer.
#[pyclass(module = "zerog._kernel", frozen)]
pub struct TokenEvent {
    own: exact::TokenEvent,
}

#[pymethods]
impl TokenEvent {
    #[getter]
    fn sequence(&self) -> u64 {
        self.own.sequence
    }

    #[getter]
    fn token(&self) -> u32 {
        self.own.choice.token
    }

    #[getter]
    fn logprob(&self) -> f32 {
        self.own.choice.logprob
    }

    #[getter]
    fn top(&self) -> Vec<(u32, f32)> {
        self.own.choice.top.clone()
    }

    #[getter]
    fn finish(&self) -> Option<&'static str> {
        self.own.finish.map(|finish| match finish {
            Finish::Stop => "stop",
            Finish::Length => "length",
        })
    }

    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.own.choice.leaf.as_ref().map(|leaf| PyBytes::new(py, leaf))
    }

    #[getter]
    fn trace_root<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.own.trace_root.as_ref().map(|root| PyBytes::new(py, root))
    }

    #[getter]
    fn cached_tokens(&self) -> usize {
        self.own.cached_tokens
    }
}

/// An answer beside what sampling gives.
#[pyclass(module = "zerog._kernel", frozen)]
pub struct Score {
    own: exact::Score,
}

#[pymethods]
impl Score {
    #[getter]
    fn position(&self) -> Option<usize> {
        self.own.position
    }

    #[getter]
    fn given(&self) -> Option<u32> {
        self.own.given
    }

    #[getter]
    fn expected(&self) -> Option<u32> {
        self.own.expected
    }

    #[getter]
    fn logprobs(&self) -> Vec<f32> {
        self.own.logprobs.clone()
    }

    #[getter]
    fn tops(&self) -> Vec<Vec<(u32, f32)>> {
        self.own.tops.clone()
    }

    #[getter]
    fn trace_root<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.own.trace_root.as_ref().map(|root| PyBytes::new(py, root))
    }
}

/// A model at work. Every call that computes releases the GIL.
#[pyclass(module = "zerog._kernel", frozen)]
pub struct Decoder {
    decoder: exact::Decoder,
    end_tokens: Vec<u32>,
}

impl Decoder {
    fn parameters(&self, parameters: &SamplingParameters) -> exact::SamplingParameters {
        let end_tokens = parameters.end_tokens.as_ref().unwrap_or(&self.end_tokens).clone();
        exact::SamplingParameters { end_tokens, ..parameters.own.clone() }
    }
}

#[pymethods]
impl Decoder {
    /// Pack the weights of a model, and start threads. Raises `ModelRefusedError`, `ValueError`, `OSError`.
    #[new]
    #[pyo3(signature = (model, *, slots=8, context=None, threads=None, path=None))]
    fn new(
        py: Python<'_>,
        model: &ModelFile,
        slots: usize,
        context: Option<usize>,
        threads: Option<usize>,
        path: Option<&str>,
    ) -> PyResult<Self> {
        let named = |name: &str| ExactPath::available().into_iter().find(|path| path.name() == name);
        let path = match path {
            None => ExactPath::best(),
            Some(name) => named(name).ok_or_else(|| PyValueError::new_err(format!("this processor has no path named {name:?}")))?,
        };
        let options = DecoderOptions { slots, context, threads, path };
        let (gguf, tokenizer) = (Arc::clone(&model.model.gguf), &model.model.tokenizer);
        let end_tokens = tokenizer.ends().to_vec();
        let decoder = py.detach(|| exact::Decoder::new(gguf, &options))?;
        Ok(Self { decoder, end_tokens })
    }

    #[getter]
    fn slots(&self) -> usize {
        self.decoder.slots()
    }

    #[getter]
    fn context(&self) -> usize {
        self.decoder.context()
    }

    #[getter]
    fn threads(&self) -> usize {
        self.decoder.threads()
    }

    #[getter]
    fn path(&self) -> &'static str {
        self.decoder.path().name()
    }

    #[classattr]
    fn version() -> &'static str {
        ENGINE_VERSION
    }

    /// Sequences that have not finished.
    #[getter]
    fn running(&self, py: Python<'_>) -> usize {
        py.detach(|| self.decoder.running())
    }

    /// Begin an answer. Raises `DecoderFullError`, `ValueError`, `OSError`.
    fn add(&self, py: Python<'_>, prompt: Vec<u32>, parameters: &SamplingParameters) -> PyResult<u64> {
        let parameters = self.parameters(parameters);
        Ok(py.detach(|| self.decoder.add(prompt, parameters))?)
    }

    /// One round of all sequences. Raises `ModelRefusedError`, `OSError`; then none is left.
    fn step(&self, py: Python<'_>) -> PyResult<Vec<TokenEvent>> {
        let events = py.detach(|| self.decoder.step())?;
        Ok(events.into_iter().map(|own| TokenEvent { own }).collect())
    }

    /// End a sequence. Returns the commitment to what was sampled, where one was asked for.
    fn cancel<'py>(&self, py: Python<'py>, sequence: u64) -> Option<Bound<'py, PyBytes>> {
        py.detach(|| self.decoder.cancel(sequence)).map(|root| PyBytes::new(py, &root))
    }

    /// Tokens of a running sequence's prompt that had been computed for another. Raises `ValueError`.
    fn cached_tokens(&self, py: Python<'_>, sequence: u64) -> PyResult<usize> {
        let cached = py.detach(|| self.decoder.cached_tokens(sequence));
        cached.ok_or_else(|| PyValueError::new_err(format!("no sequence {sequence} is running")))
    }

    /// Sample an answer again, and compare. Raises `ValueError`, `ModelRefusedError`, `OSError`.
    #[pyo3(signature = (tokens, first, parameters, *, to_end=false))]
    fn score(&self, py: Python<'_>, tokens: Vec<u32>, first: usize, parameters: &SamplingParameters, to_end: bool) -> PyResult<Score> {
        let parameters = self.parameters(parameters);
        Ok(Score { own: py.detach(|| self.decoder.score(&tokens, first, &parameters, to_end))? })
    }

    /// A text as a vector of length one. Raises `ValueError`, `ModelRefusedError`, `OSError`.
    fn embed<'py>(&self, py: Python<'py>, tokens: Vec<u32>) -> PyResult<Bound<'py, PyBytes>> {
        let vector = py.detach(|| self.decoder.embed(&tokens))?;
        let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(PyBytes::new(py, &bytes))
    }

    /// Give back memory that only makes it faster.
    fn idle_release(&self, py: Python<'_>) {
        py.detach(|| self.decoder.idle_release());
    }
}
