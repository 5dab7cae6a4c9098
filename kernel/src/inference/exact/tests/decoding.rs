//! A small made model through the whole decoder: nothing but its own tokens may change an answer.

use std::sync::Arc;

use super::weights;
use crate::inference::exact::attention::PAGE;
use crate::inference::exact::{Decoder, DecoderError, DecoderOptions, ExactPath, Finish, SamplingParameters, TokenEvent, trace_root};
use crate::inference::gguf::made::MadeFile;
use crate::inference::{Gguf, TensorKind};

const VOCABULARY: u32 = 32;
const CONTEXT: usize = 400;

/// Two layers with a tensor of each kind, and weights that anyone can make again.
fn model() -> Arc<Gguf> {
    let keys = ["llama.attention.head_count", "llama.attention.head_count_kv", "llama.context_length"];
    let made = keys.into_iter().fold(MadeFile::llama(), MadeFile::without);
    let made = made.count(keys[0], 2).count(keys[1], 1).count(keys[2], CONTEXT as u32);
    let filled = made.filled(|name, kind, bytes| {
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
        let values = bytes / kind.block_bytes() * kind.block_values();
        match kind {
            TensorKind::F32 => (0..values).flat_map(|at| (0.75 + (at % 7) as f32 / 16.0).to_le_bytes()).collect(),
            _ => weights(kind, seed, values, 1),
        }
    });
    Arc::new(Gguf::from_bytes(filled.bytes()).unwrap())
}

fn decoder(path: ExactPath, threads: usize) -> Decoder {
    Decoder::new(model(), &DecoderOptions { path, threads: Some(threads), ..DecoderOptions::default() }).unwrap()
}

/// Prompts of very different lengths, two of which begin alike, each with its own parameters.
fn requests() -> Vec<(Vec<u32>, SamplingParameters)> {
    let prompt = |seed: u32, length: u32| (0..length).map(|at| (at * at * 7 + at * seed + seed) % VOCABULARY).collect::<Vec<_>>();
    let of = |tokens_max: usize, temperature: f32, seed: u64| SamplingParameters {
        tokens_max,
        temperature,
        seed,
        trace: true,
        top_logprobs: 3,
        ..SamplingParameters::default()
    };
    vec![
        (prompt(1, 1), of(20, 0.0, 0)),
        (prompt(2, 150), of(9, 1.0, 5)),
        ([&prompt(2, 100)[..], &prompt(3, 30)].concat(), SamplingParameters { top_p: 0.8, ..of(12, 0.7, 6) }),
        (prompt(4, 63), SamplingParameters { top_k: 5, presence_penalty: 0.5, ..of(30, 1.3, 7) }),
        (prompt(5, 64), SamplingParameters { frequency_penalty: 1.0, logit_bias: vec![(3, 2.0)], ..of(10, 0.0, 0) }),
        (prompt(6, 300), SamplingParameters { repetition_penalty: 1.2, ..of(5, 0.9, 8) }),
        (prompt(7, 65), SamplingParameters { min_p: 0.02, ..of(40, 1.0, 9) }),
        (prompt(8, 12), of(1, 1.0, 10)),
    ]
}

/// All events of the requests in `order`, of which at most `together` run at once.
fn answers(decoder: &Decoder, order: &[usize], together: usize) -> Vec<Vec<TokenEvent>> {
    let requests = requests();
    let mut answers = vec![Vec::new(); requests.len()];
    let (mut waiting, mut running) = (order.iter(), Vec::new());
    loop {
        while running.len() < together {
            let Some(index) = waiting.next() else { break };
            let (prompt, parameters) = requests[*index].clone();
            running.push((decoder.add(prompt, parameters).unwrap(), *index));
        }
        if running.is_empty() {
            return answers;
        }
        for event in decoder.step().unwrap() {
            let place = running.iter().position(|(id, _)| *id == event.sequence).unwrap();
            let index = running[place].1;
            if event.finish.is_some() {
                running.remove(place);
            }
            // Numbers of sequences and what a prompt had in common with others are no part of an answer.
            answers[index].push(TokenEvent { sequence: 0, cached_tokens: 0, ..event });
        }
    }
}

