//! Tuning: the choice from times, the lists of candidates, and variants that are wrong.

use std::time::Duration;

use qwgpu::formats;
use qwgpu::generate::{Autotune, DeviceChoice, Engine, Opened, PassOutput, Run, Spec, load, load_on, tune};
use qwgpu::gpu::choices::Choices;
use qwgpu::gpu::tune::{CandidateResult, KernelChoice, KernelUse, ranking};
use qwgpu::gpu::tuning::Chunk;
use qwgpu::gpu::{self, Class, tuning};
use qwgpu::plan::Needs;
use qwgpu::plan::compare::compare;
use qwgpu::progress::Progress;

use crate::files::put;
use crate::micro;

#[test]
fn the_first_of_the_lists_stays_unless_another_is_clearly_faster() {
    let first = |seconds: &[Option<f64>]| ranking(seconds)[0];
    assert_eq!(first(&[Some(1.0), Some(0.98), Some(2.0)]), 0);
    assert_eq!(first(&[Some(1.0), Some(0.9), Some(0.8)]), 2);
    assert_eq!(ranking(&[Some(1.0), Some(0.9), Some(0.8)]), [2, 1, 0]);
    // What was not timed comes last, as listed; where nothing was, the lists decide.
    assert_eq!(ranking(&[Some(3.0), None, Some(2.0), None]), [2, 0, 1, 3]);
    assert_eq!(ranking(&[None, None, None]), [0, 1, 2]);
    assert_eq!(ranking(&[None, Some(5.0)]), [1, 0]);
    assert_eq!(ranking(&[]), [0; 0]);
}

#[test]
fn candidates_begin_as_the_lists_and_end_in_what_every_adapter_runs() {
    let mut tried: Vec<String> = Vec::new();
    for kernel in formats::kernels() {
        for class in [Class::Discrete, Class::Integrated, Class::Software, Class::Other] {
            for has in [Needs::empty(), Needs::SUBGROUP, Needs::SUBGROUP | Needs::SUBGROUP8, Needs::all()] {
                let candidates = tuning::candidates(kernel, class, has);
                let (variant, _) = tuning::choose(kernel, class, has, 32);
                assert!(std::ptr::eq(candidates[0].variant, variant) && candidates[0].constant.is_none());
                assert!(candidates.iter().all(|candidate| has.contains(candidate.variant.needs)), "{}", kernel.name);
                assert!(candidates.last().unwrap().variant.needs.is_empty(), "{}", kernel.name);
                let names: Vec<String> = candidates.iter().map(|c| format!("{} {c}", kernel.name)).collect();
                let mut once = names.clone();
                once.sort();
                once.dedup();
                assert_eq!(once.len(), names.len(), "{names:?}");
                tried.extend(names);
            }
        }
    }
    // A kernel, a variant or a constant that does not exist would be ignored.
    for listed in tuning::ALTERNATIVES {
        let kernel = listed.kernel.trim_end_matches('*');
        for value in listed.values {
            let end = format!(" {} {}={value}", listed.variant, listed.constant);
            assert!(tried.iter().any(|name| name.starts_with(kernel) && name.ends_with(&end)), "{kernel}{end}");
        }
    }
}

/// Returns the use of a kernel in a step that decodes.
fn of(engine: &Engine, kernel: &str) -> KernelUse {
    let uses = KernelUse::of(&engine.plan(1, PassOutput::Token).0);
    uses.into_iter().find(|of| of.kernel.name == kernel).unwrap()
}

fn adapters() -> impl Iterator<Item = DeviceChoice> {
    let named = |a: gpu::Adapter| DeviceChoice { device: Some(a.facts.index.to_string()), ..DeviceChoice::default() };
    gpu::adapters().into_iter().map(named)
}

#[test]
fn a_wrong_variant_is_named_and_the_next_one_runs() {
    for device in adapters() {
        let spec = Spec::files(micro::folder());
        let mut whole = load(&spec, &device, Some(64), &mut ()).unwrap();
        let matvec = of(&whole.engine, "matvec_bf16");
        let first = whole.engine.gpu().unwrap().candidates(&matvec)[0].variant;
        // Every value goes to the place of the next one, and nobody stores the first.
        let shaders = tempfile::tempdir().unwrap();
        let file = first.wgsl.iter().find(|file| file.text.contains("store_row(m, ")).unwrap();
        put(shaders.path(), &format!("{}.wgsl", file.stem), file.text.replace("store_row(m, ", "store_row(m, 1u + "));
        let edited = DeviceChoice { shaders: Some(shaders.path().to_owned()), ..device };
        let mut model = load(&spec, &edited, Some(64), &mut ()).unwrap();
        let edited = of(&model.engine, "matvec_bf16");
        let gpu = model.engine.gpu().unwrap();
        // Without time nothing is timed, so that the lists decide.
        let choice = gpu.tune(&edited, Duration::ZERO);
        assert!(choice.candidates.iter().all(|tried| tried.seconds.is_none()), "{choice:?}");
        let fault = choice.candidates[0].fault.clone().unwrap();
        assert!(fault.contains("nmse"), "{fault}");
        let next = choice.candidates.iter().find(|tried| tried.fault.is_none());
        let runs = gpu.variant(edited.kernel).0;
        let instead = match next {
            Some(next) => format!("{} runs instead", next.name),
            // Some software adapters have one candidate alone.
            None => format!("no variant is right, {} runs", first.name),
        };
        let winner = next.map_or(first.name, |next| &next.name);
        assert_eq!((&*choice.winner, &*choice.earlier, choice.cases > 0), (winner, first.name, next.is_some()));
        assert!(winner.starts_with(runs.name) && (next.is_none() || !std::ptr::eq(runs, first)), "{winner}: {runs:?}");
        let notices = choice.notices();
        for word in ["matvec_bf16: variant", first.name, &fault, &instead] {
            assert!(notices[0].contains(word), "{word}: {notices:?}");
        }
        // With the shaders as they are, nothing is at fault and the first stays.
        let choice = whole.engine.gpu().unwrap().tune(&matvec, Duration::ZERO);
        assert_eq!((choice.winner.as_str(), choice.notices().len()), (first.name, 0));
    }
}

