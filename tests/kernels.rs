//! Every kernel, variant, case and adapter: one named test each, made from the list.
//!
//! Outputs start as NaN, so an element that nobody wrote shows; a reference of zeros alone fails,
//! since it tests nothing; what an adapter lacks is ignored, not passed.

use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial as Test};
use qwgpu::gpu::{self, Gpu, Options};
use qwgpu::kernels::KERNELS;
use qwgpu::plan::compare::compare;
use qwgpu::plan::cpu::{Cpu, Mode};
use qwgpu::plan::{Backend, Case, Element, Kernel, Needs, Place, ProgramId, Tensor, Trial, Variant};

const NAN: u32 = 0x7fc0_0000;

fn main() {
    let arguments = Arguments::from_args();
    let mut tests = Vec::new();
    for &kernel in KERNELS {
        for case in kernel.cases {
            if let Some(host) = &kernel.host {
                let nmse = host.nmse;
                tests.push(Test::test(format!("{}/host/{}/cpu", kernel.name, case.name), move || {
                    check(kernel, case, nmse, &mut Cpu::new(Mode::Host, u64::MAX))
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
    let gpu = Gpu::open(adapter, options).unwrap_or_else(|e| panic!("{label}: {e}"));
    let gpu = Arc::new(Mutex::new(gpu));
    for &kernel in KERNELS {
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
                tests.push(Test::test(name, run).with_ignored_flag(!can_run));
            }
        }
    }
}

fn on_gpu(kernel: &'static Kernel, variant: &'static Variant, case: &Case, gpu: &mut Gpu) -> Result<(), Failed> {
    gpu.force(kernel, variant);
    check(kernel, case, variant.nmse, gpu)
}

/// Runs a case by the reference and by `backend`, and compares.
fn check(kernel: &Kernel, case: &Case, nmse: f64, backend: &mut dyn Backend) -> Result<(), Failed> {
    let (trial, output) = Trial::new(case);
    let expected = run(&trial, output, &mut Cpu::new(Mode::Reference, u64::MAX))?;
    if expected.iter().all(|&word| word == 0) {
        return Err("the reference gives zeros only: the case tests nothing".into());
    }
    let found = run(&trial, output, backend)?;
    let close = match output.element {
        Element::F32 => {
            let d = compare(bytemuck::cast_slice(&expected), bytemuck::cast_slice(&found));
            let at = d.at;
            (d.nmse <= nmse).then_some(()).ok_or_else(|| {
                let (e, f) = (f32::from_bits(expected[at]), f32::from_bits(found[at]));
                format!("nmse {:.2e} above {nmse:.0e}; largest difference at {at}: expected {e}, found {f}", d.nmse)
            })
        }
        Element::U32 | Element::Bf16 => {
            let at = expected.iter().zip(&found).position(|(e, f)| e != f);
            at.map_or(Ok(()), |at| Err(format!("word {at}: expected {:#x}, found {:#x}", expected[at], found[at])))
        }
    };
    close.map_err(|message| format!("{}: {message}", kernel.name).into())
}

/// The output of a trial's plan; scratch starts as NaN.
fn run(trial: &Trial, output: Tensor, backend: &mut dyn Backend) -> Result<Vec<u32>, Failed> {
    let mut residents = Vec::new();
    for (tensor, words) in &trial.residents {
        let created = backend.create("case", tensor.rows, tensor.cols, tensor.element)?;
        backend.write(None, created, 0, words)?;
        residents.push(created.place);
    }
    // The trial counts its tensors from zero, the backend from what it holds already.
    let mut plan = trial.plan.clone();
    let place = |tensor: &mut Tensor| {
        if let Place::Resident(r) = tensor.place {
            tensor.place = residents[r as usize];
        }
    };
    for step in &mut plan.steps {
        step.bind.iter_mut().for_each(place);
    }
    let mut output = output;
    place(&mut output);
    let program: ProgramId = backend.prepare(&plan, true)?;
    for (number, tensor) in plan.scratch.iter().enumerate() {
        let tensor = Tensor { place: Place::Scratch(number as u32), ..*tensor };
        backend.write(Some(program), tensor, 0, &vec![NAN; tensor.words()])?;
    }
    backend.run(program)?;
    let words = backend.read(Some(program), output)?;
    backend.release(program);
    Ok(words)
}
