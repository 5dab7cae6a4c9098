//! Continuous batching: sequences come and go between rounds, and each round gives every running sequence its next token.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use thiserror::Error;

use super::attention::PAGE;
use super::cache::{History, PageLayout};
use super::forward::{self, PASS_MAX, Scratch, Stretch};
use super::model::Weights;
use super::path::{ExactPath, Kernels};
use super::sampler::{Before, Choice, NotFinite, SamplingParameters, choose};
use super::trace::trace_root;
use super::workers::Workers;
use crate::inference::{Gguf, LlamaShape, ModelRefused};
use crate::memory;

/// Tokens of prompts that a round computes while answers are being made: they wait for it.
const PREFILL_BESIDE: usize = 96;
/// Memory for beginnings that are kept for later prompts.
const KEPT_BYTES_MAX: usize = 48 << 20;
const KEPT_MAX: usize = 64;
const SLOTS_MAX: usize = 256;
const THREADS_MAX: usize = 256;

/// Why something asked of a decoder is not done.
#[derive(Debug, Error)]
pub enum DecoderError {
    #[error("{0}")]
    Model(#[from] ModelRefused),
    /// All slots are taken: come again when a sequence has finished.
    #[error("all {slots} slots are taken; wait until a sequence has finished")]
    Full { slots: usize },
    #[error("{0}")]
    Parameters(String),
    #[error("{tokens} tokens do not fit into a context of {context}")]
    TooLong { tokens: usize, context: usize },
    #[error("the weights of this model give logits that are no numbers")]
    NotFinite,
    #[error("no memory or no threads: {0}")]
    System(#[from] std::io::Error),
}

impl From<NotFinite> for DecoderError {
    fn from(_: NotFinite) -> Self {
        Self::NotFinite
    }
}

/// How a decoder is set up.
#[derive(Clone, Debug)]
pub struct DecoderOptions {
    /// Sequences at once.
    pub slots: usize,
    /// Tokens of a sequence, its prompt among them; the model's own context if not given.
    pub context: Option<usize>,
    /// As many as there are processors, if not given.
    pub threads: Option<usize>,
    pub path: ExactPath,
}

impl Default for DecoderOptions {
    fn default() -> Self {
        Self { slots: 8, context: None, threads: None, path: ExactPath::best() }
    }
}

/// Why an answer is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Its last token is an end token.
    Stop,
    /// It has as many tokens as were asked for, or the context is full.
    Length,
}

/// A token of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenEvent {
    pub sequence: u64,
    pub choice: Choice,
    pub finish: Option<Finish>,
    /// Of the whole answer, with its last token, if a trace was asked for.
    pub trace_root: Option<[u8; 32]>,
    /// Tokens of the prompt that had been computed for another.
    pub cached_tokens: usize,
}

struct Sequence {
    id: u64,
    history: History,
    prompt: usize,
    parameters: SamplingParameters,
    digests: Vec<[u8; 32]>,
    cached: usize,
}

impl Sequence {
    fn missing(&self) -> usize {
        self.history.tokens.len() - self.history.computed
    }
}

/// What passes share; a lock keeps it to one at a time.
pub(super) struct Engine {
    pub workers: Workers,
    pub scratch: Scratch,
    pub logits: Vec<f32>,
    /// Working memory of the choice of tokens, one a worker.
    pub powers: Vec<Mutex<Vec<f32>>>,
    running: Vec<Sequence>,
    /// Beginnings, the oldest first.
    kept: VecDeque<History>,
    next_id: u64,
    /// Packed when they are first needed.
    weights: Option<Arc<Weights>>,
}

/// A model at work for several sequences.
pub struct Decoder {
    pub(super) gguf: Arc<Gguf>,
    pub(super) shape: LlamaShape,
    pub(super) kernels: &'static Kernels,
    pub(super) layout: PageLayout,
    path: ExactPath,
    slots: usize,
    context: usize,
    threads: usize,
    pub(super) engine: Mutex<Engine>,
}

