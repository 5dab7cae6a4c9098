//! The choice of a token from its logits: seeded, and in a total order, so that it can be made again.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::math;
use super::path::Kernels;

/// How an answer is sampled. `SamplingParameters::check` says what is allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParameters {
    /// Tokens that are sampled at most, the end token among them.
    pub tokens_max: usize,
    /// 0: always the token with the highest logit, of equal ones that with the lowest number.
    pub temperature: f32,
    /// The most probable tokens that together have this probability.
    pub top_p: f32,
    /// The most probable tokens, so many; 0: all.
    pub top_k: usize,
    /// Tokens that have at least this part of the probability of the most probable one.
    pub min_p: f32,
    pub seed: u64,
    /// Taken from the logit of a token for each time that it was sampled before. Source: OpenAI API reference, `frequency_penalty`.
    pub frequency_penalty: f32,
    /// Taken from the logit of each token that was sampled before. Source: likewise, `presence_penalty`.
    pub presence_penalty: f32,
    /// The logit of a token of the prompt or of the answer is divided by it if it is above zero, otherwise multiplied. Source: CTRL
    /// (arXiv 1909.05858), section 4.1.
    pub repetition_penalty: f32,
    /// Added to logits.
    pub logit_bias: Vec<(u32, f32)>,
    /// Tokens that end the answer, each as its last.
    pub end_tokens: Vec<u32>,
    /// So many of the most probable tokens are told with each event.
    pub top_logprobs: usize,
    /// Whether each token's logits are committed to.
    pub trace: bool,
}

impl Default for SamplingParameters {
    fn default() -> Self {
        Self {
            tokens_max: usize::MAX,
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            seed: 0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            repetition_penalty: 1.0,
            logit_bias: Vec::new(),
            end_tokens: Vec::new(),
            top_logprobs: 0,
            trace: false,
        }
    }
}

pub const TOP_LOGPROBS_MAX: usize = 64;
/// Colder than this counts as 0.
const TEMPERATURE_MIN: f32 = 1e-3;
pub const BIAS_MAX: usize = 1 << 16;
/// Tokens that are looked at together.
const PIECE: usize = 64;

impl SamplingParameters {
    /// What is wrong with them for a model with so many tokens, if anything.
    pub fn check(&self, vocabulary: usize) -> Result<(), String> {
        let within = |name: &str, value: f32, low: f32, high: f32| {
            if (low..=high).contains(&value) { Ok(()) } else { Err(format!("{name} is {value}, not from {low} to {high}")) }
        };
        within("temperature", self.temperature, 0.0, 100.0)?;
        within("top_p", self.top_p, 0.0, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        within("frequency_penalty", self.frequency_penalty, -100.0, 100.0)?;
        within("presence_penalty", self.presence_penalty, -100.0, 100.0)?;
        within("repetition_penalty", self.repetition_penalty, 0.01, 100.0)?;
        for (token, bias) in &self.logit_bias {
            within("a logit bias", *bias, -1000.0, 1000.0)?;
            if *token as usize >= vocabulary {
                return Err(format!("there is no token {token} to bias; the model has {vocabulary}"));
            }
        }
        if self.logit_bias.len() > BIAS_MAX {
            return Err(format!("{} logit biases are more than {BIAS_MAX}", self.logit_bias.len()));
        }
        if self.top_logprobs > TOP_LOGPROBS_MAX {
            return Err(format!("top_logprobs is {}, not at most {TOP_LOGPROBS_MAX}", self.top_logprobs));
        }
        if self.tokens_max == 0 {
            return Err("the most tokens to sample are 0".to_owned());
        }
        Ok(())
    }

    fn is_greedy(&self) -> bool {
        self.temperature < TEMPERATURE_MIN
    }

    fn penalises(&self) -> bool {
        self.frequency_penalty != 0.0 || self.presence_penalty != 0.0 || self.repetition_penalty != 1.0
    }
}

/// What was sampled at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub token: u32,
    /// Natural logarithms of what the model gives, before biases, penalties and temperature.
    pub logprob: f32,
    pub top: Vec<(u32, f32)>,
    /// SHA-256 of all logits, as little-endian f32, if a trace is wanted.
    pub leaf: Option<[u8; 32]>,
}

