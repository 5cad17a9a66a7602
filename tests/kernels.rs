//! Every kernel, variant, case and adapter: one named test each, made from the list.
//!
//! Outputs start as NaN, so an element that nobody wrote shows; a reference of zeros alone fails,
//! since it tests nothing; what an adapter lacks is ignored, not passed.
//!
//! Emulated adapters run the small cases with subgroups of 4 to 128 lanes, and of 32 in other orders that WGSL allows;
//! there a finding fails a test, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial as Test};
use qwgpu::emulator::{EmulatedAdapter, Emulator, EmulatorOptions, Schedule, ShaderFinding};
use qwgpu::formats;
use qwgpu::gpu::tuning::{self, Candidate};
use qwgpu::gpu::{self, Gpu, Options};
use qwgpu::kernels::RopeKv;
use qwgpu::plan::cpu::{Cpu, Mode};
use qwgpu::plan::trial::Expected;
use qwgpu::plan::{Backend, Case, Element, Kernel, Needs, Plan, Tensor};

/// What a case's reference gives, computed by the first test that asks and given back with the last.
type Shared = Arc<OnceLock<Result<Expected, String>>>;

/// Emulated adapters: lanes of a subgroup, order, and its name.
const EMULATED: [(usize, Schedule, &str); 8] = [
    (4, Schedule::Forward, ""),
    (8, Schedule::Forward, ""),
    (16, Schedule::Forward, ""),
    (32, Schedule::Forward, ""),
    (64, Schedule::Forward, ""),
    (128, Schedule::Forward, ""),
    (32, Schedule::LanesStrided, ":strided"),
    (32, Schedule::SubgroupsDown, ":subgroups_down"),
];

fn main() {
    let arguments = Arguments::from_args();
    let mut tests = Vec::new();
    // All tests of a case stand together, so that few references are held at a time.
    let mut by_case: HashMap<*const Case, (Shared, Vec<Test>)> = HashMap::new();
    for kernel in formats::kernels().filter(|kernel| kernel.host.is_some()) {
        for case in kernel.cases {
            let (shared, tests) = by_case.entry(case).or_default();
            let shared = Arc::clone(shared);
            let run = move || check(expected(&shared, case)?, kernel, &mut Cpu::new(Mode::Host, u64::MAX));
            tests.push(Test::test(format!("{}/host/{}/cpu", kernel.name, case.name), run));
        }
    }
    for (limits, adapters) in [("_webgpu", gpu::adapters()), ("", gpu::adapters())] {
        assert!(!adapters.is_empty(), "no adapter: install a Vulkan driver (mesa-vulkan-drivers has a software one)");
        for adapter in adapters {
            let name = adapter.facts.name.split(['(', ' ']).next().unwrap_or("");
            let label = format!("{}_{name}{limits}", adapter.facts.index);
            on_adapter(&mut tests, &mut by_case, &label, adapter, !limits.is_empty());
        }
    }
    for (subgroup, schedule, order) in EMULATED {
        on_emulator(
            &mut by_case,
            &format!("emulated:{subgroup}{order}"),
            EmulatorOptions::sanitizing(subgroup, schedule),
        );
    }
    tests.push(Test::test("views/emulated:32", || views_share_memory(&mut emulator(EmulatorOptions::running(32)))));
    tests.push(Test::test("not_finite/cpu", || not_finite_shows(&mut Cpu::new(Mode::Reference, u64::MAX))));
    let emulated = || not_finite_shows(&mut emulator(EmulatorOptions::running(32)));
    tests.push(Test::test("not_finite/emulated:32", emulated));
    for case in formats::kernels().flat_map(|kernel| kernel.cases) {
        tests.extend(by_case.remove(&std::ptr::from_ref(case)).into_iter().flat_map(|(_, tests)| tests));
    }
    libtest_mimic::run(&arguments, tests).exit();
}

