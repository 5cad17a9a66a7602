//! Every kernel, variant, case and adapter: one named test each, made from the list.
//!
//! Outputs start as NaN, so an element that nobody wrote shows; a reference of zeros alone fails,
//! since it tests nothing; what an adapter lacks is ignored, not passed.

use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial as Test};
use qwgpu::formats;
use qwgpu::gpu::{self, Gpu, Options};
use qwgpu::plan::cpu::{Cpu, Mode};
use qwgpu::plan::trial::run_case;
use qwgpu::plan::{Backend, Case, Element, Kernel, Needs, Plan, Tensor, Variant};

fn main() {
    let arguments = Arguments::from_args();
    let mut tests = Vec::new();
    for kernel in formats::kernels() {
        for case in kernel.cases {
            if kernel.host.is_some() {
                tests.push(Test::test(format!("{}/host/{}/cpu", kernel.name, case.name), move || {
                    check(kernel, case, &mut Cpu::new(Mode::Host, u64::MAX))
                }));
            }
        }
    }
    let found = gpu::adapters();
    assert!(!found.is_empty(), "no adapter: install a Vulkan driver (mesa-vulkan-drivers has a software one)");
    for adapter in found {
        let label = format!("{}_{}", adapter.facts.index, adapter.facts.name.split(['(', ' ']).next().unwrap_or(""));
        on_adapter(&mut tests, &format!("{label}_webgpu"), adapter, true);
    }
    for adapter in gpu::adapters() {
        let label = format!("{}_{}", adapter.facts.index, adapter.facts.name.split(['(', ' ']).next().unwrap_or(""));
        on_adapter(&mut tests, &label, adapter, false);
    }
    libtest_mimic::run(&arguments, tests).exit();
}

/// The tests of one adapter: all variants it can run, or the portable ones under WebGPU's limits.
fn on_adapter(tests: &mut Vec<Test>, label: &str, adapter: gpu::Adapter, webgpu_limits: bool) {
    let options = Options { webgpu_limits, ..Options::default() };
    let small_only = is_slow(&adapter.facts);
    let gpu = Gpu::open(adapter, options).unwrap_or_else(|e| panic!("{label}: {e}"));
    let gpu = Arc::new(Mutex::new(gpu));
    let device = Arc::clone(&gpu);
    tests.push(Test::test(format!("views/{label}"), move || {
        views_share_memory(&mut *device.lock().unwrap_or_else(|e| e.into_inner()))
    }));
    for kernel in formats::kernels() {
        for variant in kernel.variants {
            if webgpu_limits && variant.needs != Needs::empty() {
                continue;
            }
            for case in kernel.cases {
                let device = Arc::clone(&gpu);
                let name = format!("{}/{}/{}/{label}", kernel.name, variant.name, case.name);
                let can_run = device.lock().unwrap_or_else(|e| e.into_inner()).can_run(variant);
                let run = move || {
                    let mut device = device.lock().unwrap_or_else(|e| e.into_inner());
                    on_gpu(kernel, variant, case, &mut device)
                };
                let test = Test::test(name, run);
                tests.push(if !can_run {
                    test.with_kind("not here").with_ignored_flag(true)
                } else if small_only && case.bench {
                    test.with_kind("too slow").with_ignored_flag(true)
                } else {
                    test
                });
            }
        }
    }
}

/// Drivers that take minutes for the shapes of real models: what those could show, the small shapes
/// and a quicker driver show too.
fn is_slow(facts: &gpu::Facts) -> bool {
    facts.class == gpu::Class::Software && (facts.backend == "gl" || facts.name.contains("SwiftShader"))
}

fn on_gpu(kernel: &'static Kernel, variant: &'static Variant, case: &Case, gpu: &mut Gpu) -> Result<(), Failed> {
    gpu.force(kernel, variant);
    check(kernel, case, gpu)
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
        let b = plan.head_norm("b", a, head, 1e-6);
        let c = plan.silu_mul("c", a, b);
        let d = plan.head_norm("d", c, head, 1e-6);
        let y = plan.silu_mul("y", b, d);
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

fn check(kernel: &'static Kernel, case: &Case, backend: &mut dyn Backend) -> Result<(), Failed> {
    match run_case(kernel, case, backend)? {
        Some(wrong) => Err(wrong.into()),
        None => Ok(()),
    }
}