/// The tokens before the one that is chosen.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub prompt: &'a [u32],
    pub answer: &'a [u32],
}

/// Logits that are no numbers: the weights of such a model are broken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotFinite;

/// Choose a token. The second number is the logprob of `given`, or of the choice if none is given. The logits are used up.
pub(super) fn choose(
    kernels: &Kernels,
    logits: &mut [f32],
    powers: &mut Vec<f32>,
    parameters: &SamplingParameters,
    before: Before<'_>,
    given: Option<u32>,
) -> Result<(Choice, f32), NotFinite> {
    // Whole pieces, without a way out in the middle, go through the registers of processors.
    if !logits.chunks(PIECE).all(|piece| piece.iter().fold(true, |all, logit| all & logit.is_finite())) {
        return Err(NotFinite);
    }
    let leaf = parameters.trace.then(|| leaf_of(logits));
    // SAFETY: the path of these kernels is there (`Decoder`); null asks for no powers.
    let (highest, sum) = unsafe { (kernels.soften)(logits, std::ptr::null_mut()) };
    let under = math::ln(f64::from(sum));
    let logprob = |logit: f32| (f64::from(logit) - f64::from(highest) - under) as f32;
    let top = most(logits, parameters.top_logprobs).into_iter().map(|token| (token, logprob(logits[token as usize]))).collect();
    let of_given = given.map(|token| logprob(logits[token as usize]));
    let before_adjusted = adjust(logits, parameters, before);
    let token = pick(kernels, logits, powers, parameters, before.answer.len() as u64);
    let logprob = logprob(before_adjusted.get(&token).copied().unwrap_or(logits[token as usize]));
    Ok((Choice { token, logprob, top, leaf }, of_given.unwrap_or(logprob)))
}

