//! Answers that are there already: whether sampling gives them, and how the model values them; and texts as vectors.

use std::sync::Arc;

use parking_lot::Mutex;

use super::cache::History;
use super::decoder::{Decoder, DecoderError, Engine, stretch};
use super::forward::{self, PASS_MAX};
use super::model::Weights;
use super::sampler::{Before, Choice, SamplingParameters, choose};
use super::trace::trace_root;

/// Tokens whose logits are in memory at once.
const TOGETHER: usize = 64;

/// What sampling with the same dice gives, when the tokens before are those of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// The first place, counted in all tokens, at which sampling gives another token.
    pub position: Option<usize>,
    /// The answer's token there, and the one that is sampled.
    pub given: Option<u32>,
    pub expected: Option<u32>,
    /// Natural logarithms of what the model gives the answer's tokens, up to and with the one that differs, or all.
    pub logprobs: Vec<f32>,
    /// The most probable tokens at each of these places, as many as `top_logprobs` asks for.
    pub tops: Vec<Vec<(u32, f32)>>,
    /// Commitment to the logits, if a trace was asked for and no token differs.
    pub trace_root: Option<[u8; 32]>,
}

/// An answer that is being scored.
struct Scoring<'a> {
    tokens: &'a [u32],
    first: usize,
    parameters: &'a SamplingParameters,
    to_end: bool,
    score: Score,
    digests: Vec<[u8; 32]>,
}

impl Decoder {
    /// Sample again what stands in `tokens` from `first` on, and compare: the tokens before are the prompt. Ends at the first difference,
    /// unless the logprobs of all tokens are wanted: `to_end`.
    ///
    /// Other sequences get their turn between passes.
    pub fn score(&self, tokens: &[u32], first: usize, parameters: &SamplingParameters, to_end: bool) -> Result<Score, DecoderError> {
        self.check(tokens, parameters)?;
        if !(1..tokens.len()).contains(&first) {
            return Err(DecoderError::Parameters(format!(
                "the answer begins at token {first} of {}: it has a token, and one is before it",
                tokens.len()
            )));
        }
        let mut scoring = Scoring { tokens, first, parameters, to_end, score: Score::default(), digests: Vec::new() };
        let mut history = History { tokens: tokens[..tokens.len() - 1].to_vec(), ..History::default() };
        while history.computed < history.tokens.len() && scoring.goes_on() {
            let count = PASS_MAX.min(history.tokens.len() - history.computed);
            let mut engine = self.engine.lock();
            let weights = self.pass(&mut engine, &mut history, count)?;
            let from = (history.computed - count).max(first - 1);
            let wanted: Vec<usize> = (from..history.computed).map(|position| position + count - history.computed).collect();
            self.compare(&weights, &mut engine, &mut scoring, from + 1, &wanted)?;
        }
        if scoring.score.position.is_none() {
            scoring.score.trace_root = trace_root(&scoring.digests);
        }
        Ok(scoring.score)
    }

    /// Compute the next `count` tokens. Returns the weights that it was done with.
    fn pass(&self, engine: &mut Engine, history: &mut History, count: usize) -> Result<Arc<Weights>, DecoderError> {
        let weights = engine.weights(&self.gguf)?;
        history.grow(&self.layout, history.computed + count)?;
        let stretches = [stretch(history, count)];
        forward::forward(&weights, self.kernels, &mut engine.workers, &mut engine.scratch, &stretches)?;
        history.computed += count;
        Ok(weights)
    }

    /// Compare the tokens from `place` on with what follows from the last pass.
    fn compare(
        &self,
        weights: &Weights,
        engine: &mut Engine,
        scoring: &mut Scoring<'_>,
        place: usize,
        wanted: &[usize],
    ) -> Result<(), DecoderError> {
        let stride = forward::logits_stride(weights);
        let Engine { workers, scratch, logits, powers, .. } = engine;
        forward::finish(weights, self.kernels, workers, scratch, wanted);
        logits.resize(logits.len().max(TOGETHER.min(wanted.len()) * stride), 0.0);
        for start in (0..wanted.len()).step_by(TOGETHER) {
            let count = TOGETHER.min(wanted.len() - start);
            let logits = &mut logits[..count * stride];
            forward::logits(weights, self.kernels, workers, scratch, start, logits);
            let rows: Vec<_> = logits.chunks_exact_mut(stride).map(|row| Mutex::new((row, None))).collect();
            workers.run(count, |worker, index| {
                let at = place + start + index;
                let before = Before { prompt: &scoring.tokens[..scoring.first], answer: &scoring.tokens[scoring.first..at] };
                let (logits, choice) = &mut *rows[index].lock();
                let logits = &mut logits[..self.shape.vocabulary];
                let given = Some(scoring.tokens[at]);
                *choice = Some(choose(self.kernels, logits, &mut powers[worker].lock(), scoring.parameters, before, given));
            });
            for (index, choice) in rows.into_iter().filter_map(|row| row.into_inner().1).enumerate() {
                let (choice, logprob) = choice?;
                scoring.take(place + start + index, choice, logprob);
                if !scoring.goes_on() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The mean over all tokens of what the last norm gives, scaled to a length of one: a vector of the model's width.
    pub fn embed(&self, tokens: &[u32]) -> Result<Vec<f32>, DecoderError> {
        self.check(tokens, &SamplingParameters::default())?;
        let mut sums = vec![0.0_f64; self.shape.width];
        let mut history = History { tokens: tokens.to_vec(), ..History::default() };
        while history.computed < tokens.len() {
            let count = PASS_MAX.min(tokens.len() - history.computed);
            let mut engine = self.engine.lock();
            let weights = self.pass(&mut engine, &mut history, count)?;
            forward::add_normed(&weights, &engine.scratch, count, &mut sums);
        }
        let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
        let vector: Vec<f32> = sums.into_iter().map(|sum| (sum / length) as f32).collect();
        if vector.iter().all(|value| value.is_finite()) { Ok(vector) } else { Err(DecoderError::NotFinite) }
    }
}

impl Scoring<'_> {
    fn goes_on(&self) -> bool {
        self.to_end || self.score.position.is_none()
    }

    /// Note what was sampled at a place.
    fn take(&mut self, place: usize, choice: Choice, logprob: f32) {
        self.score.logprobs.push(logprob);
        self.score.tops.push(choice.top);
        self.digests.extend(choice.leaf);
        if self.score.position.is_none() && choice.token != self.tokens[place] {
            self.score.position = Some(place);
            self.score.given = Some(self.tokens[place]);
            self.score.expected = Some(choice.token);
        }
    }
}
