//! Proposals change no token: on the CPU, on every adapter and on an emulated one, greedy and sampled.

use qwgpu::checkpoint::Checkpoint;
use qwgpu::formats::{METHODS, Quant, QuantType};
use qwgpu::generate::{
    Compute, DeviceChoice, Engine, Flow, Lookup, LookupCounts, MOST_PROPOSED, Model, PassOutput, ReplyOptions, Sampler,
    Sampling, Spec, load,
};
use qwgpu::model::Config;

use crate::devices::devices;
use crate::files::{copy_folder, fixture};
use crate::sample::{open, settings};

fn emulated(path: Compute) -> DeviceChoice {
    DeviceChoice { path, device: Some("emulated:32".into()), ..DeviceChoice::default() }
}

/// Different tokens.
fn prompt(seed: u32) -> Vec<u32> {
    (0..25).map(|i| (i * 37 + seed * 11) % 300).collect()
}

/// A text in which a prompt stands twice, the first time before what an engine makes of it, but for every fifth token.
fn earlier(prompt: &[u32], reply: &[u32]) -> Vec<u32> {
    let wrong = reply.iter().enumerate().map(|(i, token)| if i % 5 == 4 { (token + 1) % 300 } else { *token });
    prompt.iter().copied().chain(wrong).chain(prompt.iter().copied()).collect()
}

/// What an engine makes of `ids` with at most `most` proposals at a time from `text`, until `each` says stop.
fn decoded(
    engine: &mut Engine,
    ids: &[u32],
    limit: usize,
    sampling: Sampling,
    (most, text): (usize, &[u32]),
    each: &mut dyn FnMut(&[u32]) -> Flow,
) -> (Vec<u32>, LookupCounts) {
    let mut tokens = Vec::new();
    let mut lookup = Lookup::new(most, text).unwrap();
    let mut sampler = (!sampling.is_greedy()).then(|| Sampler::new(sampling, ids));
    engine.truncate(0);
    let mut take = |token| {
        tokens.push(token);
        Ok(each(&tokens))
    };
    engine.decode(ids, limit, sampler.as_mut(), &mut lookup, &mut take).unwrap();
    assert_eq!(engine.len(), ids.len() + tokens.len() - 1);
    (tokens, lookup.counts)
}

fn all(_: &[u32]) -> Flow {
    Flow::Continue
}

/// Holds decoding with proposals to decoding without.
fn hold(model: &mut Model, settings: &[Sampling], limit: usize, mosts: &[usize], on: &str) {
    for (seed, &sampling) in (0..).zip(settings) {
        let ids = prompt(seed);
        let (expected, none) = decoded(&mut model.engine, &ids, limit, sampling, (0, &[]), &mut all);
        assert_eq!((none.accepted, none.steps, none.tokens), (0, limit - 1, limit - 1));
        let text = earlier(&ids, &expected);
        for &most in mosts {
            let (found, counts) = decoded(&mut model.engine, &ids, limit, sampling, (most, &text), &mut all);
            assert_eq!(found, expected, "{sampling:?} with {most} proposals on {on}");
            assert_eq!(counts.tokens, limit - 1);
            assert_eq!(counts.steps + counts.accepted, counts.tokens, "a step gives a token and those accepted");
            let rejected = counts.proposed > counts.accepted;
            assert!(counts.accepted > 0 && (rejected || most == 1), "{counts:?} on {on}");
        }
    }
}

#[test]
fn proposals_change_no_token() {
    for device in devices() {
        let mut model = open("tiny-qwen", &device);
        hold(&mut model, &[Sampling::GREEDY], 24, &[1, 4, 7], &format!("{device:?}"));
        for draws_on_device in [false, true] {
            model.engine.draws_on_device = draws_on_device;
            let on = format!("{device:?}, drawing there: {draws_on_device}");
            hold(&mut model, &settings(), 16, &[MOST_PROPOSED], &on);
        }
    }
    for path in [Compute::Fast, Compute::Portable] {
        let mut model = open("micro-qwen", &emulated(path));
        model.engine.draws_on_device = true;
        let settings = [Sampling::GREEDY, settings()[0], settings()[7]];
        hold(&mut model, &settings, 12, &[MOST_PROPOSED], "emulated:32");
    }
}