fn leaf_of(logits: &[f32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut bytes = [0; 4096];
    for logits in logits.chunks(bytes.len() / 4) {
        for (to, logit) in bytes.chunks_exact_mut(4).zip(logits) {
            to.copy_from_slice(&logit.to_le_bytes());
        }
        hasher.update(&bytes[..logits.len() * 4]);
    }
    hasher.finalize().into()
}

/// Apply biases and penalties. Returns what the logits of the tokens concerned were.
fn adjust(logits: &mut [f32], parameters: &SamplingParameters, before: Before<'_>) -> HashMap<u32, f32> {
    let mut original = HashMap::new();
    if parameters.penalises() {
        let mut times: HashMap<u32, u32> = HashMap::new();
        times.extend(before.prompt.iter().map(|token| (*token, 0)));
        for token in before.answer {
            *times.entry(*token).or_default() += 1;
        }
        for (token, times) in times {
            let logit = &mut logits[token as usize];
            original.insert(token, *logit);
            let repetition = parameters.repetition_penalty;
            *logit = if *logit > 0.0 { *logit / repetition } else { *logit * repetition };
            if times > 0 {
                *logit = *logit - parameters.frequency_penalty * times as f32 - parameters.presence_penalty;
            }
        }
    }
    for (token, bias) in &parameters.logit_bias {
        let logit = &mut logits[*token as usize];
        original.entry(*token).or_insert(*logit);
        *logit += bias;
    }
    original
}

/// The first of all tokens in the order of probability: the higher logit, then the lower number.
fn highest(logits: &[f32]) -> u32 {
    let better = |best: usize, index: usize| if logits[index] > logits[best] { index } else { best };
    (0..logits.len()).fold(0, better) as u32
}

/// The first `count` tokens in that order.
fn most(logits: &[f32], count: usize) -> Vec<u32> {
    let mut most: Vec<u32> = Vec::with_capacity(count + 1);
    for (token, logit) in logits.iter().enumerate().take(if count == 0 { 0 } else { logits.len() }) {
        if most.len() == count && most.last().is_some_and(|last| *logit <= logits[*last as usize]) {
            continue;
        }
        let place = most.partition_point(|other| logits[*other as usize] >= *logit);
        most.insert(place, token as u32);
        most.truncate(count);
    }
    most
}

/// A number from 0 to below 1 for each place of an answer: the first 53 bits of SHA-256 of a name, the seed and the place.
fn dice(seed: u64, place: u64) -> f64 {
    let mut hasher = Sha256::new();
    hasher.update(b"zerog exact sampling 1");
    hasher.update(seed.to_le_bytes());
    hasher.update(place.to_le_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let bits = digest.iter().take(8).fold(0, |bits: u64, byte| bits << 8 | u64::from(*byte));
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn pick(kernels: &Kernels, logits: &[f32], powers: &mut Vec<f32>, parameters: &SamplingParameters, place: u64) -> u32 {
    if parameters.is_greedy() {
        return highest(logits);
    }
    let scaled: Vec<f32> = logits.iter().map(|logit| logit / parameters.temperature).collect();
    powers.resize(logits.len(), 0.0);
    // SAFETY: the path is there, and there is place for a power of each logit.
    let (_, sum) = unsafe { (kernels.soften)(&scaled, powers.as_mut_ptr()) };
    let dice = dice(parameters.seed, place);
    if parameters.top_k == 0 && parameters.top_p >= 1.0 && parameters.min_p <= 0.0 {
        return walk((0..).zip(powers.iter().copied()), dice * f64::from(sum));
    }
    let kept = kept(&scaled, powers, f64::from(sum), parameters);
    let mass: f64 = kept.iter().map(|token| f64::from(powers[*token as usize])).sum();
    walk(kept.iter().map(|token| (*token, powers[*token as usize])), dice * mass)
}

/// The first token at which the sum of the powers so far is more than `aim`; the last with any power, if rounding leaves none.
fn walk(tokens: impl Iterator<Item = (u32, f32)>, aim: f64) -> u32 {
    let (mut sum, mut last) = (0.0, 0);
    for (token, power) in tokens.filter(|(_, power)| *power > 0.0) {
        sum += f64::from(power);
        last = token;
        if sum > aim {
            break;
        }
    }
    last
}

/// The tokens that top_k, then top_p of these, then min_p leave, in the order of probability; at least the first.
fn kept(logits: &[f32], powers: &[f32], sum: f64, parameters: &SamplingParameters) -> Vec<u32> {
    /// Powers below which tokens are left aside, as long as the others suffice: sorting all would take long.
    const ASIDE: [f32; 4] = [1e-3, 1e-5, 1e-7, 0.0];
    let mut tokens: Vec<u32> = Vec::new();
    for aside in ASIDE {
        tokens.clear();
        for (first, piece) in (0..).step_by(PIECE).zip(powers.chunks(PIECE)) {
            if piece.iter().fold(false, |any, power| any | (*power >= aside)) {
                tokens.extend((first..).zip(piece).filter(|(_, power)| **power >= aside).map(|(token, _)| token));
            }
        }
        if aside > 0.0 && tokens.len() < parameters.top_k {
            continue;
        }
        tokens.sort_unstable_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b)));
        let mut mass = sum;
        if parameters.top_k > 0 {
            tokens.truncate(parameters.top_k);
            mass = tokens.iter().map(|token| f64::from(powers[*token as usize])).sum();
        }
        if parameters.top_p < 1.0 {
            let aim = f64::from(parameters.top_p) * mass;
            let mut reached = 0.0;
            let count = tokens.iter().position(|token| {
                reached += f64::from(powers[*token as usize]);
                reached >= aim
            });
            match count {
                Some(last) => tokens.truncate(last + 1),
                None if aside > 0.0 && parameters.top_k == 0 => continue,
                None => {}
            }
        } else if parameters.top_k == 0 && aside > parameters.min_p {
            continue;
        }
        break;
    }
    let least = tokens.partition_point(|token| powers[*token as usize] >= parameters.min_p).max(1);
    tokens.truncate(least);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::exact::path::ExactPath;

    fn logits() -> Vec<f32> {
        (0..1000_u32).map(|token| ((token * 7919 + 13) % 997) as f32 / 100.0).collect()
    }

    fn chosen(parameters: &SamplingParameters, answer: &[u32]) -> Choice {
        let before = Before { prompt: &[1, 2], answer };
        choose(ExactPath::Portable.kernels(), &mut logits(), &mut Vec::new(), parameters, before, None).unwrap().0
    }

    /// The kept tokens by their definition: all sorted, then cut.
    fn kept_plainly(logits: &[f32], powers: &[f32], parameters: &SamplingParameters) -> Vec<u32> {
        let mut tokens: Vec<u32> = (0..logits.len() as u32).collect();
        tokens.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b)));
        if parameters.top_k > 0 {
            tokens.truncate(parameters.top_k);
        }
        let mass: f64 = tokens.iter().map(|token| f64::from(powers[*token as usize])).sum();
        let mut sum = 0.0;
        let mut kept = Vec::new();
        for token in tokens {
            if kept.is_empty() || powers[token as usize] >= parameters.min_p {
                kept.push(token);
            }
            sum += f64::from(powers[token as usize]);
            if parameters.top_p < 1.0 && sum >= f64::from(parameters.top_p) * mass {
                break;
            }
        }
        kept
    }

    #[test]
    fn what_is_kept_is_what_sorting_everything_keeps() {
        let logits = logits();
        let mut powers = vec![0.0; logits.len()];
        // SAFETY: every processor has the portable path, and there is place for all powers.
        let (_, sum) = unsafe { (ExactPath::Portable.kernels().soften)(&logits, powers.as_mut_ptr()) };
        for top_k in [0, 1, 40, 900, 5000] {
            for top_p in [0.0, 0.3, 0.9, 0.999_99, 1.0] {
                for min_p in [0.0, 0.05, 1.0] {
                    let parameters = SamplingParameters { top_k, top_p, min_p, ..Default::default() };
                    let kept = kept(&logits, &powers, f64::from(sum), &parameters);
                    assert_eq!(kept, kept_plainly(&logits, &powers, &parameters), "{top_k} {top_p} {min_p}");
                }
            }
        }
    }

    #[test]
    fn without_temperature_the_highest_is_taken_and_of_equals_the_first() {
        let greedy = SamplingParameters { temperature: 0.0, ..Default::default() };
        let token = chosen(&greedy, &[]).token;
        assert!(logits().iter().enumerate().all(|(other, logit)| *logit < logits()[token as usize] || other as u32 >= token));
    }

    #[test]
    fn dice_are_even_and_depend_on_seed_and_place_alone() {
        let mean = (0..10_000).map(|place| dice(7, place)).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01);
        assert!(dice(7, 3) != dice(8, 3) && dice(7, 3) != dice(7, 4));
        assert_eq!(
            chosen(&SamplingParameters { seed: 3, ..Default::default() }, &[5]),
            chosen(&SamplingParameters { seed: 3, ..Default::default() }, &[6])
        );
    }

    #[test]
    fn tokens_come_as_often_as_their_probability_says() {
        let logits = [1.0_f32, 0.0, 2.0];
        let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        let mut counts = [0_u32; 3];
        for seed in 0..20_000 {
            let parameters = SamplingParameters { seed, ..Default::default() };
            let before = Before { prompt: &[], answer: &[] };
            let choice = choose(ExactPath::best().kernels(), &mut logits.to_vec(), &mut Vec::new(), &parameters, before, None);
            counts[choice.unwrap().0.token as usize] += 1;
        }
        for (count, logit) in counts.iter().zip(logits) {
            assert!((f64::from(*count) / 20_000.0 - f64::from(logit).exp() / sum).abs() < 0.015);
        }
    }

    #[test]
    fn penalties_and_biases_move_the_choice_but_not_the_logprobs() {
        let greedy = SamplingParameters { temperature: 0.0, top_logprobs: 3, ..Default::default() };
        let plain = chosen(&greedy, &[]);
        assert_eq!(plain.top[0], (plain.token, plain.logprob));
        let penalised = chosen(&SamplingParameters { frequency_penalty: 2.0, ..greedy.clone() }, &[plain.token]);
        assert_eq!((penalised.token, penalised.logprob), plain.top[1]);
        let banned = SamplingParameters { logit_bias: vec![(plain.token, -100.0), (plain.top[1].0, -100.0)], ..greedy };
        assert_eq!((chosen(&banned, &[]).token, chosen(&banned, &[]).top.clone()), (plain.top[2].0, plain.top));
    }
}
