//! One pass through the layers for some tokens, of one sequence or of many, in phases that the threads share.
//!
//! A phase is over before the next begins, and each of its parts writes to places of its own; so threads need no other order. What a token
//! gets depends on its own sequence alone: not on the other tokens of the pass, and not on who computes which part.

use super::activations::{Activations, SharedActivations};
use super::attention::{Attend, PAGE, TOKENS_MAX};
use super::cache::PageLayout;
use super::halves::to_half;
use super::kernels::{Gate, Normalise, Product};
use super::math;
use super::matrix::{BLOCK, GROUP, Matrix};
use super::model::{Layer, Weights};
use super::path::Kernels;
use super::workers::Workers;
use crate::inference::{LlamaShape, ModelRefused};

/// Tokens of a pass.
pub(super) const PASS_MAX: usize = 256;
/// Tokens that a part of a token-wise phase has.
const RUN: usize = 8;
/// Tokens of a pass whose parts take so long that to hand out each costs nothing.
const LONG: usize = 32;

/// Consecutive tokens of one sequence in a pass.
pub(super) struct Stretch<'a> {
    pub tokens: &'a [u32],
    /// Of the first token.
    pub position: usize,
    /// The pages of the whole sequence, these tokens included.
    pub pages: Vec<*const u16>,
}

/// The part of a stretch that attention looks at together.
struct Tile {
    stretch: usize,
    /// Its place in the pass.
    first: usize,
    count: usize,
    position: usize,
}

/// Working memory of passes; it grows to what the largest needed.
#[derive(Default)]
pub(super) struct Scratch {
    tokens: usize,
    /// A row of `width` numbers a token, from layer to layer.
    stream: Vec<f32>,
    normed: Activations,
    /// Queries, keys and values of a token.
    heads: Vec<f32>,
    attended: Activations,
    inner: Activations,
    /// Cosine and sine of each pair's angle, a row a token.
    angles: Vec<(f32, f32)>,
    /// For each worker, products before they are put where they belong, and the scores of attention.
    own: Vec<Vec<f32>>,
}

impl Scratch {
    fn prepare(&mut self, weights: &Weights, tokens: usize, workers: usize, own: usize) {
        let shape = &weights.shape;
        if tokens > self.tokens {
            let rounded = tokens.next_multiple_of(RUN);
            let floats = |wanted: &dyn Fn(&Layer) -> bool| weights.layers.iter().any(wanted);
            let normed = floats(&|layer| [layer.query, layer.key, layer.value, layer.gate, layer.up].iter().any(Matrix::takes_floats));
            self.stream = vec![0.0; rounded * shape.width];
            self.normed = Activations::new(rounded, shape.width, normed || weights.output.takes_floats());
            self.heads = vec![0.0; rounded * heads_width(shape)];
            self.attended =
                Activations::new(rounded, shape.heads * shape.head_size, floats(&|layer| layer.attention_output.takes_floats()));
            self.inner = Activations::new(rounded, shape.feed_forward, floats(&|layer| layer.down.takes_floats()));
            self.angles = vec![(0.0, 0.0); rounded * shape.head_size / 2];
            self.tokens = rounded;
        }
        self.own.resize_with(workers, Vec::new);
        for memory in &mut self.own {
            memory.resize(memory.len().max(own), 0.0);
        }
    }
}

/// Queries, keys and values of a token.
fn heads_width(shape: &LlamaShape) -> usize {
    (shape.heads + 2 * shape.kv_heads) * shape.head_size
}

/// Where keys and values of a token go.
struct Place {
    page: Shared<u16>,
    position: usize,
}

/// Memory that threads write to at places of their own.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: see the head of this file.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn at(self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}

/// What all phases of a pass use.
struct Pass<'a> {
    weights: &'a Weights,
    kernels: &'static Kernels,
    layout: PageLayout,
    tokens: usize,
    stretches: &'a [Stretch<'a>],
    tiles: Vec<Tile>,
    places: Vec<Place>,
    stream: Shared<f32>,
    normed: SharedActivations,
    heads: Shared<f32>,
    attended: SharedActivations,
    inner: SharedActivations,
    angles: &'a [(f32, f32)],
    own: Vec<(Shared<f32>, usize)>,
}

// SAFETY: the pages and the working memory are written to as the head of this file says.
unsafe impl Sync for Pass<'_> {}