#[test]
fn answers_are_the_same_on_every_path_with_any_threads_company_and_order() {
    let orders = [[0, 1, 2, 3, 4, 5, 6, 7], [7, 2, 5, 0, 1, 6, 4, 3]];
    let alone = answers(&decoder(ExactPath::Portable, 1), &orders[0], 1);
    assert_eq!(alone.iter().map(Vec::len).collect::<Vec<_>>(), [20, 9, 12, 30, 10, 5, 40, 1]);
    for path in ExactPath::available() {
        for threads in [1, 2, 3] {
            let decoder = decoder(path, threads);
            for order in &orders {
                // The second time, every prompt begins with what was kept of the first.
                for together in [8, 3, 1] {
                    assert_eq!(answers(&decoder, order, together), alone, "{path:?}, {threads} threads, {together} together");
                }
            }
        }
    }
}

/// Changes only with `ENGINE_VERSION`.
#[test]
fn the_logits_are_those_that_this_version_has_always_given() {
    let roots = answers(&decoder(ExactPath::best(), 2), &[0, 1, 2, 3, 4, 5, 6, 7], 8);
    let roots: Vec<[u8; 32]> = roots.iter().filter_map(|events| events.last()?.trace_root).collect();
    let all = trace_root(&roots).unwrap();
    let hex: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "5e775da0dd74033bb62dfe404c35d79b2eabde38b120bb77478d7851c4e8bb47");
}

#[test]
fn prompts_that_begin_alike_are_computed_once() {
    let decoder = decoder(ExactPath::best(), 1);
    let greedy = SamplingParameters { tokens_max: 4, temperature: 0.0, ..SamplingParameters::default() };
    let prompt: Vec<u32> = (0..200).map(|at| at * 5 % VOCABULARY).collect();
    let run = |prompt: &[u32]| {
        let id = decoder.add(prompt.to_vec(), greedy.clone()).unwrap();
        let cached = decoder.cached_tokens(id).unwrap();
        while decoder.running() > 0 {
            decoder.step().unwrap();
        }
        assert_eq!(decoder.cached_tokens(id), None);
        cached
    };
    assert_eq!(run(&prompt), 0);
    // The last token of a prompt is computed: its logits are wanted.
    assert_eq!(run(&prompt), 199);
    assert_eq!(run(&prompt[..PAGE]), PAGE - 1);
    assert_eq!(run(&[&prompt[..70], &[31, 30, 29]].concat()), 70);
    decoder.idle_release();
    assert_eq!(run(&prompt), 0);
}

#[test]
fn weights_that_were_given_back_come_again_also_in_the_midst_of_an_answer() {
    let decoder = decoder(ExactPath::best(), 2);
    let greedy = SamplingParameters { tokens_max: 12, temperature: 0.0, trace: true, ..SamplingParameters::default() };
    let prompt: Vec<u32> = (0..40).map(|at| at * 7 % VOCABULARY).collect();
    let run = |idle: bool| {
        decoder.add(prompt.clone(), greedy.clone()).unwrap();
        let mut last = None;
        while decoder.running() > 0 {
            last = decoder.step().unwrap().pop().and_then(|event| event.trace_root).or(last);
            if idle {
                decoder.idle_release();
            }
        }
        last.unwrap()
    };
    let expected = run(false);
    assert_eq!(run(true), expected);
    decoder.idle_release();
    assert_eq!(run(false), expected);
    decoder.idle_release();
    assert_eq!(decoder.embed(&prompt).unwrap().len(), decoder.shape().width);
}

#[test]
fn an_answer_scores_as_it_was_made_and_a_changed_token_shows_where_it_is() {
    for path in ExactPath::available() {
        let decoder = decoder(path, 2);
        let order = [0, 1, 2, 3, 4, 5, 6, 7];
        for ((prompt, parameters), events) in requests().into_iter().zip(answers(&decoder, &order, 8)) {
            let answer: Vec<u32> = events.iter().map(|event| event.choice.token).collect();
            let mut tokens = [&prompt[..], &answer].concat();
            let score = decoder.score(&tokens, prompt.len(), &parameters, false).unwrap();
            assert_eq!((score.position, score.trace_root), (None, events.last().unwrap().trace_root));
            assert_eq!(score.logprobs, events.iter().map(|event| event.choice.logprob).collect::<Vec<_>>());
            assert_eq!(score.tops, events.iter().map(|event| event.choice.top.clone()).collect::<Vec<_>>());
            let changed = prompt.len() + answer.len() / 2;
            tokens[changed] = (tokens[changed] + 1) % VOCABULARY;
            let score = decoder.score(&tokens, prompt.len(), &parameters, false).unwrap();
            assert_eq!((score.position, score.given, score.trace_root), (Some(changed), Some(tokens[changed]), None));
            assert_eq!((score.expected, score.logprobs.len()), (Some(answer[answer.len() / 2]), answer.len() / 2 + 1));
            let whole = decoder.score(&tokens, prompt.len(), &parameters, true).unwrap();
            assert_eq!((whole.position, whole.logprobs.len()), (Some(changed), answer.len()));
        }
    }
}