/// Adds the tests of one adapter: all variants it can run, or under WebGPU's limits the portable ones on small shapes.
fn on_adapter(
    tests: &mut Vec<Test>,
    by_case: &mut HashMap<*const Case, (Shared, Vec<Test>)>,
    label: &str,
    adapter: gpu::Adapter,
    webgpu_limits: bool,
) {
    let options = Options { webgpu_limits, ..Options::default() };
    let small_only = is_slow(&adapter.facts);
    let swiftshader = adapter.facts.name.contains("SwiftShader");
    let gpu = Gpu::open(adapter, options).unwrap_or_else(|e| panic!("{label}: {e}"));
    let gpu = Arc::new(Mutex::new(gpu));
    let device = Arc::clone(&gpu);
    tests.push(Test::test(format!("views/{label}"), move || {
        views_share_memory(&mut *device.lock().unwrap_or_else(|e| e.into_inner()))
    }));
    let device = Arc::clone(&gpu);
    tests.push(Test::test(format!("not_finite/{label}"), move || {
        not_finite_shows(&mut *device.lock().unwrap_or_else(|e| e.into_inner()))
    }));
    let own = |variant| Candidate { variant, constant: None };
    for kernel in formats::kernels() {
        let candidates = |variant| std::iter::once(own(variant)).chain(tuning::alternatives(kernel, variant));
        for candidate in kernel.variants.iter().flat_map(candidates) {
            let variant = candidate.variant;
            // Their limits are those of the variant itself.
            if webgpu_limits && candidate.constant.is_some() {
                continue;
            }
            // The emulation of cooperative matrices is for these tests alone; a small shape shows its indexing.
            let small = webgpu_limits || variant.name == "coop_emulated" || candidate.constant.is_some();
            if webgpu_limits && variant.needs != Needs::empty() {
                continue;
            }
            for case in kernel.cases.iter().filter(|case| !(small && case.bench)) {
                let device = Arc::clone(&gpu);
                let name = format!("{}/{candidate}/{}/{label}", kernel.name, case.name);
                let can_run = device.lock().unwrap_or_else(|e| e.into_inner()).can_run(variant);
                let (shared, tests) = by_case.entry(case).or_default();
                let shared = Arc::clone(shared);
                let run = move || {
                    let expected = expected(&shared, case)?;
                    let mut device = device.lock().unwrap_or_else(|e| e.into_inner());
                    device.choose(kernel, candidate);
                    check(expected, kernel, &mut *device)
                };
                let test = Test::test(name, run);
                // Its compiler takes minutes for this one; tuning names another variant for software adapters.
                let splits = ["attention_decode", "attention_rope"].contains(&kernel.name);
                let compiles = !(swiftshader && splits && variant.name == "portable");
                tests.push(if !can_run {
                    test.with_kind("not here").with_ignored_flag(true)
                } else if !compiles || small_only && case.bench {
                    test.with_kind("too slow").with_ignored_flag(true)
                } else {
                    test
                });
            }
        }
    }
}

fn emulator(settings: EmulatorOptions) -> Emulator {
    Emulator::new(EmulatedAdapter::new(settings, Options::default()), u64::MAX)
}

/// Adds the tests of one emulated adapter: all variants it can run on small shapes.
fn on_emulator(by_case: &mut HashMap<*const Case, (Shared, Vec<Test>)>, label: &str, settings: EmulatorOptions) {
    for kernel in formats::kernels() {
        for variant in kernel.variants {
            for case in kernel.cases.iter().filter(|case| !case.bench) {
                let (shared, tests) = by_case.entry(case).or_default();
                let shared = Arc::clone(shared);
                let run = move || {
                    let mut device = emulator(settings);
                    device.executor.force(kernel, variant);
                    let checked = check(expected(&shared, case)?, kernel, &mut device);
                    let steps = device.executor.outcomes.iter();
                    let findings = steps.flat_map(|step| {
                        let describe = |f: &ShaderFinding| format!("\n{}: {f:?}", step.step);
                        step.outcome.findings.all.iter().map(describe)
                    });
                    match (checked, findings.collect::<String>()) {
                        (Ok(()), findings) if findings.is_empty() => Ok(()),
                        (checked, findings) => Err(format!("{:?}{findings}", checked.err()).into()),
                    }
                };
                let test = Test::test(format!("{}/{}/{}/{label}", kernel.name, variant.name, case.name), run);
                let here = emulator(settings).executor.can_run(variant);
                tests.push(if here { test } else { test.with_kind("subgroups too small").with_ignored_flag(true) });
            }
        }
    }
}

/// Drivers that take minutes for the shapes of real models: what those could show, the small shapes
/// and a quicker driver show too.
fn is_slow(facts: &gpu::Facts) -> bool {
    facts.class == gpu::Class::Software && (facts.backend == "gl" || facts.name.contains("SwiftShader"))
}