/// Run the tokens through all layers. Afterwards the stream of each token is in `scratch`, and its keys and values are in the pages.
pub(super) fn forward(
    weights: &Weights,
    kernels: &'static Kernels,
    workers: &mut Workers,
    scratch: &mut Scratch,
    stretches: &[Stretch<'_>],
) -> Result<(), ModelRefused> {
    let shape = &weights.shape;
    let tokens = stretches.iter().map(|stretch| stretch.tokens.len()).sum();
    let tiles = tiles(stretches);
    let shared_by = shape.heads / shape.kv_heads;
    let scores = tiles.iter().map(|tile| Attend::scratch(tile.count, shared_by, tile.position + tile.count, shape.head_size)).max();
    scratch.prepare(weights, tokens, workers.count(), scores.unwrap_or(0).max(4 * GROUP * tokens));
    begin(weights, scratch, stretches)?;
    let pass = Pass {
        weights,
        kernels,
        layout: PageLayout::of(shape),
        tokens,
        stretches,
        tiles,
        places: places(stretches),
        stream: Shared(scratch.stream.as_mut_ptr()),
        normed: scratch.normed.shared(),
        heads: Shared(scratch.heads.as_mut_ptr()),
        attended: scratch.attended.shared(),
        inner: scratch.inner.shared(),
        angles: &scratch.angles,
        own: scratch.own.iter_mut().map(|memory| (Shared(memory.as_mut_ptr()), memory.len())).collect(),
    };
    for (index, layer) in weights.layers.iter().enumerate() {
        pass.layer(index, layer, workers);
    }
    Ok(())
}

fn tiles(stretches: &[Stretch<'_>]) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let mut first = 0;
    for (stretch, Stretch { tokens, position, .. }) in stretches.iter().enumerate() {
        for start in (0..tokens.len()).step_by(TOKENS_MAX) {
            let count = TOKENS_MAX.min(tokens.len() - start);
            tiles.push(Tile { stretch, first: first + start, count, position: position + start });
        }
        first += tokens.len();
    }
    tiles
}

fn places(stretches: &[Stretch<'_>]) -> Vec<Place> {
    let positions =
        stretches.iter().flat_map(|stretch| (stretch.position..stretch.position + stretch.tokens.len()).map(move |at| (stretch, at)));
    positions.map(|(stretch, position)| Place { page: Shared(stretch.pages[position / PAGE].cast_mut()), position }).collect()
}

/// Put the tokens' rows and the angles of their positions in place.
fn begin(weights: &Weights, scratch: &mut Scratch, stretches: &[Stretch<'_>]) -> Result<(), ModelRefused> {
    let mut rows = scratch.stream.chunks_exact_mut(weights.shape.width).zip(scratch.angles.chunks_exact_mut(weights.turns.len()));
    for stretch in stretches {
        for (index, (token, (row, angles))) in stretch.tokens.iter().zip(&mut rows).enumerate() {
            weights.token(*token, row)?;
            let position = (stretch.position + index) as f64;
            for (angle, turn) in angles.iter_mut().zip(&weights.turns) {
                let (sine, cosine) = math::sine_cosine(position * turn);
                *angle = (cosine as f32, sine as f32);
            }
        }
    }
    Ok(())
}

impl Pass<'_> {
    fn layer(&self, index: usize, layer: &Layer, workers: &mut Workers) {
        let shape = &self.weights.shape;
        self.normalise(&layer.attention_norm, workers);
        let (queries, keys) = (layer.query.groups(), layer.key.groups());
        let stride = heads_width(shape);
        self.share(queries + 2 * keys, workers, |_, group| {
            let (matrix, own) = match group {
                group if group < queries => (&layer.query, group),
                group if group < queries + keys => (&layer.key, group - queries),
                group => (&layer.value, group - queries - keys),
            };
            self.product(matrix, own, self.normed, self.heads.at(group * GROUP), stride);
        });
        workers.run(self.tokens.div_ceil(RUN), |_, run| {
            for token in run * RUN..self.tokens.min((run + 1) * RUN) {
                self.turn(token);
                self.keep(index, token);
            }
        });
        workers.run(self.tiles.len() * shape.kv_heads, |worker, part| self.attend(index, part, worker));
        self.add(&layer.attention_output, self.attended, workers);
        self.normalise(&layer.feed_forward_norm, workers);
        self.share(shape.feed_forward / BLOCK, workers, |worker, block| self.gate(layer, block, worker));
        self.add(&layer.down, self.inner, workers);
    }

    fn normalise(&self, weights: &[f32], workers: &mut Workers) {
        let columns = weights.len();
        workers.run(self.tokens.div_ceil(RUN), |_, run| {
            for token in run * RUN..self.tokens.min((run + 1) * RUN) {
                let epsilon = self.weights.shape.rms_epsilon;
                let task = Normalise { from: self.stream.at(token * columns), weights, epsilon, to: self.normed, token };
                // SAFETY: the path is there (`Decoder`), and the stream has a row for each token.
                unsafe { (self.kernels.normalise)(&task) };
            }
        });
    }

    /// Do parts on all threads: one by one where they are long, so that no thread waits long for the last.
    fn share<F: Fn(usize, usize) + Sync>(&self, parts: usize, workers: &mut Workers, part: F) {
        if self.tokens < LONG { workers.run_many(parts, part) } else { workers.run(parts, part) }
    }

    fn product(&self, matrix: &Matrix, group: usize, activations: SharedActivations, to: *mut f32, stride: usize) {
        let task = Product { matrix, group, activations, first: 0, count: self.tokens, to, stride };
        // SAFETY: the path is there; callers have place for all tokens at `to`.
        unsafe { (self.kernels.product)(&task) };
    }

    /// Add a product to the stream.
    fn add(&self, matrix: &Matrix, activations: SharedActivations, workers: &mut Workers) {
        let width = self.weights.shape.width;
        self.share(matrix.groups(), workers, |worker, group| {
            let own = self.own[worker].0;
            self.product(matrix, group, activations, own.0, GROUP);
            for token in 0..self.tokens {
                // SAFETY: the worker's own memory has sixteen numbers a token, and these rows of the stream belong to this part.
                let (from, to) = unsafe {
                    let from = own.at(token * GROUP).cast::<[f32; GROUP]>();
                    (&*from, &mut *self.stream.at(token * width + group * GROUP).cast::<[f32; GROUP]>())
                };
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
        });
    }

    /// Turn the pairs of a token's queries and keys by the angles of its position. Queries are divided by the root of their size at once.
    fn turn(&self, token: usize) {
        let shape = &self.weights.shape;
        let angles = &self.angles[token * self.weights.turns.len()..][..self.weights.turns.len()];
        let scale = 1.0 / (shape.head_size as f32).sqrt();
        let row = self.heads.at(token * heads_width(shape));
        for head in 0..shape.heads + shape.kv_heads {
            // SAFETY: a row has that many heads, and the token is this part's own.
            let values = unsafe { std::slice::from_raw_parts_mut(row.add(head * shape.head_size), shape.head_size) };
            let (pairs, _) = values.as_chunks_mut::<2>();
            for ([first, second], (cosine, sine)) in pairs.iter_mut().zip(angles) {
                (*first, *second) = (*first * cosine - *second * sine, *first * sine + *second * cosine);
            }
            if head < shape.heads {
                values.iter_mut().for_each(|value| *value *= scale);
            }
        }
    }

    /// Put keys and values of a token into its page.
    fn keep(&self, layer: usize, token: usize) {
        let shape = &self.weights.shape;
        let Place { page, position } = &self.places[token];
        let row = self.heads.at(token * heads_width(shape) + shape.heads * shape.head_size);
        for head in 0..shape.kv_heads {
            let key = page.0.wrapping_add(self.layout.keys_at(layer, head));
            let value = page.0.wrapping_add(self.layout.values_at(layer, head) + self.layout.value_place(*position));
            for index in 0..shape.head_size {
                // SAFETY: the page holds the position (the caller's promise), and nobody else writes there or reads it in this phase.
                unsafe {
                    let at = head * shape.head_size + index;
                    *key.add(self.layout.key_place(*position, index)) = to_half(*row.add(at));
                    *value.add(index) = to_half(*row.add(shape.kv_heads * shape.head_size + at));
                }
            }
        }
    }

    fn attend(&self, layer: usize, part: usize, worker: usize) {
        let shape = &self.weights.shape;
        let (tile, head) = (&self.tiles[part / shape.kv_heads], part % shape.kv_heads);
        let shared_by = shape.heads / shape.kv_heads;
        let stride = heads_width(shape);
        let task = Attend {
            queries: self.heads.at(tile.first * stride + head * shared_by * shape.head_size),
            stride,
            tokens: tile.count,
            shared_by,
            head_size: shape.head_size,
            pages: &self.stretches[tile.stretch].pages,
            keys_at: self.layout.keys_at(layer, head),
            values_at: self.layout.values_at(layer, head),
            position: tile.position,
            to: self.attended,
            token: tile.first,
            block: head * shared_by * shape.head_size / BLOCK,
        };
        let (own, length) = self.own[worker];
        let needed = Attend::scratch(tile.count, shared_by, tile.position + tile.count, shape.head_size);
        assert!(needed <= length);
        // SAFETY: the memory is this worker's own, and the path is there.
        unsafe { (self.kernels.attend)(&task, std::slice::from_raw_parts_mut(own.0, needed)) };
    }

    /// 32 inner values of the feed-forward for all tokens: two groups of rows of each matrix.
    fn gate(&self, layer: &Layer, block: usize, worker: usize) {
        let own = self.own[worker].0;
        for half in 0..2 {
            let group = block * 2 + half;
            self.product(&layer.gate, group, self.normed, own.at(half * GROUP), 4 * GROUP);
            self.product(&layer.up, group, self.normed, own.at((2 + half) * GROUP), 4 * GROUP);
        }
        for token in 0..self.tokens {
            let (gate, up) = (own.at(token * 4 * GROUP), own.at(token * 4 * GROUP + 2 * GROUP));
            // SAFETY: the path is there, the inputs were just written, and the block is this part's own.
            unsafe { (self.kernels.gate)(&Gate { gate, up, to: self.inner, token, block }) };
        }
    }
}

/// What comes after the layers: for each of `wanted`, places in the last pass, the numbers after the last norm stand in `scratch.normed`.
pub(super) fn finish(weights: &Weights, kernels: &'static Kernels, workers: &mut Workers, scratch: &mut Scratch, wanted: &[usize]) {
    let stream = Shared(scratch.stream.as_mut_ptr());
    let (normed, width) = (scratch.normed.shared(), weights.shape.width);
    workers.run(wanted.len(), |_, index| {
        let from = stream.at(wanted[index] * width);
        let task = Normalise { from, weights: &weights.output_norm, epsilon: weights.shape.rms_epsilon, to: normed, token: index };
        // SAFETY: the path is there, and there is a row for each token of the pass.
        unsafe { (kernels.normalise)(&task) };
    });
}

/// Logits of the `count` tokens from `first` on that `finish` prepared, a row of `logits_stride` numbers each.
pub(super) fn logits(
    weights: &Weights,
    kernels: &'static Kernels,
    workers: &mut Workers,
    scratch: &mut Scratch,
    first: usize,
    to: &mut [f32],
) {
    let stride = logits_stride(weights);
    let (activations, count) = (scratch.normed.shared(), to.len() / stride);
    let to = Shared(to.as_mut_ptr());
    workers.run_many(weights.output.groups(), |_, group| {
        let task = Product { matrix: &weights.output, group, activations, first, count, to: to.at(group * GROUP), stride };
        // SAFETY: the path is there; a row has place for whole groups, and these numbers are this part's own.
        unsafe { (kernels.product)(&task) };
    });
}

/// Numbers from one token's logits to the next.
pub(super) fn logits_stride(weights: &Weights) -> usize {
    weights.output.groups() * GROUP
}

/// The numbers after the last norm, as they are: the sum over all tokens of the last pass, in their order, is added to `sums`.
pub(super) fn add_normed(weights: &Weights, scratch: &Scratch, tokens: usize, sums: &mut [f64]) {
    let width = weights.shape.width;
    for row in scratch.stream.chunks_exact(width).take(tokens) {
        let squares: f64 = row.iter().fold(0.0, |sum, value| sum + f64::from(*value) * f64::from(*value));
        let factor = 1.0 / (squares / width as f64 + f64::from(weights.shape.rms_epsilon)).sqrt();
        for ((sum, value), weight) in sums.iter_mut().zip(row).zip(&weights.output_norm) {
            *sum += f64::from(*value) * factor * f64::from(*weight);
        }
    }
}