impl Decoder {
    /// Check the model, and start threads. Its weights are packed by whoever first computes with them.
    pub fn new(gguf: Arc<Gguf>, options: &DecoderOptions) -> Result<Self, DecoderError> {
        let shape = Weights::check(&gguf)?;
        let trained = shape.context;
        let context = options.context.unwrap_or(trained);
        let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let wrong = |what: String| Err(DecoderError::Parameters(what));
        if !(2..=trained).contains(&context) {
            return wrong(format!("a context of {context} is not from 2 to the model's {trained}"));
        }
        if !(1..=SLOTS_MAX).contains(&options.slots) || !(1..=THREADS_MAX).contains(&threads) {
            return wrong(format!("{} slots and {threads} threads: both are 1 to {SLOTS_MAX}", options.slots));
        }
        if !ExactPath::available().contains(&options.path) {
            return wrong(format!("this processor has no path {}", options.path.name()));
        }
        let workers = Workers::new(threads)?;
        let powers = (0..workers.count()).map(|_| Mutex::default()).collect();
        let (scratch, logits, running, kept) = (Scratch::default(), Vec::new(), Vec::new(), VecDeque::new());
        let engine = Mutex::new(Engine { workers, scratch, logits, powers, running, kept, next_id: 0, weights: None });
        let (kernels, layout) = (options.path.kernels(), PageLayout::of(&shape));
        Ok(Self { gguf, shape, kernels, layout, path: options.path, slots: options.slots, context, threads, engine })
    }

    pub fn slots(&self) -> usize {
        self.slots
    }

    pub fn context(&self) -> usize {
        self.context
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    pub fn path(&self) -> ExactPath {
        self.path
    }

    pub fn shape(&self) -> &LlamaShape {
        &self.shape
    }

    /// Sequences that have not finished.
    pub fn running(&self) -> usize {
        self.engine.lock().running.len()
    }

    /// Begin an answer to a prompt. What the prompt has in common with an earlier one is not computed again.
    pub fn add(&self, prompt: Vec<u32>, parameters: SamplingParameters) -> Result<u64, DecoderError> {
        self.check(&prompt, &parameters)?;
        if prompt.len() >= self.context {
            return Err(DecoderError::TooLong { tokens: prompt.len() + 1, context: self.context });
        }
        let mut engine = self.engine.lock();
        if engine.running.len() >= self.slots {
            return Err(DecoderError::Full { slots: self.slots });
        }
        engine.weights(&self.gguf)?;
        let length = prompt.len();
        let history = engine.begun(prompt)?;
        let (id, cached) = (engine.next_id, history.computed);
        engine.next_id += 1;
        engine.running.push(Sequence { id, history, prompt: length, parameters, digests: Vec::new(), cached });
        Ok(id)
    }

    /// Tokens of a running sequence's prompt that had been computed for another.
    pub fn cached_tokens(&self, sequence: u64) -> Option<usize> {
        self.engine.lock().running.iter().find(|running| running.id == sequence).map(|running| running.cached)
    }

    pub(super) fn check(&self, tokens: &[u32], parameters: &SamplingParameters) -> Result<(), DecoderError> {
        let vocabulary = self.shape.vocabulary;
        parameters.check(vocabulary).map_err(DecoderError::Parameters)?;
        if let Some(token) = tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Err(DecoderError::Parameters(format!("there is no token {token}; the model has {vocabulary}")));
        }
        if tokens.is_empty() {
            return Err(DecoderError::Parameters("there is no token to begin with".to_owned()));
        }
        if tokens.len() > self.context {
            return Err(DecoderError::TooLong { tokens: tokens.len(), context: self.context });
        }
        Ok(())
    }

    /// One round: a part of the prompts that wait, and a token for each sequence whose prompt is computed. Nothing when nothing runs.
    ///
    /// Logits that are no numbers end all sequences: the model is broken.
    pub fn step(&self) -> Result<Vec<TokenEvent>, DecoderError> {
        let mut engine = self.engine.lock();
        if engine.running.is_empty() {
            return Ok(Vec::new());
        }
        let events = self.round(&mut engine);
        if events.is_err() {
            engine.running.clear();
        }
        events
    }