/// Runs a plan that binds views of scratch tensors, with their memory shared, and compares with the reference,
/// where every tensor has its own.
fn views_share_memory(device: &mut dyn Backend) -> Result<(), Failed> {
    fn run(backend: &mut dyn Backend, keep: bool) -> qwgpu::Result<Vec<f32>> {
        let created = backend.residents();
        let mut filled = |rows: usize, cols: usize| -> qwgpu::Result<Tensor> {
            let tensor = backend.create("x", rows, cols, Element::F32)?;
            let words: Vec<u32> = (1..).take(rows * cols).map(|i| (i as f32 * 0.37).sin().to_bits()).collect();
            backend.write(None, tensor, 0, &words)?;
            Ok(tensor)
        };
        let (x, whole, head) = (filled(5, 96)?, filled(1, 96)?, filled(1, 16)?);
        let mut plan = Plan::new();
        let a = plan.rms_norm("a", x, 0, 5, whole, 1e-6);
        let heads = |plan: &mut Plan, name: &str, x: Tensor| {
            plan.rms_norm(name, x.reshaped(30, 16), 0, 30, head, 1e-6).reshaped(5, 96)
        };
        let b = heads(&mut plan, "b", a);
        let c = plan.rms_norm("c", a, 0, 5, b.first_rows(1), 1e-6);
        let d = heads(&mut plan, "d", c);
        let y = plan.rms_norm("y", d, 0, 5, b.first_rows(1), 1e-6);
        let program = backend.prepare(&plan, keep)?;
        backend.run(program)?;
        let words = backend.read(Some(program), y)?;
        backend.release(program);
        backend.keep_residents(created);
        Ok(words.into_iter().map(f32::from_bits).collect())
    }
    let expected = run(&mut Cpu::new(Mode::Reference, u64::MAX), true)?;
    let shared = run(&mut Cpu::new(Mode::Reference, u64::MAX), false)?;
    let found = run(device, false)?;
    if expected.iter().all(|value| *value == 0.0) || shared != expected {
        return Err("the reference's own views are wrong".into());
    }
    let difference = qwgpu::plan::compare::compare(&expected, &found);
    if difference.nmse < 1e-10 { Ok(()) } else { Err(format!("{difference:?}").into()) }
}

/// Puts keys and values that f16 cannot hold into a cache: finite ones become its largest value, others no number, so that
/// logits show them. None becomes infinite.
fn not_finite_shows(device: &mut dyn Backend) -> Result<(), Failed> {
    const VALUES: [f32; 4] = [7e4, -1e38, f32::INFINITY, f32::NAN];
    let created = device.residents();
    let mut filled = |rows: usize, cols: usize, element: Element, words: Vec<u32>| -> qwgpu::Result<Tensor> {
        let tensor = device.create("x", rows, cols, element)?;
        device.write(None, tensor, 0, &words)?;
        Ok(tensor)
    };
    let zero = filled(1, 1, Element::U32, vec![0])?;
    // Cosines of one and sines of zero.
    let table = filled(1, 4, Element::F32, [1.0f32, 1.0, 0.0, 0.0].map(f32::to_bits).to_vec())?;
    let head = VALUES.map(f32::to_bits);
    let qkv = filled(1, 12, Element::F32, [head, head, head].concat())?;
    let [k_cache, v_cache] = [filled(1, 4, Element::F16, vec![0; 2])?, filled(1, 4, Element::F16, vec![0; 2])?];
    let mut plan = Plan::new();
    plan.rope_kv("", RopeKv { position: zero, slot: zero, table, norms: None, qkv, k_cache, v_cache });
    let program = device.prepare(&plan, false)?;
    device.run(program)?;
    let cached = [device.read(None, k_cache)?, device.read(None, v_cache)?].map(|words| Element::F16.numbers(&words));
    device.release(program);
    device.keep_residents(created);
    // Not a number times the sine spreads to the other column of its pair.
    let [keys, values] = cached;
    let right = values[..2] == [65504.0, -65504.0]
        && values[2..].iter().all(|value| value.is_nan())
        && keys.iter().all(|key| key.is_nan() || key.abs() == 65504.0)
        && keys[2..].iter().all(|key| key.is_nan());
    if right { Ok(()) } else { Err(format!("{keys:?}, {values:?}").into()) }
}

/// Returns what the case's reference gives.
fn expected<'a>(shared: &'a Shared, case: &Case) -> Result<&'a Expected, Failed> {
    Ok(shared.get_or_init(|| Expected::of(case).map_err(|e| e.to_string())).as_ref()?)
}

fn check(expected: &Expected, kernel: &'static Kernel, backend: &mut dyn Backend) -> Result<(), Failed> {
    match expected.check(kernel, backend)?.fault {
        Some(wrong) => Err(wrong.into()),
        None => Ok(()),
    }
}