/// A token that ends the reply, or the last one allowed, may stand at any place of an accepted run.
#[test]
fn a_reply_ends_within_an_accepted_run() {
    let engine = &mut open("micro-qwen", &DeviceChoice::cpu()).engine;
    let ids = prompt(0);
    let expected = decoded(engine, &ids, 24, Sampling::GREEDY, (0, &[]), &mut all).0;
    let proposals = (MOST_PROPOSED, &[&ids[..], &expected, &ids].concat()[..]);
    let mut within = 0;
    for end in 1..=20 {
        let stop = &mut |tokens: &[u32]| if tokens.len() == end { Flow::Stop } else { Flow::Continue };
        let (stopped, counts) = decoded(engine, &ids, 24, Sampling::GREEDY, proposals, stop);
        assert_eq!(stopped, expected[..end]);
        // The last step then has no token of its own behind those accepted.
        within += usize::from(counts.steps + counts.accepted > counts.tokens);
        // The cache goes on as if nothing else had been proposed.
        let mut rest = Vec::new();
        let take = |token| {
            rest.push(token);
            Ok(Flow::Continue)
        };
        engine.greedy(&expected[end - 1..end], 4, take).unwrap();
        assert_eq!(rest, expected[end..end + 4]);
        let (limited, counts) = decoded(engine, &ids, end, Sampling::GREEDY, proposals, &mut all);
        assert_eq!(limited, expected[..end]);
        assert_eq!(counts.steps, (end - 1).div_ceil(8), "only as many are proposed as may follow");
    }
    assert!(within > 10, "{within}");
}

#[test]
fn the_context_ends_a_reply() {
    let ids = prompt(0);
    let mut expected = Vec::new();
    for context in (27..=45).rev() {
        let spec = Spec::files(fixture("micro-qwen"));
        let engine = &mut load(&spec, &DeviceChoice::cpu(), Some(context), &mut ()).unwrap().engine;
        if expected.is_empty() {
            expected = decoded(engine, &ids, 99, Sampling::GREEDY, (0, &[]), &mut all).0;
        }
        let text = [&ids[..], &expected, &ids].concat();
        let (found, counts) = decoded(engine, &ids, 99, Sampling::GREEDY, (MOST_PROPOSED, &text), &mut all);
        assert_eq!(found, expected[..context + 1 - ids.len()]);
        assert!(counts.accepted > 0);
    }
}

#[test]
fn a_text_that_repeats_itself_takes_fewer_steps() {
    let mut model = open("tiny-qwen", &DeviceChoice::cpu());
    let text = std::fs::read_to_string(fixture("tiny-prose.txt")).unwrap();
    let ids = model.encode(&text[..300]).unwrap();
    let mut reply = |lookup: usize, stop: &[u32]| {
        model.stop = stop.to_vec();
        model.engine.truncate(0);
        let options = ReplyOptions { lookup, max_new_tokens: 40, ..ReplyOptions::default() };
        model.reply(&ids, &options, &mut |_| Ok(Flow::Continue))
    };
    let whole = reply(0, &[]).unwrap();
    assert_eq!(whole.lookup, None);
    let quick = reply(7, &[]).unwrap();
    assert_eq!((&quick.ids, &quick.text), (&whole.ids, &whole.text));
    let counts = quick.lookup.unwrap();
    assert_eq!((counts.tokens, counts.steps + counts.accepted), (39, 39));
    assert!(counts.accepted > 0, "{counts:?}");
    let a_step = 39.0 / counts.steps as f64;
    let said =
        format!("accepted {} of {} proposed tokens, {a_step:.1} tokens a step", counts.accepted, counts.proposed);
    assert_eq!(counts.to_string(), said);
    // Each token of the reply ends it in turn.
    for stop in whole.ids.iter().step_by(3) {
        let [slow, quick] = [0, 7].map(|lookup| reply(lookup, &[*stop]).unwrap());
        assert_eq!((&quick.ids, &quick.text), (&slow.ids, &slow.text));
        assert_eq!(quick.ids.iter().position(|id| id == stop), Some(quick.ids.len() - 1));
    }
    let error = reply(8, &[]).unwrap_err().to_string();
    assert!(error.contains("0 to 7 tokens"), "{error}");
}