    fn round(&self, engine: &mut Engine) -> Result<Vec<TokenEvent>, DecoderError> {
        let shares = shares(&engine.running);
        for (index, count) in &shares {
            let history = &mut engine.running[*index].history;
            history.grow(&self.layout, history.computed + count)?;
        }
        let weights = engine.weights(&self.gguf)?;
        let stretches: Vec<Stretch<'_>> = shares.iter().map(|(index, count)| stretch(&engine.running[*index].history, *count)).collect();
        forward::forward(&weights, self.kernels, &mut engine.workers, &mut engine.scratch, &stretches)?;
        drop(stretches);
        let (mut ready, mut wanted, mut place) = (Vec::new(), Vec::new(), 0);
        for (index, count) in shares {
            place += count;
            let sequence = &mut engine.running[index];
            sequence.history.computed += count;
            if sequence.missing() == 0 {
                ready.push(index);
                wanted.push(place - 1);
            }
        }
        forward::finish(&weights, self.kernels, &mut engine.workers, &mut engine.scratch, &wanted);
        let choices = self.choices(&weights, engine, &ready)?;
        let events = ready.iter().zip(choices).map(|(index, choice)| self.take(&mut engine.running[*index], choice)).collect::<Vec<_>>();
        for event in events.iter().filter(|event| event.finish.is_some()) {
            engine.retire(event.sequence, &self.layout);
        }
        Ok(events)
    }

    /// A token for each sequence of `ready`, whose last activations `finish` prepared.
    fn choices(&self, weights: &Weights, engine: &mut Engine, ready: &[usize]) -> Result<Vec<Choice>, DecoderError> {
        let stride = forward::logits_stride(weights);
        let Engine { workers, scratch, logits, powers, running, .. } = engine;
        logits.resize(logits.len().max(ready.len() * stride), 0.0);
        let logits = &mut logits[..ready.len() * stride];
        forward::logits(weights, self.kernels, workers, scratch, 0, logits);
        let rows: Vec<_> = logits.chunks_exact_mut(stride).map(|row| Mutex::new((row, None))).collect();
        workers.run(ready.len(), |worker, index| {
            let sequence = &running[ready[index]];
            let (prompt, answer) = sequence.history.tokens.split_at(sequence.prompt);
            let (logits, choice) = &mut *rows[index].lock();
            let logits = &mut logits[..self.shape.vocabulary];
            let before = Before { prompt, answer };
            *choice = Some(choose(self.kernels, logits, &mut powers[worker].lock(), &sequence.parameters, before, None));
        });
        let chosen = rows.into_iter().filter_map(|row| row.into_inner().1);
        chosen.map(|choice| Ok(choice?.0)).collect()
    }

    /// Give a sequence its token.
    fn take(&self, sequence: &mut Sequence, choice: Choice) -> TokenEvent {
        sequence.history.tokens.push(choice.token);
        sequence.digests.extend(choice.leaf);
        let tokens = sequence.history.tokens.len();
        let finish = if sequence.parameters.end_tokens.contains(&choice.token) {
            Some(Finish::Stop)
        } else if tokens - sequence.prompt >= sequence.parameters.tokens_max || tokens >= self.context {
            Some(Finish::Length)
        } else {
            None
        };
        let trace_root = finish.and_then(|_| trace_root(&sequence.digests));
        TokenEvent { sequence: sequence.id, choice, finish, trace_root, cached_tokens: sequence.cached }
    }

    /// End a sequence that has not finished. Returns the commitment to what was sampled, if a trace was asked for.
    pub fn cancel(&self, sequence: u64) -> Option<[u8; 32]> {
        let mut engine = self.engine.lock();
        engine.retire(sequence, &self.layout).and_then(|ended| trace_root(&ended))
    }