#[test]
fn a_text_is_the_same_vector_on_every_path() {
    let (prompt, _) = requests().swap_remove(5);
    let expected = decoder(ExactPath::Portable, 1).embed(&prompt).unwrap();
    assert!((expected.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
    for path in ExactPath::available() {
        assert_eq!(decoder(path, 2).embed(&prompt).unwrap(), expected);
    }
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let options = DecoderOptions { slots: 1, context: Some(20), threads: Some(1), ..DecoderOptions::default() };
    let decoder = Decoder::new(model(), &options).unwrap();
    let parameters = SamplingParameters { temperature: 0.0, ..SamplingParameters::default() };
    let refused = |prompt: Vec<u32>, parameters: &SamplingParameters| decoder.add(prompt, parameters.clone()).unwrap_err();
    assert!(matches!(refused(vec![1; 20], &parameters), DecoderError::TooLong { tokens: 21, context: 20 }));
    assert!(matches!(refused(Vec::new(), &parameters), DecoderError::Parameters(_)));
    assert!(matches!(refused(vec![VOCABULARY], &parameters), DecoderError::Parameters(_)));
    assert!(matches!(refused(vec![1], &SamplingParameters { top_p: f32::NAN, ..parameters.clone() }), DecoderError::Parameters(_)));
    assert!(matches!(decoder.score(&[1, 2], 2, &parameters, false), Err(DecoderError::Parameters(_))));
    let id = decoder.add(vec![1; 15], parameters.clone()).unwrap();
    assert!(matches!(refused(vec![1], &parameters), DecoderError::Full { slots: 1 }));
    let mut events = Vec::new();
    while decoder.running() > 0 {
        events.extend(decoder.step().unwrap());
    }
    assert_eq!((events.len(), events.last().unwrap().finish), (5, Some(Finish::Length)));
    assert_eq!((decoder.cancel(id), decoder.step().unwrap()), (None, Vec::new()));
    for wrong in [DecoderOptions { context: Some(CONTEXT + 1), ..options.clone() }, DecoderOptions { slots: 0, ..options }] {
        assert!(matches!(Decoder::new(model(), &wrong), Err(DecoderError::Parameters(_))));
    }
}

#[test]
fn a_sequence_that_is_cancelled_leaves_its_trace_and_its_slot() {
    let decoder = decoder(ExactPath::best(), 1);
    let (prompt, parameters) = requests().swap_remove(3);
    let whole = answers(&decoder, &[3], 1).swap_remove(3);
    let id = decoder.add(prompt, parameters).unwrap();
    let mut digests = Vec::new();
    while digests.len() < 4 {
        digests.extend(decoder.step().unwrap().into_iter().filter_map(|event| event.choice.leaf));
    }
    assert_eq!(decoder.cancel(id), trace_root(&digests));
    assert_eq!(digests, whole.iter().take(4).filter_map(|event| event.choice.leaf).collect::<Vec<_>>());
    assert_eq!((decoder.running(), decoder.cancel(id)), (0, None));
}

#[test]
fn a_model_whose_weights_give_no_numbers_ends_with_an_error() {
    let broken = MadeFile::llama().without("llama.attention.head_count").without("llama.attention.head_count_kv");
    let broken =
        broken.count("llama.attention.head_count", 2).count("llama.attention.head_count_kv", 1).filled(|_, _, bytes| vec![0xff; bytes]);
    let decoder = Decoder::new(Arc::new(Gguf::from_bytes(broken.bytes()).unwrap()), &DecoderOptions::default()).unwrap();
    decoder.add(vec![1, 2], SamplingParameters::default()).unwrap();
    assert!(matches!(decoder.step(), Err(DecoderError::NotFinite)));
    assert_eq!(decoder.running(), 0);
    assert!(matches!(decoder.embed(&[1, 2]), Err(DecoderError::NotFinite)));
}