/// Holds the logits of `m` rows in one verifying pass to those of the same tokens one by one, bit for bit.
fn hold_rows(model: &mut Model, m: usize, of: &str) {
    let engine = &mut model.engine;
    let ids: Vec<u32> = (0..2 + m as u32).map(|i| i * 53 % 90).collect();
    let (prompt, rows) = ids.split_at(2);
    engine.prefill(prompt).unwrap();
    let one_by_one: Vec<Vec<f32>> = rows.iter().map(|&id| engine.logits(&[id]).unwrap()).collect();
    engine.truncate(prompt.len());
    engine.place(rows).unwrap();
    let (plan, logits) = engine.verifier_plan(m, PassOutput::Logits);
    let program = engine.backend().prepare(&plan, false).unwrap();
    engine.backend().run(program).unwrap();
    let words = engine.backend().read(Some(program), logits).unwrap();
    let bits = |logits: &[f32]| logits.iter().map(|logit| logit.to_bits()).collect::<Vec<u32>>();
    for (row, (expected, found)) in one_by_one.iter().zip(words.chunks_exact(words.len() / m)).enumerate() {
        assert!(bits(expected) == found, "{of}: row {row} of {m}");
    }
}

#[test]
fn rows_are_as_alone_in_every_format() {
    let folder = fixture("tiny-qwen");
    let config = Config::from_json(&Checkpoint::open(&folder).unwrap().config, &folder).unwrap();
    let config = Config { num_hidden_layers: 1, vocab_size: 96, ..config };
    let hold = |quant: Option<QuantType>, device: &DeviceChoice, m: usize| {
        let spec = Spec::Random { name: "tiny".into(), config: Box::new(config.clone()), quant, lm_head: false };
        let mut model = load(&spec, device, Some(32), &mut ()).unwrap();
        let of = quant.map_or("bf16".into(), |quant| quant.to_string());
        hold_rows(&mut model, m, &format!("{of} on {device:?}"));
    };
    let methods = METHODS.iter().map(|&method| QuantType::from(Quant { method, bits: method.default_bits }));
    let blocks = ["q4_k", "q6_k"].map(|name| name.parse().unwrap());
    for quant in std::iter::once(None).chain(methods.chain(blocks).map(Some)) {
        devices().iter().for_each(|device| hold(quant, device, MOST_PROPOSED + 1));
        // Those that GPUs run.
        [Compute::Fast, Compute::Portable].map(emulated).iter().for_each(|device| hold(quant, device, 2));
    }
}

/// With norms of q's and k's heads, which attention of one row adds up as the step for several does.
#[test]
fn rows_of_other_families_are_as_alone() {
    for family in ["families/qwen3", "families/mistral", "quantized/gptq"] {
        for device in devices().into_iter().chain([Compute::Fast, Compute::Portable].map(emulated)) {
            let mut model = load(&Spec::files(fixture(family)), &device, Some(32), &mut ()).unwrap();
            hold_rows(&mut model, 3, &format!("{family} on {device:?}"));
        }
    }
}

/// Rows that are computed together decide together which columns of LLM.int8() are outliers; these must not.
#[test]
fn each_row_has_its_own_outliers() {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&fixture("quantized/int8"), copy.path());
    let file = copy.path().join("config.json");
    let config = std::fs::read_to_string(&file).unwrap();
    let lower = config.replace("\"llm_int8_threshold\": 6.0", "\"llm_int8_threshold\": 1.0");
    assert_ne!(config, lower);
    std::fs::write(&file, lower).unwrap();
    for device in devices().into_iter().chain([Compute::Fast, Compute::Portable].map(emulated)) {
        let mut model = load(&Spec::files(copy.path()), &device, Some(32), &mut ()).unwrap();
        hold_rows(&mut model, 3, &format!("LLM.int8() on {device:?}"));
    }
}

/// Scratch memory that a later program needs larger leaves the earlier one its own.
#[test]
fn an_earlier_program_keeps_its_scratch_memory() {
    for device in devices() {
        let mut model = load(&Spec::files(fixture("tiny-qwen")), &device, Some(8), &mut ()).unwrap();
        let engine = &mut model.engine;
        let before = engine.logits(&[5]).unwrap();
        engine.truncate(0);
        engine.all_logits(&[1, 2, 3, 4, 5, 6, 7], |_| Ok(())).unwrap();
        engine.truncate(0);
        assert_eq!(engine.logits(&[5]).unwrap(), before, "{device:?}");
    }
}