    /// Give back what is only kept to be faster: the packed weights, beginnings of prompts and working memory.
    pub fn idle_release(&self) {
        let mut engine = self.engine.lock();
        engine.weights = None;
        engine.kept.clear();
        engine.scratch = Scratch::default();
        engine.logits = Vec::new();
        engine.powers.iter_mut().for_each(|powers| *powers.get_mut() = Vec::new());
        drop(engine);
        memory::give_back();
    }
}

/// Which sequences take part in a round, with how many tokens: all that make answers, and of the prompts, in order, what there is time for.
fn shares(running: &[Sequence]) -> Vec<(usize, usize)> {
    let answering = running.iter().filter(|sequence| sequence.missing() == 1).count();
    let mut room = if answering > 0 { PREFILL_BESIDE } else { PASS_MAX };
    let mut shares = Vec::new();
    for (index, sequence) in running.iter().enumerate() {
        let count = match sequence.missing() {
            1 => 1,
            missing => missing.min(room),
        };
        if count != 1 || sequence.missing() != 1 {
            room -= count;
        }
        if count > 0 {
            shares.push((index, count));
        }
    }
    shares
}

/// The next `count` tokens of a history that has place for them.
pub(super) fn stretch(history: &History, count: usize) -> Stretch<'_> {
    let pages = history.pages.iter().map(|page| page.numbers().cast_const()).collect();
    Stretch { tokens: &history.tokens[history.computed..history.computed + count], position: history.computed, pages }
}

impl Engine {
    /// The weights, packed again where they have been given back. The model was checked when it was opened, so what is missing is memory.
    pub(super) fn weights(&mut self, gguf: &Arc<Gguf>) -> std::io::Result<Arc<Weights>> {
        if let Some(weights) = &self.weights {
            return Ok(Arc::clone(weights));
        }
        let loaded = Weights::load(Arc::clone(gguf)).map_err(|refused| std::io::Error::new(std::io::ErrorKind::OutOfMemory, refused))?;
        let weights = Arc::new(loaded);
        self.weights = Some(Arc::clone(&weights));
        Ok(weights)
    }

    /// The history of a prompt, begun with what it has in common with another.
    fn begun(&mut self, prompt: Vec<u32>) -> std::io::Result<History> {
        let kept = self.kept.iter().map(|history| history.shared_with(&prompt));
        let best_kept = kept.enumerate().max_by_key(|(_, shared)| *shared).filter(|(_, shared)| *shared > 0);
        let running = self.running.iter().map(|sequence| sequence.history.shared_with(&prompt));
        let best_running = running.enumerate().max_by_key(|(_, shared)| *shared).filter(|(_, shared)| *shared > 0);
        match (best_kept, best_running) {
            (kept, Some((index, shared))) if kept.is_none_or(|(_, other)| other < shared) => {
                self.running[index].history.begun_with(prompt, shared)
            }
            (Some((index, shared)), _) => {
                let begun = self.kept[index].begun_with(prompt, shared);
                // What is used stays longest.
                if let Some(history) = self.kept.remove(index) {
                    self.kept.push_back(history);
                }
                begun
            }
            _ => Ok(History { tokens: prompt, ..History::default() }),
        }
    }

    /// End a sequence, and keep what was computed for prompts that begin like it. Returns the digests of its trace.
    fn retire(&mut self, id: u64, layout: &PageLayout) -> Option<Vec<[u8; 32]>> {
        let index = self.running.iter().position(|sequence| sequence.id == id)?;
        let mut ended = self.running.remove(index);
        ended.history.shrink();
        let (tokens, page_bytes) = (&ended.history.tokens, layout.bytes());
        self.kept.retain(|kept| !tokens.starts_with(&kept.tokens));
        self.kept.push_back(ended.history);
        let bytes = |kept: &VecDeque<History>| kept.iter().map(|history| history.pages.len() * page_bytes).sum::<usize>();
        while self.kept.len() > KEPT_MAX || bytes(&self.kept) > KEPT_BYTES_MAX {
            self.kept.pop_front();
        }
        Some(ended.digests)
    }
}

const _: () = assert!(PASS_MAX.is_multiple_of(PAGE));