#[test]
fn constants_that_steps_have_anyway_are_no_candidates() {
    let device = DeviceChoice { without: Needs::all(), ..DeviceChoice::default() };
    let mut model = load(&Spec::files(micro::folder()), &device, Some(64), &mut ()).unwrap();
    let names = |kernel, engine: &mut Engine| {
        let of = of(engine, kernel);
        engine.gpu().unwrap().candidates(&of).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // `rms_norm` has 128 lanes by itself.
    assert_eq!(names("rms_norm", &mut model.engine), ["portable", "portable WG=64", "portable WG=256"]);
    let software = model.engine.gpu().unwrap().facts.class == Class::Software;
    let expected = if software { vec!["whole"] } else { vec!["portable"] };
    assert_eq!(names("attention_decode", &mut model.engine), expected);
}

/// Words of the progress of loading.
#[derive(Default)]
struct Words {
    timed: Vec<String>,
    notes: Vec<String>,
}

impl Progress for Words {
    fn at(&mut self, what: &str, _: u64, _: u64) -> qwgpu::Result<()> {
        self.timed.extend(what.strip_prefix("tuning ").map(str::to_owned));
        Ok(())
    }

    fn note(&mut self, line: &str) {
        self.notes.push(line.to_owned());
    }
}

#[test]
fn the_first_start_on_a_gpu_tunes_and_the_next_one_reads() {
    let name = format!("a GPU of test {}", std::process::id());
    // An adapter that passes for a GPU, and has a file of its own.
    let start = |autotune| {
        let mut gpu = DeviceChoice::default().open_gpu().unwrap();
        (gpu.facts.name, gpu.facts.class) = (name.clone(), Class::Integrated);
        let (file, run) = (Choices::read(&gpu).file().unwrap(), Run::on(&gpu.facts, gpu.path()));
        let opened = Opened { backend: Box::new(gpu), run, chunk: Chunk::any(32), autotune };
        let mut words = Words::default();
        let mut model = load_on(&Spec::files(micro::folder()), opened, Some(64), &mut words).unwrap();
        let logits = model.engine.logits(&[5, 9, 200, 31]).unwrap();
        let gpu = model.engine.gpu().unwrap();
        let runs: Vec<_> = formats::kernels().map(|kernel| format!("{kernel:?} {:?}", gpu.variant(kernel))).collect();
        (file, words, logits, runs)
    };
    // Its compiler takes minutes for what is meant for GPUs.
    if DeviceChoice::default().open_gpu().unwrap().facts.name.contains("SwiftShader") {
        return;
    }
    let (file, words, expected, _) = start(Autotune::Off);
    assert!(words.timed.is_empty() && words.notes.is_empty() && !file.exists());
    let (_, words, logits, runs) = start(Autotune::Auto);
    assert!(words.timed.contains(&"matvec_bf16".to_owned()) && words.timed.contains(&"matmul_bf16".to_owned()));
    assert!(words.notes.iter().all(|note| note.starts_with("tuned: ")), "{:?}", words.notes);
    for autotune in [Autotune::Auto, Autotune::Kept] {
        let (_, again, same_logits, same_runs) = start(autotune);
        assert!(again.timed.is_empty(), "{:?}", again.timed);
        assert_eq!((&again.notes, &same_logits, &same_runs), (&words.notes, &logits, &runs));
    }
    std::fs::remove_file(&file).unwrap();
    let difference = compare(&expected, &logits);
    assert!(difference.nmse < 1e-8, "{difference:?}");
}

#[test]
fn where_no_variant_is_right_a_notice_says_so() {
    let tried = |name: &str| CandidateResult { name: name.into(), seconds: None, fault: Some("nmse 1e0".into()) };
    let choice = KernelChoice {
        kernel: "rope_kv".into(),
        shapes: Vec::new(),
        candidates: vec![tried("subgroup"), tried("portable")],
        winner: "portable".into(),
        earlier: "subgroup".into(),
        cases: 0,
    };
    let notices = choice.notices();
    assert_eq!(notices.len(), 2);
    assert!(notices.iter().all(|notice| notice.contains("no variant is right") && notice.contains("qwgpu doctor")));
}

#[test]
fn shapes_are_those_of_the_models_steps() {
    let mut model = load(&Spec::files(micro::folder()), &DeviceChoice::cpu(), Some(64), &mut ()).unwrap();
    let plan = model.engine.plan(1, PassOutput::Token).0;
    let uses = KernelUse::of(&plan);
    let steps: usize = uses.iter().flat_map(|of| &of.shapes).map(|shape| shape.count).sum();
    assert_eq!(steps, plan.steps.len());
    let matvec = uses.iter().find(|of| of.kernel.name == "matvec_bf16").unwrap();
    assert!(matvec.names().iter().any(|name| name.starts_with("1 of 1x320x64")), "{:?}", matvec.names());
    let error = tune(&mut model.engine, &mut ()).unwrap_err().to_string();
    assert!(error.contains("an adapter with a driver"), "{error}");
}
